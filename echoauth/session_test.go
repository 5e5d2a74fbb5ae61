package echoauth_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomodule/redigo/redis"
	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
	"github.com/labstack/echo-contrib/session"
	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

func TestFromSessionBadCookies(t *testing.T) {
	otherKey := newSite(t, sessions.NewCookieStore([]byte("another key of thirty-two bytes.")), echoauth.Config{})
	stranger := newBrowser(t, otherKey)
	stranger.post("/login/1")
	otherName := newSite(t, newCookieStore(), echoauth.Config{SessionName: "other"})
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
				b := newBrowser(t, newSite(t, store, echoauth.Config{}))
				b.cookies["session"] = test.cookie
				want(t, "whoami", b.get("/whoami"), "anonymous")
				want(t, "login", b.post("/login/1"), "user:1")
				want(t, "whoami", b.get("/whoami"), "user:1")
			})
		})
	}
}

func TestFromSessionExpired(t *testing.T) {
	store := newCookieStore()
	past := securecookie.New(testKey, nil).MaxAge(0)
	value, err := past.Encode("session", map[any]any{"echoauth:actor": "1:id=1&kind=user"})
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, newSite(t, store, echoauth.Config{}))
	b.cookies["session"] = value
	want(t, "whoami with a fresh cookie", b.get("/whoami"), "user:1")
	for _, codec := range store.Codecs {
		codec.(*securecookie.SecureCookie).MaxAge(-1) // what was written now is too old
	}
	want(t, "whoami with an expired cookie", b.get("/whoami"), "anonymous")
}

func TestFromSessionFileGone(t *testing.T) {
	dir := t.TempDir()
	b := newBrowser(t, newSite(t, sessions.NewFilesystemStore(dir, testKey), echoauth.Config{}))
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
}

func TestFromSessionStoreDown(t *testing.T) {
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
			b := newBrowser(t, newSite(t, newCookieStore(), echoauth.Config{}))
			b.post("/login/1")
			unreachable.get = errors.New("dial tcp: connection refused")
			b.handler = newSite(t, test.store, echoauth.Config{})
			rec := b.do("GET", "/whoami")
			if rec.Code != http.StatusServiceUnavailable || strings.Contains(rec.Body.String(), "refused") {
				t.Errorf("whoami = %d %s, want 503 without the cause", rec.Code, rec.Body)
			}
			want(t, "whoami without a cookie", newBrowser(t, b.handler).get("/whoami"), "anonymous")
		})
	}
	t.Run("redis gone", func(t *testing.T) {
		store := newRediStore(t)
		b := newBrowser(t, newSite(t, store, echoauth.Config{}))
		b.post("/login/1")
		want(t, "whoami", b.get("/whoami"), "user:1")
		gone := *store
		gone.Pool = &redis.Pool{Dial: func() (redis.Conn, error) { return redis.Dial("tcp", "127.0.0.1:1") }}
		b.handler = newSite(t, &gone, echoauth.Config{})
		if got := b.do("GET", "/whoami").Code; got != http.StatusServiceUnavailable {
			t.Errorf("whoami = %d, want 503", got)
		}
	})
}

func TestSessionMiddlewareOrder(t *testing.T) {
	const says = "session.Middleware runs after echoauth.Middleware"
	store := session.Middleware(newCookieStore())
	for _, test := range []struct {
		name string
		use  func(e *echo.Echo)
		want int
	}{
		{"after", func(e *echo.Echo) { e.Use(echoauth.Middleware(), store); signIn(e) }, 1},
		{"after, on a group", func(e *echo.Echo) {
			e.Use(echoauth.Middleware())
			e.Group("", store).GET("/whoami", whoami)
		}, 1},
		{"after, with sources of one's own", func(e *echo.Echo) {
			e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{Sources: []echoauth.Source{echoauth.FromSessionValue("uid")}}), store)
			signIn(e)
		}, 1},
		{"before", func(e *echo.Echo) { e.Use(store, echoauth.Middleware()); signIn(e) }, 0},
		{"none at all", func(e *echo.Echo) { e.Use(echoauth.Middleware()); signIn(e) }, 0},
		{"after, but no source reads sessions", func(e *echo.Echo) {
			e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{Sources: []echoauth.Source{echoauth.FromJWT()}}), store)
			signIn(e)
		}, 0},
		{"on a group, before a second middleware", func(e *echo.Echo) {
			e.Use(echoauth.Middleware())
			e.Group("", store, echoauth.Middleware()).GET("/whoami", whoami)
		}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, log := newEcho(t)
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
}

