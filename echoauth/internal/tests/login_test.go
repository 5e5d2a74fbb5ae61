package tests

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/sessions"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

func TestLogin(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		eachStore(t, func(t *testing.T, store sessions.Store) {
			e := newSite(t, v, store, Config{})
			t.Run("signs in and out", func(t *testing.T) {
				b := newBrowser(t, e)
				want(t, "login", b.post("/login/1"), "user:1")
				want(t, "whoami", b.get("/whoami"), "user:1")
				want(t, "logout", b.post("/logout"), "anonymous")
				want(t, "whoami", b.get("/whoami"), "anonymous")
			})
			t.Run("keeps what an anonymous visitor left", func(t *testing.T) {
				b := newBrowser(t, e)
				b.post("/cart/tea")
				b.post("/login/1")
				want(t, "cart", b.get("/cart"), "tea")
			})
			t.Run("keeps what the same person left", func(t *testing.T) {
				b := newBrowser(t, e)
				b.post("/login/1")
				b.post("/cart/tea")
				b.post("/login/1")
				want(t, "cart", b.get("/cart"), "tea")
			})
			t.Run("drops what another person left", func(t *testing.T) {
				b := newBrowser(t, e)
				b.post("/login/1")
				b.post("/cart/tea")
				want(t, "login", b.post("/login/2"), "user:2")
				want(t, "cart", b.get("/cart"), "")
			})
			t.Run("logout drops everything", func(t *testing.T) {
				b := newBrowser(t, e)
				b.post("/login/1")
				b.post("/cart/tea")
				b.post("/logout")
				want(t, "cart", b.get("/cart"), "")
			})
			t.Run("a new cookie each time, and one", func(t *testing.T) {
				// The same values in the same second give the same signed cookie.
				_, signed := store.(*sessions.CookieStore)
				b := newBrowser(t, e)
				b.post("/cart/tea")
				seen := map[string]bool{b.cookies["session"]: true}
				for _, path := range []string{"/login/1", "/login/1", "/impersonate/2", "/stop"} {
					cookies := b.do("POST", path).Header()["Set-Cookie"]
					if value := b.cookies["session"]; len(cookies) != 1 || seen[value] && !signed {
						t.Errorf("cookies of POST %s = %q, want one with a new value", path, cookies)
					}
					seen[b.cookies["session"]] = true
				}
				if cookies := b.do("POST", "/logout").Header()["Set-Cookie"]; len(cookies) != 1 || !strings.Contains(cookies[0], "Max-Age=0") {
					t.Errorf("cookies of POST /logout = %q, want one that expires", cookies)
				}
			})
		})
	})
}

func TestLoginOfAnotherActorDropsValues(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		// The previous person is known from elsewhere than the session.
		e, _ := v.NewApp(t)
		e.Use(v.Sessions(newCookieStore()))
		e.GET("/", func(c Context) error {
			s, err := v.Session("session", c)
			if err != nil {
				return err
			}
			s.Values["cart"] = "tea"
			v.Set(c, alice)
			if err := v.Login(c, bob); err != nil {
				return err
			}
			if len(s.Values) != 1 {
				t.Errorf("session after Login = %v, want only the actor", s.Values)
			}
			return nil
		})
		e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	})
}

