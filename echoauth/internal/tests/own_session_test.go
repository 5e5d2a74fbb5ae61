package tests

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/sessions"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// releases are those of an application that keeps its user's id in the session, under
// "uid", on its way to Login. They share their sessions.
type releases struct {
	before, reading, login *App
	log                    func() string
}

func newReleases(t *testing.T, v version, store sessions.Store) releases {
	t.Helper()
	own := func(e *App, signIn func(s *sessions.Session)) {
		e.POST("/own/login/:id", func(c Context) error {
			s, err := v.Session("session", c)
			if err != nil {
				return err
			}
			signIn(s)
			s.Values["uid"] = c.Param("id")
			return s.Save(c.Request(), v.Response(c))
		})
	}
	before, _ := v.NewApp(t)
	before.Use(v.Sessions(store))
	own(before, func(*sessions.Session) {})
	before.POST("/logout", func(c Context) error {
		s, err := v.Session("session", c)
		if err != nil {
			return err
		}
		delete(s.Values, "uid")
		return s.Save(c.Request(), v.Response(c))
	})
	before.GET("/whoami", func(c Context) error {
		s, err := v.Session("session", c)
		if err != nil {
			return err
		}
		if id, ok := s.Values["uid"].(string); ok {
			return c.String(http.StatusOK, "user:"+id)
		}
		return c.String(http.StatusOK, "anonymous")
	})

	config := Config{Sources: []Source{v.FromSessionValue("uid")}}
	reading, readingLog := v.NewApp(t)
	reading.Use(v.Sessions(store), v.MiddlewareWithConfig(config))
	own(reading, func(s *sessions.Session) { clear(s.Values) })
	reading.POST("/logout", answer(v, v.Logout))
	reading.GET("/whoami", whoami)
	login, loginLog := v.NewApp(t)
	login.Use(v.Sessions(store), v.MiddlewareWithConfig(config))
	signIn(login)
	return releases{before, reading, login, func() string { return readingLog.String() + loginLog.String() }}
}

// TestReleasesOnTheWayToLogin: two releases that run beside each other agree on who is
// signed in, whichever of them serves a request.
func TestReleasesOnTheWayToLogin(t *testing.T) {
	type step struct{ release, path, whoami string }
	const before, reading, login = "before", "reading", "login"
	for name, test := range map[string]struct {
		pair  []string
		steps []step
	}{
		"to the one that reads, and back": {[]string{before, reading}, []step{
			{before, "/own/login/1", "user:1"},
			{reading, "/logout", "anonymous"},
			{reading, "/own/login/2", "user:2"},
			{before, "/own/login/1", "user:1"},
			{before, "/logout", "anonymous"},
			{before, "/own/login/2", "user:2"},
		}},
		"to Login, and back": {[]string{reading, login}, []step{
			{reading, "/own/login/1", "user:1"},
			{login, "/login/2", "user:2"},
			{reading, "/own/login/1", "user:1"},
			{login, "/login/1", "user:1"},
			{login, "/login/3", "user:3"},
			{reading, "/logout", "anonymous"},
			{reading, "/own/login/2", "user:2"},
			{login, "/logout", "anonymous"},
			{login, "/login/1", "user:1"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			eachVersion(t, func(t *testing.T, v version) {
				eachStore(t, func(t *testing.T, store sessions.Store) {
					r := newReleases(t, v, store)
					apps := map[string]*App{before: r.before, reading: r.reading, login: r.login}
					b := newBrowser(t, nil)
					for _, step := range test.steps {
						b.handler = apps[step.release]
						b.post(step.path)
						for _, release := range test.pair {
							b.handler = apps[release]
							want(t, "whoami in the release "+release+" after "+step.path, b.get("/whoami"), step.whoami)
						}
					}
					want(t, "log", r.log(), "")
				})
			})
		})
	}
}

// TestTwoPeopleInASession: a release that does not know of Login leaves what it wrote
// when it signs somebody out, and signs the next one in beside it.
func TestTwoPeopleInASession(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		eachStore(t, func(t *testing.T, store sessions.Store) {
			for path, whoami := range map[string]string{
				"/login/2": "user:2", "/login/1": "user:1", "/login/3": "user:3", "/logout": "anonymous", "/own/login/2": "user:2",
			} {
				r := newReleases(t, v, store)
				b := newBrowser(t, r.login)
				b.post("/login/1")
				b.handler = r.before
				b.post("/logout")
				b.post("/own/login/2")
				want(t, "whoami in the release before", b.get("/whoami"), "user:2")
				for range 2 {
					b.handler = r.login
					want(t, "whoami of a session of two people", b.get("/whoami"), "anonymous")
				}
				if got := strings.Count(r.log(), "names two people"); got != 1 || !strings.Contains(r.log(), "uid") {
					t.Errorf("log = %s, want the diagnosis once", r.log())
				}
				if strings.HasPrefix(path, "/own") {
					b.handler = r.reading
				}
				b.post(path)
				want(t, "whoami after "+path, b.get("/whoami"), whoami)
			}
		})
	})
}

