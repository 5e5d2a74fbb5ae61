package echoauth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo-contrib/session"
	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

func TestMiddlewareAllocs(t *testing.T) {
	store := session.Middleware(newCookieStore())
	for _, test := range []struct {
		name    string
		without []echo.MiddlewareFunc
		with    []echo.MiddlewareFunc
		req     *http.Request
		most    float64
	}{
		{"anonymous", nil, []echo.MiddlewareFunc{echoauth.Middleware()}, newRequest(t), 6},
		{"anonymous behind a session store", []echo.MiddlewareFunc{store}, []echo.MiddlewareFunc{store, echoauth.Middleware()}, newRequest(t), 4},
		{"token", []echo.MiddlewareFunc{jwtMiddleware()}, []echo.MiddlewareFunc{jwtMiddleware(), echoauth.Middleware()}, withToken(t), 6},
		{"session", []echo.MiddlewareFunc{store, readSession}, []echo.MiddlewareFunc{store, echoauth.Middleware()}, signedIn(t), 14},
	} {
		t.Run(test.name, func(t *testing.T) {
			without := testing.AllocsPerRun(200, server(t, test.req, test.without...))
			with := testing.AllocsPerRun(200, server(t, test.req, test.with...))
			if added := with - without; added > test.most {
				t.Errorf("allocations added = %v, want at most %v", added, test.most)
			}
		})
	}
}

func TestLookUpAllocs(t *testing.T) {
	e, _ := newEcho(t)
	e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{Load: loadAccount}))
	e.GET("/", func(c echo.Context) error {
		ctx := c.Request().Context()
		for name, look := range map[string]func(){
			"Current":     func() { sink = echoauth.Current(c) },
			"FromContext": func() { sink, _ = actor.FromContext(ctx) },
			"User": func() {
				if _, err := echoauth.User[*account](ctx); err != nil {
					t.Error(err)
				}
			},
		} {
			if got := testing.AllocsPerRun(100, look); got != 0 {
				t.Errorf("allocations of %s = %v, want 0", name, got)
			}
		}
		return nil
	})
	for _, a := range []actor.Actor{alice, admin.As(bob)} {
		req := httptest.NewRequest("GET", "/", nil)
		e.ServeHTTP(httptest.NewRecorder(), req.WithContext(actor.NewContext(context.Background(), a)))
	}
}
