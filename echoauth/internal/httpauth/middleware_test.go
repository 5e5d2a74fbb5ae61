package httpauth_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-3826ef92/whodunit/echoauth/internal/httpauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// answering returns a source that answers so.
func answering(a actor.Actor, ok bool, err error) httpauth.Source {
	return func(httpauth.Context) (actor.Actor, bool, error) { return a, ok, err }
}

// bobsToken is a token that something verified.
var bobsToken = &jwt.Token{Valid: true, Claims: jwt.MapClaims{"sub": "2"}}

func TestMiddlewarePutsTheActorIntoBothContexts(t *testing.T) {
	for _, test := range []struct {
		name   string
		config httpauth.Config
		want   actor.Actor
	}{
		{"nobody", httpauth.Config{}, actor.Actor{}},
		{"no sources", httpauth.Config{Sources: []httpauth.Source{}}, actor.Actor{}},
		{"the first that answers", httpauth.Config{Sources: []httpauth.Source{
			answering(admin, false, nil), answering(alice, true, nil), answering(bob, true, nil),
		}}, alice},
		{"an answer without an id", httpauth.Config{Sources: []httpauth.Source{
			answering(actor.Actor{Identity: actor.Identity{Kind: actor.KindUser, Name: "x"}}, true, nil),
		}}, actor.Actor{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCarrier()
			enter(t, c, test.config)
			a, said := actor.FromContext(c.Request().Context())
			if c.Get("actor") != test.want || a != test.want || !said {
				t.Errorf("actors = %v and %v, %v, want %v", c.Get("actor"), a, said, test.want)
			}
		})
	}
}

func TestMiddlewareFails(t *testing.T) {
	down := errors.New("store is down")
	c := newCarrier()
	err := newMiddleware(t, httpauth.Config{Sources: []httpauth.Source{answering(alice, true, down)}}).Before(c)
	if _, said := actor.FromContext(c.Request().Context()); !errors.Is(err, down) || said || c.Get("actor") != nil {
		t.Errorf("Before = %v, somebody said: %v, want the source's error and nobody", err, said)
	}
}

// TestMiddlewareOrderOfSources: the session comes first, but for a middleware
// inside another one.
func TestMiddlewareOrderOfSources(t *testing.T) {
	for inner, want := range map[bool]actor.Actor{false: alice, true: bob} {
		c := withSession(t, map[any]any{"echoauth:actor": signedInNow + "&id=1&kind=user"})
		configs := []httpauth.Config{{}}
		if inner {
			configs = append(configs, httpauth.Config{})
		}
		c.Set("user", bobsToken)
		enter(t, c, configs...)
		if got := httpauth.Current(c); got != want {
			t.Errorf("with an outer middleware %v: actor = %v, want %v", inner, got, want)
		}
	}
}

// TestAfter tells of what came too late, once.
func TestAfter(t *testing.T) {
	for _, test := range []struct {
		name   string
		config httpauth.Config
		late   func(c *carrier)
		want   string
	}{
		{"nothing", httpauth.Config{}, func(*carrier) {}, ""},
		{"a token", httpauth.Config{}, func(c *carrier) { c.Set("user", bobsToken) }, "a token was verified after"},
		{"a token that nobody verified", httpauth.Config{}, func(c *carrier) { c.Set("user", &jwt.Token{}) }, ""},
		{"a token of a request that somebody signed in", httpauth.Config{}, func(c *carrier) {
			c.Set("user", bobsToken)
			httpauth.Set(c, alice)
		}, ""},
		{"a token under a key of FromJWT", httpauth.Config{Sources: []httpauth.Source{adapter.FromJWT("a", "b")}}, func(c *carrier) { c.Set("b", bobsToken) }, `c.Get("b")`},
		{"a token under no source's key", httpauth.Config{Sources: []httpauth.Source{}}, func(c *carrier) { c.Set("user", bobsToken) }, ""},
		{"a session store", httpauth.Config{}, func(c *carrier) { c.Set(storeKey, store) }, "session.Middleware runs after"},
		{"a session store that no source asks", httpauth.Config{Sources: []httpauth.Source{}}, func(c *carrier) { c.Set(storeKey, store) }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newMiddleware(t, test.config)
			var log []string
			for range 2 {
				c := newCarrier()
				c.request.Header.Set("Cookie", "theme=dark")
				if err := m.Before(c); err != nil {
					t.Fatal(err)
				}
				test.late(c)
				m.After(c.Request().Context(), c, nil)
				log = append(log, c.log...)
			}
			if (len(log) == 1) != (test.want != "") || !strings.Contains(fmt.Sprint(log), test.want) {
				t.Errorf("log = %q, want %q once", log, test.want)
			}
		})
	}
}

func TestNewMiddlewareRefuses(t *testing.T) {
	for name, config := range map[string]httpauth.Config{
		"Sources[1]":  {Sources: []httpauth.Source{answering(alice, true, nil), nil}},
		"LoadTimeout": {LoadTimeout: -1},
		`"a b"`:       {SessionName: "a b"},
		"echo-jwt":    {ContextKey: "user"},
		`"csrf"`:      {ContextKey: "csrf"},
		`"echoauth:`:  {ContextKey: "echoauth:request"},
	} {
		if m, err := adapter.NewMiddleware(config); m != nil || err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("NewMiddleware(%+v) = %v, want an error with %s", config, err, name)
		}
	}
}
