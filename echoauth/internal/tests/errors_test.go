package tests

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// TestReturnedErrors: what a function of echoauth returns answers with its own
// status where a handler returns it, and wraps its sentinel.
func TestReturnedErrors(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		slow := func(ctx context.Context, _ actor.Actor) (any, error) { <-ctx.Done(); return nil, ctx.Err() }
		user := func(c Context) error { _, err := v.User(c.Request().Context()); return err }
		noStore := func(next Handler) Handler { return next }
		store := v.Sessions(newCookieStore())
		for _, test := range []struct {
			name    string
			store   Middleware
			config  Config
			as      actor.Actor
			do      func(c Context) error
			status  int
			wraps   error
			message string
		}{
			{"Login of nobody", store, Config{}, alice, func(c Context) error { return v.Login(c, actor.User(0)) }, http.StatusUnauthorized, echoauth.ErrAnonymous, "Unauthorized"},
			{"User of nobody", store, Config{Load: loadAccount}, actor.Actor{}, user, http.StatusUnauthorized, echoauth.ErrAnonymous, "Unauthorized"},
			{"User without Load", store, Config{}, alice, user, http.StatusInternalServerError, echoauth.ErrNoLoader, "Internal Server Error"},
			{"User of a slow Load", store, Config{Load: slow, LoadTimeout: 1}, alice, user, http.StatusServiceUnavailable, echoauth.ErrLoadTimeout, "Service Unavailable"},
			{"Login without a store", noStore, Config{}, alice, func(c Context) error { return v.Login(c, bob) }, http.StatusInternalServerError, echoauth.ErrNoSession, "Internal Server Error"},
			{"Logout without a store", noStore, Config{}, alice, v.Logout, http.StatusInternalServerError, echoauth.ErrNoSession, "Internal Server Error"},
			{"Impersonate by nobody", store, Config{}, actor.Actor{}, func(c Context) error { return v.Impersonate(c, bob) }, http.StatusUnauthorized, echoauth.ErrAnonymous, "Unauthorized"},
			{"StopImpersonating by nobody", store, Config{}, alice, v.StopImpersonating, http.StatusConflict, echoauth.ErrNotImpersonating, "Conflict"},
		} {
			t.Run(test.name, func(t *testing.T) {
				e, _ := v.NewApp(t)
				var first, last error
				e.onError(func(_ Context, err error) { first, last = last, err })
				e.Use(test.store, v.MiddlewareWithConfig(test.config))
				e.POST("/", func(c Context) error { v.Set(c, test.as); return test.do(c) })
				b := newBrowser(t, e)
				for range 2 {
					rec := b.do("POST", "/")
					if rec.Code != test.status || strings.TrimSpace(rec.Body.String()) != `{"message":"`+test.message+`"}` {
						t.Errorf("POST / = %d %s, want %d without the cause", rec.Code, rec.Body, test.status)
					}
					if !errors.Is(last, test.wraps) || first == last && v.Cause(last) != last { //nolint:errorlint // the very same
						t.Errorf("error = %v, want one of its own that wraps %v", last, test.wraps)
					}
				}
			})
		}
	})
}

// TestReturnedErrorsOfOthers: an error of the application's own function keeps
// the status that it has.
func TestReturnedErrorsOfOthers(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		for name, test := range map[string]struct {
			err  error
			want int
		}{
			"no status": {errors.New("no such table"), http.StatusInternalServerError},
			"a status":  {v.HTTPError(http.StatusGone, "", nil), http.StatusGone},
		} {
			t.Run(name, func(t *testing.T) {
				e, _ := v.NewApp(t)
				load := func(context.Context, actor.Actor) (any, error) { return nil, test.err }
				e.Use(v.MiddlewareWithConfig(Config{Load: load}))
				e.GET("/", func(c Context) error {
					v.Set(c, alice)
					_, err := v.User(c.Request().Context())
					return err
				})
				if rec := newBrowser(t, e).do("GET", "/"); rec.Code != test.want {
					t.Errorf("GET / = %d, want %d", rec.Code, test.want)
				}
			})
		}
	})
}

