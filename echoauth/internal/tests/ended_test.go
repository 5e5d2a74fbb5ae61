package tests

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/sessions"
	"github.com/labstack/echo/v4/middleware"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// holdup makes something slow, once, in the request whose context it is in.
type holdup struct {
	once             sync.Once
	entered, proceed chan struct{}
}

type holdupKey struct{}

func newHoldup() *holdup { return &holdup{entered: make(chan struct{}), proceed: make(chan struct{})} }

func (h *holdup) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, holdupKey{}, h)
}

func wait(ctx context.Context) {
	if h, ok := ctx.Value(holdupKey{}).(*holdup); ok {
		h.once.Do(func() {
			close(h.entered)
			<-h.proceed
		})
	}
}

// slowStore is slow to read or to write.
type slowStore struct {
	*sessions.CookieStore
	read, write func(ctx context.Context)
}

func instantly(context.Context) {}

func (s slowStore) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(s, name)
}

func (s slowStore) New(r *http.Request, name string) (*sessions.Session, error) {
	s.read(r.Context())
	return s.CookieStore.New(r, name)
}

func (s slowStore) Save(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	s.write(r.Context())
	return s.CookieStore.Save(r, w, session)
}

// slowly are the ways for a request to take too long. Each registers a handler
// at /slow behind timeout.
var slowly = map[string]func(t *testing.T, e *App, timeout Middleware){
	"a source": func(_ *testing.T, e *App, timeout Middleware) {
		e.GET("/slow", whoami, timeout, e.v.MiddlewareWithConfig(Config{Sources: []Source{
			func(c Context) (actor.Actor, bool, error) { wait(c.Request().Context()); return alice, true, nil },
		}}))
	},
	"a source that finds nobody, before another": func(_ *testing.T, e *App, timeout Middleware) {
		e.GET("/slow", whoami, timeout, e.v.MiddlewareWithConfig(Config{Sources: []Source{
			func(c Context) (actor.Actor, bool, error) {
				wait(c.Request().Context())
				return actor.Actor{}, false, nil
			},
			func(c Context) (actor.Actor, bool, error) { e.v.Set(c, alice); return alice, true, nil },
		}}))
	},
	"a source that fails": func(t *testing.T, e *App, timeout Middleware) {
		e.GET("/slow", whoami, timeout, e.v.MiddlewareWithConfig(Config{
			Sources: []Source{func(c Context) (actor.Actor, bool, error) {
				wait(c.Request().Context())
				return alice, true, errors.New("down")
			}},
			ErrorHandler: func(c Context, err error) error {
				t.Errorf("ErrorHandler was called with %v", err)
				return err
			},
		}))
	},
	"a store that reads": func(_ *testing.T, e *App, timeout Middleware) {
		store := slowStore{newCookieStore(), wait, instantly}
		e.GET("/slow", whoami, timeout, e.v.Sessions(store), e.v.Middleware())
	},
	"a stamp": func(_ *testing.T, e *App, timeout Middleware) {
		e.GET("/slow", whoami, timeout, e.v.Sessions(newCookieStore()), e.v.MiddlewareWithConfig(Config{
			SessionStamp: func(ctx context.Context, _ actor.Actor) (string, error) { wait(ctx); return "", nil },
		}))
	},
	"a permission to impersonate": func(_ *testing.T, e *App, timeout Middleware) {
		e.GET("/slow", whoami, timeout, e.v.MiddlewareWithConfig(Config{
			Sources:        []Source{func(Context) (actor.Actor, bool, error) { return admin.As(alice), true, nil }},
			MayImpersonate: func(ctx context.Context, _ actor.Actor) (bool, error) { wait(ctx); return false, nil },
		}))
	},
	"a login that reads": func(_ *testing.T, e *App, timeout Middleware) {
		login(e, slowStore{newCookieStore(), wait, instantly}, Config{Sources: []Source{}}, timeout)
	},
	"a login that writes": func(_ *testing.T, e *App, timeout Middleware) {
		login(e, slowStore{newCookieStore(), instantly, wait}, Config{Sources: []Source{}}, timeout)
	},
	"a login with a stamp": func(_ *testing.T, e *App, timeout Middleware) {
		login(e, newCookieStore(), Config{Sources: []Source{}, SessionStamp: func(ctx context.Context, _ actor.Actor) (string, error) {
			wait(ctx)
			return "", nil
		}}, timeout)
	},
	"a guard": func(t *testing.T, e *App, timeout Middleware) {
		e.GET("/slow", func(c Context) error {
			t.Errorf("the handler runs for %v", e.v.Current(c))
			return nil
		}, timeout, e.v.Middleware(), e.v.RequireFunc(func(c Context, _ actor.Actor) (bool, error) { wait(c.Request().Context()); return true, nil }))
	},
	"a validator": func(t *testing.T, e *App, timeout Middleware) {
		e.GET("/slow", func(c Context) error {
			t.Errorf("the handler runs for %v", e.v.Current(c))
			return nil
		}, timeout, e.v.KeyAuth(KeyAuthConfig{KeyLookup: "header:X-Key"}, func(_ string, c Context) (actor.Actor, bool, error) {
			wait(c.Request().Context())
			return alice, true, nil
		}))
	},
}

