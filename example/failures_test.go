package main_test

import (
	"errors"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What can't start says why in one line, and exits with 1.
func TestStartFailures(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // the test is over
	blocked := t.TempDir()
	if err := os.Mkdir(filepath.Join(blocked, "notes.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, dir, env, want string }{
		{"a taken port", t.TempDir(), "ADDR=" + taken.Addr().String(), taken.Addr().String()},
		{"a file that is none", blocked, "", "database sqlite"},
		{"no PostgreSQL there", t.TempDir(), "DATABASE_URL=postgres://nobody:secret@127.0.0.1:1/none", "database postgres"},
		{"no MySQL there", t.TempDir(), "DATABASE_URL=mysql://nobody:secret@127.0.0.1:1/none", "database mysql"},
		{"no such kind of database", t.TempDir(), "DATABASE_URL=oracle://secret@db", "DATABASE_URL"},
		{"no Redis there", t.TempDir(), "REDIS_URL=redis://127.0.0.1:1", "REDIS_URL"},
		{"a public address with a path", t.TempDir(), "PUBLIC_URL=https://notes.example/app", "PUBLIC_URL"},
		{"a public address without a scheme", t.TempDir(), "PUBLIC_URL=notes.example", "PUBLIC_URL"},
		{"a public address with a password", t.TempDir(), "PUBLIC_URL=https://me:secret@notes.example", "PUBLIC_URL"},
		{"a proxy that is no address", t.TempDir(), "TRUSTED_PROXIES=10.0.0.0/8, nginx", "TRUSTED_PROXIES"},
		{"a short key", t.TempDir(), "SESSION_KEYS=secret", "SESSION_KEYS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			process := command(t, tt.dir, tt.env)
			if strings.HasPrefix(tt.env, "REDIS_URL") {
				process.Env = append(process.Env, "SESSION_KEYS="+firstKey)
			}
			var out, errs strings.Builder
			process.Stdout, process.Stderr = &out, &errs
			err := process.Run()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Errorf("exit = %v, want 1", err)
			}
			line, rest, _ := strings.Cut(errs.String(), "\n")
			if !strings.HasPrefix(line, "example: ") || !strings.Contains(line, tt.want) || rest != "" || out.Len() > 0 {
				t.Errorf("stdout = %q, stderr = %q, want one line with %q on stderr", out.String(), errs.String(), tt.want)
			}
			if strings.Contains(line, "secret") {
				t.Errorf("stderr = %q, which shows a password", line)
			}
		})
	}
}

// Whatever goes wrong for somebody, the page says what, and keeps what was
// written.
func TestFailurePages(t *testing.T) {
	s := startServer(t)
	const written = "three hours of work"

	t.Run("wrong password", func(t *testing.T) {
		b := newBrowser(t, s)
		a := b.submit("/signin", "/signin", url.Values{"name": {"bob"}, "password": {"wrong"}})
		expect(t, "sign in", a, http.StatusUnauthorized, "belong together", `value="bob"`)
		if strings.Contains(a.Body, "wrong") {
			t.Errorf("the page repeats the password:\n%s", a.Body)
		}
	})

	t.Run("missing note", func(t *testing.T) {
		expect(t, "note 999", signIn(t, s, "bob", seedPassword).get("/notes/999"), http.StatusNotFound, "There is no such page or note")
	})

	t.Run("missing page, for a stranger too", func(t *testing.T) {
		expect(t, "nowhere", newBrowser(t, s).get("/nowhere"), http.StatusNotFound, "There is no such page or note")
	})

	t.Run("invalid form", func(t *testing.T) {
		b := signIn(t, s, "bob", seedPassword)
		a := b.submit("/notes/new", "/notes", url.Values{"title": {" "}, "body": {written}})
		expect(t, "no title", a, http.StatusUnprocessableEntity, "A note needs a title.", written, `aria-invalid="true"`)
		a = b.submit("/notes/1", "/notes/1", url.Values{"title": {strings.Repeat("x", 201)}, "body": {written}, "version": {"1"}})
		expect(t, "long title", a, http.StatusUnprocessableEntity, "at most 200", written)
	})

	t.Run("invalid import", func(t *testing.T) {
		b := signIn(t, s, "bob", seedPassword)
		a := b.submit("/notes/import", "/notes/import", url.Values{"text": {"Fine\n\n" + strings.Repeat("x", 201) + "\n" + written}})
		expect(t, "import a long title", a, http.StatusUnprocessableEntity, "Note 2: A title has at most 200", written)
		a = b.submit("/notes/import", "/notes/import", url.Values{"text": {"\n \n"}})
		expect(t, "import nothing", a, http.StatusUnprocessableEntity, "There is nothing to import.")
		expectRow(t, s.database(t), "SELECT count(*) FROM notes WHERE title = 'Fine'", "0")
	})

	t.Run("expired session", func(t *testing.T) {
		b := signIn(t, s, "bob", seedPassword)
		editor := b.get("/notes/new")
		b.forget("session")
		a := b.send(editor, "/notes", url.Values{"title": {"Late"}, "body": {written}})
		expect(t, "post without a session", a, http.StatusUnauthorized, "Your session has ended.")
		a = b.send(a, "/signin", url.Values{"name": {"bob"}, "password": {seedPassword}})
		expect(t, "sign in again", a, http.StatusOK, "not saved yet", written, `action="/notes"`)
		b.send(a, "/notes", url.Values{"title": {field(t, a, "title")}, "body": {written}})
		expectStamps(t, s.database(t), "Late", stamps{"bob", "bob", "NULL"})
	})

	t.Run("too long", func(t *testing.T) {
		b := signIn(t, s, "bob", seedPassword)
		a := b.submit("/notes/new", "/notes", url.Values{"title": {"Long"}, "body": {strings.Repeat("x", 2<<20)}})
		expect(t, "two megabytes", a, http.StatusRequestEntityTooLarge, "Too long")
	})
}

