package main_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

func expect(tb testing.TB, what string, a answer, status int, texts ...string) {
	tb.Helper()
	if a.Status != status {
		tb.Errorf("%s = %d at %s, want %d", what, a.Status, a.Path, status)
	}
	for _, text := range texts {
		if !strings.Contains(a.Body, text) {
			tb.Errorf("%s shows no %q:\n%s", what, text, a.Body)
		}
	}
}

func TestPages(t *testing.T) {
	s := startServer(t)

	t.Run("a stranger is asked to sign in and then gets where he wanted", func(t *testing.T) {
		b := newBrowser(t, s)
		request, _ := http.NewRequest("GET", s.URL+"/account", nil)
		request.Header.Set("Accept", "text/html")
		a := b.read(b.http.Do(request))
		if a.Path != "/signin" || !strings.Contains(a.Body, `name="next" value="/account"`) {
			t.Fatalf("GET /account = %d at %s, want the sign-in page, which knows the way back", a.Status, a.Path)
		}
		a = b.send(a, "/signin", url.Values{"name": {"bob"}, "password": {seedPassword}})
		if a.Path != "/account" {
			t.Errorf("after sign-in at %s, want /account", a.Path)
		}
	})

	t.Run("next never leaves the site", func(t *testing.T) {
		b := newBrowser(t, s)
		a := b.submit("/signin", "/signin", url.Values{"name": {"bob"}, "password": {seedPassword}, "next": {"//evil.example/"}})
		expect(t, "sign in", a, http.StatusOK)
		if a.Path != "/history/" {
			t.Errorf("after sign-in at %s, want /", a.Path)
		}
	})

	t.Run("sign-out ends the session", func(t *testing.T) {
		b := signIn(t, s, "bob", seedPassword)
		expect(t, "sign out", b.submit("/notes", "/signout", nil), http.StatusOK, "You are signed out.")
		expect(t, "notes", b.get("/notes"), http.StatusUnauthorized)
	})

	t.Run("long lists have pages", func(t *testing.T) {
		b := signIn(t, s, "bob", seedPassword)
		for i := range 12 {
			b.submit("/notes/new", "/notes", url.Values{"title": {fmt.Sprintf("Long list %d", i)}})
		}
		expect(t, "first page", b.get("/notes"), http.StatusOK, "Long list 11", "Page 1", "Older")
		expect(t, "second page", b.get("/notes?list=notes&page=2"), http.StatusOK, "Long list 0", "Page 2", "Newer")
		expect(t, "page beyond", b.get("/notes?page=3"), http.StatusNotFound)
	})

	t.Run("text is shown, not run", func(t *testing.T) {
		b := signIn(t, s, "bob", seedPassword)
		a := b.submit("/notes/new", "/notes", url.Values{"title": {"<script>alert(1)</script>"}})
		if strings.Contains(a.Body, "<script>") {
			t.Errorf("the list holds a script:\n%s", a.Body)
		}
		if policy := a.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") {
			t.Errorf("Content-Security-Policy = %q, want one that allows no script", policy)
		}
	})

	t.Run("a change to an older version is no change", func(t *testing.T) {
		alice, bob := signIn(t, s, "alice", seedPassword), apiSignIn(t, s, "bob")
		var created note
		bob.call("POST", "/api/notes", `{"title":"Busy"}`, &created)
		path := fmt.Sprintf("/notes/%d", created.ID)
		editor := alice.get(path)
		bob.call("PUT", "/api"+path, `{"title":"Busy","body":"Bob was faster"}`, nil)
		a := alice.send(editor, path, url.Values{"title": {"Busy"}, "body": {"Alice was slower"}})
		expect(t, "late save", a, http.StatusConflict, "Bob was faster", "Alice was slower", `name="version" value="2"`)
		expectStamps(t, s.database(t), "Busy", stamps{"bob", "bob", "NULL"})
		if status := bob.call("PUT", "/api"+path, `{"title":"Busy","version":1}`, nil); status != http.StatusConflict {
			t.Errorf("late PUT = %d, want 409", status)
		}
	})
}