func TestLoginErrors(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		down := errors.New("store is down")
		actions := map[string]func(c Context) error{
			"Login":             func(c Context) error { return v.Login(c, bob) },
			"Logout":            v.Logout,
			"Impersonate":       func(c Context) error { return v.Impersonate(c, bob) },
			"StopImpersonating": v.StopImpersonating,
		}
		signedIn := map[string]actor.Actor{
			"Login": alice, "Logout": alice, "Impersonate": alice, "StopImpersonating": admin.As(alice),
		}
		// Login and Logout don't need what the session holds.
		unreadable := map[string]error{"Impersonate": down, "StopImpersonating": down}
		for name, do := range actions {
			for _, test := range []struct {
				name   string
				use    func(e *App, store *brokenStore)
				before func(c Context, store *brokenStore)
				want   error
			}{
				{"no store", func(*App, *brokenStore) {}, func(Context, *brokenStore) {}, echoauth.ErrNoSession},
				{"committed", useStore, func(c Context, _ *brokenStore) { _ = c.NoContent(http.StatusNoContent) }, echoauth.ErrResponseCommitted},
				{"store can't be read", useStore, func(_ Context, s *brokenStore) { s.get = down }, unreadable[name]},
				{"store can't be written", useStore, func(_ Context, s *brokenStore) { s.save = down }, down},
			} {
				t.Run(name+"/"+test.name, func(t *testing.T) {
					if test.want == nil {
						t.Skip("no error")
					}
					e, _ := v.NewApp(t)
					store := &brokenStore{Store: newCookieStore()}
					test.use(e, store)
					e.POST("/", func(c Context) error {
						v.Set(c, signedIn[name])
						c.SetCookie(&http.Cookie{Name: "session", Value: "earlier"})
						test.before(c, store)
						if err := do(c); !errors.Is(err, test.want) || !strings.HasPrefix(v.Cause(err).Error(), "echoauth: ") {
							t.Errorf("%s = %v, want %v", name, err, test.want)
						}
						if got := v.Current(c); got != signedIn[name] {
							t.Errorf("actor after %s failed = %v, want %v", name, got, signedIn[name])
						}
						if got := v.Response(c).Header()["Set-Cookie"]; len(got) != 1 || got[0] != "session=earlier" {
							t.Errorf("cookies after %s failed = %q, want the earlier one", name, got)
						}
						return nil
					})
					b := newBrowser(t, newSite(t, v, newCookieStore(), Config{}))
					if b.post("/login/" + signedIn[name].ID); name == "StopImpersonating" {
						b.post("/login/admin")
						b.post("/impersonate/1")
					}
					b.handler = e
					b.do("POST", "/")
				})
			}
		}
	})
}

func useStore(e *App, store *brokenStore) { e.Use(e.v.Sessions(store)) }

// TestLoginThatFails sees to it that a handler which saves the session after a
// failed Login signs nobody in.
func TestLoginThatFails(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		eachStore(t, func(t *testing.T, inner sessions.Store) {
			store := &brokenStore{Store: inner}
			e := newSite(t, v, store, Config{})
			e.POST("/retry", func(c Context) error {
				store.save = errors.New("store is down")
				if err := v.Login(c, bob); err == nil {
					t.Error("Login on a store that is down = nil, want an error")
				}
				store.save = nil
				s, err := v.Session("session", c)
				if err != nil {
					return err
				}
				s.Values["cart"] = "tea"
				return s.Save(c.Request(), v.Response(c))
			})
			for _, before := range []string{"", "/login/1"} {
				b := newBrowser(t, e)
				wanted := "anonymous"
				if before != "" {
					wanted = b.post(before)
				}
				if got := b.do("POST", "/retry").Code; got != http.StatusOK {
					t.Fatalf("POST /retry = %d, want 200", got)
				}
				want(t, "whoami", b.get("/whoami"), wanted)
				want(t, "cart", b.get("/cart"), "tea")
			}
		})
	})
}

// TestLoginThatSavesNothing: with a MaxAge of 0, stores with records delete
// what they are told to save.
func TestLoginThatSavesNothing(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		store := newFilesystemStore(t)
		store.Options = &sessions.Options{HttpOnly: true}
		b := newBrowser(t, newSite(t, v, store, Config{}))
		if got := b.post("/login/1"); !strings.Contains(got, "saved no session") {
			t.Errorf("login = %q, want an error", got)
		}
		want(t, "whoami", b.get("/whoami"), "anonymous")
	})
}

func TestLoginOfNobody(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		e.Use(v.Sessions(newCookieStore()), v.Middleware())
		e.POST("/", func(c Context) error {
			for _, a := range []actor.Actor{{}, actor.User(0), actor.User(""), {Identity: actor.Identity{ID: "1"}}} {
				if err := v.Login(c, a); !errors.Is(err, echoauth.ErrAnonymous) {
					t.Errorf("Login(%#v) = %v, want ErrAnonymous", a, err)
				}
			}
			if err := v.Login(c, actor.Actor{Identity: actor.Identity{Kind: 99, ID: "1"}}); err == nil {
				t.Error("Login of an unknown kind = nil, want an error")
			}
			return nil
		})
		if got := newBrowser(t, e).do("POST", "/").Header()["Set-Cookie"]; len(got) != 0 {
			t.Errorf("cookies = %q, want none", got)
		}
	})
}

