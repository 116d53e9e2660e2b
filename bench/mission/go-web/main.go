// A web server that greets: the program of all six images.
package main

import (
	"fmt"
	"log"
	"net/http"
)

func main() {
	http.HandleFunc("/", func(answer http.ResponseWriter, question *http.Request) {
		fmt.Fprintf(answer, "hello from %s\n", question.URL.Path)
	})
	log.Fatal(http.ListenAndServe(":8080", nil))
}
