package echoauth_test

import (
	"context"
	"log/slog"
	"os"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	"github.com/seed-3826ef92/whodunit/echoauth/v5"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// actorHandler adds the actor of the context to each line.
type actorHandler struct{ slog.Handler }

func (h actorHandler) Handle(ctx context.Context, record slog.Record) error {
	if a, ok := actor.FromContext(ctx); ok {
		record.AddAttrs(slog.Any("actor", a))
	}
	return h.Handler.Handle(ctx, record)
}

func (h actorHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return actorHandler{h.Handler.WithAttrs(attrs)}
}

func (h actorHandler) WithGroup(name string) slog.Handler {
	return actorHandler{h.Handler.WithGroup(name)}
}

// A slog.Handler that puts the actor on each line written with the request's
// context, and an access log that does so. The access log is registered first:
// it sees the actor all the same, because it writes after the handler.
func Example_slog() {
	logger := slog.New(actorHandler{slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})})

	e := echo.New()
	e.Use(middleware.RequestLoggerWithConfig(middleware.RequestLoggerConfig{
		LogStatus: true,
		LogValuesFunc: func(c *echo.Context, v middleware.RequestLoggerValues) error {
			logger.InfoContext(c.Request().Context(), "request", "status", v.Status)
			return nil
		},
	}))
	e.Use(echoauth.Middleware())
	e.GET("/", func(c *echo.Context) error {
		echoauth.Set(c, actor.User(7).As(actor.User(42)))
		logger.With("note", 1).InfoContext(c.Request().Context(), "created")
		return nil
	})

	visit(e, "GET", "/", nil)
	// Output:
	// level=INFO msg=created note=1 actor.kind=user actor.id=42 actor.impersonator=user:7
	// level=INFO msg=request status=200 actor.kind=user actor.id=42 actor.impersonator=user:7
	// GET / 200
}
