// Command rls keeps each user to their own rows by PostgreSQL's row-level
// security, whatever the program asks for. Here GET /documents has no WHERE.
//
// OWNER_URL is the account that owns the tables, DATABASE_URL the one that the
// program works with: policies don't apply to owners.
//
//	psql $OWNER_URL -c "CREATE ROLE clerk LOGIN PASSWORD '…'"
//	OWNER_URL=postgres://… DATABASE_URL=postgres://clerk:…@… go run ./example/rls
//	curl -u 42:swordfish localhost:8081/documents -d title=Hello
//	curl -u 7:swordfish localhost:8081/documents
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

// Document belongs to whoever created it: no request can write created_by.
type Document struct {
	ID uint
	gormaudit.By[int64]
	Title string
}

const policies = `
ALTER TABLE documents ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS own ON documents;
CREATE POLICY own ON documents
  USING (created_by = (SELECT whodunit_user_id()::bigint))
  WITH CHECK (created_by = (SELECT whodunit_user_id()::bigint));
GRANT SELECT, INSERT, UPDATE, DELETE ON documents TO %[1]q;
GRANT USAGE ON SEQUENCE documents_id_seq TO %[1]q`

// migrate makes the table, its history and its policies, for the account of db.
func migrate(db *gorm.DB) error {
	owner, err := gorm.Open(postgres.Open(os.Getenv("OWNER_URL")))
	if err != nil {
		return err
	}
	var account string
	if err := db.Raw("SELECT current_user").Scan(&account).Error; err != nil {
		return err
	}
	if err := history.Migrate(owner, &Document{}); err != nil {
		return err
	}
	return owner.Exec(fmt.Sprintf(policies, account)).Error
}

// signedIn gives a handler the database as the user who makes a request sees it.
func signedIn(db *gorm.DB, handle func(db *gorm.DB, w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if password != "swordfish" {
			http.Error(w, "please sign in", http.StatusUnauthorized)
			return
		}
		ctx := actor.NewContext(r.Context(), actor.User(user))
		if err := handle(db.WithContext(ctx), w, r); err != nil {
			log.Print(err)
			http.Error(w, "that failed", http.StatusInternalServerError)
		}
	}
}

func list(db *gorm.DB, w http.ResponseWriter, _ *http.Request) error {
	var documents []Document
	if err := db.Find(&documents).Error; err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(documents)
}

func create(db *gorm.DB, _ http.ResponseWriter, r *http.Request) error {
	return db.Create(&Document{Title: r.FormValue("title")}).Error
}

func main() {
	db, err := gorm.Open(postgres.Open(os.Getenv("DATABASE_URL")))
	if err != nil {
		log.Fatal(err)
	}
	if err := migrate(db); err != nil {
		log.Fatal(err)
	}
	attribute := history.NewWithConfig(history.Config{AttributeAll: true}) // reads, too
	if err := errors.Join(db.Use(gormaudit.New()), db.Use(attribute)); err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /documents", signedIn(db, list))
	http.HandleFunc("POST /documents", signedIn(db, create))
	log.Fatal(http.ListenAndServe(cmp.Or(os.Getenv("ADDR"), "localhost:8081"), nil))
}
