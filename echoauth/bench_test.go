package echoauth_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/labstack/echo-contrib/session"
	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// discard is a response that nobody reads.
type discard struct{ header http.Header }

func (w discard) Header() http.Header         { return w.header }
func (w discard) Write(b []byte) (int, error) { return len(b), nil }
func (w discard) WriteHeader(int)             {}

func noop(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error { return next(c) }
}

var someone = &struct{ ID int }{1}

// byHand is what applications write without echoauth.
func byHand(next echo.HandlerFunc) echo.HandlerFunc {
	type key struct{}
	return func(c echo.Context) error {
		c.Set("user", someone)
		c.SetRequest(c.Request().WithContext(context.WithValue(c.Request().Context(), key{}, someone)))
		return next(c)
	}
}

// server returns a function that serves one request through mw.
func server(tb testing.TB, req *http.Request, mw ...echo.MiddlewareFunc) func() {
	tb.Helper()
	e, _ := newEcho(tb)
	e.Use(mw...)
	e.GET("/", func(c echo.Context) error { return nil })
	w := discard{http.Header{}}
	return func() {
		// Each request is a fresh one: stores write to it.
		r := *req
		e.ServeHTTP(w, &r)
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

// signedIn is a request with the session of alice.
func signedIn(tb testing.TB) *http.Request {
	tb.Helper()
	e, _ := newEcho(tb)
	e.Use(session.Middleware(newCookieStore()), echoauth.Middleware())
	signIn(e)
	b := newBrowser(tb, e)
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

// readSession is what an application with sessions does on its own.
func readSession(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if _, err := session.Get("session", c); err != nil {
			return err
		}
		return next(c)
	}
}

func BenchmarkMiddleware(b *testing.B) {
	store := session.Middleware(newCookieStore())
	for _, bench := range []struct {
		name string
		req  *http.Request
		mw   []echo.MiddlewareFunc
	}{
		{"anonymous/plain", newRequest(b), nil},
		{"anonymous/noop", newRequest(b), []echo.MiddlewareFunc{noop}},
		{"anonymous/by hand", newRequest(b), []echo.MiddlewareFunc{byHand}},
		{"anonymous/echoauth", newRequest(b), []echo.MiddlewareFunc{echoauth.Middleware()}},
		{"anonymous/store", newRequest(b), []echo.MiddlewareFunc{store}},
		{"anonymous/store+echoauth", newRequest(b), []echo.MiddlewareFunc{store, echoauth.Middleware()}},
		{"anonymous/store+session.Get", newRequest(b), []echo.MiddlewareFunc{store, readSession}},
		{"session/session.Get", signedIn(b), []echo.MiddlewareFunc{store, readSession}},
		{"session/echoauth", signedIn(b), []echo.MiddlewareFunc{store, echoauth.Middleware()}},
		{"jwt/echo-jwt", withToken(b), []echo.MiddlewareFunc{jwtMiddleware()}},
		{"jwt/echo-jwt+echoauth", withToken(b), []echo.MiddlewareFunc{jwtMiddleware(), echoauth.Middleware()}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			serve := server(b, bench.req, bench.mw...)
			b.ReportAllocs()
			for b.Loop() {
				serve()
			}
		})
	}
}

var sink actor.Actor

func BenchmarkCurrent(b *testing.B) {
	e, _ := newEcho(b)
	e.Use(echoauth.Middleware())
	e.GET("/", func(c echo.Context) error {
		b.ReportAllocs()
		for b.Loop() {
			sink = echoauth.Current(c)
		}
		return nil
	})
	e.ServeHTTP(discard{http.Header{}}, newRequest(b))
}
