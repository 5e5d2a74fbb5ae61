package tests

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

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
			Sources: []Source{v.FromSessionValue("uid")}, // in transition
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

// What ends sessions for the inner middleware ends the one that the outer one
// read, whether the inner one's Sources ask for sessions or not.
func TestInnerMiddlewareEndsTheOuterOnesSession(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		closed := func(context.Context, actor.Actor) (string, error) { return "", echoauth.ErrAnonymous }
		down := func(context.Context, actor.Actor) (string, error) { return "", errors.New("database is down") }
		token, nothing := []Source{v.FromJWT()}, []Source{}
		for name, test := range map[string]struct {
			inner           Config
			session, proven int // the status with a session, and with another proof beside it
		}{
			"a stamp, for tokens":             {Config{Sources: token, SessionStamp: closed}, 401, 200},
			"a stamp, for nothing":            {Config{Sources: nothing, SessionStamp: closed}, 401, 200},
			"a stamp, for sessions":           {Config{SessionStamp: closed}, 401, 200},
			"a lifetime, for tokens":          {Config{Sources: token, SessionLifetime: time.Nanosecond}, 401, 200},
			"a stamp that can't be had":       {Config{Sources: token, SessionStamp: down}, 503, 200},
			"neither":                         {Config{Sources: token}, 200, 200},
			"a lifetime that is not over":     {Config{Sources: token, SessionLifetime: time.Hour}, 200, 200},
			"a stamp, of a session not there": {Config{Sources: token, SessionStamp: closed, SessionName: "other"}, 200, 200},
		} {
			t.Run(name, func(t *testing.T) {
				e, _ := v.NewApp(t)
				e.Use(v.Sessions(newCookieStore()), v.Middleware())
				signIn(e)
				inner := v.MiddlewareWithConfig(test.inner)
				e.Group("/session", inner, v.RequireUser()).GET("/whoami", whoami)
				proven := func(next Handler) Handler {
					return func(c Context) error { v.Set(c, bob); v.Set(c, alice); return next(c) }
				}
				e.Group("/proven", proven, inner, v.RequireUser()).GET("/whoami", whoami)
				b := newBrowser(t, e)
				b.post("/login/1")
				if got := b.do("GET", "/session/whoami").Code; got != test.session {
					t.Errorf("status with the session = %d, want %d", got, test.session)
				}
				if got := b.do("GET", "/proven/whoami").Code; got != test.proven {
					t.Errorf("status of who was proven otherwise, too = %d, want %d", got, test.proven)
				}
			})
		}
	})
}
