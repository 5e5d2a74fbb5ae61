package tests

import (
	"context"
	"net/http"
	"testing"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// e.Use(Middleware()) for all, and a group whose Middleware has the
// SessionStamp: a revoked session stays signed in behind it.
func TestRevokedSessionBehindANestedMiddleware(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		all := newAccounts()
		all.stamps["1"] = "old password"
		e, _ := v.NewApp(t)
		e.Use(v.Sessions(newCookieStore()), v.Middleware())
		admin := e.Group("/admin", v.MiddlewareWithConfig(Config{SessionStamp: all.stamp}))
		admin.POST("/login", answer(v, func(c Context) error { return v.Login(c, alice) }))
		admin.GET("/whoami", whoami, v.RequireUser())
		b := newBrowser(t, e)
		b.post("/admin/login")
		want(t, "whoami", b.get("/admin/whoami"), "user:1")
		all.stamps["1"] = "new password"
		if got := b.do("GET", "/admin/whoami"); got.Code != http.StatusUnauthorized {
			t.Errorf("whoami with a revoked session = %d %q, want 401", got.Code, got.Body)
		}
	})
}

// The inner SessionStamp is documented to be in force, but it is not asked
// where the outer one's comparison was good.
func TestInnerStampIsNotAsked(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		outer := func(context.Context, actor.Actor) (string, error) { return "same", nil }
		asked := 0
		inner := func(context.Context, actor.Actor) (string, error) { asked++; return "", echoauth.ErrAnonymous } // account closed
		e.Use(v.Sessions(newCookieStore()), v.MiddlewareWithConfig(Config{SessionStamp: outer}))
		signIn(e)
		e.Group("/admin", v.MiddlewareWithConfig(Config{SessionStamp: inner})).GET("/whoami", whoami)
		b := newBrowser(t, e)
		b.post("/login/1")
		got := b.get("/admin/whoami")
		if asked == 0 || got != "anonymous" {
			t.Errorf("inner SessionStamp asked %d times, whoami = %q, want it asked, and anonymous", asked, got)
		}
	})
}

// Login on a route that no Middleware serves (a Skipper), over the session of
// somebody whose id the application keeps itself.
func TestLoginOverAnApplicationsOwnSession(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		e.Use(v.Sessions(newCookieStore()), v.MiddlewareWithConfig(Config{
			Sources: []Source{v.FromSessionValue("uid"), v.FromSession()}, // in transition
			Skipper: func(c Context) bool { return c.Path() == "/login/:id" || c.Path() == "/old/:id" },
		}))
		signIn(e)
		e.POST("/old/:id", func(c Context) error {
			s, _ := v.Session("session", c)
			s.Values["uid"] = c.Param("id")
			return s.Save(c.Request(), v.Response(c))
		})
		b := newBrowser(t, e)
		b.post("/old/2")
		want(t, "whoami", b.get("/whoami"), "user:2")
		b.post("/login/1")
		want(t, "whoami after Login of 1", b.get("/whoami"), "user:1")
	})
}

// A ContextKey that others read would deceive them.
func TestContextKeysOfOthers(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		for _, key := range []string{"user", "_session_store", "echoauth:request", "echo_header_allow"} {
			if err := v.ToMiddleware(Config{ContextKey: key}); err == nil {
				t.Errorf("ContextKey %q is accepted", key)
			}
		}
	})
}
