// Command historyweb shows the history of a table as a page, and nothing else: no
// by-columns, no Echo. Open http://localhost:8081/history/ and sign in as 42 with
// the password "swordfish".
//
//	go run ./example/historyweb
package main

import (
	"cmp"
	"context"
	"errors"
	"log"
	"net/http"
	"os"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	_ "modernc.org/sqlite" // the driver "sqlite", which needs no C compiler

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
)

type Note struct {
	ID    uint
	Title string
}

// signIn asks for a password, and says who a request is. The page shows nothing
// to anybody who is not signed in.
func signIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, password, _ := r.BasicAuth()
		if password != "swordfish" {
			w.Header().Set("WWW-Authenticate", `Basic realm="history"`)
			http.Error(w, "please sign in", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(actor.NewContext(r.Context(), actor.User(id))))
	})
}

// write makes something to look at.
func write(db *gorm.DB) error {
	note := Note{Title: "Milk"}
	bob := actor.NewContext(context.Background(), actor.User(7))
	carol := actor.NewContext(context.Background(), actor.User(42))
	return errors.Join(
		db.WithContext(bob).Create(&note).Error,
		db.WithContext(carol).Model(&note).Update("title", "Milk, eggs").Error,
	)
}

func main() {
	const dsn = "notes.db?_pragma=busy_timeout(10000)&_txlock=immediate"
	db, err := gorm.Open(sqlite.New(sqlite.Config{DriverName: "sqlite", DSN: dsn}))
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(db.Use(history.New()), history.Migrate(db, &Note{}), write(db)); err != nil {
		log.Fatal(err)
	}
	page := historyweb.Handler(db, historyweb.Config{
		Tables: []historyweb.Table{historyweb.For[Note](historyweb.Table{})},
	})
	http.Handle("/history/", signIn(page))
	log.Fatal(http.ListenAndServe(cmp.Or(os.Getenv("ADDR"), "localhost:8081"), nil))
}
