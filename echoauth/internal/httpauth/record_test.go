package httpauth_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-3826ef92/whodunit/echoauth/internal/httpauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

type account struct{ ID string }

func loadAccount(_ context.Context, a actor.Actor) (any, error) { return &account{a.ID}, nil }

// serveAs runs handler for one request of a, behind middleware of config.
func serveAs(tb testing.TB, config httpauth.Config, a actor.Actor, handler func(c *carrier, ctx context.Context)) {
	tb.Helper()
	c := newCarrier()
	httpauth.Set(c, a)
	enter(tb, c, config)
	handler(c, c.Request().Context())
}

// want is a check of one answer.
func want(tb testing.TB, what, got, want string) {
	tb.Helper()
	if got != want {
		tb.Errorf("%s = %q, want %q", what, got, want)
	}
}

func TestUserIsTheActorsRecord(t *testing.T) {
	serveAs(t, httpauth.Config{Load: loadAccount}, alice, func(c *carrier, ctx context.Context) {
		id := func(ctx context.Context) string {
			user, err := httpauth.User[*account](ctx)
			if err != nil {
				t.Error(err)
				return ""
			}
			return user.ID
		}
		want(t, "User", id(ctx), "1")
		httpauth.Set(c, bob)
		want(t, "User after Set", id(c.Request().Context()), "2")
		want(t, "User of the context before", id(ctx), "1")
		want(t, "User while impersonating", id(actor.NewContext(ctx, alice.As(bob))), "2")
		want(t, "User of a detached context", id(actor.Detach(ctx)), "1")
	})
	// A program is not the user of its id.
	config := httpauth.Config{Load: func(_ context.Context, a actor.Actor) (any, error) { return a.String(), nil }}
	serveAs(t, config, actor.Service(1), func(_ *carrier, ctx context.Context) {
		got, err := httpauth.User[string](ctx)
		asUser, userErr := httpauth.User[string](actor.NewContext(ctx, alice))
		if err = errors.Join(err, userErr); got != "service:1" || asUser != "user:1" || err != nil {
			t.Errorf("User = %q and %q, %v, want service:1 and user:1", got, asUser, err)
		}
	})
}

func TestUserLoadsOncePerRequest(t *testing.T) {
	var loads atomic.Int32
	config := httpauth.Config{Load: func(ctx context.Context, a actor.Actor) (any, error) {
		loads.Add(1)
		time.Sleep(5 * time.Millisecond)
		return loadAccount(ctx, a)
	}}
	for request := range 2 {
		serveAs(t, config, alice, func(_ *carrier, ctx context.Context) {
			first, _ := httpauth.User[*account](ctx)
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					if user, err := httpauth.User[*account](ctx); err != nil || user != first {
						t.Errorf("User = %p, %v, want the first one, %p", user, err, first)
					}
				})
			}
			wg.Wait()
		})
		if got := loads.Load(); got != int32(request+1) {
			t.Errorf("loads after %d requests = %d", request+1, got)
		}
	}
	serveAs(t, config, alice, func(*carrier, context.Context) {})
	if got := loads.Load(); got != 2 {
		t.Errorf("loads = %d, want none for a request that does not ask", got)
	}
}