func login(e *App, store sessions.Store, config Config, timeout Middleware) {
	e.GET("/slow", func(c Context) error { return e.v.Login(c, alice) }, timeout, e.v.Sessions(store), e.v.MiddlewareWithConfig(config))
}

// slowRequest is alice's, with all that says so.
func slowRequest(t *testing.T, v version, ctx context.Context) *http.Request {
	t.Helper()
	b := newBrowser(t, newSite(t, v, newCookieStore(), Config{SessionStamp: newAccounts().stamp}))
	b.post("/login/1")
	req := httptest.NewRequestWithContext(ctx, "GET", "https://example.com/slow", nil)
	for name, value := range b.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	req.Header.Set("X-Key", "key")
	return req
}

// timeouts answer a request without waiting for its handler.
func timeouts(v version, limit time.Duration) map[string]Middleware {
	all := map[string]Middleware{
		"TimeoutHandler of net/http": v.WrapMiddleware(func(next http.Handler) http.Handler {
			return http.TimeoutHandler(next, limit, "")
		}),
	}
	if v, ok := v.(v4); ok {
		all["Timeout of Echo"] = v.in(middleware.TimeoutWithConfig(middleware.TimeoutConfig{Timeout: limit}))
	}
	return all
}

// TestEndedRequest: a request that took too long leaves alone the context that
// Echo has given to the next one meanwhile.
func TestEndedRequest(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that the next one gets it
	const rounds = 1000
	eachVersion(t, func(t *testing.T, v version) {
		for name, timeout := range timeouts(v, 2*time.Millisecond) {
			for kind, register := range slowly {
				t.Run(name+"/"+kind, func(t *testing.T) {
					e, _ := v.NewApp(t)
					left := make(chan struct{})
					var h *holdup
					register(t, e, func(next Handler) Handler {
						return timeout(func(c Context) error {
							defer func() { left <- struct{}{} }()
							return next(c)
						})
					})
					e.GET("/whoami", func(c Context) error {
						close(h.proceed)
						<-left // alice's handler
						return whoami(c)
					}, v.MiddlewareWithConfig(Config{Sources: []Source{headerSource}}))
					req := slowRequest(t, v, context.Background())
					for done := 0; done < rounds/len(slowly); done++ {
						h = newHoldup()
						slow := httptest.NewRecorder()
						e.ServeHTTP(slow, req.Clone(h.in(context.Background())))
						select {
						case <-h.entered:
						case <-left: // given up before
							close(h.proceed)
							done--
							continue
						}
						if slow.Code != http.StatusServiceUnavailable {
							t.Fatalf("the slow request = %d, want 503", slow.Code)
						}
						bobs := httptest.NewRequest("GET", "/whoami", nil)
						bobs.Header.Set("X-Test-User", "2")
						rec := httptest.NewRecorder()
						e.ServeHTTP(rec, bobs)
						if rec.Body.String() != "user:2" || len(rec.Header()["Set-Cookie"]) > 0 {
							t.Fatalf("the next request = %d %s, cookies %q, want user:2 and none", rec.Code, rec.Body, rec.Header()["Set-Cookie"])
						}
					}
				})
			}
		}
	})
}

