package echoauth_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/labstack/echo-contrib/session"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

func checkPassword(user, password string, _ echo.Context) (actor.Actor, bool, error) {
	switch user {
	case "broken":
		return actor.User(user), true, errors.New("database is down")
	case "nobody":
		return actor.Actor{}, true, nil
	}
	return actor.User(user), password == "right", nil
}

func checkKey(key string, c echo.Context) (actor.Actor, bool, error) {
	return checkPassword(key, c.Request().Header.Get("X-Password"), c)
}

func TestBasicAuth(t *testing.T) {
	for name, order := range map[string][]echo.MiddlewareFunc{
		"before the middleware": {middleware.BasicAuth(echoauth.BasicAuth(checkPassword)), echoauth.Middleware()},
		"after the middleware":  {echoauth.Middleware(), middleware.BasicAuth(echoauth.BasicAuth(checkPassword))},
		"without it":            {middleware.BasicAuth(echoauth.BasicAuth(checkPassword))},
	} {
		t.Run(name, func(t *testing.T) {
			e, _ := newEcho(t)
			var seen actor.Actor
			e.HTTPErrorHandler = func(err error, c echo.Context) {
				seen = echoauth.Current(c)
				e.DefaultHTTPErrorHandler(err, c)
			}
			e.Use(order...)
			e.GET("/whoami", whoami)
			for _, test := range []struct {
				user, password string
				want           int
			}{
				{"1", "right", http.StatusOK},
				{"1", "wrong", http.StatusUnauthorized},
				{"broken", "right", http.StatusInternalServerError},
				{"nobody", "right", http.StatusInternalServerError},
			} {
				b := newBrowser(t, e)
				req, _ := http.NewRequest("GET", "/", nil)
				req.SetBasicAuth(test.user, test.password)
				b.header = req.Header
				rec := b.do("GET", "/whoami")
				if rec.Code != test.want || rec.Code == http.StatusOK && rec.Body.String() != "user:1" || !seen.IsAnonymous() {
					t.Errorf("whoami as %s with %s password = %d %s, actor of the error %v, want %d", test.user, test.password, rec.Code, rec.Body, seen, test.want)
				}
			}
		})
	}
}

func TestBasicAuthIsNoSource(t *testing.T) {
	// Nobody verified the header here.
	e, _ := newEcho(t)
	e.Use(session.Middleware(newCookieStore()), echoauth.Middleware())
	e.GET("/whoami", whoami)
	b := newBrowser(t, e)
	req, _ := http.NewRequest("GET", "/", nil)
	req.SetBasicAuth("1", "right")
	b.header = req.Header
	want(t, "whoami", b.get("/whoami"), "anonymous")
}

func TestKeyAuth(t *testing.T) {
	// A failed key lets the request go on, as nobody.
	e, _ := newEcho(t)
	e.Use(middleware.KeyAuthWithConfig(middleware.KeyAuthConfig{
		Validator:              echoauth.KeyAuth(checkKey),
		ContinueOnIgnoredError: true,
		ErrorHandler:           func(error, echo.Context) error { return nil },
	}), echoauth.Middleware())
	e.GET("/whoami", whoami)
	for _, test := range []struct{ key, password, want string }{
		{"1", "right", "user:1"},
		{"1", "wrong", "anonymous"},
		{"broken", "right", "anonymous"},
		{"nobody", "right", "anonymous"},
	} {
		b := newBrowser(t, e)
		b.header.Set("Authorization", "Bearer "+test.key)
		b.header.Set("X-Password", test.password)
		want(t, "whoami with key "+test.key, b.get("/whoami"), test.want)
	}
}

func TestKeyAuthOfAService(t *testing.T) {
	e, _ := newEcho(t)
	e.Use(middleware.KeyAuth(echoauth.KeyAuth(func(key string, _ echo.Context) (actor.Actor, bool, error) {
		return actor.Service("billing"), key == "k", nil
	})), echoauth.Middleware())
	e.GET("/whoami", whoami)
	b := newBrowser(t, e)
	b.header.Set("Authorization", "Bearer k")
	want(t, "whoami", b.get("/whoami"), "service:billing")
}

func TestValidatorsNeedAFunction(t *testing.T) {
	for name, build := range map[string]func(){
		"BasicAuth": func() { echoauth.BasicAuth(nil) },
		"KeyAuth":   func() { echoauth.KeyAuth(nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s(nil) did not panic", name)
				}
			}()
			build()
		}()
	}
}
