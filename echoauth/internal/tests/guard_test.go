package tests

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// ask sends one request, as a, to a site with a guard on each route.
func ask(tb testing.TB, v version, guard Middleware, a actor.Actor, method, path string, header ...string) *httptest.ResponseRecorder {
	tb.Helper()
	e, _ := v.NewApp(tb)
	e.Use(v.Middleware(), guard)
	e.Any("/*", whoami)
	req := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, req.WithContext(actor.NewContext(context.Background(), a)))
	return rec
}

func TestRequireUser(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		for _, test := range []struct {
			name  string
			actor actor.Actor
			want  int
		}{
			{"a user passes", alice, http.StatusOK},
			{"a user who is impersonated passes", admin.As(alice), http.StatusOK},
			{"nobody is unauthorized", actor.Actor{}, http.StatusUnauthorized},
			{"a user without id is unauthorized", actor.Actor{Identity: actor.Identity{Kind: actor.KindUser}}, http.StatusUnauthorized},
			{"a service is forbidden", actor.Service(1), http.StatusForbidden},
			{"a system is forbidden", actor.System("job"), http.StatusForbidden},
		} {
			t.Run(test.name, func(t *testing.T) {
				rec := ask(t, v, v.RequireUser(), test.actor, "GET", "/")
				if rec.Code != test.want || rec.Header().Get("WWW-Authenticate") != "" {
					t.Errorf("GET / as %v = %d, challenge %q, want %d and none", test.actor, rec.Code, rec.Header().Get("WWW-Authenticate"), test.want)
				}
			})
		}
	})
}

func TestRequireUserWithoutMiddleware(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		e.Use(v.RequireUser())
		e.GET("/", whoami)
		req := httptest.NewRequest("GET", "/", nil)
		noID := actor.Actor{Identity: actor.Identity{Kind: actor.KindUser}}
		for name, ctx := range map[string]context.Context{
			"nobody said":       req.Context(),
			"a user without id": actor.NewContext(req.Context(), noID),
		} {
			rec := httptest.NewRecorder()
			if e.ServeHTTP(rec, req.WithContext(ctx)); rec.Code != http.StatusUnauthorized {
				t.Errorf("GET / of %s = %d, want 401", name, rec.Code)
			}
		}
	})
}

func TestRequireUserSkipper(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		guard := v.RequireUserWithConfig(RequireConfig{
			Skipper: func(c Context) bool { return c.Request().URL.Path == "/public" },
		})
		for path, want := range map[string]int{"/public": http.StatusOK, "/private": http.StatusUnauthorized} {
			if got := ask(t, v, guard, actor.Actor{}, "GET", path).Code; got != want {
				t.Errorf("GET %s = %d, want %d", path, got, want)
			}
		}
	})
}

func TestRequireUserChallenge(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		guard := v.RequireUserWithConfig(RequireConfig{Challenge: `Bearer realm="api"`})
		rec := ask(t, v, guard, actor.Actor{}, "GET", "/")
		if got := rec.Header().Get("WWW-Authenticate"); rec.Code != http.StatusUnauthorized || got != `Bearer realm="api"` {
			t.Errorf("GET / = %d with challenge %q, want 401 with the one of the config", rec.Code, got)
		}
		rec = ask(t, v, guard, alice, "GET", "/")
		if got := rec.Header().Get("WWW-Authenticate"); got != "" {
			t.Errorf("challenge to alice = %q, want none", got)
		}
	})
}

func TestRequireUserError(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		var got error
		e.onError(func(_ Context, err error) { got = err })
		e.Use(v.Middleware(), v.RequireUser())
		newBrowser(t, e).do("GET", "/")
		if !errors.Is(got, echoauth.ErrAnonymous) {
			t.Errorf("error = %v, want one that wraps ErrAnonymous", got)
		}
	})
}

func TestRequireUserRedirect(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		const html = "text/html,application/xhtml+xml,*/*;q=0.8"
		for _, test := range []struct {
			name, login, method, path string
			header                    []string
			want                      string // Location; 401 if empty
		}{
			{"a page", "/login", "GET", "/notes?q=a&b=c", []string{"Accept", html}, "/login?next=%2Fnotes%3Fq%3Da%26b%3Dc"},
			{"a page that is navigated to", "/login", "GET", "/notes", []string{"Accept", html, "Sec-Fetch-Mode", "navigate"}, "/login?next=%2Fnotes"},
			{"the headers of a page", "/login", "HEAD", "/notes", []string{"Accept", html}, "/login?next=%2Fnotes"},
			{"a login page with a query", "/login?lang=de", "GET", "/notes", []string{"Accept", html}, "/login?lang=de&next=%2Fnotes"},
			{"a login page elsewhere", "https://sso.example.org/in", "GET", "/notes", []string{"Accept", html}, "https://sso.example.org/in?next=%2Fnotes"},
			{"several Accept headers", "/login", "GET", "/", []string{"Accept", "image/png", "Accept", html}, "/login?next=%2F"},
			{"a path that leads elsewhere", "/login", "GET", "http://example.com//evil.com/x", []string{"Accept", html}, "/login?next=%2F"},
			{"JSON", "/login", "GET", "/notes", []string{"Accept", "application/json"}, ""},
			{"anything", "/login", "GET", "/notes", []string{"Accept", "*/*"}, ""},
			{"no Accept", "/login", "GET", "/notes", nil, ""},
			{"a form", "/login", "POST", "/notes", []string{"Accept", html}, ""},
			{"XMLHttpRequest", "/login", "GET", "/notes", []string{"Accept", html, "X-Requested-With", "xmlhttprequest"}, ""},
			{"fetch", "/login", "GET", "/notes", []string{"Accept", html, "Sec-Fetch-Mode", "cors"}, ""},
			{"the login page itself", "/login", "GET", "/login?next=/notes", []string{"Accept", html}, ""},
			{"no LoginURL", "", "GET", "/notes", []string{"Accept", html}, ""},
		} {
			t.Run(test.name, func(t *testing.T) {
				guard := v.RequireUserWithConfig(RequireConfig{LoginURL: test.login, Challenge: "Bearer"})
				rec := ask(t, v, guard, actor.Actor{}, test.method, test.path, test.header...)
				code, challenge := http.StatusFound, ""
				if test.want == "" {
					code, challenge = http.StatusUnauthorized, "Bearer"
				}
				if rec.Code != code || rec.Header().Get("Location") != test.want || rec.Header().Get("WWW-Authenticate") != challenge {
					t.Errorf("%s %s = %d %q with challenge %q, want %d %q", test.method, test.path,
						rec.Code, rec.Header().Get("Location"), rec.Header().Get("WWW-Authenticate"), code, test.want)
				}
			})
		}
	})
}