// TestEndedRequestFails: where the context stays the request's own, it is
// answered with 503, and its handler does not run.
func TestEndedRequestFails(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		for kind, register := range slowly {
			t.Run("ContextTimeout/"+kind, func(t *testing.T) {
				e, _ := v.NewApp(t)
				register(t, e, v.ContextTimeout(time.Millisecond))
				h := newHoldup()
				req := slowRequest(t, v, h.in(context.Background()))
				time.AfterFunc(20*time.Millisecond, func() { close(h.proceed) })
				expectGivenUp(t, e, req)
			})
			t.Run("a client that hangs up/"+kind, func(t *testing.T) {
				e, _ := v.NewApp(t)
				register(t, e, func(next Handler) Handler { return next })
				ctx, hangUp := context.WithCancel(context.Background())
				h := newHoldup()
				req := slowRequest(t, v, h.in(ctx))
				go func() {
					<-h.entered
					hangUp()
					close(h.proceed)
				}()
				expectGivenUp(t, e, req)
			})
		}
	})
}

func expectGivenUp(t *testing.T, e *App, req *http.Request) {
	t.Helper()
	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, req)
	status := http.StatusServiceUnavailable
	switch {
	case strings.Contains(t.Name(), "a_login"):
		if rec.Code != http.StatusOK { // what Login returns is the handler's to answer
			status = rec.Code
		}
	case strings.HasSuffix(t.Name(), "a_validator"):
		if rec.Code == http.StatusUnauthorized { // KeyAuth answers so to some errors
			status = rec.Code
		}
	}
	if rec.Code != status {
		t.Errorf("status = %d %s, want %d", rec.Code, rec.Body, status)
	}
	if cookies := rec.Header()["Set-Cookie"]; len(cookies) > 0 {
		t.Errorf("cookies = %q, want none", cookies)
	}
}

// TestLoginOfAnEndedRequest: it tells why, and changes nothing.
func TestLoginOfAnEndedRequest(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		ctx, cancel := context.WithCancel(context.Background())
		e, _ := v.NewApp(t)
		e.Use(v.Sessions(slowStore{newCookieStore(), instantly, func(context.Context) { cancel() }}), v.Middleware())
		e.POST("/", func(c Context) error {
			v.Set(c, bob)
			if err := v.Login(c, alice); !errors.Is(err, context.Canceled) {
				t.Errorf("Login = %v, want context.Canceled", err)
			}
			if got := v.Current(c); got != bob {
				t.Errorf("actor after Login = %v, want %v", got, bob)
			}
			s, err := v.Session("session", c)
			if err != nil || len(s.Values) > 0 {
				t.Errorf("session after Login = %v, %v, want nothing in it", s.Values, err)
			}
			return nil
		})
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, httptest.NewRequestWithContext(ctx, "POST", "/", nil))
		if cookies := rec.Header()["Set-Cookie"]; len(cookies) > 0 {
			t.Errorf("cookies = %q, want none", cookies)
		}
	})
}

// TestTimeoutIsLogged: what a handler does once its time is up can't be seen, so
// the timeout itself is logged.
func TestTimeoutIsLogged(t *testing.T) {
	const says = "runs under a timeout that answers without waiting"
	eachVersion(t, func(t *testing.T, v version) {
		for name, timeout := range timeouts(v, time.Minute) {
			for where, use := range map[string]func(e *App){
				"before the middleware":     func(e *App) { e.Use(timeout, v.Sessions(newCookieStore()), v.Middleware()) },
				"behind it, around a login": func(e *App) { e.Use(v.Sessions(newCookieStore()), v.Middleware(), timeout) },
			} {
				t.Run(name+"/"+where, func(t *testing.T) {
					e, log := v.NewApp(t)
					use(e)
					signIn(e)
					b := newBrowser(t, e)
					for range 3 {
						b.post("/login/1")
						want(t, "whoami", b.get("/whoami"), "user:1")
					}
					if got := strings.Count(log.String(), says); got != 1 {
						t.Errorf("log = %s, want it once", log)
					}
				})
			}
		}
		e, log := v.NewApp(t)
		e.Use(v.ContextTimeout(time.Minute), v.Sessions(newCookieStore()), v.Middleware())
		signIn(e)
		newBrowser(t, e).post("/login/1")
		want(t, "log under ContextTimeout", log.String(), "")
	})
}
