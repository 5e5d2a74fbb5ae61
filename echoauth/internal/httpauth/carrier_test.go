package httpauth_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gorilla/sessions"

	"github.com/seed-3826ef92/whodunit/echoauth/internal/httpauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

var (
	alice = actor.User(1)
	bob   = actor.User(2)
	admin = actor.User("admin")
)

// carrier is the least that carries a request: what Echo's contexts have, and
// nothing of Echo.
type carrier struct {
	request *http.Request
	values  map[string]any
	scheme  string
	header  http.Header // of the response
	sent    bool
	log     []string
}

// newCarrier carries a GET with the cookies that earlier responses set.
func newCarrier(earlier ...*carrier) *carrier {
	c := &carrier{
		request: httptest.NewRequest(http.MethodGet, "https://example.com/", nil),
		values:  map[string]any{},
		scheme:  "https",
		header:  http.Header{},
	}
	for _, e := range earlier {
		for _, cookie := range (&http.Response{Header: e.header}).Cookies() {
			c.request.AddCookie(cookie)
		}
	}
	return c
}

func (c *carrier) Request() *http.Request     { return c.request }
func (c *carrier) SetRequest(r *http.Request) { c.request = r }
func (c *carrier) Get(key string) any         { return c.values[key] }
func (c *carrier) Set(key string, value any)  { c.values[key] = value }
func (c *carrier) Scheme() string             { return c.scheme }

// response is the response of a carrier, of which only the headers matter.
type response struct{ *carrier }

func (r response) Header() http.Header         { return r.header }
func (r response) Write(b []byte) (int, error) { return len(b), nil }
func (r response) WriteHeader(int)             { r.sent = true }

var adapter = &httpauth.Adapter{
	Response:  func(c httpauth.Context) http.ResponseWriter { return response{c.(*carrier)} },
	Committed: func(w http.ResponseWriter) bool { return w.(response).sent },
	App:       func(c httpauth.Context) any { return c },
	Route:     func(httpauth.Context) string { return "/notes/:id" },
	ClientIP:  func(httpauth.Context) string { return "" },
	Log: func(c httpauth.Context, text string, _ ...slog.Attr) {
		c.(*carrier).log = append(c.(*carrier).log, text)
	},
}

// storeKey is where session.Middleware of echo-contrib leaves the store.
const storeKey = "_session_store"

var store = sessions.NewCookieStore([]byte("0123456789abcdef0123456789abcdef"))

// newMiddleware returns the middleware of config.
func newMiddleware(tb testing.TB, config httpauth.Config) *httpauth.Middleware {
	tb.Helper()
	m, err := adapter.NewMiddleware(config)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// enter has the middleware of each config find out who makes the request,
// from the outermost on.
func enter(tb testing.TB, c *carrier, configs ...httpauth.Config) {
	tb.Helper()
	for _, config := range configs {
		if err := newMiddleware(tb, config).Before(c); err != nil {
			tb.Fatal(err)
		}
	}
}