// TestOwnValues has every kind of session that Login and the application may leave.
func TestOwnValues(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		const key = "echoauth:actor"
		one, ended := signedInAt(time.Now()), signedInAt(time.Now().Add(-time.Hour))
		acting := one + "&by_id=7&by_kind=user"
		for _, test := range []struct {
			name   string
			values map[any]any
			want   string
			logs   bool
		}{
			{"nothing", map[any]any{}, "anonymous", false},
			{"Login", map[any]any{key: one}, "user:1", false},
			{"Login, and no value", map[any]any{key: one, "uid": ""}, "user:1", false},
			{"Login, and the same", map[any]any{key: one, "uid": uint(1)}, "user:1", false},
			{"Login, and another", map[any]any{key: one, "uid": "2"}, "anonymous", true},
			{"Login of a service, and a user of its id", map[any]any{key: strings.Replace(one, "user", "service", 1), "uid": 1}, "anonymous", true},
			{"Login, and no id", map[any]any{key: one, "uid": true}, "503", false},
			{"Login that has ended, and the same", map[any]any{key: ended, "uid": 1}, "anonymous", false},
			{"Login that has ended, and another", map[any]any{key: ended, "uid": 2}, "anonymous", true},
			{"Login of another release", map[any]any{key: "2:", "uid": 1}, "anonymous", false},
			{"Impersonate", map[any]any{key: acting}, "user:1 (by user:7)", false},
			{"Impersonate, and the same", map[any]any{key: acting, "uid": 1}, "user:1 (by user:7)", false},
			{"Impersonate, and the impersonator", map[any]any{key: acting, "uid": 7}, "anonymous", true},
			{"Impersonate, and another", map[any]any{key: acting, "uid": 2}, "anonymous", true},
			{"the application", map[any]any{"uid": 1}, "user:1", false},
		} {
			t.Run(test.name, func(t *testing.T) {
				for name, middleware := range map[string][]Middleware{
					"one": {v.MiddlewareWithConfig(Config{Sources: []Source{v.FromSessionValue("uid")}, SessionLifetime: time.Minute})},
					"two": {
						v.MiddlewareWithConfig(Config{Sources: []Source{v.FromSessionValue("uid")}, SessionLifetime: time.Minute}),
						v.Middleware(),
					},
				} {
					e, log := v.NewApp(t)
					e.Use(v.Sessions(newCookieStore()))
					e.Use(middleware...)
					e.GET("/whoami", whoami)
					b := newBrowser(t, e)
					b.cookies["session"] = newSessionCookie(t, test.values)
					if got := b.get("/whoami"); got != test.want && !strings.HasPrefix(got, test.want+" ") {
						t.Errorf("whoami with %s middleware = %q, want %q", name, got, test.want)
					}
					if got := strings.Count(log.String(), "names two people"); (got == 1) != test.logs {
						t.Errorf("log with %s middleware = %s, want the diagnosis: %t", name, log, test.logs)
					}
				}
			})
		}
	})
}

// TestTwoPeopleInASessionOfAnInnerMiddleware: the one around it does not know of the
// application's value.
func TestTwoPeopleInASessionOfAnInnerMiddleware(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		e.Use(v.Sessions(newCookieStore()), v.Middleware())
		e.GET("/whoami", whoami)
		e.Group("/inner", v.MiddlewareWithConfig(Config{Sources: []Source{v.FromSessionValue("uid")}})).GET("/whoami", whoami)
		b := newBrowser(t, e)
		b.cookies["session"] = newSessionCookie(t, map[any]any{"echoauth:actor": signedInAt(time.Now()), "uid": 2})
		want(t, "whoami outside", b.get("/whoami"), "user:1")
		want(t, "whoami inside", b.get("/inner/whoami"), "anonymous")
	})
}

// TestTwoPeopleInASessionCanDoNothing: the session functions see nobody either, but for
// Login and Logout.
func TestTwoPeopleInASessionCanDoNothing(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		asked := false
		e.Use(v.Sessions(newCookieStore()), v.MiddlewareWithConfig(Config{
			Sources:        []Source{v.FromSessionValue("uid")},
			MayImpersonate: func(context.Context, actor.Actor) (bool, error) { asked = true; return true, nil },
		}))
		e.POST("/act", answer(v, func(c Context) error { return v.Impersonate(c, bob) }))
		e.POST("/stop", answer(v, v.StopImpersonating))
		e.GET("/since", func(c Context) error {
			if at, ok := v.SignedInAt(c); ok {
				t.Errorf("SignedInAt = %v, want none", at)
			}
			return nil
		})
		for _, credential := range []string{signedInAt(time.Now()), signedInAt(time.Now()) + "&by_id=7&by_kind=user"} {
			b := newBrowser(t, e)
			b.cookies["session"] = newSessionCookie(t, map[any]any{"echoauth:actor": credential, "uid": 2})
			want(t, "Impersonate", b.post("/act"), echoauth.ErrAnonymous.Error())
			want(t, "StopImpersonating", b.post("/stop"), echoauth.ErrNotImpersonating.Error())
			b.get("/since")
		}
		if asked {
			t.Error("MayImpersonate is asked about a session of two people")
		}
	})
}
