package main

// #cgo LDFLAGS: -lsqlite3
// #include <sqlite3.h>
// #include <stdlib.h>
import "C"

import (
	"fmt"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"time"
	"unsafe"
)

var database *C.sqlite3

// The first column of each row.
func query(sql, argument string) ([]string, error) {
	text, value := C.CString(sql), C.CString(argument)
	defer C.free(unsafe.Pointer(text))
	defer C.free(unsafe.Pointer(value))
	var statement *C.sqlite3_stmt
	if C.sqlite3_prepare_v2(database, text, -1, &statement, nil) != C.SQLITE_OK {
		return nil, fmt.Errorf("%s", C.GoString(C.sqlite3_errmsg(database)))
	}
	defer C.sqlite3_finalize(statement)
	C.sqlite3_bind_text(statement, 1, value, -1, nil)
	rows := []string{}
	for C.sqlite3_step(statement) == C.SQLITE_ROW {
		rows = append(rows, C.GoString((*C.char)(unsafe.Pointer(C.sqlite3_column_text(statement, 0)))))
	}
	return rows, nil
}

func show(w http.ResponseWriter, value any, err error) {
	if err != nil {
		http.Error(w, err.Error(), 500)
		return
	}
	fmt.Fprint(w, value)
}

func main() {
	os.MkdirAll("/data", 0o755)
	path := C.CString("/data/notes.db")
	if C.sqlite3_open(path, &database) != C.SQLITE_OK {
		log.Fatal("no database")
	}
	if _, err := query("create table if not exists notes (text text)", ""); err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/notes", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			body, _ := io.ReadAll(r.Body)
			query("insert into notes values (?)", string(body))
			w.WriteHeader(201)
			return
		}
		rows, err := query("select text from notes", "")
		show(w, rows, err)
	})
	http.HandleFunc("/search", func(w http.ResponseWriter, r *http.Request) {
		query("create virtual table temp.f using fts5(text)", "")
		query("insert into f select text from notes", "")
		rows, err := query("select text from f where f match ?", r.URL.Query().Get("q"))
		query("drop table f", "")
		show(w, rows, err)
	})
	http.HandleFunc("/user", func(w http.ResponseWriter, r *http.Request) {
		u, err := user.Lookup(r.URL.Query().Get("name"))
		if err != nil {
			http.Error(w, err.Error(), 404)
			return
		}
		show(w, u.Uid+":"+u.HomeDir, nil)
	})
	http.HandleFunc("/host", func(w http.ResponseWriter, r *http.Request) {
		addresses, err := net.LookupHost(r.URL.Query().Get("name"))
		show(w, addresses, err)
	})
	http.HandleFunc("/zone", func(w http.ResponseWriter, r *http.Request) {
		show(w, time.Date(2024, 7, 1, 12, 0, 0, 0, time.UTC).Local().Format("15:04 MST"), nil)
	})
	http.HandleFunc("/type", func(w http.ResponseWriter, r *http.Request) {
		show(w, mime.TypeByExtension(r.URL.Query().Get("of")), nil)
	})
	http.HandleFunc("/child", func(w http.ResponseWriter, r *http.Request) {
		out, err := exec.Command("/bin/sh", "-c", "echo from-a-shell | tr a-z A-Z").Output()
		show(w, string(out), err)
	})
	log.Print("listening")
	log.Fatal(http.ListenAndServe(":8080", nil))
}