// A mistake is no outage: to try again does not help, and a load balancer need
// not turn away.
func TestServerError(t *testing.T) {
	s := startServer(t)
	bob := signIn(t, s, "bob", seedPassword)
	if _, err := s.database(t).Exec("ALTER TABLE notes RENAME TO other_notes"); err != nil {
		t.Fatal(err)
	}
	expect(t, "a page of a table that is gone", bob.get("/notes"), http.StatusInternalServerError, "That went wrong", "bob")
	api := apiSignIn(t, s, "bob")
	if status := api.call("GET", "/api/notes", "", nil); status != http.StatusInternalServerError {
		t.Errorf("GET /api/notes of a table that is gone = %d, want 500", status)
	}
}

func TestLostDatabase(t *testing.T) {
	d := newPostgres(t)
	u, err := url.Parse(strings.TrimPrefix(d.env[0], "DATABASE_URL="))
	if err != nil {
		t.Fatal(err)
	}
	cable := newCable(t, u.Host)
	u.Host = cable.addr
	s := startServer(t, "DATABASE_URL="+u.String())
	bob := signIn(t, s, "bob", seedPassword)
	api := apiSignIn(t, s, "bob")
	editor := bob.get("/notes/new")
	form := url.Values{"title": {"Resent"}, "body": {"three hours of work"}}

	cable.cut()
	a := bob.send(editor, "/notes", form)
	expect(t, "save without a database", a, http.StatusServiceUnavailable, "The database does not answer", "three hours of work", "Try again")
	expect(t, "health without a database", bob.get("/healthz"), http.StatusServiceUnavailable)
	if status := api.call("POST", "/api/notes", `{"title":"From the API"}`, nil); status != http.StatusServiceUnavailable {
		t.Errorf("POST /api/notes without a database = %d, want 503", status)
	}
	stranger := newBrowser(t, s)
	signInPage := stranger.get("/signin")
	credentials := url.Values{"name": {"bob"}, "password": {"my secret password"}}
	signInFails := stranger.send(signInPage, "/signin", credentials)
	expect(t, "sign in without a database", signInFails, http.StatusServiceUnavailable, "The database does not answer")
	if strings.Contains(signInFails.Body, "my secret password") {
		t.Errorf("the page repeats the password:\n%s", signInFails.Body)
	}

	cable.mend()
	expect(t, "try again", bob.send(a, "/notes", form), http.StatusOK, "Resent")
	expectStamps(t, d.open(t), "Resent", stamps{"bob", "bob", "NULL"})
}

// Without its sessions the application knows nobody, and says so: it does not
// take everybody for signed out.
func TestLostSessions(t *testing.T) {
	env := newRedis(t)
	cable := newCable(t, strings.TrimPrefix(env[0], "REDIS_URL=redis://"))
	s := startServer(t, "SESSION_KEYS="+firstKey, "REDIS_URL=redis://"+cable.addr, env[1])
	bob := signIn(t, s, "bob", seedPassword)
	cable.cut()
	expect(t, "a page without Redis", bob.get("/notes"), http.StatusServiceUnavailable, "Try again in a moment")
	cable.mend()
	expect(t, "a page with Redis again", bob.get("/notes"), http.StatusOK)
}

// forget drops a cookie, as a browser does when its time is over.
func (b *browser) forget(name string) {
	b.tb.Helper()
	u := b.site()
	kept := b.http.Jar.Cookies(u)
	b.http.Jar, _ = cookiejar.New(nil)
	for _, cookie := range kept {
		if cookie.Name != name {
			b.http.Jar.SetCookies(u, []*http.Cookie{{Name: cookie.Name, Value: cookie.Value, Path: "/"}})
		}
	}
}

// field is the value of a field in a page's form.
func field(tb testing.TB, a answer, name string) string {
	tb.Helper()
	_, rest, ok := strings.Cut(a.Body, `name="`+name+`" value="`)
	if !ok {
		tb.Fatalf("the page has no field %q:\n%s", name, a.Body)
	}
	value, _, _ := strings.Cut(rest, `"`)
	return html.UnescapeString(value)
}

// cable leads to a server, and can be cut.
type cable struct {
	tb       testing.TB
	addr, to string
	listener net.Listener
	ends     chan net.Conn
}

func newCable(tb testing.TB, to string) *cable {
	c := &cable{tb: tb, to: to, addr: "127.0.0.1:0", ends: make(chan net.Conn, 1000)}
	c.mend()
	tb.Cleanup(c.cut)
	return c
}

func (c *cable) mend() {
	listener, err := net.Listen("tcp", c.addr)
	if err != nil {
		c.tb.Fatal(err)
	}
	c.listener, c.addr = listener, listener.Addr().String()
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", c.to)
			if err != nil {
				_ = near.Close()
				continue
			}
			c.ends <- near
			c.ends <- far
			go func() { _, _ = io.Copy(near, far) }()
			go func() { _, _ = io.Copy(far, near) }()
		}
	}()
}

func (c *cable) cut() {
	_ = c.listener.Close()
	for {
		select {
		case end := <-c.ends:
			_ = end.Close()
		default:
			return
		}
	}
}
