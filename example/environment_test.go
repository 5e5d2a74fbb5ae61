package main_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
)

const (
	firstKey  = "the first secret of 32 bytes or more"
	secondKey = "the second secret of 32 bytes or more"
)

// Two processes with one PostgreSQL and one Redis are one application.
func TestTwoProcesses(t *testing.T) {
	d := newPostgres(t)
	env := append([]string{"SESSION_KEYS=" + firstKey}, d.env...)
	env = append(env, newRedis(t)...)
	one, two := startServer(t, env...), startServer(t, env...)

	bob := signIn(t, one, "bob", seedPassword)
	at := &browser{tb: t, url: two.URL, http: bob.http} // cookies know no ports
	at.submit("/notes/new", "/notes", url.Values{"title": {"Written at the other"}})
	expectStamps(t, d.open(t), "Written at the other", stamps{"bob", "bob", "NULL"})
	expect(t, "the note at the first", bob.get("/notes"), http.StatusOK, "Written at the other")

	token := apiSignIn(t, one, "alice").token
	if status := (&program{tb: t, url: two.URL, token: token}).call("GET", "/api/notes", "", nil); status != http.StatusOK {
		t.Errorf("the first one's token at the second = %d, want 200", status)
	}
	at.submit("/notes", "/signout", nil)
	expect(t, "the first after sign-out at the second", bob.get("/notes"), http.StatusUnauthorized)
}

// Both create the tables of an empty database at the same moment.
func TestTwoProcessesStartAtOnce(t *testing.T) {
	for name, open := range map[string]func(testing.TB) *database{"postgres": newPostgres, "mysql": newMySQL} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			servers := []*server{launch(t, t.TempDir(), d.env...), launch(t, t.TempDir(), d.env...)}
			for _, s := range servers {
				s.await(t)
				signIn(t, s, "bob", seedPassword)
			}
			expectRow(t, d.open(t), "SELECT count(*) FROM notes", "5")
		})
	}
}

func TestSessionKeysRotate(t *testing.T) {
	dir := t.TempDir()
	s := startServerIn(t, dir, "SESSION_KEYS="+firstKey)
	bob, api := signIn(t, s, "bob", seedPassword), apiSignIn(t, s, "bob")
	for _, tt := range []struct {
		keys string
		want int
	}{
		{firstKey, http.StatusOK},
		{secondKey + ", " + firstKey, http.StatusOK},
		{secondKey, http.StatusUnauthorized},
	} {
		s.stop(t)
		s = startServerIn(t, dir, "SESSION_KEYS="+tt.keys)
		bob.url, api.url = s.URL, s.URL
		expect(t, "session under "+tt.keys, bob.get("/notes"), tt.want)
		if got := api.call("GET", "/api/notes", "", nil); got != tt.want {
			t.Errorf("token under %s = %d, want %d", tt.keys, got, tt.want)
		}
	}
}

// newRedis returns the environment for a Redis in which only this test's keys
// have their prefix.
func newRedis(tb testing.TB) []string {
	tb.Helper()
	addr := address(tb, "WHODUNIT_REDIS")
	prefix := uniqueName() + ":"
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		conn, err := redis.DialContext(ctx, "tcp", addr)
		if err != nil {
			tb.Error(err)
			return
		}
		defer conn.Close() //nolint:errcheck // the test is over
		keys, err := redis.Values(conn.Do("KEYS", prefix+"*"))
		if err == nil && len(keys) > 0 {
			_, err = conn.Do("DEL", keys...)
		}
		if err != nil {
			tb.Error(err)
		}
	})
	return []string{"REDIS_URL=redis://" + addr, "REDIS_PREFIX=" + prefix}
}

func TestPort(t *testing.T) {
	_, port, _ := net.SplitHostPort(freeAddress(t))
	s := startServer(t, "ADDR=", "PORT="+port)
	if want := "http://localhost:" + port; s.URL != want {
		t.Errorf("address with PORT=%s = %s, want %s", port, s.URL, want)
	}
	expect(t, "health", newBrowser(t, s).get("/healthz"), http.StatusOK, "ok")
}
