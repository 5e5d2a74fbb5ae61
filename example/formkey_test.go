package main_test

import (
	"database/sql"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// A form that is sent twice creates one note, also where the answer to the
// first was lost, and whichever process it comes to.
func TestFormSentTwice(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *server, db *sql.DB) {
		bob := signIn(t, s, "bob", seedPassword)
		form := bob.get("/notes/new").form(t, "/notes")
		form.Set("title", "Once")
		var clicks sync.WaitGroup
		for range 10 {
			// The clicks share cookies, so one may show the message of another.
			clicks.Go(func() { expect(t, "click", bob.post("/notes", form), http.StatusOK) })
		}
		clicks.Wait()
		expect(t, "save", bob.post("/notes", form), http.StatusOK, "“Once” is saved.")
		expectRow(t, db, "SELECT count(*) FROM notes WHERE title = 'Once'", "1")
		expectStamps(t, db, "Once", stamps{"bob", "bob", "NULL"})

		// Another form is another note, and so is what is sent without a form.
		bob.submit("/notes/new", "/notes", url.Values{"title": {"Twice"}})
		bob.submit("/notes/new", "/notes", url.Values{"title": {"Twice"}})
		bob.post("/notes", url.Values{"title": {"Programmed"}})
		bob.post("/notes", url.Values{"title": {"Programmed"}, "key": {""}})
		bob.post("/notes", url.Values{"title": {"Programmed"}, "key": {strings.Repeat("x", 1000)}})
		expectRow(t, db, "SELECT count(*) FROM notes WHERE title = 'Twice'", "2")
		expectRow(t, db, "SELECT count(*) FROM notes WHERE title = 'Programmed'", "3")

		// The key stays with a form that has to be mended.
		form = bob.get("/notes/new").form(t, "/notes")
		mended := bob.post("/notes", form).form(t, "/notes")
		if mended.Get("key") != form.Get("key") || form.Get("key") == "" {
			t.Errorf("key of the form = %q, then %q, want the same", form.Get("key"), mended.Get("key"))
		}

		// Whoever goes back to a form and writes something else means that.
		form.Set("title", "First")
		bob.post("/notes", form)
		form.Set("title", "Second")
		bob.post("/notes", form)
		expectStamps(t, db, "First", stamps{"bob", "bob", "NULL"})
		expectStamps(t, db, "Second", stamps{"bob", "bob", "NULL"})

		// Somebody else's form is somebody else's note.
		expect(t, "with bob's key", signIn(t, s, "carol", seedPassword).post("/notes", form), http.StatusOK)
		expectRow(t, db, "SELECT count(DISTINCT created_by) FROM notes WHERE title = 'Second'", "2")
	})
}

func TestImportSentTwice(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *server, db *sql.DB) {
		bob := signIn(t, s, "bob", seedPassword)
		form := bob.get("/notes/import").form(t, "/notes/import")
		form.Set("text", imports("Imported", 50).Get("text"))
		var clicks sync.WaitGroup
		for range 3 {
			clicks.Go(func() { expect(t, "import", bob.post("/notes/import", form), http.StatusOK) })
		}
		clicks.Wait()
		s.stop(t) // when the jobs are done
		expectRow(t, db, "SELECT count(*) FROM notes WHERE title LIKE 'Imported %'", "50")
		expectRow(t, db, "SELECT count(*) FROM notes WHERE title LIKE 'Imported %' AND created_by = (SELECT id FROM users WHERE name = 'bob')", "50")
	})
}

func TestFormSentToTwoProcesses(t *testing.T) {
	d := newPostgres(t)
	env := append([]string{"SESSION_KEYS=" + firstKey}, d.env...)
	one, two := startServer(t, env...), startServer(t, env...)
	here := signIn(t, one, "bob", seedPassword)
	there := &browser{tb: t, url: two.URL, http: here.http}
	form := here.get("/notes/new").form(t, "/notes")
	form.Set("title", "Once")
	var clicks sync.WaitGroup
	for _, b := range []*browser{here, there, here, there, here, there} {
		clicks.Go(func() { expect(t, "save", b.post("/notes", form), http.StatusOK) })
	}
	clicks.Wait()
	expectRow(t, d.open(t), "SELECT count(*) FROM notes WHERE title = 'Once'", "1")
}
