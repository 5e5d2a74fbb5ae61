package echoauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/labstack/echo-contrib/v5/session"
	"github.com/labstack/echo/v5"

	"github.com/seed-3826ef92/whodunit/echoauth/v5"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

func ExampleUser() {
	type User struct{ ID, Email string }
	users := map[string]*User{"42": {"42", "ann@example.com"}} // a database

	e := echo.New()
	e.Use(session.Middleware(newSessionStore()))
	e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{
		Load: func(_ context.Context, a actor.Actor) (any, error) {
			user, ok := users[a.ID]
			if !ok {
				return nil, errors.New("no such user")
			}
			return user, nil
		},
	}))
	e.POST("/login", func(c *echo.Context) error { return echoauth.Login(c, actor.User(42)) })
	e.GET("/me", func(c *echo.Context) error {
		user, err := echoauth.User[*User](c.Request().Context())
		if errors.Is(err, echoauth.ErrAnonymous) {
			return echo.ErrUnauthorized
		}
		if err != nil {
			return err
		}
		return c.String(http.StatusOK, user.Email)
	})

	visit(e, "GET", "/me", nil)
	signedIn := visit(e, "POST", "/login", nil)
	visit(e, "GET", "/me", signedIn)
	// Output:
	// GET /me 401 {"message":"Unauthorized"}
	// POST /login 200
	// GET /me 200 ann@example.com
}

// Testing an application: an actor in the request's context is signed in, with
// the whole application or with one handler.
func Example_testing() {
	e := echo.New()
	e.Use(echoauth.Middleware())
	e.GET("/notes", showActor, echoauth.RequireUser())

	req := httptest.NewRequest(http.MethodGet, "/notes", nil)
	req = req.WithContext(actor.NewContext(req.Context(), actor.User(42)))

	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, req)
	fmt.Println(rec.Code, rec.Body)

	rec = httptest.NewRecorder()
	if err := showActor(e.NewContext(req, rec)); err != nil {
		panic(err)
	}
	fmt.Println(rec.Code, rec.Body)
	// Output:
	// 200 user:42
	// 200 user:42
}

func ExampleSet() {
	e := echo.New()
	e.Use(echoauth.Middleware())
	e.GET("/ticket/:ticket", func(c *echo.Context) error {
		if c.Param("ticket") != "valid" { // verify a credential that only this route has
			return echo.ErrUnauthorized
		}
		echoauth.Set(c, actor.User(42))
		return showActor(c)
	})

	visit(e, "GET", "/ticket/valid", nil)
	// Output: GET /ticket/valid 200 user:42
}

func ExampleConfig_request() {
	e := echo.New()
	e.IPExtractor = echo.ExtractIPDirect()
	e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{Request: true}))
	e.GET("/notes/:id", func(c *echo.Context) error {
		r, _ := actor.RequestFromContext(c.Request().Context())
		return c.String(http.StatusOK, fmt.Sprint(r.Method, " ", r.Route, " ", r.IP))
	})

	visit(e, "GET", "/notes/42", nil)
	// Output: GET /notes/42 200 GET /notes/:id 192.0.2.1
}
