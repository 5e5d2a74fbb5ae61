package main_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

const (
	loadRate   = 1000 // requests a second
	loadPeople = 100
)

// A crowd reads and writes for the time that WHODUNIT_LOAD says (60s, say).
// Each row has the right names, and the memory does not grow.
func TestLoad(t *testing.T) {
	duration, err := time.ParseDuration(os.Getenv("WHODUNIT_LOAD"))
	if err != nil {
		t.Skip("WHODUNIT_LOAD is not set to a duration: no load")
	}
	debug := freeAddress(t)
	s := startServer(t, behindProxy, "DEBUG_ADDR="+debug)
	db := s.database(t)
	addCrowd(t, db, loadPeople)
	load, shared := &load{free: make(chan *worker, loadPeople)}, &shelf{}
	for i := range loadPeople {
		load.free <- newWorker(t, s, i, shared)
	}

	load.everybody(t) // the runtime keeps what it needed at the busiest moment
	load.run(t, min(duration/6, 10*time.Second))
	early := heap(t, debug)
	load.run(t, duration-min(duration/6, 10*time.Second))
	late := heap(t, debug)
	t.Logf("%d requests, %.0f a second; 50%% within %v, 99%% within %v, at most %v; heap %.2f MB early, %.2f MB late (%+.1f %%)",
		len(load.took), float64(len(load.took))/load.spent.Seconds(), load.within(0.5), load.within(0.99), load.within(1),
		early/1e6, late/1e6, 100*(late-early)/early)
	if late > 1.05*early {
		t.Errorf("heap = %.0f bytes at the end, %.0f early, want it within 5 %%", late, early)
	}
	if rate := float64(len(load.took)) / load.spent.Seconds(); rate < 0.95*loadRate {
		t.Errorf("%.0f requests a second, want %d: nothing is proved", rate, loadRate)
	}
	expectRow(t, db, `SELECT count(*) FROM notes
		LEFT JOIN users c ON c.id = notes.created_by LEFT JOIN users u ON u.id = notes.updated_by
		WHERE title LIKE '% by %' AND COALESCE(title <> body || ' by ' || u.name OR body NOT LIKE c.name || ' %', true)`, "0")
	expectRow(t, db, "SELECT count(*) > 100 FROM notes WHERE title LIKE '% by %'", "1")
}

// load asks for loadRate requests a second. Each of the crowd does one thing at
// a time.
type load struct {
	free  chan *worker
	mu    sync.Mutex
	took  []time.Duration
	spent time.Duration
}

// everybody lets the whole crowd ask at the same time, some times over.
func (l *load) everybody(t *testing.T) {
	t.Helper()
	var requests sync.WaitGroup
	for range cap(l.free) {
		worker := <-l.free
		requests.Go(func() {
			for range 20 {
				worker.ask()
			}
			l.free <- worker
		})
	}
	requests.Wait()
}

func (l *load) run(t *testing.T, duration time.Duration) {
	t.Helper()
	started := time.Now()
	var requests sync.WaitGroup
	for n := 0; time.Since(started) < duration; n++ {
		time.Sleep(time.Until(started.Add(time.Duration(n) * time.Second / loadRate)))
		worker := <-l.free
		requests.Go(func() {
			began := time.Now()
			worker.ask()
			l.mu.Lock()
			l.took = append(l.took, time.Since(began))
			l.mu.Unlock()
			l.free <- worker
		})
	}
	requests.Wait()
	l.spent += time.Since(started)
}

func (l *load) within(share float64) time.Duration {
	slices.Sort(l.took)
	return l.took[int(share*float64(len(l.took)-1))].Round(100 * time.Microsecond)
}

// worker is somebody who reads and writes, with a session and a token.
type worker struct {
	name    string
	browser *browser
	program *program
	shared  *shelf
}

// shelf holds the notes that somebody has written and anybody may change.
type shelf struct {
	mu    sync.Mutex
	notes []shelved
}

type shelved struct {
	id      uint
	creator string
}

func (s *shelf) add(n shelved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, n)
}

// any returns some note, if there is one.
func (s *shelf) any() (n shelved, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.notes) == 0 {
		return shelved{}, false
	}
	return s.notes[rand.IntN(len(s.notes))], true
}

func newWorker(t *testing.T, s *server, i int, shared *shelf) *worker {
	t.Helper()
	name, address := fmt.Sprintf("crowd%d", i), fmt.Sprintf("192.0.2.%d", i)
	w := &worker{name: name, shared: shared, browser: newBrowser(t, s).from(address), program: &program{tb: t, url: s.URL, from: address}}
	w.browser.submit("/signin", "/signin", url.Values{"name": {name}, "password": {crowdPassword}})
	var body struct{ Token string }
	w.program.call("POST", "/api/token", fmt.Sprintf(`{"name":%q,"password":%q}`, name, crowdPassword), &body)
	w.program.token = body.Token
	w.browser.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return w
}

// ask sends one request. The body of a note is its creator's name and a
// number, its title the body and the name of whoever changed it last.
func (w *worker) ask() {
	title, body := w.text(w.name)
	switch dice := rand.IntN(100); {
	case dice < 35:
		w.check("list", w.program.call("GET", "/api/notes", "", nil), http.StatusOK)
	case dice < 60:
		w.check("page", w.browser.get("/notes").Status, http.StatusOK)
	case dice < 75:
		a := w.browser.post("/notes", url.Values{"title": {title}, "body": {body}})
		w.check("save", a.Status, http.StatusSeeOther)
	case dice < 85:
		var created note
		w.check("create", w.program.call("POST", "/api/notes", fmt.Sprintf(`{"title":%q,"body":%q}`, title, body), &created), http.StatusCreated)
		w.shared.add(shelved{created.ID, w.name})
	default:
		w.change()
	}
}

// change changes anybody's note, unless somebody else does just then.
func (w *worker) change() {
	n, ok := w.shared.any()
	if !ok {
		return
	}
	title, body := w.text(n.creator)
	status := w.program.call("PUT", fmt.Sprintf("/api/notes/%d", n.id), fmt.Sprintf(`{"title":%q,"body":%q}`, title, body), nil)
	if status != http.StatusConflict {
		w.check("change", status, http.StatusOK)
	}
}

func (w *worker) text(creator string) (title, body string) {
	body = fmt.Sprintf("%s %d", creator, rand.Uint64())
	return body + " by " + w.name, body
}

func (w *worker) check(what string, got, want int) {
	if got != want {
		w.program.tb.Errorf("%s by %s = %d, want %d", what, w.name, got, want)
	}
}

var heapAlloc = regexp.MustCompile(`# HeapAlloc = (\d+)`)

// heap returns the size of the server's heap after garbage collection: the
// least of some. How many connections the crowd keeps open is chance, and each
// has buffers, so it closes them first.
func heap(t *testing.T, debug string) float64 {
	t.Helper()
	transport.CloseIdleConnections()
	least := 0.0
	for range 5 {
		response, err := http.Get("http://" + debug + "/debug/pprof/heap?gc=1&debug=1")
		if err != nil {
			t.Fatal(err)
		}
		profile, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		match := heapAlloc.FindSubmatch(profile)
		if err != nil || match == nil {
			t.Fatalf("no heap profile: %v", err)
		}
		if size, _ := strconv.ParseFloat(string(match[1]), 64); least == 0 || size < least {
			least = size
		}
		time.Sleep(200 * time.Millisecond)
	}
	return least
}