func TestAccount(t *testing.T) {
	s := startServer(t)
	here, elsewhere := signIn(t, s, "bob", seedPassword), signIn(t, s, "bob", seedPassword)

	change := func(current, password, again string) answer {
		return here.submit("/account", "/account/password", url.Values{"current": {current}, "new": {password}, "again": {again}})
	}
	expect(t, "wrong current password", change("wrong", "new password", "new password"), http.StatusUnprocessableEntity, "This is not your password.")
	expect(t, "typing error", change(seedPassword, "new password", "new passwort"), http.StatusUnprocessableEntity, "This differs")
	expect(t, "short password", change(seedPassword, "short", "short"), http.StatusUnprocessableEntity, "at least 8")
	expect(t, "the other session meanwhile", elsewhere.get("/notes"), http.StatusOK)

	expect(t, "new password", change(seedPassword, "new password", "new password"), http.StatusOK, "Your password is changed.")
	expect(t, "this session", here.get("/notes"), http.StatusOK)
	expect(t, "the other session", elsewhere.get("/notes"), http.StatusUnauthorized)
	signIn(t, s, "bob", "new password")
	expectRow(t, s.database(t), "SELECT u.name FROM users b JOIN users u ON u.id = b.updated_by WHERE b.name = 'bob'", "bob")
}

func TestActAs(t *testing.T) {
	s := startServer(t)
	db := s.database(t)
	alice, bob := signIn(t, s, "alice", seedPassword), signIn(t, s, "bob", seedPassword)
	var bobID int
	if err := db.QueryRow("SELECT id FROM users WHERE name = 'bob'").Scan(&bobID); err != nil {
		t.Fatal(err)
	}
	actAsBob := fmt.Sprintf("/users/%d/act-as", bobID)

	expect(t, "users for a member", bob.get("/users"), http.StatusForbidden, "Not for you")
	expect(t, "act as, for a member", bob.post(actAsBob, nil), http.StatusForbidden)

	expect(t, "act as", alice.submit("/users", actAsBob, nil), http.StatusOK, "you act as <strong>bob</strong>")
	alice.submit("/notes/new", "/notes", url.Values{"title": {"By proxy"}})
	expectStamps(t, db, "By proxy", stamps{"bob", "bob", "NULL"})
	expect(t, "users while acting", alice.get("/users"), http.StatusForbidden, "you act as <strong>bob</strong>")
	expect(t, "no note, while acting", alice.get("/notes/999999"), http.StatusNotFound, "you act as <strong>bob</strong>")
	expect(t, "password while acting", alice.post("/account/password",
		url.Values{"current": {seedPassword}, "new": {"new password"}, "again": {"new password"}}), http.StatusForbidden)

	expect(t, "stop", alice.submit("/notes", "/act-as/stop", nil), http.StatusOK, "Users")
	alice.submit("/notes/new", "/notes", url.Values{"title": {"Herself"}})
	expectStamps(t, db, "Herself", stamps{"alice", "alice", "NULL"})
	if log := s.log.String(); !strings.Contains(log, "actor.impersonator=user:") {
		t.Errorf("the log names no impersonator:\n%s", tail(log))
	}
}

// TestDemotedWhileActing: an admin who is none any more stops acting with the
// next request, which does nothing in either name.
func TestDemotedWhileActing(t *testing.T) {
	s := startServer(t)
	db := s.database(t)
	for name, change := range map[string]string{
		"the admin is demoted":   "UPDATE users SET role = 'member' WHERE name = 'alice'",
		"the member becomes one": "UPDATE users SET role = 'admin' WHERE name = 'bob'",
	} {
		t.Run(name, func(t *testing.T) {
			for _, restore := range []string{
				"UPDATE users SET role = 'admin' WHERE name = 'alice'",
				"UPDATE users SET role = 'member' WHERE name = 'bob'",
			} {
				if _, err := db.Exec(restore); err != nil {
					t.Fatal(err)
				}
			}
			alice := signIn(t, s, "alice", seedPassword)
			expect(t, "act as", alice.submit("/users", actAsPath(t, alice, "bob"), nil), http.StatusOK, "you act as <strong>bob</strong>")
			expect(t, "a page while acting", alice.get("/notes"), http.StatusOK)
			if _, err := db.Exec(change); err != nil {
				t.Fatal(err)
			}
			expect(t, "a note", alice.post("/notes", url.Values{"title": {name}}), http.StatusForbidden, "You may not act as this person any more.")
			var notes int
			if err := db.QueryRow("SELECT COUNT(*) FROM notes WHERE title = '" + name + "'").Scan(&notes); err != nil || notes != 0 {
				t.Errorf("notes = %d (%v), want none", notes, err)
			}
			home := alice.get("/notes")
			expect(t, "the next page", home, http.StatusOK, "alice")
			if strings.Contains(home.Body, "you act as") {
				t.Error("alice still acts as bob")
			}
		})
	}
}