func TestUserErrors(t *testing.T) {
	var nilAccount *account
	var nilMap map[string]int
	with := func(record any, err error) httpauth.Config {
		return httpauth.Config{Load: func(context.Context, actor.Actor) (any, error) { return record, err }}
	}
	broken := errors.New("database is down")
	for _, test := range []struct {
		name   string
		config httpauth.Config
		actor  actor.Actor
		is     error
		says   []string
	}{
		{"no Load", httpauth.Config{}, alice, httpauth.ErrNoLoader, nil},
		{"anonymous", with(&account{}, nil), actor.Actor{}, httpauth.ErrAnonymous, nil},
		{"Load's error", with(&account{}, broken), alice, broken, nil},
		{"nil", with(nil, nil), alice, nil, []string{"nil", "user:1"}},
		{"typed nil", with(nilAccount, nil), alice, nil, []string{"nil", "*httpauth_test.account"}},
		{"nil map", with(nilMap, nil), alice, nil, []string{"nil", "map[string]int"}},
		{"another type", with(account{}, nil), alice, nil, []string{"a httpauth_test.account", "a *httpauth_test.account"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			serveAs(t, test.config, test.actor, func(_ *carrier, ctx context.Context) {
				user, err := httpauth.User[*account](ctx)
				if user != nil || err == nil || test.is != nil && !errors.Is(err, test.is) {
					t.Fatalf("User = %v, %v, want nil and %v", user, err, test.is)
				}
				for _, text := range test.says {
					if !strings.Contains(err.Error(), text) {
						t.Errorf("error = %q, want one that says %q", err, text)
					}
				}
			})
		})
	}
	for name, ctx := range map[string]context.Context{"nil": nil, "background": context.Background()} {
		if _, err := httpauth.User[*account](ctx); !errors.Is(err, httpauth.ErrNoLoader) {
			t.Errorf("User(%s context) = %v, want ErrNoLoader", name, err)
		}
	}
}

func TestUserOfAnInterface(t *testing.T) {
	serveAs(t, httpauth.Config{Load: loadAccount}, alice, func(_ *carrier, ctx context.Context) {
		if user, err := httpauth.User[any](ctx); err != nil || user.(*account).ID != "1" {
			t.Errorf("User[any] = %v, %v, want the account", user, err)
		}
		if _, err := httpauth.User[error](ctx); err == nil || !strings.Contains(err.Error(), "not a error") {
			t.Errorf("User[error] = %v, want an error that names the interface", err)
		}
	})
}

func TestUserDoesNotKeepErrors(t *testing.T) {
	calls := 0
	config := httpauth.Config{Load: func(ctx context.Context, a actor.Actor) (any, error) {
		if calls++; calls < 3 {
			return nil, errors.New("flaky")
		}
		return loadAccount(ctx, a)
	}}
	serveAs(t, config, alice, func(_ *carrier, ctx context.Context) {
		for i, fails := range []bool{true, true, false, false} {
			if _, err := httpauth.User[*account](ctx); (err != nil) != fails {
				t.Errorf("call %d of User = %v, want an error: %v", i+1, err, fails)
			}
		}
	})
	if calls != 3 {
		t.Errorf("loads = %d, want 3", calls)
	}
}

func TestUserPanicIsAnErrorForAll(t *testing.T) {
	for name, fail := range map[string]func(){"panic": func() { panic("bug") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			config := httpauth.Config{LoadTimeout: time.Second, Load: func(context.Context, actor.Actor) (any, error) {
				<-release
				fail()
				return &account{}, nil
			}}
			serveAs(t, config, alice, func(_ *carrier, ctx context.Context) {
				var wg sync.WaitGroup
				for range 10 {
					wg.Go(func() {
						if user, err := httpauth.User[*account](ctx); err == nil || user != nil {
							t.Errorf("User = %v, %v, want an error", user, err)
						}
					})
				}
				time.Sleep(5 * time.Millisecond)
				close(release)
				wg.Wait()
			})
		})
	}
}

func TestUserCancelledCaller(t *testing.T) {
	release := make(chan struct{})
	config := httpauth.Config{Load: func(ctx context.Context, a actor.Actor) (any, error) {
		<-release
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if got, _ := actor.FromContext(ctx); got != a {
			t.Errorf("actor of Load's context = %v, want %v", got, a)
		}
		return loadAccount(ctx, a)
	}}
	serveAs(t, config, alice, func(_ *carrier, ctx context.Context) {
		gone := errors.New("client gone")
		first, cancel := context.WithCancelCause(ctx)
		failed := make(chan error)
		go func() {
			_, err := httpauth.User[*account](first)
			failed <- err
		}()
		time.Sleep(5 * time.Millisecond)
		waiting := make(chan error)
		go func() {
			_, err := httpauth.User[*account](ctx)
			waiting <- err
		}()
		time.Sleep(5 * time.Millisecond)
		cancel(gone)
		if err := <-failed; !errors.Is(err, gone) {
			t.Errorf("User of the cancelled caller = %v, want %v", err, gone)
		}
		close(release)
		if err := <-waiting; err != nil {
			t.Errorf("User of the one who waits for the same load = %v, want no error", err)
		}
		if user, err := httpauth.User[*account](ctx); err != nil || user.ID != "1" {
			t.Errorf("User of the next caller = %v, %v, want the account", user, err)
		}
		if user, err := httpauth.User[*account](first); err != nil || user.ID != "1" {
			t.Errorf("User of the cancelled caller, once loaded = %v, %v, want the account", user, err)
		}
	})
}

