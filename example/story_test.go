package main_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
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

		bob.call("DELETE", "/api"+path, "", nil)
		expectStamps(t, db, "Groceries", stamps{"bob", "alice", "bob"})

		var trash noteList
		bob.call("GET", "/api/notes?list=trash", "", &trash)
		if len(trash.Notes) != 1 || trash.Notes[0].DeletedBy == nil || *trash.Notes[0].DeletedBy != *created.CreatedBy {
			t.Errorf("trash = %+v, want the note, deleted by its creator", trash.Notes)
		}

		alice.submit("/?list=trash", path+"/restore", nil)
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

// An import answers at once and goes on as the same person, also while the
// server shuts down.
func TestImportOutlivesItsRequest(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no interrupt for a process, and one that is killed forgets its jobs")
	}
	dir := t.TempDir()
	s := startServerIn(t, dir)
	carol := signIn(t, s, "carol", seedPassword)
	var text strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&text, "Imported %d\r\nText\r\n\r\n", i)
	}
	if a := carol.submit("/notes/import", "/notes/import", url.Values{"text": {text.String()}}); !strings.Contains(a.Body, "5000 notes on the way") {
		t.Errorf("import answered %d without saying what happens", a.Status)
	}
	s.stop(t)
	var total, carols int
	err := s.database(t).QueryRow(`SELECT count(*), count(CASE WHEN users.name = 'carol' THEN 1 END)
		FROM notes LEFT JOIN users ON users.id = notes.created_by WHERE title LIKE 'Imported %'`).Scan(&total, &carols)
	if err != nil || total != 5000 || carols != 5000 {
		t.Errorf("imported = %d notes, %d of them carol's, %v; want 5000, 5000, nil", total, carols, err)
	}
}
