package main_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

const crowdPassword = "crowd-password"

// addCrowd gives the database n members, crowd0 and on. It writes them behind
// the application's back, with a hash that is quick to check.
func addCrowd(tb testing.TB, db *sql.DB, n int) {
	tb.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(crowdPassword), bcrypt.MinCost)
	if err != nil {
		tb.Fatal(err)
	}
	for i := range n {
		execute(tb, db, fmt.Sprintf("INSERT INTO users (name, role, password_hash) VALUES ('crowd%d', 'member', '%s')", i, hash))
	}
}

// Everybody at once: each row has the name of the one who wrote it.
func TestTwoHundredAtOnce(t *testing.T) {
	long(t)
	people, rounds := 200, 3
	if raceEnabled {
		// SQLite in Go is ten times slower then, and a request that waits for
		// ten seconds is told to come back later.
		people = 40
	}
	s := startServer(t, behindProxy)
	db := s.database(t)
	addCrowd(t, db, people)

	var crowd sync.WaitGroup
	for i := range people {
		crowd.Go(func() {
			name, address := fmt.Sprintf("crowd%d", i), fmt.Sprintf("192.0.2.%d", i)
			if i%2 == 0 {
				writePages(t, newBrowser(t, s).from(address), name, rounds)
			} else {
				writeAPI(t, &program{tb: t, url: s.URL, from: address}, name, rounds)
			}
		})
	}
	crowd.Wait()
	expectRow(t, db, "SELECT count(*) FROM notes WHERE title LIKE 'by crowd%'", fmt.Sprint(people*rounds))
	// A title ends in the names of who created and who changed the note.
	expectRow(t, db, `SELECT count(*) FROM notes JOIN users c ON c.id = notes.created_by JOIN users u ON u.id = notes.updated_by
		WHERE title LIKE 'by crowd%' AND title <> 'by ' || c.name || ', ' || u.name`, "0")
	expectRow(t, db, "SELECT count(*) FROM notes WHERE title LIKE 'by crowd%' AND (created_by IS NULL OR updated_by IS NULL)", "0")
}

func writePages(t *testing.T, b *browser, name string, rounds int) {
	status := patiently(func() int {
		return b.submit("/signin", "/signin", url.Values{"name": {name}, "password": {crowdPassword}}).Status
	})
	if status != http.StatusOK {
		t.Errorf("sign in as %s = %d, want 200", name, status)
		return
	}
	for range rounds {
		if a := b.post("/notes", url.Values{"title": {"by " + name + ", " + name}}); a.Status != http.StatusOK {
			t.Errorf("%s saves a note = %d, want 200", name, a.Status)
		}
	}
}

// writeAPI also changes notes after it has created them, in between of what
// everybody else does.
func writeAPI(t *testing.T, p *program, name string, rounds int) {
	var body struct{ Token string }
	status := patiently(func() int {
		return p.call("POST", "/api/token", fmt.Sprintf(`{"name":%q,"password":%q}`, name, crowdPassword), &body)
	})
	if status != http.StatusOK {
		t.Errorf("token for %s = %d, want 200", name, status)
		return
	}
	p.token = body.Token
	for range rounds {
		var created note
		if status := p.call("POST", "/api/notes", `{"title":"by somebody"}`, &created); status != http.StatusCreated {
			t.Errorf("%s creates a note = %d, want 201", name, status)
			continue
		}
		status := p.call("PUT", fmt.Sprintf("/api/notes/%d", created.ID), fmt.Sprintf(`{"title":"by %s, %[1]s"}`, name), nil)
		if status != http.StatusOK {
			t.Errorf("%s changes a note = %d, want 200", name, status)
		}
	}
}

// patiently asks again while too many sign in at once.
func patiently(signIn func() (status int)) (status int) {
	for range 9 {
		if status = signIn(); status != http.StatusServiceUnavailable {
			break
		}
	}
	return status
}