func TestUserTimeout(t *testing.T) {
	stuck := make(chan struct{})
	defer close(stuck)
	for name, load := range map[string]func(context.Context, actor.Actor) (any, error){
		"a Load that ignores its context": func(context.Context, actor.Actor) (any, error) { <-stuck; return &account{}, nil },
		"a Load that heeds its context":   func(ctx context.Context, _ actor.Actor) (any, error) { <-ctx.Done(); return nil, ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			serveAs(t, httpauth.Config{Load: load, LoadTimeout: 30 * time.Millisecond}, alice, func(_ *carrier, ctx context.Context) {
				for range 2 {
					start := time.Now()
					_, err := httpauth.User[*account](ctx)
					if took := time.Since(start); !errors.Is(err, httpauth.ErrLoadTimeout) || took > 5*time.Second {
						t.Errorf("User = %v after %v, want ErrLoadTimeout after 30ms", err, took)
					}
				}
			})
		})
	}
}

func TestUserWithinLoad(t *testing.T) {
	t.Run("for the same record is an error at once", func(t *testing.T) {
		config := httpauth.Config{LoadTimeout: time.Minute}
		config.Load = func(ctx context.Context, _ actor.Actor) (any, error) {
			return httpauth.User[*account](ctx)
		}
		serveAs(t, config, alice, func(_ *carrier, ctx context.Context) {
			if _, err := httpauth.User[*account](ctx); err == nil || !strings.Contains(err.Error(), "Load calls User") {
				t.Errorf("User = %v, want an error about Load calling User", err)
			}
		})
	})
	t.Run("around a corner, too", func(t *testing.T) {
		other := map[actor.Actor]actor.Actor{alice: bob, bob: alice}
		config := httpauth.Config{LoadTimeout: time.Minute}
		config.Load = func(ctx context.Context, a actor.Actor) (any, error) {
			return httpauth.User[*account](actor.NewContext(ctx, other[a]))
		}
		serveAs(t, config, alice, func(_ *carrier, ctx context.Context) {
			if _, err := httpauth.User[*account](ctx); err == nil || !strings.Contains(err.Error(), "Load calls User") {
				t.Errorf("User = %v, want an error about Load calling User", err)
			}
		})
	})
	t.Run("for another record works", func(t *testing.T) {
		config := httpauth.Config{}
		config.Load = func(ctx context.Context, a actor.Actor) (any, error) {
			if a == alice {
				return httpauth.User[*account](actor.NewContext(ctx, bob))
			}
			return loadAccount(ctx, a)
		}
		serveAs(t, config, alice, func(_ *carrier, ctx context.Context) {
			if user, err := httpauth.User[*account](ctx); err != nil || user.ID != "2" {
				t.Errorf("User = %v, %v, want bob's account", user, err)
			}
		})
	})
}

func TestUserNested(t *testing.T) {
	named := func(name string) httpauth.Config {
		return httpauth.Config{Load: func(context.Context, actor.Actor) (any, error) { return name, nil }}
	}
	for _, test := range []struct {
		inner httpauth.Config
		want  string
	}{
		{httpauth.Config{}, "outer"},
		{named("inner"), "inner"},
	} {
		c := newCarrier()
		httpauth.Set(c, alice)
		enter(t, c, named("outer"), test.inner)
		got, err := httpauth.User[string](c.Request().Context())
		if got != test.want || err != nil {
			t.Errorf("record behind a second middleware = %q, %v, want %q", got, err, test.want)
		}
	}
}
