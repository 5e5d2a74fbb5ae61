package tests

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gorilla/sessions"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// signedInBefore is a browser of alice's, who signed in that long ago.
func signedInBefore(t *testing.T, e *App, store sessions.Store, age time.Duration) *browser {
	t.Helper()
	b := newBrowser(t, e)
	e.POST("/backdate/:at", func(c Context) error {
		s, err := e.v.Session("session", c)
		if err != nil {
			return err
		}
		s.Values["echoauth:actor"] = signedInAt(time.Now().Add(-age))
		s.Values["cart"] = "alice's"
		return s.Save(c.Request(), e.v.Response(c))
	})
	b.do("POST", "/backdate/now")
	if b.cookies["session"] == "" {
		t.Fatalf("%T saved no session", store)
	}
	return b
}

func TestSessionLifetime(t *testing.T) {
	const day = 24 * time.Hour
	eachVersion(t, func(t *testing.T, v version) {
		for _, test := range []struct {
			lifetime, maxAge, age time.Duration
			want                  string
		}{
			{0, 0, 10000 * day, "user:1"},
			{0, day, day - time.Minute, "user:1"},
			{0, day, day, "anonymous"},
			{0, day, 29 * day, "anonymous"}, // gorilla's cookie is good for 30 days
			{day, 0, day, "anonymous"},
			{day, 30 * day, day, "anonymous"},
			{day, 30 * day, day - time.Minute, "user:1"},
			{2 * day, day, day, "user:1"},
			{time.Second, day, 999 * time.Millisecond, "user:1"},
			{time.Second, day, time.Second, "anonymous"},
			{day, day, -time.Minute, "user:1"}, // another server's clock
			{day, day, -time.Hour, "anonymous"},
		} {
			t.Run(fmt.Sprint(test), func(t *testing.T) {
				if test.want == "user:1" && test.lifetime == time.Second {
					test.age = 0 // the test itself takes its time
				}
				store := newCookieStore()
				store.Options = &sessions.Options{Path: "/", MaxAge: int(test.maxAge.Seconds())}
				e := newSite(t, v, store, Config{SessionLifetime: test.lifetime})
				b := signedInBefore(t, e, store, test.age)
				want(t, "whoami", b.get("/whoami"), test.want)
				if test.want == "anonymous" {
					want(t, "login", b.post("/login/2"), "user:2")
					want(t, "whoami", b.get("/whoami"), "user:2")
					want(t, "cart", b.get("/cart"), "")
				}
			})
		}
		if err := v.ToMiddleware(Config{SessionLifetime: -1}); err == nil || !strings.Contains(err.Error(), "SessionLifetime") {
			t.Errorf("ToMiddleware with a negative SessionLifetime = %v, want an error", err)
		}
	})
}

// TestSessionLifetimeIsAbsolute: nothing that happens in a session prolongs it.
func TestSessionLifetimeIsAbsolute(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		eachStore(t, func(t *testing.T, store sessions.Store) {
			short := Config{SessionLifetime: time.Hour}
			e := newSite(t, v, store, short)
			b := signedInBefore(t, e, store, 50*time.Minute)
			for _, path := range []string{"/cart/tea", "/impersonate/2", "/cart/tea", "/stop", "/cart/tea", "/impersonate/2"} {
				b.post(path)
			}
			want(t, "whoami", b.get("/whoami"), "user:2 (by user:1)")
			b.handler = newSite(t, v, store, Config{SessionLifetime: 49 * time.Minute})
			want(t, "whoami once the session is too old", b.get("/whoami"), "anonymous")
			want(t, "stop", b.post("/stop"), "echoauth: not impersonating")
			b.handler = e
			want(t, "stop in time", b.post("/stop"), "user:1")
			want(t, "login", b.post("/login/1"), "user:1")
			b.handler = newSite(t, v, store, Config{SessionLifetime: 49 * time.Minute})
			want(t, "whoami after a new sign-in", b.get("/whoami"), "user:1")
		})
	})
}

// TestSessionLifetimeNested: a group may ask for a younger session; what it
// leaves unset stays.
func TestSessionLifetimeNested(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		store := newCookieStore()
		e := newSite(t, v, store, Config{SessionLifetime: time.Hour})
		e.Group("/admin", v.MiddlewareWithConfig(Config{SessionLifetime: time.Minute})).GET("/whoami", whoami)
		e.Group("/plain", v.Middleware()).GET("/whoami", whoami)
		b := signedInBefore(t, e, store, 10*time.Minute)
		want(t, "whoami", b.get("/whoami"), "user:1")
		want(t, "whoami behind a shorter lifetime", b.get("/admin/whoami"), "anonymous")
		want(t, "whoami behind none", b.get("/plain/whoami"), "user:1")
		old := signedInBefore(t, newSite(t, v, store, Config{}), store, 2*time.Hour)
		old.handler = e
		want(t, "whoami with an old session behind none", old.get("/plain/whoami"), "anonymous")
	})
}

// TestSessionWithoutSignIn: a session from before there was a time in it, or one
// that can't be read, signs nobody in and shows its values to nobody.
func TestSessionWithoutSignIn(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		for _, value := range []string{"1:id=1&kind=user", "1:at=x&id=1&kind=user", "2:new", ""} {
			b := newBrowser(t, newSite(t, v, newCookieStore(), Config{}))
			b.cookies["session"] = newSessionCookie(t, map[any]any{"echoauth:actor": value, "cart": "alice's"})
			want(t, "whoami with "+value, b.get("/whoami"), "anonymous")
			want(t, "login", b.post("/login/2"), "user:2")
			want(t, "cart", b.get("/cart"), "")
		}
	})
}

