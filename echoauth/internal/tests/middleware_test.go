package tests

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

func TestMiddleware(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, log := v.NewApp(t)
		e.Use(v.Sessions(newCookieStore()), v.JWT(JWTConfig{Optional: true}), v.Middleware())
		signIn(e)

		t.Run("without a credential the request is anonymous", func(t *testing.T) {
			want(t, "whoami", newBrowser(t, e).get("/whoami"), "anonymous")
		})
		t.Run("a session signs its requests in, until it is logged out", func(t *testing.T) {
			b := newBrowser(t, e)
			want(t, "login", b.post("/login/1"), "user:1")
			want(t, "whoami", b.get("/whoami"), "user:1")
			want(t, "logout", b.post("/logout"), "anonymous")
			want(t, "whoami", b.get("/whoami"), "anonymous")
		})
		t.Run("a token signs its request in", func(t *testing.T) {
			b := newBrowser(t, e)
			b.header.Set("Authorization", bearer(t, jwt.MapClaims{"sub": "42"}))
			want(t, "whoami", b.get("/whoami"), "user:42")
		})
		t.Run("the session is asked before the token", func(t *testing.T) {
			b := newBrowser(t, e)
			b.post("/login/1")
			b.header.Set("Authorization", bearer(t, jwt.MapClaims{"sub": "42"}))
			want(t, "whoami", b.get("/whoami"), "user:1")
		})
		want(t, "log", log.String(), "")
	})
}

func TestMiddlewareRunsForUnknownPaths(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		var seen actor.Actor
		e.onError(func(c Context, _ error) { seen = v.Current(c) })
		e.Use(v.Sessions(newCookieStore()), v.Middleware())
		signIn(e)
		b := newBrowser(t, e)
		b.post("/login/1")
		if got := b.do("GET", "/nowhere").Code; got != http.StatusNotFound || seen != alice {
			t.Errorf("GET /nowhere = %d for %v, want 404 for %v", got, seen, alice)
		}
	})
}

func TestMiddlewareNested(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		from := func(a actor.Actor, ok bool) Middleware {
			return v.MiddlewareWithConfig(Config{Sources: []Source{
				func(Context) (actor.Actor, bool, error) { return a, ok, nil },
			}})
		}
		for _, test := range []struct {
			name         string
			outer, inner Middleware
			want         string
		}{
			{"the inner one's credential replaces the actor", from(alice, true), from(bob, true), "user:2"},
			{"the actor stays where the inner one finds no credential", from(alice, true), from(bob, false), "user:1"},
			{"the inner one's credential is taken after none", from(alice, false), from(bob, true), "user:2"},
			{"a source that answers with nobody is an answer", from(alice, true), from(actor.Actor{}, true), "anonymous"},
		} {
			t.Run(test.name, func(t *testing.T) {
				e, _ := v.NewApp(t)
				var logged actor.Actor
				e.Use(func(next Handler) Handler {
					return func(c Context) error {
						err := next(c)
						logged = v.Current(c)
						return err
					}
				})
				e.Use(test.outer)
				e.Group("/in", test.inner).GET("/whoami", whoami)
				want(t, "whoami", newBrowser(t, e).get("/in/whoami"), test.want)
				want(t, "actor in an access log", logged.String(), test.want)
			})
		}
	})
}

func TestMiddlewareNestedContextKeys(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		for _, test := range []struct{ outer, inner, want string }{
			{"outer", "inner", "user:1 user:1 <nil>"},
			{"outer", "outer", "user:1 <nil> <nil>"},
			{"", "inner", "<nil> user:1 user:1"},
			{"outer", "", "user:1 <nil> user:1"},
		} {
			e, _ := v.NewApp(t)
			e.Use(v.MiddlewareWithConfig(Config{ContextKey: test.outer}))
			g := e.Group("/in", v.MiddlewareWithConfig(Config{ContextKey: test.inner}))
			g.GET("", func(c Context) error {
				v.Set(c, alice)
				return c.String(http.StatusOK, fmt.Sprint(c.Get("outer"), " ", c.Get("inner"), " ", c.Get("actor")))
			})
			want(t, "actors with keys "+test.outer+" and "+test.inner, newBrowser(t, e).get("/in"), test.want)
		}
	})
}

func TestMiddlewareSourceError(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		secret := v.HTTPError(http.StatusNotFound, "secret detail", nil)
		config := Config{Sources: []Source{
			func(Context) (actor.Actor, bool, error) { return alice, true, secret },
			func(Context) (actor.Actor, bool, error) { return bob, true, nil },
		}}
		serve := func(t *testing.T, config Config) (*httptest.ResponseRecorder, error) {
			e, _ := v.NewApp(t)
			var got error
			e.onError(func(_ Context, err error) { got = err })
			e.Use(v.MiddlewareWithConfig(config))
			e.GET("/whoami", func(c Context) error { t.Error("the handler ran"); return nil })
			return newBrowser(t, e).do("GET", "/whoami"), got
		}
		t.Run("by default the request fails with 503 and tells nothing", func(t *testing.T) {
			rec, err := serve(t, config)
			if rec.Code != http.StatusServiceUnavailable || strings.Contains(rec.Body.String(), "secret") {
				t.Errorf("response = %d %s, want 503 without the cause", rec.Code, rec.Body)
			}
			if !errors.Is(err, secret) {
				t.Errorf("error = %v, want one that wraps the cause", err)
			}
		})
		t.Run("ErrorHandler answers instead", func(t *testing.T) {
			config := config
			config.ErrorHandler = func(c Context, err error) error {
				return c.String(http.StatusTeapot, fmt.Sprint(errors.Is(err, secret)))
			}
			rec, err := serve(t, config)
			if rec.Code != http.StatusTeapot || rec.Body.String() != "true" || err != nil {
				t.Errorf("response = %d %s, error %v, want 418 true", rec.Code, rec.Body, err)
			}
		})
	})
}

func TestMiddlewareSkipper(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		e.Use(v.Sessions(newCookieStore()))
		e.Use(v.MiddlewareWithConfig(Config{Skipper: func(Context) bool { return true }}))
		e.GET("/said", func(c Context) error {
			_, said := actor.FromContext(c.Request().Context())
			return c.String(http.StatusOK, fmt.Sprint(said, v.Current(c)))
		})
		signIn(e)
		b := newBrowser(t, e)
		want(t, "said", b.get("/said"), "false anonymous")
		// The session functions and Set need no middleware.
		want(t, "login", b.post("/login/1"), "user:1")
		want(t, "logout", b.post("/logout"), "anonymous")
	})
}

func TestMiddlewareKeepsTheActorOfTheRequest(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		e.Use(v.Middleware())
		e.GET("/whoami", whoami)
		req := httptest.NewRequest("GET", "/whoami", nil)
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, req.WithContext(actor.NewContext(context.Background(), alice)))
		want(t, "whoami", rec.Body.String(), "user:1")
	})
}
