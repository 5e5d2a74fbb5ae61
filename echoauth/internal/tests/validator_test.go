package tests

import (
	"errors"
	"net/http"
	"testing"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

func checkPassword(user, password string, _ Context) (actor.Actor, bool, error) {
	switch user {
	case "broken":
		return actor.User(user), true, errors.New("database is down")
	case "nobody":
		return actor.Actor{}, true, nil
	}
	return actor.User(user), password == "right", nil
}

func checkKey(key string, c Context) (actor.Actor, bool, error) {
	return checkPassword(key, c.Request().Header.Get("X-Password"), c)
}

func TestBasicAuth(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		for name, order := range map[string][]Middleware{
			"before the middleware": {v.BasicAuth(checkPassword), v.Middleware()},
			"after the middleware":  {v.Middleware(), v.BasicAuth(checkPassword)},
			"without it":            {v.BasicAuth(checkPassword)},
		} {
			t.Run(name, func(t *testing.T) {
				e, _ := v.NewApp(t)
				var seen actor.Actor
				e.onError(func(c Context, _ error) { seen = v.Current(c) })
				e.Use(order...)
				e.GET("/whoami", whoami)
				for _, test := range []struct {
					user, password string
					want           int
				}{
					{"1", "right", http.StatusOK},
					{"1", "wrong", http.StatusUnauthorized},
					{"broken", "right", http.StatusInternalServerError},
					{"nobody", "right", http.StatusUnauthorized},
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
	})
}

func TestBasicAuthIsNoSource(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		// Nobody verified the header here.
		e, _ := v.NewApp(t)
		e.Use(v.Sessions(newCookieStore()), v.Middleware())
		e.GET("/whoami", whoami)
		b := newBrowser(t, e)
		req, _ := http.NewRequest("GET", "/", nil)
		req.SetBasicAuth("1", "right")
		b.header = req.Header
		want(t, "whoami", b.get("/whoami"), "anonymous")
	})
}

func TestKeyAuth(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		// A failed key lets the request go on, as nobody.
		e, _ := v.NewApp(t)
		e.Use(v.KeyAuth(KeyAuthConfig{Optional: true}, checkKey), v.Middleware())
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
	})
}

func TestKeyAuthOfAService(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		e.Use(v.KeyAuth(KeyAuthConfig{}, func(key string, _ Context) (actor.Actor, bool, error) {
			return actor.Service("billing"), key == "k", nil
		}), v.Middleware())
		e.GET("/whoami", whoami)
		b := newBrowser(t, e)
		b.header.Set("Authorization", "Bearer k")
		want(t, "whoami", b.get("/whoami"), "service:billing")
	})
}

// TestRevokedSessionBesideACredential has user 1, who chose a new password, send
// it along with the cookie of a session that the old one opened.
func TestRevokedSessionBesideACredential(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		basic := v.BasicAuth(checkPassword)
		set := func(a actor.Actor) Middleware {
			return before(func(c Context) error { v.Set(c, a); return nil })
		}
		for _, test := range []struct {
			name    string
			session string // what it was opened by
			order   []Middleware
			want    string
		}{
			{"BasicAuth", "/login/1", []Middleware{basic}, "user:1"},
			{"KeyAuth", "/login/1", []Middleware{v.KeyAuth(KeyAuthConfig{KeyLookup: "header:X-Key"}, checkKey)}, "user:1"},
			{"Set", "/login/1", []Middleware{set(alice)}, "user:1"},
			{"Set of an actor with a name", "/login/1", []Middleware{set(named(alice))}, "user:1"},
			{"BasicAuth that a middleware without stamp saw", "/login/1", []Middleware{basic, v.Middleware()}, "user:1"},
			{"BasicAuth after a middleware without stamp", "/login/1", []Middleware{v.Middleware(), basic}, "user:1"},
			{"BasicAuth of the impersonated", "/impersonate/1", []Middleware{basic}, "user:1"},

			{"no credential", "/login/1", []Middleware{v.Middleware()}, "anonymous"},
			{"a credential of somebody else", "/login/1", []Middleware{set(bob), v.Middleware()}, "anonymous"},
			{"a credential taken back", "/login/1", []Middleware{set(alice), set(actor.Actor{}), v.Middleware()}, "anonymous"},
			{"the impersonated one's credential", "/impersonate/1", []Middleware{basic, v.Middleware()}, "anonymous"},
			{"Set of whom the session named", "/login/1", []Middleware{
				v.Middleware(),
				before(func(c Context) error { v.Set(c, named(v.Current(c))); return nil }),
			}, "anonymous"},
			{"Login of whom the session named", "/impersonate/1", []Middleware{
				v.Middleware(), before(v.StopImpersonating),
			}, "anonymous"},
		} {
			t.Run(test.name, func(t *testing.T) {
				all, store := newAccounts(), newCookieStore()
				config := Config{SessionStamp: all.stamp}
				b := newBrowser(t, newSite(t, v, store, config))
				b.post("/login/admin")
				b.post(test.session)
				all.stamps["1"], all.stamps["admin"] = "new password", "new password"

				e, _ := v.NewApp(t)
				e.Use(v.Sessions(store))
				e.Use(test.order...)
				e.Use(v.MiddlewareWithConfig(config))
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
	})
}

// before returns a middleware that does something first.
func before(do func(c Context) error) Middleware {
	return func(next Handler) Handler {
		return func(c Context) error {
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
	eachVersion(t, func(t *testing.T, v version) {
		for name, build := range map[string]func(){
			"BasicAuth": func() { v.BasicAuth(nil) },
			"KeyAuth":   func() { v.KeyAuth(KeyAuthConfig{}, nil) },
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
	})
}