func TestAPI(t *testing.T) {
	s := startServer(t)
	bob := apiSignIn(t, s, "bob")
	stranger := &program{tb: t, url: s.URL}
	for _, tt := range []struct {
		name, method, path, body string
		client                   *program
		want                     int
	}{
		{"no token", "GET", "/api/notes", "", stranger, http.StatusUnauthorized},
		{"a token of nobody's", "GET", "/api/notes", "", &program{tb: t, url: s.URL, token: "a.b.c"}, http.StatusUnauthorized},
		{"wrong password", "POST", "/api/token", `{"name":"bob","password":"wrong"}`, stranger, http.StatusUnauthorized},
		{"unknown name", "POST", "/api/token", `{"name":"eve","password":"whodunit"}`, stranger, http.StatusUnauthorized},
		{"a program's name", "POST", "/api/token", `{"name":"archiver","password":""}`, stranger, http.StatusUnauthorized},
		{"a missing note", "GET", "/api/notes/999", "", bob, http.StatusNotFound},
		{"no number", "GET", "/api/notes/one", "", bob, http.StatusNotFound},
		{"no title", "POST", "/api/notes", `{"body":"text"}`, bob, http.StatusUnprocessableEntity},
		{"no JSON", "POST", "/api/notes", `{`, bob, http.StatusBadRequest},
		{"no such address", "GET", "/api/nothing", "", bob, http.StatusNotFound},
		{"the list", "GET", "/api/notes", "", bob, http.StatusOK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var body map[string]any
			if got := tt.client.call(tt.method, tt.path, tt.body, &body); got != tt.want {
				t.Errorf("%s %s = %d, want %d", tt.method, tt.path, got, tt.want)
			}
			if _, ok := body["error"]; ok != (tt.want >= 400) {
				t.Errorf("%s %s answered %v, want an error: %t", tt.method, tt.path, body, tt.want >= 400)
			}
		})
	}
	t.Run("a session is no credential", func(t *testing.T) {
		expect(t, "GET /api/notes with a cookie", signIn(t, s, "bob", seedPassword).get("/api/notes"), http.StatusUnauthorized)
	})
}

// A note from outside brings its texts, and nothing else that the table has.
func TestANoteFromOutsideIsItsTexts(t *testing.T) {
	s := startServer(t)
	db, bob := s.database(t), apiSignIn(t, s, "bob")
	const other = `"id":77,"version":9,"created_at":"2000-01-01T00:00:00Z","updated_at":"2000-01-01T00:00:00Z",` +
		`"archived_at":"2000-01-01T00:00:00Z","deleted_at":"2000-01-01T00:00:00Z","created_by":1,"updated_by":1,"deleted_by":1`
	var created note
	if got := bob.call("POST", "/api/notes", `{"title":"From outside",`+other+`}`, &created); got != http.StatusCreated {
		t.Fatalf("POST = %d, want 201", got)
	}
	if got := bob.call("PUT", fmt.Sprintf("/api/notes/%d", created.ID), `{"title":"From outside","body":"changed",`+other[len(`"id":77,"version":9,`):]+`}`, nil); got != http.StatusOK {
		t.Errorf("PUT = %d, want 200", got)
	}
	expectStamps(t, db, "From outside", stamps{"bob", "bob", "NULL"})
	expectRow(t, db, "SELECT count(*) FROM notes WHERE id <> 77 AND version = 2 AND title = 'From outside' "+
		"AND created_at > '2001-01-01' AND updated_at > '2001-01-01' AND archived_at IS NULL AND deleted_at IS NULL", "1")

	// XML fills fields that the tags for JSON leave out: the key of a form, too.
	for _, mediaType := range []string{"application/xml", "text/xml", "application/octet-stream", ""} {
		request, _ := http.NewRequest("POST", s.URL+"/api/notes", strings.NewReader("<Note><Title>In XML</Title><FormKey>mine</FormKey></Note>"))
		request.Header.Set("Content-Type", mediaType)
		request.Header.Set("Authorization", "Bearer "+bob.token)
		response, err := http.DefaultClient.Do(request)
		expect(t, "a note of type "+mediaType, newBrowser(t, s).read(response, err), http.StatusUnsupportedMediaType, "Send a form, or JSON")
	}
	expectRow(t, db, "SELECT count(*) FROM notes WHERE title = 'In XML'", "0")
}

