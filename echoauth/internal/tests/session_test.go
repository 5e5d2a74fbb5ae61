package tests

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

func TestFromSessionBadCookies(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		otherKey := newSite(t, v, sessions.NewCookieStore([]byte("another key of thirty-two bytes.")), Config{})
		stranger := newBrowser(t, otherKey)
		stranger.post("/login/1")
		otherName := newSite(t, v, newCookieStore(), Config{SessionName: "other"})
		renamed := newBrowser(t, otherName)
		renamed.post("/login/1")

		for _, test := range []struct{ name, cookie string }{
			{"empty", ""},
			{"garbage", "garbage"},
			{"no base64", "%%%"},
			{"too long", strings.Repeat("A", 5000)},
			{"signed with another key", stranger.cookies["session"]},
			{"signed for a cookie of another name", renamed.cookies["other"]},
		} {
			t.Run(test.name, func(t *testing.T) {
				eachStore(t, func(t *testing.T, store sessions.Store) {
					b := newBrowser(t, newSite(t, v, store, Config{}))
					b.cookies["session"] = test.cookie
					want(t, "whoami", b.get("/whoami"), "anonymous")
					want(t, "login", b.post("/login/1"), "user:1")
					want(t, "whoami", b.get("/whoami"), "user:1")
				})
			})
		}
	})
}

// TestSessionOfAnotherInstance: instances with the same key take each other's sessions.
func TestSessionOfAnotherInstance(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		there := newBrowser(t, newSite(t, v, newCookieStore(), Config{}))
		there.post("/login/1")
		here := newBrowser(t, newSite(t, v, newCookieStore(), Config{}))
		here.cookies["session"] = there.cookies["session"]
		want(t, "whoami", here.get("/whoami"), "user:1")
	})
}

func TestFromSessionExpired(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		store := newCookieStore()
		past := securecookie.New(testKey, nil).MaxAge(0)
		value, err := past.Encode("session", map[any]any{"echoauth:actor": signedInAt(time.Now())})
		if err != nil {
			t.Fatal(err)
		}
		b := newBrowser(t, newSite(t, v, store, Config{}))
		b.cookies["session"] = value
		want(t, "whoami with a fresh cookie", b.get("/whoami"), "user:1")
		for _, codec := range store.Codecs {
			codec.(*securecookie.SecureCookie).MaxAge(-1) // what was written now is too old
		}
		want(t, "whoami with an expired cookie", b.get("/whoami"), "anonymous")
	})
}

func TestFromSessionFileGone(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		dir := t.TempDir()
		b := newBrowser(t, newSite(t, v, sessions.NewFilesystemStore(dir, testKey), Config{}))
		b.post("/login/1")
		files, err := filepath.Glob(filepath.Join(dir, "session_*"))
		if err != nil || len(files) != 1 {
			t.Fatalf("session files = %v, %v, want one", files, err)
		}
		t.Run("garbage in the file", func(t *testing.T) {
			if err := os.WriteFile(files[0], []byte("garbage"), 0o600); err != nil {
				t.Fatal(err)
			}
			want(t, "whoami", b.get("/whoami"), "anonymous")
		})
		if err := os.Remove(files[0]); err != nil {
			t.Fatal(err)
		}
		want(t, "whoami", b.get("/whoami"), "anonymous")
		want(t, "login", b.post("/login/2"), "user:2")
		want(t, "whoami", b.get("/whoami"), "user:2")
	})
}

func TestFromSessionStoreDown(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		unreachable := &brokenStore{Store: newCookieStore()}
		noKey := sessions.NewCookieStore([]byte{})
		for _, test := range []struct {
			name  string
			store sessions.Store
		}{
			{"unreachable", unreachable},
			{"without a key", noKey},
		} {
			t.Run(test.name, func(t *testing.T) {
				b := newBrowser(t, newSite(t, v, newCookieStore(), Config{}))
				b.post("/login/1")
				unreachable.get = errors.New("dial tcp: connection refused")
				b.handler = newSite(t, v, test.store, Config{})
				rec := b.do("GET", "/whoami")
				if rec.Code != http.StatusServiceUnavailable || strings.Contains(rec.Body.String(), "refused") {
					t.Errorf("whoami = %d %s, want 503 without the cause", rec.Code, rec.Body)
				}
				want(t, "whoami without a cookie", newBrowser(t, b.handler).get("/whoami"), "anonymous")
			})
		}
		t.Run("redis gone", func(t *testing.T) {
			store := newRediStore(t)
			b := newBrowser(t, newSite(t, v, store, Config{}))
			b.post("/login/1")
			want(t, "whoami", b.get("/whoami"), "user:1")
			gone := *store
			gone.Pool = &redis.Pool{Dial: func() (redis.Conn, error) { return redis.Dial("tcp", "127.0.0.1:1") }}
			b.handler = newSite(t, v, &gone, Config{})
			if got := b.do("GET", "/whoami").Code; got != http.StatusServiceUnavailable {
				t.Errorf("whoami = %d, want 503", got)
			}
		})
	})
}

