package tests

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/gorilla/sessions"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

func TestImpersonate(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		eachStore(t, func(t *testing.T, store sessions.Store) {
			e := newSite(t, v, store, Config{})
			b := newBrowser(t, e)
			b.post("/login/admin")
			b.post("/cart/admins")
			before := b.copied()
			want(t, "impersonate", b.post("/impersonate/1"), "user:1 (by user:admin)")
			want(t, "whoami", b.get("/whoami"), "user:1 (by user:admin)")
			want(t, "cart", b.get("/cart"), "")
			want(t, "impersonate again", b.post("/impersonate/2"), echoauth.ErrImpersonating.Error())
			want(t, "whoami", b.get("/whoami"), "user:1 (by user:admin)")
			b.post("/cart/theirs")
			during := b.copied()
			want(t, "stop", b.post("/stop"), "user:admin")
			want(t, "whoami", b.get("/whoami"), "user:admin")
			want(t, "cart", b.get("/cart"), "")
			want(t, "stop again", b.post("/stop"), echoauth.ErrNotImpersonating.Error())
			if _, ok := store.(*sessions.CookieStore); !ok {
				want(t, "whoami with the cookie before", before.get("/whoami"), "anonymous")
				want(t, "whoami with the cookie during", during.get("/whoami"), "anonymous")
			}
			b.post("/impersonate/1")
			want(t, "logout ends it all", b.post("/logout"), "anonymous")
			want(t, "whoami", b.get("/whoami"), "anonymous")
		})
	})
}

func TestLoginWhileImpersonatingDropsValues(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		b := newBrowser(t, newSite(t, v, newCookieStore(), Config{}))
		b.post("/login/admin")
		b.post("/impersonate/1")
		b.post("/cart/admins")
		want(t, "login of the impersonated one", b.post("/login/1"), "user:1")
		want(t, "cart", b.get("/cart"), "")
	})
}

func TestImpersonateNobody(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		e.Use(v.Sessions(newCookieStore()), v.Middleware())
		e.POST("/", func(c Context) error {
			if err := v.Impersonate(c, alice); !errors.Is(err, echoauth.ErrAnonymous) {
				t.Errorf("Impersonate by nobody = %v, want ErrAnonymous", err)
			}
			if err := v.StopImpersonating(c); !errors.Is(err, echoauth.ErrNotImpersonating) {
				t.Errorf("StopImpersonating by nobody = %v, want ErrNotImpersonating", err)
			}
			v.Set(c, admin)
			if err := v.Impersonate(c, actor.Actor{}); !errors.Is(err, echoauth.ErrAnonymous) {
				t.Errorf("Impersonate of nobody = %v, want ErrAnonymous", err)
			}
			return nil
		})
		newBrowser(t, e).do("POST", "/")
	})
}

func TestImpersonatorIsLogged(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, nil))
		e := newSite(t, v, newCookieStore(), Config{})
		e.GET("/log", func(c Context) error {
			logger.Info("seen", "actor", v.Current(c))
			return nil
		})
		b := newBrowser(t, e)
		b.post("/login/admin")
		b.post("/impersonate/1")
		b.get("/log")
		if got := log.String(); !strings.Contains(got, "actor.kind=user actor.id=1 actor.impersonator=user:admin") {
			t.Errorf("log = %s, want both in it", got)
		}
	})
}

func TestImpersonatorReachesTheRecord(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		config := Config{Load: func(_ context.Context, a actor.Actor) (any, error) { return a, nil }}
		serveAs(t, v, config, admin.As(alice), func(_ Context, ctx context.Context) {
			if got, err := echoauth.User[actor.Actor](ctx); err != nil || got != admin.As(alice) {
				t.Errorf("Load was asked for %v (%v), want %v", got, err, admin.As(alice))
			}
		})
	})
}