func TestRequireUserBadLoginURL(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		defer func() {
			if got, _ := recover().(string); !strings.HasPrefix(got, "echoauth: RequireConfig.LoginURL") {
				t.Errorf("panic = %q, want one about LoginURL", got)
			}
		}()
		v.RequireUserWithConfig(RequireConfig{LoginURL: "http://%zz"})
	})
}

func TestRequireFunc(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		lookup := errors.New("roles are down")
		guard := v.RequireFunc(func(_ Context, a actor.Actor) (bool, error) {
			switch a {
			case bob:
				return true, lookup
			case actor.User(3):
				return true, v.HTTPError(http.StatusTeapot, "", lookup)
			}
			return a == admin, nil
		})
		for _, test := range []struct {
			actor actor.Actor
			want  int
		}{
			{admin, http.StatusOK},
			{alice, http.StatusForbidden},
			{actor.Actor{}, http.StatusForbidden},
			{bob, http.StatusInternalServerError},
			{actor.User(3), http.StatusTeapot},
		} {
			rec := ask(t, v, guard, test.actor, "GET", "/")
			if rec.Code != test.want || strings.Contains(rec.Body.String(), "roles") {
				t.Errorf("GET / as %v = %d %s, want %d without the cause", test.actor, rec.Code, rec.Body, test.want)
			}
		}
		defer func() {
			if recover() == nil {
				t.Error("RequireFunc(nil) did not panic")
			}
		}()
		v.RequireFunc(nil)
	})
}

func TestGuardsAndPreflights(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		guards := map[string]func() Middleware{
			"RequireUser": v.RequireUser,
			"RequireFunc": func() Middleware {
				return v.RequireFunc(func(_ Context, a actor.Actor) (bool, error) { return !a.IsAnonymous(), nil })
			},
		}
		refused := map[string]int{"RequireUser": http.StatusUnauthorized, "RequireFunc": http.StatusForbidden}
		for name, guard := range guards {
			for _, test := range []struct {
				name   string
				routes func(e *App, guard Middleware, secret Handler)
				pass   bool
			}{
				{"CORS before the guard", func(e *App, guard Middleware, secret Handler) {
					e.Use(v.CORS(), guard)
					e.Any("/notes/:id", secret)
				}, true},
				{"CORS before the guard of a group", func(e *App, guard Middleware, secret Handler) {
					e.Use(v.CORS())
					e.Group("/notes", guard).GET("/:id", secret)
				}, true},
				{"CORS before the guard, both on a group", func(e *App, guard Middleware, secret Handler) {
					e.Group("/notes", v.CORS(), guard).GET("/:id", secret)
				}, true},
				{"CORS after the guard", func(e *App, guard Middleware, secret Handler) {
					e.Use(guard, v.CORS())
					e.GET("/notes/:id", secret)
				}, false},
				{"no CORS, a route that takes OPTIONS", func(e *App, guard Middleware, secret Handler) {
					e.Group("/notes", guard).Any("/:id", secret)
				}, false},
				{"before routing", func(e *App, guard Middleware, secret Handler) {
					e.Pre(v.Middleware(), guard)
					e.Any("/notes/:id", secret)
				}, false},
			} {
				t.Run(name+"/"+test.name, func(t *testing.T) {
					e, log := v.NewApp(t)
					e.Use(v.Middleware())
					test.routes(e, guard(), func(Context) error { t.Error("a handler ran without a user"); return nil })
					b := newBrowser(t, e)
					b.base = "https://api.example.com"
					b.header.Set("Origin", "https://app.example.com")
					if got := b.do("GET", "/notes/1").Code; got != refused[name] || log.Len() > 0 {
						t.Errorf("GET = %d, log %q, want %d and nothing logged", got, log, refused[name])
					}
					b.header.Set("Access-Control-Request-Method", "PUT")
					b.do("OPTIONS", "/notes/1")
					rec := b.do("OPTIONS", "/notes/1")
					if test.pass && (rec.Code != http.StatusNoContent || rec.Header().Get("Access-Control-Allow-Origin") != "*") {
						t.Errorf("preflight = %d %v, want CORS's answer", rec.Code, rec.Header())
					}
					if !test.pass && rec.Code != refused[name] {
						t.Errorf("preflight = %d, want %d", rec.Code, refused[name])
					}
					if got := strings.Count(log.String(), "before RequireUser"); (got == 1) == test.pass {
						t.Errorf("log after two preflights = %q, want the order said once if they were refused", log)
					}
				})
			}
		}
	})
}