// An error says what is wrong with the request, and nothing of the program.
func TestErrorsNameNoGo(t *testing.T) {
	s := startServer(t)
	bob, page := apiSignIn(t, s, "bob"), signIn(t, s, "bob", seedPassword)
	inside := regexp.MustCompile(`(?i)main\.|strconv|json:|unmarshal|uint|struct|offset|code=|internal=|expected|gorm|echo\.|\bEOF\b|goroutine|\.go\b|jwt\.`)
	for _, tt := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/api/notes", `[]`, http.StatusBadRequest},
		{"POST", "/api/notes", `"text"`, http.StatusBadRequest},
		{"POST", "/api/notes", `{"title":5}`, http.StatusBadRequest},
		{"POST", "/api/notes", `{"title":"x","version":-1}`, http.StatusBadRequest},
		{"POST", "/api/notes", `{"title":"x","version":1e99}`, http.StatusBadRequest},
		{"POST", "/api/notes", `{"title":"x","created_at":"today"}`, http.StatusBadRequest},
		{"POST", "/api/notes", `{"title":"x","created_by":"me"}`, http.StatusBadRequest},
		{"POST", "/api/notes", `{"title":"x"`, http.StatusBadRequest},
		{"POST", "/api/notes", `{"title":"x",}`, http.StatusBadRequest},
		{"POST", "/api/notes", `{"title":"` + strings.Repeat("x", 2<<20) + `"}`, http.StatusRequestEntityTooLarge},
		{"PUT", "/api/notes/1", `{"title":{}}`, http.StatusBadRequest},
		{"PUT", "/api/notes/99999999999999999999", `{"title":"x"}`, http.StatusNotFound},
		{"DELETE", "/api/notes/-1", "", http.StatusNotFound},
		{"GET", "/api/notes?page=x&list=x", "", http.StatusOK},
		{"PATCH", "/api/notes/1", `{}`, http.StatusNotFound},
		{"POST", "/api/token", `{"name":{},"password":[]}`, http.StatusBadRequest},
		{"POST", "/api/token", `<name>bob</name>`, http.StatusBadRequest},
	} {
		var answer map[string]any
		if got := bob.call(tt.method, tt.path, tt.body, &answer); got != tt.want {
			t.Errorf("%s %s %.40s = %d, want %d", tt.method, tt.path, tt.body, got, tt.want)
		}
		if message := fmt.Sprint(answer["error"]); inside.MatchString(message) {
			t.Errorf("%s %s %.40s answers %q, which names %q", tt.method, tt.path, tt.body, message, inside.FindString(message))
		}
	}
	for _, version := range []string{"x", "-1", "99999999999999999999"} {
		a := page.post("/notes/1", url.Values{"title": {"x"}, "version": {version}})
		expect(t, "version "+version, a, http.StatusBadRequest)
		if inside.MatchString(a.Body) {
			t.Errorf("the page names %q:\n%s", inside.FindString(a.Body), a.Body)
		}
	}
}

// TestBytesThatAreNoText: what not every database can keep is refused by all,
// and is no fault of the database's.
func TestBytesThatAreNoText(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *server, db *sql.DB) {
		bob, stranger := signIn(t, s, "bob", seedPassword), newBrowser(t, s)
		for _, bytes := range []string{"\x00", "\xff", "\xed\xa0\x80"} {
			for what, form := range map[string]url.Values{
				"title": {"title": {"No" + bytes + "text"}},
				"body":  {"title": {"No text"}, "body": {bytes}},
			} {
				expect(t, fmt.Sprintf("%s with %q", what, bytes), bob.post("/notes", form), http.StatusUnprocessableEntity)
			}
			a := bob.post("/notes/import", url.Values{"text": {"No text\n" + bytes}})
			expect(t, fmt.Sprintf("import of %q", bytes), a, http.StatusUnprocessableEntity)
			a = stranger.post("/signin", url.Values{"name": {"bob" + bytes}, "password": {seedPassword}})
			expect(t, fmt.Sprintf("sign in as %q", bytes), a, http.StatusUnauthorized)
		}
		var written int
		if err := db.QueryRow("SELECT count(*) FROM notes WHERE title LIKE 'No%'").Scan(&written); err != nil || written > 0 {
			t.Errorf("%d such notes (error %v), want none", written, err)
		}
	})
}
