package tests

import (
	"context"
	"net/http"
	"testing"

	"github.com/labstack/echo-contrib/session"
	echojwt "github.com/labstack/echo-jwt/v4"
	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/echoauth"
)

// v4ByHand is what applications write without echoauth.
func v4ByHand(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Set("user", someone)
		c.SetRequest(c.Request().WithContext(context.WithValue(c.Request().Context(), byHandKey{}, someone)))
		return next(c)
	}
}

// v4ReadSession is what an application with sessions does on its own.
func v4ReadSession(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if _, err := session.Get("session", c); err != nil {
			return err
		}
		return next(c)
	}
}

func v4Serve(req *http.Request, mw ...echo.MiddlewareFunc) func() {
	e := echo.New()
	e.Use(mw...)
	e.GET("/", func(echo.Context) error { return nil })
	return serve(e, req)
}

func TestV4Allocs(t *testing.T) {
	store, token := session.Middleware(newCookieStore()), echojwt.JWT(testKey)
	for _, test := range []struct {
		name   string
		req    *http.Request
		before []echo.MiddlewareFunc
		alone  []echo.MiddlewareFunc // what an application without echoauth has
		most   float64
	}{
		{"anonymous", newRequest(t), nil, nil, 6},
		{"anonymous behind a session store", newRequest(t), []echo.MiddlewareFunc{store}, nil, 4},
		{"token", withToken(t), []echo.MiddlewareFunc{token}, nil, 6},
		{"session", signedIn(t), []echo.MiddlewareFunc{store}, []echo.MiddlewareFunc{v4ReadSession}, 14},
	} {
		t.Run(test.name, func(t *testing.T) {
			without := v4Serve(test.req, append(test.before[:len(test.before):len(test.before)], test.alone...)...)
			with := v4Serve(test.req, append(test.before[:len(test.before):len(test.before)], echoauth.Middleware())...)
			expectAllocs(t, without, with, test.most)
		})
	}
}

func BenchmarkV4(b *testing.B) {
	store, token := session.Middleware(newCookieStore()), echojwt.JWT(testKey)
	for _, bench := range []struct {
		name string
		req  *http.Request
		mw   []echo.MiddlewareFunc
	}{
		{"anonymous/plain", newRequest(b), nil},
		{"anonymous/by hand", newRequest(b), []echo.MiddlewareFunc{v4ByHand}},
		{"anonymous/echoauth", newRequest(b), []echo.MiddlewareFunc{echoauth.Middleware()}},
		{"anonymous/store", newRequest(b), []echo.MiddlewareFunc{store}},
		{"anonymous/store+echoauth", newRequest(b), []echo.MiddlewareFunc{store, echoauth.Middleware()}},
		{"session/session.Get", signedIn(b), []echo.MiddlewareFunc{store, v4ReadSession}},
		{"session/echoauth", signedIn(b), []echo.MiddlewareFunc{store, echoauth.Middleware()}},
		{"jwt/echo-jwt", withToken(b), []echo.MiddlewareFunc{token}},
		{"jwt/echo-jwt+echoauth", withToken(b), []echo.MiddlewareFunc{token, echoauth.Middleware()}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			serve := v4Serve(bench.req, bench.mw...)
			b.ReportAllocs()
			for b.Loop() {
				serve()
			}
		})
	}
}
