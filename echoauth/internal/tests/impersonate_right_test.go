package tests

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/sessions"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// roles are what an application knows of its users: who has a role of ranks may
// act as whoever ranks below.
type roles struct {
	mu    sync.Mutex
	ranks map[string]int // by id; one that is missing is deleted
	err   error
	asked []actor.Actor
}

func newRoles() *roles {
	return &roles{ranks: map[string]int{"admin": 2, "1": 0, "2": 0}}
}

func (r *roles) may(_ context.Context, a actor.Actor) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, a)
	real, known := r.ranks[a.Impersonator.ID]
	target, exists := r.ranks[a.ID]
	return known && exists && real == 2 && target < real, r.err
}

func (r *roles) stamp(_ context.Context, a actor.Actor) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.ranks[a.ID]; !ok {
		return "", echoauth.ErrAnonymous
	}
	return "", nil
}

func TestMayImpersonate(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		for name, test := range map[string]struct {
			change func(r *roles)
			status int    // of the next request
			after  string // whoami afterwards
		}{
			"nothing changes":             {func(*roles) {}, 200, "user:1 (by user:admin)"},
			"the real one is demoted":     {func(r *roles) { r.ranks["admin"] = 1 }, 403, "user:admin"},
			"the target is promoted":      {func(r *roles) { r.ranks["1"] = 2 }, 403, "user:admin"},
			"the target is promoted less": {func(r *roles) { r.ranks["1"] = 1 }, 200, "user:1 (by user:admin)"},
			"the real one is deleted":     {func(r *roles) { delete(r.ranks, "admin") }, 200, "anonymous"},
			"the target is deleted":       {func(r *roles) { delete(r.ranks, "1") }, 200, "anonymous"},
			"the account is not found":    {func(r *roles) { r.err = fmt.Errorf("closed: %w", echoauth.ErrAnonymous) }, 403, "user:admin"},
			"nobody can tell":             {func(r *roles) { r.err = errors.New("down") }, 503, "503 {\"message\":\"Service Unavailable\"}"},
		} {
			t.Run(name, func(t *testing.T) {
				eachStore(t, func(t *testing.T, store sessions.Store) {
					all := newRoles()
					e := newSite(t, v, store, Config{MayImpersonate: all.may, SessionStamp: all.stamp})
					e.POST("/note", func(c Context) error {
						if v.Current(c).ID == "admin" {
							t.Error("the request is carried out as the real one")
						}
						return c.String(200, "done")
					})
					b := newBrowser(t, e)
					b.post("/login/admin")
					want(t, "impersonate", b.post("/impersonate/1"), "user:1 (by user:admin)")
					test.change(all)
					rec := b.do("POST", "/note")
					if rec.Code != test.status || strings.Contains(rec.Body.String(), "impersonate") {
						t.Errorf("POST /note = %d %s, want %d", rec.Code, rec.Body, test.status)
					}
					want(t, "whoami", b.get("/whoami"), test.after)
				})
			})
		}
	})
}

func TestMayImpersonateIsAskedFirst(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		all := newRoles()
		b := newBrowser(t, newSite(t, v, newCookieStore(), Config{MayImpersonate: all.may}))
		b.post("/login/2")
		want(t, "impersonate without the right", b.post("/impersonate/1"), echoauth.ErrMayNotImpersonate.Error())
		want(t, "whoami", b.get("/whoami"), "user:2")
		b.post("/login/admin")
		all.err = errors.New("down")
		if got := b.post("/impersonate/1"); !strings.HasSuffix(got, ": down") || !strings.HasPrefix(got, "echoauth: ") {
			t.Errorf("impersonate when nobody can tell = %s, want the error", got)
		}
		want(t, "whoami", b.get("/whoami"), "user:admin")
		all.err = fmt.Errorf("closed: %w", echoauth.ErrAnonymous)
		want(t, "impersonate one who is not found", b.post("/impersonate/1"), echoauth.ErrMayNotImpersonate.Error())
		want(t, "whoami", b.get("/whoami"), "user:admin")
		all.err = nil
		all.asked = nil
		b.post("/impersonate/1")
		b.get("/whoami")
		for _, a := range all.asked {
			if a != admin.As(alice) {
				t.Errorf("asked about %v, want %v", a, admin.As(alice))
			}
		}
		if len(all.asked) != 2 {
			t.Errorf("asked %d times, want once per request", len(all.asked))
		}
		all.asked = nil
		b.post("/stop")
		b.get("/whoami")
		if len(all.asked) != 1 {
			t.Errorf("asked %d times, want once while impersonating", len(all.asked))
		}
	})
}

