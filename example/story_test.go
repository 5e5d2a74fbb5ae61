package main_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// Two people work on one note, one by pages and one by the API, and the rows
// say who did what.
func TestTwoPeopleOneNote(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *server, db *sql.DB) {
		alice := signIn(t, s, "alice", seedPassword)
		bob := apiSignIn(t, s, "bob")

		var created note
		status := bob.call("POST", "/api/notes", `{"title":"Groceries","body":"Milk"}`, &created)
		if status != http.StatusCreated {
			t.Fatalf("create = %d, want 201", status)
		}
		expectStamps(t, db, "Groceries", stamps{"bob", "bob", "NULL"})

		path := fmt.Sprintf("/notes/%d", created.ID)
		alice.submit(path, path, url.Values{"title": {"Groceries"}, "body": {"Milk, eggs"}, "version": {"1"}})
		expectStamps(t, db, "Groceries", stamps{"bob", "alice", "NULL"})
		var byName int // of the session that alice's sign-in began
		if err := db.QueryRow("SELECT count(*) FROM whodunit_change_sets WHERE actor_name = 'alice'").Scan(&byName); err != nil || byName != 1 {
			t.Errorf("%d change sets have the name of alice, %v, want 1", byName, err)
		}

		bob.call("DELETE", "/api"+path, "", nil)
		expectStamps(t, db, "Groceries", stamps{"bob", "alice", "bob"})

		var trash noteList
		bob.call("GET", "/api/notes?list=trash", "", &trash)
		if len(trash.Notes) != 2 || trash.Notes[0].DeletedBy == nil || *trash.Notes[0].DeletedBy != *created.CreatedBy {
			t.Errorf("trash = %+v, want the note first, deleted by its creator", trash.Notes)
		}

		alice.submit("/notes?list=trash", path+"/restore", nil)
		expectStamps(t, db, "Groceries", stamps{"bob", "alice", "NULL"})
	})
}

// A body that names somebody else in a by-column comes to nothing.
func TestForgedByColumns(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *server, db *sql.DB) {
		bob := apiSignIn(t, s, "bob")
		alice := signIn(t, s, "alice", seedPassword)
		const forged = `"id":1,"created_by":1,"updated_by":1,"deleted_by":1,"CreatedBy":1,"created_at":"2001-02-03T04:05:06Z"`

		var created note
		bob.call("POST", "/api/notes", `{"title":"From JSON",`+forged+`}`, &created)
		expectStamps(t, db, "From JSON", stamps{"bob", "bob", "NULL"})
		bob.call("PUT", fmt.Sprintf("/api/notes/%d", created.ID), `{"title":"From JSON again",`+forged+`}`, nil)
		expectStamps(t, db, "From JSON again", stamps{"bob", "bob", "NULL"})

		form := url.Values{"created_by": {"1"}, "CreatedBy": {"1"}, "updated_by": {"1"}, "deleted_by": {"1"}, "id": {"1"}}
		form.Set("title", "From a form")
		alice.submit("/notes/new", "/notes", form)
		expectStamps(t, db, "From a form", stamps{"alice", "alice", "NULL"})
	})
}

func TestSeedAndArchiverSignTheirRows(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *server, db *sql.DB) {
		expectStamps(t, db, "Welcome", stamps{"seed", "seed", "NULL"})
		deadline := time.Now().Add(time.Minute)
		want := stamps{"seed", "archiver", "NULL"}
		for stampsOf(t, db, "Summer party") != want && time.Now().Before(deadline) {
			time.Sleep(50 * time.Millisecond)
		}
		expectStamps(t, db, "Summer party", want)
	})
}