func TestLogoutThenSave(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		// A farewell in the session must not bring the signed-in one back.
		eachStore(t, func(t *testing.T, store sessions.Store) {
			e := newSite(t, v, store, Config{})
			e.POST("/bye", func(c Context) error {
				s, err := v.Session("session", c)
				if err != nil {
					return err
				}
				if err := v.Logout(c); err != nil {
					return err
				}
				s.Values["cart"] = "bye"
				return s.Save(c.Request(), v.Response(c))
			})
			b := newBrowser(t, e)
			b.post("/login/1")
			thief := b.copied()
			b.do("POST", "/bye")
			want(t, "whoami", b.get("/whoami"), "anonymous")
			want(t, "cart", b.get("/cart"), "bye")
			if _, ok := store.(*sessions.CookieStore); !ok {
				want(t, "whoami with the old cookie", thief.get("/whoami"), "anonymous")
			}
		})
	})
}

func TestLoginSessionNames(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		e.Use(v.Sessions(newCookieStore()))
		e.Use(v.MiddlewareWithConfig(Config{SessionName: "outer"}))
		inherits := e.Group("/inherits", v.Middleware())
		inner := e.Group("/inner", v.MiddlewareWithConfig(Config{SessionName: "inner"}))
		for _, g := range []*routes{inherits, inner} {
			g.POST("/login", answer(v, func(c Context) error { return v.Login(c, alice) }))
		}
		for path, name := range map[string]string{"/inherits/login": "outer", "/inner/login": "inner"} {
			b := newBrowser(t, e)
			want(t, "login", b.post(path), "user:1")
			if len(b.cookies) != 1 || b.cookies[name] == "" {
				t.Errorf("cookies of %s = %v, want %q", path, b.cookies, name)
			}
		}
	})
}

// TestLoginWithoutMiddleware signs in where the middleware did not run, or was
// skipped: with the default session, and no stamp. A plain one inside another
// keeps the outer one's.
func TestLoginWithoutMiddleware(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		login := answer(v, func(c Context) error { return v.Login(c, alice) })
		for _, test := range []struct {
			path string
			ran  bool
			want string // from a handler behind the middleware
		}{
			{"/none/login", false, "anonymous"},
			{"/skipped/login", false, "anonymous"},
			{"/in/login", true, "user:1"},
			{"/in/plain/login", true, "user:1"},
		} {
			for _, name := range []string{"auth", "session"} {
				e, _ := v.NewApp(t)
				e.Use(v.Sessions(newCookieStore()))
				mw := v.MiddlewareWithConfig(Config{
					Skipper:      func(c Context) bool { return strings.HasPrefix(c.Path(), "/skipped/") },
					SessionName:  name,
					SessionStamp: newAccounts().stamp,
				})
				e.POST("/none/login", login)
				e.Group("/skipped", mw).POST("/login", login)
				in := e.Group("/in", mw)
				in.POST("/login", login)
				in.GET("/whoami", whoami)
				in.Group("/plain", v.Middleware()).POST("/login", login)

				b := newBrowser(t, e)
				want(t, "login at "+test.path, b.post(test.path), "user:1")
				cookie := "session"
				if test.ran {
					cookie = name
				}
				if len(b.cookies) != 1 || b.cookies[cookie] == "" {
					t.Errorf("cookies of %s = %v, want %q", test.path, b.cookies, cookie)
				}
				want(t, "whoami after "+test.path, b.get("/in/whoami"), test.want)
			}
		}
	})
}

func TestLoginDropsValuesOfARevokedSession(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		all := newAccounts()
		b := newBrowser(t, newSite(t, v, newCookieStore(), Config{SessionStamp: all.stamp}))
		b.post("/login/1")
		b.post("/cart/tea")
		all.stamps["1"] = "new" // the request is anonymous now, the session still hers
		want(t, "login", b.post("/login/2"), "user:2")
		want(t, "cart", b.get("/cart"), "")
	})
}
