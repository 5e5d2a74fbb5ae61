package echoauth_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/labstack/echo-contrib/session"
	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

func TestConfigToMiddleware(t *testing.T) {
	fine := func(echo.Context) (actor.Actor, bool, error) { return alice, true, nil }
	for _, test := range []struct {
		name   string
		config echoauth.Config
		want   string // in the error
	}{
		{"the zero Config is fine", echoauth.Config{}, ""},
		{"no sources at all are fine", echoauth.Config{Sources: []echoauth.Source{}}, ""},
		{"a nil source", echoauth.Config{Sources: []echoauth.Source{fine, nil}}, "Sources[1]"},
		{"a negative timeout", echoauth.Config{LoadTimeout: -1}, "LoadTimeout"},
		{"a session name that is no cookie name", echoauth.Config{SessionName: "a b"}, `"a b"`},
		{"the key of echo-jwt", echoauth.Config{ContextKey: "user"}, "echo-jwt"},
		{"the key of Echo's CSRF middleware", echoauth.Config{ContextKey: "csrf"}, `"csrf"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			mw, err := test.config.ToMiddleware()
			if test.want == "" {
				if err != nil || mw == nil {
					t.Errorf("ToMiddleware() = %v, want no error", err)
				}
				return
			}
			if err == nil || mw != nil || !strings.HasPrefix(err.Error(), "echoauth: ") || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("ToMiddleware() = %v, want an error with %q", err, test.want)
			}
			defer func() {
				if got := recover(); fmt.Sprint(got) != err.Error() {
					t.Errorf("MiddlewareWithConfig panicked with %v, want %v", got, err)
				}
			}()
			echoauth.MiddlewareWithConfig(test.config)
		})
	}
}

func TestConfigSources(t *testing.T) {
	t.Run("empty but not nil means none", func(t *testing.T) {
		e, _ := newEcho(t)
		e.Use(optionalJWT("user"), echoauth.MiddlewareWithConfig(echoauth.Config{Sources: []echoauth.Source{}}))
		e.GET("/whoami", whoami)
		b := newBrowser(t, e)
		b.header.Set("Authorization", bearer(t, jwt.MapClaims{"sub": "42"}))
		want(t, "whoami", b.get("/whoami"), "anonymous")
	})
	t.Run("the caller's slice is copied", func(t *testing.T) {
		e, _ := newEcho(t)
		sources := []echoauth.Source{func(echo.Context) (actor.Actor, bool, error) { return alice, true, nil }}
		e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{Sources: sources}))
		e.GET("/whoami", whoami)
		sources[0] = nil
		want(t, "whoami", newBrowser(t, e).get("/whoami"), "user:1")
	})
}

// TestConfigSourcesThatFindNobody has credentials that name nobody: they are
// none, and the next source is asked.
func TestConfigSourcesThatFindNobody(t *testing.T) {
	for name, source := range map[string]echoauth.Source{
		"FromSession":      echoauth.FromSession(),
		"FromSessionValue": echoauth.FromSessionValue("uid"),
		"FromJWT":          echoauth.FromJWT(),
	} {
		t.Run(name, func(t *testing.T) {
			e, _ := newEcho(t)
			next := func(echo.Context) (actor.Actor, bool, error) { return alice, true, nil }
			e.Use(session.Middleware(newCookieStore()), jwtMiddleware())
			e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{Sources: []echoauth.Source{source, next}}))
			e.GET("/whoami", whoami)
			b := newBrowser(t, e)
			b.header.Set("Authorization", bearer(t, jwt.MapClaims{"name": "no subject"}))
			b.cookies["session"] = newSessionCookie(t, map[any]any{"echoauth:actor": "1:kind=user", "uid": ""})
			want(t, "whoami", b.get("/whoami"), "user:1")
		})
	}
}

func TestConfigContextKey(t *testing.T) {
	e, _ := newEcho(t)
	e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{ContextKey: "principal"}))
	e.GET("/", func(c echo.Context) error {
		return c.String(http.StatusOK, fmt.Sprint(c.Get("principal"), c.Get("actor")))
	})
	want(t, "actors", newBrowser(t, e).get("/"), "anonymous <nil>")
}
