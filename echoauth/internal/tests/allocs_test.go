package tests

import (
	"context"
	"net/http"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// discard is a response that nobody reads.
type discard struct{ header http.Header }

func (w discard) Header() http.Header         { return w.header }
func (w discard) Write(b []byte) (int, error) { return len(b), nil }
func (w discard) WriteHeader(int)             {}

// serve returns a function that lets handler serve req.
func serve(handler http.Handler, req *http.Request) func() {
	w := discard{http.Header{}}
	return func() {
		// Each request is a fresh one: stores write to it.
		r := *req
		clear(w.header)
		handler.ServeHTTP(w, &r)
	}
}

func newRequest(tb testing.TB) *http.Request {
	tb.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil)
	if err != nil {
		tb.Fatal(err)
	}
	return req
}

// signedIn is a request with the session of alice. It is good on any version.
func signedIn(tb testing.TB) *http.Request {
	tb.Helper()
	b := newBrowser(tb, newSite(tb, v4{}, newCookieStore(), Config{}))
	b.post("/login/1")
	req := newRequest(tb)
	for name, value := range b.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return req
}

func withToken(tb testing.TB) *http.Request {
	tb.Helper()
	req := newRequest(tb)
	req.Header.Set("Authorization", bearer(tb, jwt.MapClaims{"sub": "1"}))
	return req
}

var (
	someone = &struct{ ID int }{1}
	sink    actor.Actor
)

type byHandKey struct{}

// expectAllocs checks how many allocations a request has more than without
// the middleware.
func expectAllocs(t *testing.T, without, with func(), most float64) {
	t.Helper()
	if raceEnabled {
		t.Skip("the race detector empties Echo's pool of contexts at random")
	}
	if added := testing.AllocsPerRun(200, with) - testing.AllocsPerRun(200, without); added > most {
		t.Errorf("allocations added = %v, want at most %v", added, most)
	}
}

// TestLookUpAllocs: who asks again pays nothing.
func TestLookUpAllocs(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		for _, a := range []actor.Actor{alice, admin.As(bob)} {
			serveAs(t, v, Config{Load: loadAccount}, a, func(c Context, ctx context.Context) {
				for name, look := range map[string]func(){
					"Current":     func() { sink = v.Current(c) },
					"FromContext": func() { sink, _ = actor.FromContext(ctx) },
					"User": func() {
						if _, err := v.User(ctx); err != nil {
							t.Error(err)
						}
					},
				} {
					if got := testing.AllocsPerRun(100, look); got != 0 {
						t.Errorf("allocations of %s = %v, want 0", name, got)
					}
				}
			})
		}
	})
}
