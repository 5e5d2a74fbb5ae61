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

// TestRevokedSessionBesideACredential has user 1, who chose a new password, send
// it along with the cookie of a session that the old one opened.
func TestRevokedSessionBesideACredential(t *testing.T) {
	basic := middleware.BasicAuth(echoauth.BasicAuth(checkPassword))
	set := func(a actor.Actor) echo.MiddlewareFunc {
		return before(func(c echo.Context) error { echoauth.Set(c, a); return nil })
	}
	for _, test := range []struct {
		name    string
		session string // what it was opened by
		order   []echo.MiddlewareFunc
		want    string
	}{
		{"BasicAuth", "/login/1", []echo.MiddlewareFunc{basic}, "user:1"},
		{"KeyAuth", "/login/1", []echo.MiddlewareFunc{middleware.KeyAuthWithConfig(middleware.KeyAuthConfig{
			KeyLookup: "header:X-Key",
			Validator: echoauth.KeyAuth(checkKey),
		})}, "user:1"},
		{"Set", "/login/1", []echo.MiddlewareFunc{set(alice)}, "user:1"},
		{"Set of an actor with a name", "/login/1", []echo.MiddlewareFunc{set(named(alice))}, "user:1"},
		{"BasicAuth that a middleware without stamp saw", "/login/1", []echo.MiddlewareFunc{basic, echoauth.Middleware()}, "user:1"},
		{"BasicAuth after a middleware without stamp", "/login/1", []echo.MiddlewareFunc{echoauth.Middleware(), basic}, "user:1"},
		{"BasicAuth of the impersonated", "/impersonate/1", []echo.MiddlewareFunc{basic}, "user:1"},

		{"no credential", "/login/1", []echo.MiddlewareFunc{echoauth.Middleware()}, "anonymous"},
		{"a credential of somebody else", "/login/1", []echo.MiddlewareFunc{set(bob), echoauth.Middleware()}, "anonymous"},
		{"a credential taken back", "/login/1", []echo.MiddlewareFunc{set(alice), set(actor.Actor{}), echoauth.Middleware()}, "anonymous"},
		{"the impersonated one's credential", "/impersonate/1", []echo.MiddlewareFunc{basic, echoauth.Middleware()}, "anonymous"},
		{"Set of whom the session named", "/login/1", []echo.MiddlewareFunc{
			echoauth.Middleware(),
			before(func(c echo.Context) error { echoauth.Set(c, named(echoauth.Current(c))); return nil }),
		}, "anonymous"},
		{"Login of whom the session named", "/impersonate/1", []echo.MiddlewareFunc{
			echoauth.Middleware(), before(echoauth.StopImpersonating),
		}, "anonymous"},
	} {
		t.Run(test.name, func(t *testing.T) {
			all, store := newAccounts(), newCookieStore()
			config := echoauth.Config{SessionStamp: all.stamp}
			b := newBrowser(t, newSite(t, store, config))
			b.post("/login/admin")
			b.post(test.session)
			all.stamps["1"], all.stamps["admin"] = "new password", "new password"

			e, _ := newEcho(t)
			e.Use(session.Middleware(store))
			e.Use(test.order...)
			e.Use(echoauth.MiddlewareWithConfig(config))
			e.GET("/whoami", whoami)
			b.handler = e
			req, _ := http.NewRequest("GET", "/", nil)
			req.SetBasicAuth("1", "right")
			req.Header.Set("X-Key", "1")
			req.Header.Set("X-Password", "right")
			b.header = req.Header
			want(t, "whoami", b.get("/whoami"), test.want)
		})
	}
}

// before returns a middleware that does something first.
func before(do func(c echo.Context) error) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if err := do(c); err != nil {
				return err
			}
			return next(c)
		}
	}
}

func named(a actor.Actor) actor.Actor {
	a.Name = "Alice"
	return a
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