func TestStoreDownIsLogged(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		store := &brokenStore{Store: newCookieStore()}
		e, log := v.NewApp(t)
		e.Use(v.Sessions(store), v.Middleware())
		e.GET("/whoami", whoami)
		e.POST("/login", func(c Context) error { return v.Login(c, actor.User(1)) })
		b := newBrowser(t, e)
		b.do("POST", "/login")
		store.get = errors.New("dial tcp: connection refused")
		for range 2 {
			b.do("GET", "/whoami")
		}
		if got := strings.Count(log.String(), "connection refused"); got < 2 {
			t.Errorf("log = %s, want the cause of each failed request", log)
		}
	})
}

func TestSessionMiddlewareOrder(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		const says = "session.Middleware runs after echoauth.Middleware"
		store := v.Sessions(newCookieStore())
		for _, test := range []struct {
			name string
			use  func(e *App)
			want int
		}{
			{"after", func(e *App) { e.Use(v.Middleware(), store); signIn(e) }, 1},
			{"after, and the handler asks for the sign-in time", func(e *App) {
				e.Use(v.Middleware(), store)
				e.GET("/whoami", func(c Context) error { v.SignedInAt(c); return whoami(c) })
			}, 1},
			{"after, on a group", func(e *App) {
				e.Use(v.Middleware())
				e.Group("", store).GET("/whoami", whoami)
			}, 1},
			{"after, with sources of one's own", func(e *App) {
				e.Use(v.MiddlewareWithConfig(Config{Sources: []Source{v.FromSessionValue("uid")}}), store)
				signIn(e)
			}, 1},
			{"before", func(e *App) { e.Use(store, v.Middleware()); signIn(e) }, 0},
			{"none at all", func(e *App) { e.Use(v.Middleware()); signIn(e) }, 0},
			{"after, but no source reads sessions", func(e *App) {
				e.Use(v.MiddlewareWithConfig(Config{Sources: []Source{v.FromJWT()}}), store)
				signIn(e)
			}, 0},
			{"on a group, before a second middleware", func(e *App) {
				e.Use(v.Middleware())
				e.Group("", store, v.Middleware()).GET("/whoami", whoami)
			}, 0},
		} {
			t.Run(test.name, func(t *testing.T) {
				e, log := v.NewApp(t)
				test.use(e)
				for round := range 3 {
					b := newBrowser(t, e)
					want(t, "whoami without cookies", b.get("/whoami"), "anonymous")
					if round == 0 && strings.Contains(log.String(), says) {
						t.Fatalf("log = %s, although there was no session to miss", log)
					}
					b.cookies["theme"] = "dark"
					want(t, "whoami", b.get("/whoami"), "anonymous")
				}
				if got := strings.Count(log.String(), says); got != test.want {
					t.Errorf("log = %s, want the diagnosis %d times", log, test.want)
				}
			})
		}
	})
}

// newSessionCookie is the cookie of a session with these values.
func newSessionCookie(tb testing.TB, values map[any]any) string {
	tb.Helper()
	value, err := securecookie.New(testKey, nil).Encode("session", values)
	if err != nil {
		tb.Fatal(err)
	}
	return value
}

// TestSessionKeepsIDs signs in with ids that an encoding could confuse.
func TestSessionKeepsIDs(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		ids := []string{"9007199254740993", "a&kind=system", "by_id=1", "ü", "\xff", "\xfe", "\x00", " ", "1:", "%2", "a+b", "a b", `"`, "\U0001F600"}
		eachStore(t, func(t *testing.T, store sessions.Store) {
			for _, id := range ids {
				e, _ := v.NewApp(t)
				e.Use(v.Sessions(store), v.Middleware())
				a := actor.Actor{Identity: actor.Identity{Kind: actor.KindService, ID: id}, Impersonator: actor.User(id).Identity}
				e.POST("/login", answer(v, func(c Context) error { return v.Login(c, a) }))
				var got actor.Actor
				e.GET("/", func(c Context) error { got = v.Current(c); return nil })
				b := newBrowser(t, e)
				b.post("/login")
				b.get("/")
				if got != a {
					t.Errorf("actor after Login(%q) = %q, want %q", a, got, a)
				}
			}
		})
	})
}

// TestFromSessionLooksBeforeItAsks counts what reaches the store.
func TestFromSessionLooksBeforeItAsks(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		store := &brokenStore{Store: newCookieStore(), get: errors.New("asked")}
		e := newSite(t, v, store, Config{})
		want(t, "whoami without a cookie", newBrowser(t, e).get("/whoami"), "anonymous")
		b := newBrowser(t, e)
		b.cookies["other"] = "x"
		want(t, "whoami with another cookie", b.get("/whoami"), "anonymous")
	})
}

// TestSessionObject sees to it that a handler works with the session that the
// source has read: a second copy would lose one of two writes.
func TestSessionObject(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		e.Use(v.Sessions(newCookieStore()))
		var before *sessions.Session
		e.Use(v.MiddlewareWithConfig(Config{Request: true, Sources: []Source{
			func(c Context) (a actor.Actor, ok bool, err error) {
				before, err = v.Session("session", c)
				return alice, true, err
			},
		}}))
		e.GET("/", func(c Context) error {
			after, err := v.Session("session", c)
			if err != nil || before != after {
				t.Errorf("session in the handler = %p, %v, want the one of the source, %p", after, err, before)
			}
			return nil
		})
		e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	})
}
