package echoauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"github.com/labstack/echo/v5"

	"github.com/seed-3826ef92/whodunit/echoauth/v5"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

func signInAs(a actor.Actor) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error { echoauth.Set(c, a); return next(c) }
	}
}

// A goroutine takes the context, never the echo.Context, and detaches it: the
// request's context is cancelled as soon as the handler returns.
func Example_goroutine() {
	var work sync.WaitGroup
	e := echo.New()
	e.Use(echoauth.Middleware(), signInAs(actor.User(42)))
	e.POST("/export", func(c *echo.Context) error {
		ctx := actor.Detach(c.Request().Context())
		work.Go(func() {
			a, _ := actor.FromContext(ctx) // db.WithContext(ctx) does the same
			fmt.Println("exported for", a, ctx.Err())
		})
		return c.NoContent(http.StatusAccepted)
	})

	visit(e, "POST", "/export", nil)
	work.Wait()
	// Unordered output:
	// POST /export 202
	// exported for user:42 <nil>
}

// A job carries its actor as JSON, and the worker puts it into its context.
func Example_job() {
	type Job struct {
		Report string      `json:"report"`
		Actor  actor.Actor `json:"actor"`
	}
	queue := make(chan []byte, 1) // Redis, a table, …

	e := echo.New()
	e.Use(echoauth.Middleware(), signInAs(actor.User(7).As(actor.User(42))))
	e.POST("/reports", func(c *echo.Context) error {
		payload, err := json.Marshal(Job{Report: "sales", Actor: echoauth.Current(c)})
		if err != nil {
			return err
		}
		queue <- payload
		return c.String(http.StatusAccepted, string(payload))
	})
	worker := func(payload []byte) error {
		var job Job
		if err := json.Unmarshal(payload, &job); err != nil {
			return err
		}
		ctx := actor.NewContext(context.Background(), job.Actor)
		a, _ := actor.FromContext(ctx)
		fmt.Println("writing", job.Report, "as", a)
		return nil
	}

	visit(e, "POST", "/reports", nil)
	if err := worker(<-queue); err != nil {
		panic(err)
	}
	// Output:
	// POST /reports 202 {"report":"sales","actor":{"kind":"user","id":"42","impersonator":{"kind":"user","id":"7"}}}
	// writing sales as user:42 (by user:7)
}
