package tests

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

type account struct{ ID string }

func loadAccount(_ context.Context, a actor.Actor) (any, error) { return &account{a.ID}, nil }

// serveAs runs handler for one request of a, behind middleware of config.
func serveAs(tb testing.TB, v version, config Config, a actor.Actor, handler func(c Context, ctx context.Context)) {
	tb.Helper()
	e, _ := v.NewApp(tb)
	e.Use(v.MiddlewareWithConfig(config))
	e.GET("/", func(c Context) error {
		handler(c, c.Request().Context())
		return nil
	})
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	e.ServeHTTP(httptest.NewRecorder(), req.WithContext(actor.NewContext(req.Context(), a)))
}
