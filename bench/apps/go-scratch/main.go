package main

import (
	"crypto/x509"
	"fmt"
	"html/template"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "version" {
		fmt.Println("shop 1.0")
		return
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		t, err := template.ParseGlob("/web/*.tmpl")
		if err != nil {
			http.Error(w, err.Error(), 500)
			return
		}
		t.ExecuteTemplate(w, "index.tmpl", r.URL.Query().Get("name"))
	})
	http.Handle("/static/", http.StripPrefix("/static/", http.FileServer(http.Dir("/web/static"))))
	http.HandleFunc("/when", func(w http.ResponseWriter, r *http.Request) {
		zone, err := time.LoadLocation(r.URL.Query().Get("zone"))
		if err != nil {
			http.Error(w, err.Error(), 404)
			return
		}
		fmt.Fprint(w, time.Date(2024, 7, 1, 12, 0, 0, 0, time.UTC).In(zone).Format("15:04 MST"))
	})
	http.HandleFunc("/authorities", func(w http.ResponseWriter, r *http.Request) {
		pool, err := x509.SystemCertPool()
		if err != nil {
			http.Error(w, err.Error(), 500)
			return
		}
		fmt.Fprint(w, len(pool.Subjects()) > 50)
	})
	http.HandleFunc("/port", func(w http.ResponseWriter, r *http.Request) {
		port, err := net.LookupPort("tcp", r.URL.Query().Get("name"))
		fmt.Fprint(w, port, err)
	})
	http.HandleFunc("/fetch", func(w http.ResponseWriter, r *http.Request) {
		response, err := http.Get(r.URL.Query().Get("url"))
		if err != nil {
			http.Error(w, err.Error(), 502)
			return
		}
		io.Copy(w, response.Body)
	})
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() { <-stop; log.Print("bye"); os.Exit(0) }()
	log.Print("listening")
	if key := os.Getenv("TLS_KEY"); key != "" {
		log.Fatal(http.ListenAndServeTLS(":8080", os.Getenv("TLS_CERT"), key, nil))
	}
	log.Fatal(http.ListenAndServe(":8080", nil))
}
