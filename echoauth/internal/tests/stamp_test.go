package tests

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/sessions"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// accounts hold a stamp for each user, or an error.
type accounts struct {
	mu     sync.Mutex
	stamps map[string]string
	errs   map[string]error
	asked  []actor.Actor
}

func newAccounts() *accounts {
	return &accounts{stamps: map[string]string{}, errs: map[string]error{}}
}

func (s *accounts) stamp(_ context.Context, a actor.Actor) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, a)
	return s.stamps[a.ID], s.errs[a.ID]
}

func (s *accounts) questions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.asked)
	s.asked = nil
	return n
}

func TestSessionStamp(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		eachStore(t, func(t *testing.T, store sessions.Store) {
			all := newAccounts()
			all.stamps["1"] = "$2a$10$password-hash"
			e := newSite(t, v, store, Config{SessionStamp: all.stamp})
			b := newBrowser(t, e)
			want(t, "login", b.post("/login/1"), "user:1")
			want(t, "whoami", b.get("/whoami"), "user:1")
			thief := b.copied()

			t.Run("a new password ends the other sessions", func(t *testing.T) {
				all.stamps["1"] = "$2a$10$another-hash"
				want(t, "whoami", thief.get("/whoami"), "anonymous")
				want(t, "login", b.post("/login/1"), "user:1")
				want(t, "whoami", b.get("/whoami"), "user:1")
				want(t, "whoami", thief.get("/whoami"), "anonymous")
			})
			t.Run("logout everywhere", func(t *testing.T) {
				thief := b.copied()
				b.post("/logout")
				all.stamps["1"] = "epoch 2"
				want(t, "whoami", thief.get("/whoami"), "anonymous")
				b.post("/login/1")
			})
			t.Run("an account that is gone signs out", func(t *testing.T) {
				all.errs["1"] = fmt.Errorf("account closed: %w", echoauth.ErrAnonymous)
				want(t, "whoami", b.get("/whoami"), "anonymous")
				if got := b.post("/login/1"); !strings.Contains(got, "nobody is signed in") {
					t.Errorf("login = %q, want ErrAnonymous", got)
				}
				delete(all.errs, "1")
			})
			t.Run("any other error fails the request", func(t *testing.T) {
				all.errs["1"] = errors.New("database is down")
				if rec := b.do("GET", "/whoami"); rec.Code != http.StatusServiceUnavailable || strings.Contains(rec.Body.String(), "database") {
					t.Errorf("whoami = %d %s, want 503 without the cause", rec.Code, rec.Body)
				}
				delete(all.errs, "1")
				want(t, "whoami", b.get("/whoami"), "user:1")
			})
			t.Run("nobody is asked about an anonymous request", func(t *testing.T) {
				all.questions()
				newBrowser(t, e).get("/whoami")
				if got := all.questions(); got != 0 {
					t.Errorf("questions = %d, want 0", got)
				}
			})
		})
	})
}

func TestSessionStampIsNoPlainText(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		all := newAccounts()
		all.stamps["1"] = "secret-hash"
		var values map[any]any
		e, _ := v.NewApp(t)
		e.Use(v.Sessions(newCookieStore()), v.MiddlewareWithConfig(Config{SessionStamp: all.stamp}))
		e.POST("/", func(c Context) error {
			if err := v.Login(c, alice); err != nil {
				return err
			}
			s, err := v.Session("session", c)
			values = s.Values
			return err
		})
		newBrowser(t, e).do("POST", "/")
		if len(values) != 2 {
			t.Errorf("session = %v, want two values", values)
		}
		for key, value := range values {
			text, ok := value.(string)
			if !strings.HasPrefix(fmt.Sprint(key), "echoauth:") || !ok || !strings.HasPrefix(text, "1:") ||
				strings.Contains(text, "secret") {
				t.Errorf("session value %v = %v, want a versioned string without secrets", key, value)
			}
		}
	})
}