func TestSignedInAt(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		eachStore(t, func(t *testing.T, store sessions.Store) {
			all := newAccounts()
			e := newSite(t, v, store, Config{SessionStamp: all.stamp})
			at := func(c Context) error {
				at, ok := v.SignedInAt(c)
				if !ok {
					return c.String(200, "never")
				}
				if at.UnixMilli() != at.UnixNano()/1e6 || at.Nanosecond()%1e6 != 0 {
					t.Errorf("time = %v, want milliseconds", at)
				}
				return c.String(200, fmt.Sprint(at.UnixMilli()))
			}
			e.GET("/at", at)
			e.GET("/at/:id", func(c Context) error { v.Set(c, actor.User(c.Param("id"))); return at(c) })
			e.POST("/login-at", func(c Context) error {
				if err := v.Login(c, alice); err != nil {
					return err
				}
				return at(c)
			})
			b := newBrowser(t, e)
			want(t, "at of a stranger", b.get("/at"), "never")
			before := time.Now().UnixMilli()
			signedIn := b.post("/login-at")
			after := time.Now().UnixMilli()
			if signedIn < fmt.Sprint(before) || signedIn > fmt.Sprint(after) {
				t.Errorf("at = %s, want from %d to %d", signedIn, before, after)
			}
			want(t, "at of the next request", b.get("/at"), signedIn)
			time.Sleep(2 * time.Millisecond)
			b.post("/impersonate/2")
			want(t, "at while impersonating", b.get("/at"), signedIn)
			b.post("/stop")
			want(t, "at afterwards", b.get("/at"), signedIn)
			want(t, "at of the same person, set", b.get("/at/1"), signedIn)
			want(t, "at of another person", b.get("/at/2"), "never")
			all.stamps["1"] = "new"
			want(t, "at of an ended session", b.get("/at"), "never")
			want(t, "at of whom something else proved", b.get("/at/1"), "never")
			if again := b.post("/login-at"); again <= signedIn {
				t.Errorf("at after another login = %s, want later than %s", again, signedIn)
			}
			b.post("/logout")
			want(t, "at after the logout", b.get("/at"), "never")
		})
	})
}

func withName(a actor.Actor, name string) actor.Actor {
	a.Name = name
	return a
}

func TestSessionKeepsNames(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		eachStore(t, func(t *testing.T, store sessions.Store) {
			for name, kept := range map[string]string{
				"":                          "",
				"Alice":                     "Alice",
				"Zoë & <Ωmega>\n%=;":        "Zoë & <Ωmega>\n%=;",
				strings.Repeat("a", 65):     strings.Repeat("a", 64),
				strings.Repeat("a", 1<<20):  strings.Repeat("a", 64),
				strings.Repeat("é", 64):     strings.Repeat("é", 64),
				strings.Repeat("é", 65):     strings.Repeat("é", 64),
				strings.Repeat("€", 64):     strings.Repeat("€", 42),
				strings.Repeat("😀", 64):     strings.Repeat("😀", 32),
				"\xff\xfeAl\xc3":            "Al",
				strings.Repeat("\xff", 500): "",
			} {
				e, _ := v.NewApp(t)
				all := newAccounts()
				all.stamps["1"], all.stamps["admin"] = "x", "y"
				e.Use(v.Sessions(store), v.MiddlewareWithConfig(Config{SessionStamp: all.stamp}))
				e.POST("/login", func(c Context) error {
					return v.Login(c, withName(actor.User(strings.Repeat("i", 36)), name))
				})
				e.POST("/as", func(c Context) error { return v.Impersonate(c, withName(actor.User(strings.Repeat("j", 36)), name)) })
				e.GET("/names", func(c Context) error {
					a := v.Current(c)
					return c.String(200, fmt.Sprintf("%q by %q", a.Name, a.Impersonator.Name))
				})
				b := newBrowser(t, e)
				for _, step := range []struct{ path, want string }{
					{"/login", fmt.Sprintf("%q by %q", kept, "")},
					{"/as", fmt.Sprintf("%q by %q", kept, kept)},
				} {
					if rec := b.do("POST", step.path); rec.Code != 200 {
						t.Fatalf("POST %s with the name %.20q = %d %s", step.path, name, rec.Code, rec.Body)
					}
					if size := len(b.cookies["session"]); size > 4096-200 {
						t.Errorf("cookie with the names %.20q = %d bytes, want room for the application's", name, size)
					}
					want(t, "names", b.get("/names"), step.want)
				}
				if !utf8.ValidString(kept) {
					t.Errorf("%q is not valid", kept)
				}
			}
		})
	})
}

// TestNamesDecideNothing: who has another name is the same person.
func TestNamesDecideNothing(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		loads := 0
		e := newSite(t, v, newCookieStore(), Config{Load: func(ctx context.Context, a actor.Actor) (any, error) {
			loads++
			return loadAccount(ctx, a)
		}})
		e.POST("/login-as/:name", func(c Context) error { return v.Login(c, withName(alice, c.Param("name"))) })
		e.GET("/load", func(c Context) error {
			for _, name := range []string{"", "A", "B"} {
				v.Set(c, withName(alice, name))
				if _, err := v.User(c.Request().Context()); err != nil {
					return err
				}
			}
			return c.String(200, fmt.Sprint(loads))
		})
		b := newBrowser(t, e)
		b.do("POST", "/login-as/Alice")
		b.post("/cart/tea")
		b.do("POST", "/login-as/Alicia")
		want(t, "cart of the same person", b.get("/cart"), "tea")
		want(t, "loads of one request", b.get("/load"), "1")
	})
}
