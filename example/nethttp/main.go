// Command nethttp stamps rows in a service on net/http alone. A middleware of its
// own says who makes a request; chi takes the same one.
//
//	go run ./example/nethttp
//	curl -u 42:swordfish localhost:8081/notes -d title=Hello
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"os"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	_ "modernc.org/sqlite" // the driver "sqlite", which needs no C compiler

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

type Note struct {
	gorm.Model
	gormaudit.SoftBy[uint] // created_by, updated_by, deleted_by
	Title                  string
}

// withActor says who makes a request, behind whatever authenticates: here HTTP's
// basic authentication, with one password for everybody.
func withActor(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, password, ok := r.BasicAuth()
		if ok && password != "swordfish" {
			http.Error(w, "wrong password", http.StatusUnauthorized)
			return
		}
		ctx := actor.NewContext(r.Context(), actor.User(id)) // an empty id is a visitor who is not signed in
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func createNote(db *gorm.DB) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		note := Note{Title: r.FormValue("title")}
		if err := db.WithContext(r.Context()).Create(&note).Error; err != nil { // stamped
			log.Print(err)
			http.Error(w, "the note can't be created", http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(note)
	}
}

func main() {
	const dsn = "notes.db?_pragma=busy_timeout(10000)&_txlock=immediate"
	db, err := gorm.Open(sqlite.New(sqlite.Config{DriverName: "sqlite", DSN: dsn}))
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(db.Use(gormaudit.New()), db.AutoMigrate(&Note{})); err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST /notes", createNote(db))
	address := cmp.Or(os.Getenv("ADDR"), "localhost:8081")
	log.Fatal(http.ListenAndServe(address, withActor(http.DefaultServeMux)))
}
