// Command tenants keeps each tenant in a PostgreSQL schema of its own. A
// transaction chooses the schema by its search_path, and each schema has its own
// history.
//
//	DATABASE_URL=postgres://… go run ./example/tenants
//	curl -u 42:swordfish localhost:8081/notes -d title=Hello
//	curl -u 42:swordfish localhost:8081/history
package main

import (
	"cmp"
	"errors"
	"log"
	"net/http"
	"os"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

type Note struct {
	gorm.Model
	gormaudit.SoftBy[uint]
	Title string
}

// schemas are the users' tenants: no request can choose one.
var schemas = map[string]string{"42": "acme", "7": "globex"}

// inTenant runs f in a transaction of the tenant whose user makes the request.
func inTenant(db *gorm.DB, f func(tx *gorm.DB, w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		schema, ok := schemas[user]
		if !ok || password != "swordfish" {
			http.Error(w, "please sign in", http.StatusUnauthorized)
			return
		}
		ctx := actor.NewContext(r.Context(), actor.User(user))
		err := db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
			if err := tx.Exec("SELECT set_config('search_path', ?, true)", schema).Error; err != nil { // until it ends
				return err
			}
			return f(tx, w, r)
		})
		if err != nil {
			log.Print(err)
			http.Error(w, "that failed", http.StatusInternalServerError)
		}
	}
}

// migrate makes a tenant's schema, tables and history, or brings them up to date.
func migrate(db *gorm.DB, schema string) error {
	return db.Connection(func(tx *gorm.DB) error {
		if err := tx.Exec(`CREATE SCHEMA IF NOT EXISTS "` + schema + `"; SET search_path = "` + schema + `"`).Error; err != nil {
			return err
		}
		return errors.Join(history.Migrate(tx, &Note{}), tx.Exec("RESET search_path").Error)
	})
}

func main() {
	db, err := gorm.Open(postgres.Open(os.Getenv("DATABASE_URL")))
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(db.Use(gormaudit.New()), db.Use(history.New())); err != nil {
		log.Fatal(err)
	}
	for _, schema := range schemas {
		if err := migrate(db, schema); err != nil {
			log.Fatal(err)
		}
	}
	http.HandleFunc("POST /notes", inTenant(db, func(tx *gorm.DB, _ http.ResponseWriter, r *http.Request) error {
		return tx.Create(&Note{Title: r.FormValue("title")}).Error
	}))
	http.HandleFunc("GET /history", inTenant(db, func(tx *gorm.DB, w http.ResponseWriter, _ *http.Request) error {
		return history.WriteNDJSON(w, history.All(tx, history.Query{}))
	}))
	log.Fatal(http.ListenAndServe(cmp.Or(os.Getenv("ADDR"), "localhost:8081"), nil))
}