func TestSessionStampOfOlderSessions(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		store := newCookieStore()
		b := newBrowser(t, newSite(t, v, store, Config{}))
		b.post("/login/1")
		b.handler = newSite(t, v, store, Config{SessionStamp: newAccounts().stamp})
		want(t, "whoami with a session from before there were stamps", b.get("/whoami"), "anonymous")
		b.post("/login/1")
		b.handler = newSite(t, v, store, Config{})
		want(t, "whoami with a stamp nobody compares", b.get("/whoami"), "user:1")
		b.post("/login/1")
		b.handler = newSite(t, v, store, Config{SessionStamp: newAccounts().stamp})
		want(t, "whoami after a login without stamp", b.get("/whoami"), "anonymous")
	})
}

func TestSessionStampWhileImpersonating(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		for _, closed := range []string{"admin", "1"} {
			t.Run(closed+" closed", func(t *testing.T) {
				all := newAccounts()
				b := newBrowser(t, newSite(t, v, newCookieStore(), Config{SessionStamp: all.stamp}))
				b.post("/login/admin")
				b.post("/impersonate/1")
				want(t, "whoami", b.get("/whoami"), "user:1 (by user:admin)")
				for _, a := range all.asked {
					if !a.Impersonator.IsAnonymous() {
						t.Errorf("SessionStamp was asked for %v, want one account at a time", a)
					}
				}
				all.stamps[closed] = "new"
				want(t, "whoami", b.get("/whoami"), "anonymous")
				all.stamps[closed] = ""
				want(t, "whoami", b.get("/whoami"), "user:1 (by user:admin)")
				all.errs[closed] = echoauth.ErrAnonymous
				want(t, "whoami", b.get("/whoami"), "anonymous")
			})
		}
	})
}

func TestSessionStampNested(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		all := newAccounts()
		e, _ := v.NewApp(t)
		e.Use(v.Sessions(newCookieStore()), v.MiddlewareWithConfig(Config{SessionStamp: all.stamp}))
		signIn(e)
		plain := e.Group("/plain", v.Middleware())
		plain.GET("/whoami", whoami)
		plain.POST("/login", answer(v, func(c Context) error { return v.Login(c, alice) }))
		b := newBrowser(t, e)
		b.post("/plain/login")
		all.questions()
		want(t, "whoami", b.get("/plain/whoami"), "user:1")
		if got := all.questions(); got != 1 {
			t.Errorf("questions per request = %d, want 1", got)
		}
		all.stamps["1"] = "new"
		want(t, "whoami behind a second, plain middleware", b.get("/plain/whoami"), "anonymous")
	})
}

func TestSessionStampTimeout(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		stuck := make(chan struct{})
		defer close(stuck)
		calls := 0
		b := newBrowser(t, newSite(t, v, newCookieStore(), Config{
			LoadTimeout: 20 * time.Millisecond,
			SessionStamp: func(context.Context, actor.Actor) (string, error) {
				if calls++; calls > 1 {
					<-stuck
				}
				return "", nil
			},
		}))
		b.post("/login/1")
		if got := b.do("GET", "/whoami").Code; got != http.StatusServiceUnavailable {
			t.Errorf("whoami = %d, want 503", got)
		}
	})
}

func TestSessionStampThatDoesNotReturn(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		for name, end := range map[string]func(){"a panic": func() { panic("bug") }, "Goexit": runtime.Goexit} {
			t.Run(name, func(t *testing.T) {
				calls := 0
				b := newBrowser(t, newSite(t, v, newCookieStore(), Config{
					SessionStamp: func(context.Context, actor.Actor) (string, error) {
						if calls++; calls > 1 {
							end()
						}
						return "", nil
					},
				}))
				b.post("/login/1")
				if got := b.do("GET", "/whoami").Code; got != http.StatusServiceUnavailable {
					t.Errorf("whoami = %d, want 503", got)
				}
			})
		}
	})
}
