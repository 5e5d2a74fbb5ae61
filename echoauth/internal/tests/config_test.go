package tests

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

func TestConfigToMiddleware(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		fine := func(Context) (actor.Actor, bool, error) { return alice, true, nil }
		for _, test := range []struct {
			name   string
			config Config
			want   string // in the error
		}{
			{"the zero Config is fine", Config{}, ""},
			{"no sources at all are fine", Config{Sources: []Source{}}, ""},
			{"a nil source", Config{Sources: []Source{fine, nil}}, "Sources[1]"},
			{"a negative timeout", Config{LoadTimeout: -1}, "LoadTimeout"},
			{"a session name that is no cookie name", Config{SessionName: "a b"}, `"a b"`},
			{"the key of echo-jwt", Config{ContextKey: "user"}, "echo-jwt"},
			{"the key of Echo's CSRF middleware", Config{ContextKey: "csrf"}, `"csrf"`},
		} {
			t.Run(test.name, func(t *testing.T) {
				err := v.ToMiddleware(test.config)
				if test.want == "" {
					if err != nil {
						t.Errorf("ToMiddleware() = %v, want no error", err)
					}
					return
				}
				if err == nil || !strings.HasPrefix(err.Error(), "echoauth: ") || !strings.Contains(err.Error(), test.want) {
					t.Fatalf("ToMiddleware() = %v, want an error with %q", err, test.want)
				}
				defer func() {
					if got := recover(); fmt.Sprint(got) != err.Error() {
						t.Errorf("MiddlewareWithConfig panicked with %v, want %v", got, err)
					}
				}()
				v.MiddlewareWithConfig(test.config)
			})
		}
	})
}

func TestConfigSources(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		t.Run("empty but not nil means none", func(t *testing.T) {
			e, _ := v.NewApp(t)
			e.Use(v.JWT(JWTConfig{Optional: true}), v.MiddlewareWithConfig(Config{Sources: []Source{}}))
			e.GET("/whoami", whoami)
			b := newBrowser(t, e)
			b.header.Set("Authorization", bearer(t, jwt.MapClaims{"sub": "42"}))
			want(t, "whoami", b.get("/whoami"), "anonymous")
		})
		t.Run("the caller's slice is copied", func(t *testing.T) {
			e, _ := v.NewApp(t)
			sources := []Source{func(Context) (actor.Actor, bool, error) { return alice, true, nil }}
			e.Use(v.MiddlewareWithConfig(Config{Sources: sources}))
			e.GET("/whoami", whoami)
			sources[0] = nil
			want(t, "whoami", newBrowser(t, e).get("/whoami"), "user:1")
		})
	})
}

// TestConfigSourcesThatFindNobody has credentials that name nobody: they are
// none, and the next source is asked.
func TestConfigSourcesThatFindNobody(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		for name, source := range map[string]Source{
			"FromSession":      v.FromSession(),
			"FromSessionValue": v.FromSessionValue("uid"),
			"FromJWT":          v.FromJWT(),
		} {
			t.Run(name, func(t *testing.T) {
				e, _ := v.NewApp(t)
				next := func(Context) (actor.Actor, bool, error) { return alice, true, nil }
				e.Use(v.Sessions(newCookieStore()), v.JWT(JWTConfig{}))
				e.Use(v.MiddlewareWithConfig(Config{Sources: []Source{source, next}}))
				e.GET("/whoami", whoami)
				b := newBrowser(t, e)
				b.header.Set("Authorization", bearer(t, jwt.MapClaims{"name": "no subject"}))
				b.cookies["session"] = newSessionCookie(t, map[any]any{"echoauth:actor": "1:kind=user", "uid": ""})
				want(t, "whoami", b.get("/whoami"), "user:1")
			})
		}
	})
}

func TestConfigContextKey(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		e.Use(v.MiddlewareWithConfig(Config{ContextKey: "principal"}))
		e.GET("/", func(c Context) error {
			return c.String(http.StatusOK, fmt.Sprint(c.Get("principal"), c.Get("actor")))
		})
		want(t, "actors", newBrowser(t, e).get("/"), "anonymous <nil>")
	})
}
