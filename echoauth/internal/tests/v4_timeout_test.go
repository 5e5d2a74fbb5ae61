//go:build !race

// Echo's Timeout middleware races with itself.

package tests

import (
	"net/http"
	"testing"
	"time"

	"github.com/labstack/echo-contrib/session"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// TestAttackTimeoutMiddleware: Echo's deprecated Timeout lets a handler run on
// after its echo.Context went to the next request. What the handler took at
// its top stays its own.
func TestAttackTimeoutMiddleware(t *testing.T) {
	app, _ := v4{}.NewApp(t)
	e := app.Handler.(*echo.Echo)
	late := make(chan actor.Actor, 1)
	proceed := make(chan struct{})
	e.Use(session.Middleware(newCookieStore()), echoauth.Middleware())
	signIn(app)
	e.GET("/slow", func(c echo.Context) error {
		ctx := c.Request().Context()
		<-proceed
		a, _ := actor.FromContext(ctx)
		late <- a
		return nil
	}, middleware.TimeoutWithConfig(middleware.TimeoutConfig{Timeout: 10 * time.Millisecond}))
	b, other := newBrowser(t, e), newBrowser(t, e)
	b.post("/login/1")
	if got := b.do("GET", "/slow").Code; got != http.StatusServiceUnavailable {
		t.Fatalf("GET /slow = %d, want 503", got)
	}
	other.post("/login/2")
	close(proceed)
	if got := <-late; got != alice {
		t.Errorf("actor of the slow handler = %v, want %v", got, alice)
	}
}