// TestMayImpersonateFromAnySource asks about tokens too, and about an actor that
// an outer middleware without the question let pass.
func TestMayImpersonateFromAnySource(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		all := newRoles()
		acting := Config{Sources: []Source{func(Context) (actor.Actor, bool, error) { return admin.As(alice), true, nil }}}
		asking := acting
		asking.MayImpersonate = all.may
		for name, chain := range map[string][]Middleware{
			"the middleware that asks":       {v.MiddlewareWithConfig(asking)},
			"inside one that doesn't":        {v.MiddlewareWithConfig(acting), v.MiddlewareWithConfig(Config{MayImpersonate: all.may})},
			"around one that finds a source": {v.MiddlewareWithConfig(Config{MayImpersonate: all.may}), v.MiddlewareWithConfig(acting)},
		} {
			t.Run(name, func(t *testing.T) {
				e, _ := v.NewApp(t)
				e.Use(chain...)
				e.GET("/whoami", whoami)
				all.ranks["admin"] = 2
				want(t, "whoami", newBrowser(t, e).get("/whoami"), "user:1 (by user:admin)")
				refused := func(after string) {
					rec := newBrowser(t, e).do("GET", "/whoami")
					if rec.Code != http.StatusForbidden || len(rec.Header()["Set-Cookie"]) > 0 {
						t.Errorf("whoami after %s = %d %s %q, want 403 without a cookie", after, rec.Code, rec.Body, rec.Header()["Set-Cookie"])
					}
				}
				all.err = echoauth.ErrAnonymous
				refused("the account is closed")
				all.err, all.ranks["admin"] = nil, 0
				refused("the demotion")
			})
		}
	})
}

func TestMayImpersonateTimeout(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		stuck := make(chan struct{})
		defer close(stuck)
		for name, may := range map[string]func(context.Context, actor.Actor) (bool, error){
			"stuck":   func(context.Context, actor.Actor) (bool, error) { <-stuck; return true, nil },
			"a panic": func(context.Context, actor.Actor) (bool, error) { panic("bug") },
		} {
			t.Run(name, func(t *testing.T) {
				store := newCookieStore()
				b := newBrowser(t, newSite(t, v, store, Config{}))
				b.post("/login/admin")
				b.post("/impersonate/1")
				b.handler = newSite(t, v, store, Config{LoadTimeout: 20 * time.Millisecond, MayImpersonate: may})
				if got := b.do("GET", "/whoami").Code; got != http.StatusServiceUnavailable {
					t.Errorf("whoami = %d, want 503", got)
				}
			})
		}
	})
}

// TestMayImpersonateStoreDown: a session that can't be changed back does not let
// anybody pass.
func TestMayImpersonateStoreDown(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		all, store := newRoles(), &brokenStore{Store: newCookieStore()}
		b := newBrowser(t, newSite(t, v, store, Config{MayImpersonate: all.may}))
		b.post("/login/admin")
		b.post("/impersonate/1")
		all.ranks["admin"], store.save = 0, errors.New("store is down")
		for range 2 {
			if got := b.do("GET", "/whoami").Code; got != http.StatusForbidden {
				t.Errorf("whoami = %d, want 403", got)
			}
		}
		store.save = nil
		b.do("GET", "/whoami")
		want(t, "whoami once the store is up", b.get("/whoami"), "user:admin")
	})
}

// TestImpersonationBelongsToTheSession: a token becomes no session, and its act
// can't be stopped.
func TestImpersonationBelongsToTheSession(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		acting := func(c Context) (actor.Actor, bool, error) {
			token, _ := c.Get("user").(*jwt.Token)
			if token == nil {
				return actor.Actor{}, false, nil
			}
			claims := token.Claims.(jwt.MapClaims)
			a := actor.User(claims["sub"].(string))
			if act, ok := claims["act"].(string); ok {
				a = actor.User(act).As(a)
			}
			return a, true, nil
		}
		e, _ := v.NewApp(t)
		e.Use(v.Sessions(newCookieStore()), v.JWT(JWTConfig{Optional: true}))
		e.Use(v.MiddlewareWithConfig(Config{Sources: []Source{acting, v.FromSession()}}))
		signIn(e)
		e.POST("/impersonate/:id", answer(v, func(c Context) error { return v.Impersonate(c, actor.User(c.Param("id"))) }))
		e.POST("/stop", answer(v, v.StopImpersonating))

		t.Run("tokens only", func(t *testing.T) {
			b := newBrowser(t, e)
			b.header.Set("Authorization", bearer(t, jwt.MapClaims{"sub": "admin"}))
			want(t, "impersonate", b.post("/impersonate/1"), echoauth.ErrNoSignIn.Error())
			want(t, "stop", b.post("/stop"), echoauth.ErrNotImpersonating.Error())
			b.header.Set("Authorization", bearer(t, jwt.MapClaims{"sub": "1", "act": "admin"}))
			want(t, "stop the token's act", b.post("/stop"), echoauth.ErrNotImpersonating.Error())
			want(t, "impersonate while the token acts", b.post("/impersonate/2"), echoauth.ErrImpersonating.Error())
			if len(b.cookies) > 0 {
				t.Errorf("cookies = %v, want none", b.cookies)
			}
		})
		t.Run("a token beside another's session", func(t *testing.T) {
			b := newBrowser(t, e)
			b.post("/login/2")
			b.header.Set("Authorization", bearer(t, jwt.MapClaims{"sub": "admin"}))
			want(t, "impersonate", b.post("/impersonate/1"), echoauth.ErrNoSignIn.Error())
			b.header.Del("Authorization")
			want(t, "whoami by the session", b.get("/whoami"), "user:2")
		})
		t.Run("a token beside a session that impersonates", func(t *testing.T) {
			b := newBrowser(t, e)
			b.post("/login/admin")
			b.post("/impersonate/1")
			b.header.Set("Authorization", bearer(t, jwt.MapClaims{"sub": "2", "act": "admin"}))
			want(t, "stop", b.post("/stop"), "user:2 (by user:admin)")
			b.header.Del("Authorization")
			want(t, "whoami by the session", b.get("/whoami"), "user:admin")
		})
	})
}

