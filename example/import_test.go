package main_test

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// imports is a form with n notes whose titles begin with title.
func imports(title string, n int) url.Values {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "%s %d\r\nText\r\n\r\n", title, i)
	}
	return url.Values{"text": {text.String()}}
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
	if a := carol.submit("/notes/import", "/notes/import", imports("Imported", 500)); !strings.Contains(a.Body, "500 notes on the way") {
		t.Errorf("import answered %d without saying what happens", a.Status)
	}
	s.stop(t)
	var total, carols int
	err := s.database(t).QueryRow(`SELECT count(*), count(CASE WHEN users.name = 'carol' THEN 1 END)
		FROM notes LEFT JOIN users ON users.id = notes.created_by WHERE title LIKE 'Imported %'`).Scan(&total, &carols)
	if err != nil || total != 500 || carols != 500 {
		t.Errorf("imported = %d notes, %d of them carol's, %v; want 500, 500, nil", total, carols, err)
	}
}

func TestImportIsBounded(t *testing.T) {
	s := startServer(t)
	b := signIn(t, s, "bob", seedPassword)
	a := b.submit("/notes/import", "/notes/import", imports("Too many", 501))
	expect(t, "501 notes", a, http.StatusUnprocessableEntity, "at most 500 notes", "Too many 500")
	expectRow(t, s.database(t), "SELECT count(*) FROM notes WHERE title LIKE 'Too many %'", "0")
}

// While people import what they may, others go on writing, and imports beyond
// what the server does at once are told to come back, with their text.
func TestImportsLetOthersWrite(t *testing.T) {
	long(t)
	s := startServer(t)
	carol, bob := signIn(t, s, "carol", seedPassword), apiSignIn(t, s, "bob")
	var started, busy int
	var mu sync.Mutex
	var people sync.WaitGroup
	for n := range 12 {
		people.Go(func() {
			a := carol.post("/notes/import", imports(fmt.Sprintf("Import %d", n), 500))
			mu.Lock()
			defer mu.Unlock()
			switch a.Status {
			case http.StatusOK:
				started++
			case http.StatusServiceUnavailable:
				busy++
				expect(t, "an import too many", a, http.StatusServiceUnavailable, "too much to do", fmt.Sprintf("Import %d 499", n), "Try again")
				if a.Header.Get("Retry-After") == "" {
					t.Error("the answer does not say when to try again")
				}
			default:
				t.Errorf("import = %d, want 200 or 503", a.Status)
			}
		})
	}
	var waits []time.Duration
	for range 40 {
		began := time.Now()
		// A write that waits for ten seconds is given up.
		if status := bob.call("POST", "/api/notes", `{"title":"Meanwhile"}`, nil); status != http.StatusCreated {
			t.Errorf("a write meanwhile = %d, want 201", status)
		}
		waits = append(waits, time.Since(began))
	}
	people.Wait()
	t.Logf("%d imports started, %d told to come back; the longest write took %v", started, busy, slices.Max(waits))
	if started < 4 || busy == 0 {
		t.Errorf("%d imports were started and %d refused, want at least 4 and 1", started, busy)
	}
	s.stop(t)
	expectRow(t, s.database(t), "SELECT count(*) FROM notes WHERE title LIKE 'Import %'", fmt.Sprint(500*started))
}