func TestFromSessionValue(t *testing.T) {
	type userID int64
	type slug string
	for _, test := range []struct {
		name  string
		value any
		want  string
	}{
		{"string", "abc", "user:abc"},
		{"int", 42, "user:42"},
		{"int64 beyond 2^53", int64(9007199254740993), "user:9007199254740993"},
		{"negative", int8(-3), "user:-3"},
		{"greatest uint64", uint64(1<<64 - 1), "user:18446744073709551615"},
		{"named integer", userID(7), "user:7"},
		{"named string", slug("ann"), "user:ann"},
		{"json.Number", json.Number("9007199254740993"), "user:9007199254740993"},
		{"negative json.Number", json.Number("-7"), "user:-7"},
		{"json.Number beyond int64", json.Number("18446744073709551616"), "user:18446744073709551616"},
		{"json.Number with a fraction of 0", json.Number("42.0"), "user:42"},
		{"json.Number with a fraction of 0 beyond 2^53", json.Number("9007199254740993.00"), "user:9007199254740993"},
		{"json.Number with a fraction", json.Number("42.00000000000000000001"), "503"},
		{"json.Number with an exponent", json.Number("4.2e1"), "503"},
		{"json.Number with a leading 0", json.Number("042"), "503"},
		{"json.Number that is none", json.Number("ann"), "503"},
		{"json.Number 0", json.Number("0"), "anonymous"},
		{"json.Number -0.0", json.Number("-0.0"), "anonymous"},
		{"empty json.Number", json.Number(""), "anonymous"},
		{"integral float", 42.0, "user:42"},
		{"float of 2^53", float64(1 << 53), "503"},
		{"fraction", 1.5, "503"},
		{"bool", true, "503"},
		{"uuid", [16]byte{1}, "503"},
		{"struct", struct{ ID int }{1}, "503"},
		{"nil", nil, "anonymous"},
		{"empty", "", "anonymous"},
		{"zero", 0, "anonymous"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, _ := newEcho(t)
			e.Use(session.Middleware(newCookieStore()))
			// The session in memory has the value: which types a store can save is
			// not the matter here.
			e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
				return func(c echo.Context) error {
					s, err := session.Get("session", c)
					if err != nil {
						return err
					}
					s.Values["uid"] = test.value
					return next(c)
				}
			})
			e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{Sources: []echoauth.Source{echoauth.FromSessionValue("uid")}}))
			signIn(e)
			b := newBrowser(t, e)
			b.cookies["session"] = newSessionCookie(t, map[any]any{})
			if got := b.get("/whoami"); got != test.want && !strings.HasPrefix(got, test.want+" ") {
				t.Errorf("whoami with %#v = %q, want %q", test.value, got, test.want)
			}
		})
	}
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

// TestSessionVersions reads values that other releases may have written.
func TestSessionVersions(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"version 1", "1:id=42&kind=user", "user:42"},
		{"fields that a newer release adds", "1:id=42&kind=user&at=1700000000", "user:42"},
		{"impersonated", "1:by_id=7&by_kind=user&id=42&kind=user", "user:42 (by user:7)"},
		{"a service", "1:id=x%26y&kind=service", "service:x&y"},
		{"another version", "2:id=42&kind=user", "anonymous"},
		{"no version", "id=42&kind=user", "anonymous"},
		{"a kind of the future", "1:id=42&kind=robot", "anonymous"},
		{"no id", "1:kind=user", "anonymous"},
		{"no kind", "1:id=42", "anonymous"},
		{"an impersonator that can't be read", "1:by_kind=robot&by_id=7&id=42&kind=user", "anonymous"},
		{"half an impersonator", "1:by_id=7&id=42&kind=user", "anonymous"},
		{"garbage", "1:%zz", "anonymous"},
		{"empty", "", "anonymous"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBrowser(t, newSite(t, newCookieStore(), echoauth.Config{}))
			b.cookies["session"] = newSessionCookie(t, map[any]any{"echoauth:actor": test.value})
			want(t, "whoami", b.get("/whoami"), test.want)
		})
	}
}

// TestSessionKeepsIDs signs in with ids that an encoding could confuse.
func TestSessionKeepsIDs(t *testing.T) {
	ids := []string{"9007199254740993", "a&kind=system", "by_id=1", "ü", "\xff", "\xfe", "\x00", " ", "1:", "%2", "a+b", "a b", `"`, "\U0001F600"}
	eachStore(t, func(t *testing.T, store sessions.Store) {
		for _, id := range ids {
			e, _ := newEcho(t)
			e.Use(session.Middleware(store), echoauth.Middleware())
			a := actor.Actor{Identity: actor.Identity{Kind: actor.KindService, ID: id}, Impersonator: actor.User(id).Identity}
			e.POST("/login", answer(func(c echo.Context) error { return echoauth.Login(c, a) }))
			var got actor.Actor
			e.GET("/", func(c echo.Context) error { got = echoauth.Current(c); return nil })
			b := newBrowser(t, e)
			b.post("/login")
			b.get("/")
			if got != a {
				t.Errorf("actor after Login(%q) = %q, want %q", a, got, a)
			}
		}
	})
}

// TestFromSessionLooksBeforeItAsks counts what reaches the store.
func TestFromSessionLooksBeforeItAsks(t *testing.T) {
	store := &brokenStore{Store: newCookieStore(), get: errors.New("asked")}
	e := newSite(t, store, echoauth.Config{})
	want(t, "whoami without a cookie", newBrowser(t, e).get("/whoami"), "anonymous")
	b := newBrowser(t, e)
	b.cookies["other"] = "x"
	want(t, "whoami with another cookie", b.get("/whoami"), "anonymous")
}

// TestSessionObject sees to it that a handler works with the session that the
// source has read: a second copy would lose one of two writes.
func TestSessionObject(t *testing.T) {
	e, _ := newEcho(t)
	e.Use(session.Middleware(newCookieStore()))
	var before *sessions.Session
	e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{Request: true, Sources: []echoauth.Source{
		func(c echo.Context) (a actor.Actor, ok bool, err error) {
			before, err = session.Get("session", c)
			return alice, true, err
		},
	}}))
	e.GET("/", func(c echo.Context) error {
		after, err := session.Get("session", c)
		if err != nil || before != after {
			t.Errorf("session in the handler = %p, %v, want the one of the source, %p", after, err, before)
		}
		return nil
	})
	e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
}
