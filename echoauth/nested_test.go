package echoauth_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/labstack/echo-contrib/session"
	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// e.Use(Middleware()) for all, and a group whose Middleware has the
// SessionStamp: a revoked session stays signed in behind it.
func TestRevokedSessionBehindANestedMiddleware(t *testing.T) {
	all := newAccounts()
	all.stamps["1"] = "old password"
	e, _ := newEcho(t)
	e.Use(session.Middleware(newCookieStore()), echoauth.Middleware())
	admin := e.Group("/admin", echoauth.MiddlewareWithConfig(echoauth.Config{SessionStamp: all.stamp}))
	admin.POST("/login", answer(func(c echo.Context) error { return echoauth.Login(c, alice) }))
	admin.GET("/whoami", whoami, echoauth.RequireUser())
	b := newBrowser(t, e)
	b.post("/admin/login")
	want(t, "whoami", b.get("/admin/whoami"), "user:1")
	all.stamps["1"] = "new password"
	if got := b.do("GET", "/admin/whoami"); got.Code != http.StatusUnauthorized {
		t.Errorf("whoami with a revoked session = %d %q, want 401", got.Code, got.Body)
	}
}

// The inner SessionStamp is documented to be in force, but it is not asked
// where the outer one's comparison was good.
func TestInnerStampIsNotAsked(t *testing.T) {
	e, _ := newEcho(t)
	outer := func(context.Context, actor.Actor) (string, error) { return "same", nil }
	asked := 0
	inner := func(context.Context, actor.Actor) (string, error) { asked++; return "", echoauth.ErrAnonymous } // account closed
	e.Use(session.Middleware(newCookieStore()), echoauth.MiddlewareWithConfig(echoauth.Config{SessionStamp: outer}))
	signIn(e)
	e.Group("/admin", echoauth.MiddlewareWithConfig(echoauth.Config{SessionStamp: inner})).GET("/whoami", whoami)
	b := newBrowser(t, e)
	b.post("/login/1")
	got := b.get("/admin/whoami")
	if asked == 0 || got != "anonymous" {
		t.Errorf("inner SessionStamp asked %d times, whoami = %q, want it asked, and anonymous", asked, got)
	}
}

// Login on a route that no Middleware serves (a Skipper), over the session of
// somebody whose id the application keeps itself.
func TestLoginOverAnApplicationsOwnSession(t *testing.T) {
	e, _ := newEcho(t)
	e.Use(session.Middleware(newCookieStore()), echoauth.MiddlewareWithConfig(echoauth.Config{
		Sources: []echoauth.Source{echoauth.FromSessionValue("uid"), echoauth.FromSession()}, // in transition
		Skipper: func(c echo.Context) bool { return c.Path() == "/login/:id" || c.Path() == "/old/:id" },
	}))
	signIn(e)
	e.POST("/old/:id", func(c echo.Context) error {
		s, _ := session.Get("session", c)
		s.Values["uid"] = c.Param("id")
		return s.Save(c.Request(), c.Response())
	})
	b := newBrowser(t, e)
	b.post("/old/2")
	want(t, "whoami", b.get("/whoami"), "user:2")
	b.post("/login/1")
	want(t, "whoami after Login of 1", b.get("/whoami"), "user:1")
}

// A ContextKey that others read would deceive them.
func TestContextKeysOfOthers(t *testing.T) {
	for _, key := range []string{"user", "_session_store", "echoauth:request", echo.ContextKeyHeaderAllow} {
		if _, err := (echoauth.Config{ContextKey: key}).ToMiddleware(); err == nil {
			t.Errorf("ContextKey %q is accepted", key)
		}
	}
}