// TestMistakesAreLogged: Echo answers 401 or 500 to a mistake of wiring, and
// logs nothing. The middleware does, once for each route, with the remedy.
func TestMistakesAreLogged(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		for _, test := range []struct {
			name   string
			do     func(c Context) error
			remedy string // "" where nothing is wrong with the wiring
		}{
			{"no session store", func(c Context) error { return v.Login(c, alice) }, "e.Use(session.Middleware(store))"},
			{"no session store, wrapped", func(c Context) error { return errors.Join(errors.New("sign-in"), v.Logout(c)) }, "e.Use(session.Middleware(store))"},
			{"no Load", func(c Context) error { _, err := v.User(c.Request().Context()); return err }, "no Config.Load"},
			{"Login of user 0", func(c Context) error { return v.Login(c, actor.User(0)) }, "without an id"},
			{"the headers are sent", func(c Context) error { return errors.Join(c.NoContent(http.StatusOK), v.Login(c, alice)) }, "already committed"},
			{"nobody is signed in", func(Context) error { return echoauth.ErrAnonymous }, ""},
			{"not impersonating", func(Context) error { return echoauth.ErrNotImpersonating }, ""},
			{"an error of the application", func(Context) error { return errors.New("no such table") }, ""},
			{"no error", func(Context) error { return nil }, ""},
		} {
			t.Run(test.name, func(t *testing.T) {
				e, log := v.NewApp(t)
				e.Use(v.Middleware())
				e.POST("/sign-in/:id", test.do, v.Middleware())
				e.POST("/other/:id", test.do)
				times := strings.Count
				for _, path := range []string{"/sign-in/1", "/sign-in/2", "/other/1", "/other/2"} {
					newBrowser(t, e).do("POST", path)
				}
				if test.remedy == "" {
					want(t, "log", log.String(), "")
					return
				}
				if text := log.String(); times(text, test.remedy) != 2 || times(text, "POST /sign-in/:id") != 1 || times(text, "POST /other/:id") != 1 {
					t.Errorf("log = %s, want %q once for each route", text, test.remedy)
				}
			})
		}
	})
}

// TestGuardWithoutMiddlewareIsLogged: such a guard refuses everybody for ever.
func TestGuardWithoutMiddlewareIsLogged(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		nobody := func(Context, actor.Actor) (bool, error) { return false, nil }
		somebody := func(_ Context, a actor.Actor) (bool, error) { return true, nil }
		for _, test := range []struct {
			name string
			mw   []Middleware
			logs int
		}{
			{"RequireUser alone", []Middleware{v.RequireUser()}, 1},
			{"RequireFunc alone", []Middleware{v.RequireFunc(nobody)}, 1},
			{"a redirect", []Middleware{v.RequireUserWithConfig(RequireConfig{LoginURL: "/login"})}, 1},
			{"a guard before the middleware", []Middleware{v.RequireUser(), v.Middleware()}, 1},
			{"a middleware that is skipped", []Middleware{v.MiddlewareWithConfig(Config{Skipper: func(Context) bool { return true }}), v.RequireUser()}, 1},
			{"the right order", []Middleware{v.Middleware(), v.RequireUser()}, 0},
			{"a guard that lets pass", []Middleware{v.RequireFunc(somebody)}, 0},
		} {
			t.Run(test.name, func(t *testing.T) {
				e, log := v.NewApp(t)
				e.Use(test.mw...)
				e.GET("/", func(c Context) error { return c.NoContent(http.StatusOK) })
				b := newBrowser(t, e)
				b.header.Set("Accept", "text/html")
				for range 3 {
					b.do("GET", "/")
				}
				if got := strings.Count(log.String(), "register echoauth.Middleware() before"); got != test.logs {
					t.Errorf("log = %s, want the remedy %d times", log, test.logs)
				}
			})
		}
	})
}