// TestImpersonateWithoutASession: who is the request's actor only by Set has no
// session to act from, and neither has one whose session has ended.
func TestImpersonateWithoutASession(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		all := newAccounts()
		e := newSite(t, v, newCookieStore(), Config{SessionStamp: all.stamp})
		e.POST("/set/:id", answer(v, func(c Context) error {
			v.Set(c, actor.User(c.Param("id")))
			return v.Impersonate(c, alice)
		}))
		b := newBrowser(t, e)
		want(t, "impersonate", b.post("/set/admin"), echoauth.ErrNoSignIn.Error())
		b.post("/login/admin")
		want(t, "impersonate with a session", b.post("/set/admin"), "user:1 (by user:admin)")
		b.post("/login/admin")
		all.stamps["admin"] = "new"
		want(t, "impersonate with a session that has ended", b.post("/set/admin"), echoauth.ErrNoSignIn.Error())
	})
}

// TestImpersonateAClosedAccount: to answer 401 would tell a front end that the one
// who impersonates is signed out.
func TestImpersonateAClosedAccount(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		all := newAccounts()
		e := newSite(t, v, newCookieStore(), Config{SessionStamp: all.stamp})
		e.POST("/act-as/:id", func(c Context) error { return v.Impersonate(c, actor.User(c.Param("id"))) })
		b := newBrowser(t, e)
		b.post("/login/admin")
		all.errs["1"] = fmt.Errorf("closed: %w", echoauth.ErrAnonymous)
		want(t, "impersonate", b.post("/impersonate/1"), echoauth.ErrMayNotImpersonate.Error())
		if got := b.do("POST", "/act-as/1").Code; got != http.StatusForbidden {
			t.Errorf("act as = %d, want 403", got)
		}
		want(t, "whoami", b.get("/whoami"), "user:admin")
		all.errs["1"] = errors.New("down")
		if got := b.post("/impersonate/1"); !strings.HasSuffix(got, ": down") {
			t.Errorf("impersonate when nobody can tell = %s, want the error", got)
		}
		want(t, "whoami afterwards", b.get("/whoami"), "user:admin")
	})
}

// TestImpersonateChains: nobody acts through somebody else.
func TestImpersonateChains(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e := newSite(t, v, newCookieStore(), Config{})
		e.POST("/as-acting/:id", answer(v, func(c Context) error {
			return v.Impersonate(c, bob.As(actor.User(c.Param("id"))))
		}))
		b := newBrowser(t, e)
		b.post("/login/admin")
		want(t, "impersonate one who is impersonated", b.post("/as-acting/1"), "user:1 (by user:admin)")
		want(t, "impersonate further", b.post("/impersonate/2"), echoauth.ErrImpersonating.Error())
		want(t, "impersonate the real one", b.post("/impersonate/admin"), echoauth.ErrImpersonating.Error())
		want(t, "stop", b.post("/stop"), "user:admin")
		want(t, "impersonate oneself", b.post("/impersonate/admin"), "user:admin")
		want(t, "stop oneself", b.post("/stop"), echoauth.ErrNotImpersonating.Error())
		b.post("/impersonate/1")
		want(t, "a login while impersonating", b.post("/login/2"), "user:2")
		want(t, "stop afterwards", b.post("/stop"), echoauth.ErrNotImpersonating.Error())
	})
}

// TestImpersonateConcurrently: many requests find out at once that it is over.
func TestImpersonateConcurrently(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		eachStore(t, func(t *testing.T, store sessions.Store) {
			all := newRoles()
			b := newBrowser(t, newSite(t, v, store, Config{MayImpersonate: all.may}))
			b.post("/login/admin")
			b.post("/impersonate/1")
			all.mu.Lock()
			all.ranks["admin"] = 0
			all.mu.Unlock()
			var group sync.WaitGroup
			answers := make([]string, 8)
			for i := range answers {
				group.Go(func() {
					tab := b.copied()
					answers[i] = fmt.Sprint(tab.do("POST", "/whoami-nothing").Code, " ", tab.get("/whoami"))
				})
			}
			group.Wait()
			for _, got := range answers {
				// A tab that came after the record was gone is a stranger's.
				if got != "403 user:admin" && got != "404 anonymous" {
					t.Errorf("a tab = %s, want to be refused or signed out", got)
				}
			}
		})
	})
}
