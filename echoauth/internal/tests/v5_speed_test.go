package tests

import (
	"context"
	"net/http"
	"testing"

	"github.com/labstack/echo-contrib/v5/session"
	echojwt "github.com/labstack/echo-jwt/v5"
	"github.com/labstack/echo/v5"

	"github.com/seed-3826ef92/whodunit/echoauth/v5"
)

// v5ByHand is what applications write without echoauth.
func v5ByHand(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		c.Set("user", someone)
		c.SetRequest(c.Request().WithContext(context.WithValue(c.Request().Context(), byHandKey{}, someone)))
		return next(c)
	}
}

// v5ReadSession is what an application with sessions does on its own.
func v5ReadSession(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		if _, err := session.Get("session", c); err != nil {
			return err
		}
		return next(c)
	}
}

func v5Serve(req *http.Request, mw ...echo.MiddlewareFunc) func() {
	e := echo.New()
	e.Use(mw...)
	e.GET("/", func(*echo.Context) error { return nil })
	return serve(e, req)
}

func TestV5Allocs(t *testing.T) {
	store, token := session.Middleware(newCookieStore()), echojwt.JWT(testKey)
	for _, test := range []struct {
		name   string
		req    *http.Request
		before []echo.MiddlewareFunc
		alone  []echo.MiddlewareFunc // what an application without echoauth has
		most   float64
	}{
		{"anonymous", newRequest(t), nil, nil, 3},
		{"anonymous behind a session store", newRequest(t), []echo.MiddlewareFunc{store}, nil, 3},
		{"token", withToken(t), []echo.MiddlewareFunc{token}, nil, 4},
		{"session", signedIn(t), []echo.MiddlewareFunc{store}, []echo.MiddlewareFunc{v5ReadSession}, 12},
	} {
		t.Run(test.name, func(t *testing.T) {
			without := v5Serve(test.req, append(test.before[:len(test.before):len(test.before)], test.alone...)...)
			with := v5Serve(test.req, append(test.before[:len(test.before):len(test.before)], echoauth.Middleware())...)
			expectAllocs(t, without, with, test.most)
		})
	}
}

func BenchmarkV5(b *testing.B) {
	store, token := session.Middleware(newCookieStore()), echojwt.JWT(testKey)
	for _, bench := range []struct {
		name string
		req  *http.Request
		mw   []echo.MiddlewareFunc
	}{
		{"anonymous/plain", newRequest(b), nil},
		{"anonymous/by hand", newRequest(b), []echo.MiddlewareFunc{v5ByHand}},
		{"anonymous/echoauth", newRequest(b), []echo.MiddlewareFunc{echoauth.Middleware()}},
		{"anonymous/store", newRequest(b), []echo.MiddlewareFunc{store}},
		{"anonymous/store+echoauth", newRequest(b), []echo.MiddlewareFunc{store, echoauth.Middleware()}},
		{"session/session.Get", signedIn(b), []echo.MiddlewareFunc{store, v5ReadSession}},
		{"session/echoauth", signedIn(b), []echo.MiddlewareFunc{store, echoauth.Middleware()}},
		{"jwt/echo-jwt", withToken(b), []echo.MiddlewareFunc{token}},
		{"jwt/echo-jwt+echoauth", withToken(b), []echo.MiddlewareFunc{token, echoauth.Middleware()}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			serve := v5Serve(bench.req, bench.mw...)
			b.ReportAllocs()
			for b.Loop() {
				serve()
			}
		})
	}
}
