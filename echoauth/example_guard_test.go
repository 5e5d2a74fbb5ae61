package echoauth_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

func ExampleRequireUser() {
	e := echo.New()
	e.Use(echoauth.Middleware())
	e.GET("/", showActor)
	notes := e.Group("/notes", echoauth.RequireUser())
	notes.GET("", showActor)

	visit(e, "GET", "/", nil)
	visit(e, "GET", "/notes", nil)
	// Output:
	// GET / 200 anonymous
	// GET /notes 401 {"message":"Unauthorized"}
}

func ExampleRequireUserWithConfig() {
	e := echo.New()
	e.Use(echoauth.Middleware())
	e.GET("/notes", showActor, echoauth.RequireUserWithConfig(echoauth.RequireConfig{LoginURL: "/login"}))

	req := httptest.NewRequest(http.MethodGet, "/notes?page=2", nil)
	req.Header.Set("Accept", "text/html") // a browser
	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, req)
	fmt.Println(rec.Code, rec.Header().Get("Location"))
	// Output: 302 /login?next=%2Fnotes%3Fpage%3D2
}

func ExampleRequireFunc() {
	isAdmin := func(_ echo.Context, a actor.Actor) (bool, error) {
		return a.Same(actor.User(1).Identity), nil // ask the database
	}
	e := echo.New()
	e.Use(echoauth.Middleware())
	e.GET("/admin", showActor, echoauth.RequireUser(), echoauth.RequireFunc(isAdmin))

	for _, id := range []int{1, 42} {
		req := httptest.NewRequest(http.MethodGet, "/admin", nil)
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, req.WithContext(actor.NewContext(req.Context(), actor.User(id))))
		fmt.Println(rec.Code)
	}
	// Output:
	// 200
	// 403
}

// A guard that asks the record: who is not an administrator gets a 403, whose
// account was deleted a 401. Whoever acts as an administrator gets a 403, too.
func ExampleRequireFunc_record() {
	type Account struct{ Role string }
	accounts := map[string]*Account{"1": {"admin"}, "2": {"clerk"}}

	e := echo.New()
	e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{
		Load: func(_ context.Context, a actor.Actor) (any, error) {
			account, ok := accounts[a.ID]
			if !ok {
				return nil, echoauth.ErrAnonymous // the account was deleted
			}
			return account, nil
		},
	}))
	isAdmin := func(c echo.Context, a actor.Actor) (bool, error) {
		if !a.Impersonator.IsAnonymous() {
			return false, nil // somebody who acts as an administrator is not one
		}
		account, err := echoauth.User[*Account](c.Request().Context())
		if err != nil {
			return false, err // ErrAnonymous is a 401
		}
		return account.Role == "admin", nil
	}
	toSignIn := echoauth.RequireUserWithConfig(echoauth.RequireConfig{LoginURL: "/login"}) // redirects a browser
	admins := e.Group("/admin", toSignIn, echoauth.RequireFunc(isAdmin))
	admins.GET("/users", showActor)

	for _, a := range []actor.Actor{actor.User(1), actor.User(2), actor.User(2).As(actor.User(1)), actor.User(3), {}} {
		req := httptest.NewRequest(http.MethodGet, "/admin/users", nil)
		req.Header.Set("Accept", "text/html") // a browser
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, req.WithContext(actor.NewContext(req.Context(), a)))
		fmt.Printf("%v %d %q\n", a, rec.Code, rec.Header().Get("Location"))
	}
	// Output:
	// user:1 200 ""
	// user:2 403 ""
	// user:1 (by user:2) 403 ""
	// user:3 401 ""
	// anonymous 302 "/login?next=%2Fadmin%2Fusers"
}

// Another program has a token of its own. It is a service, and RequireUser refuses it.
func ExampleRequireFunc_service() {
	services := map[[32]byte]string{sha256.Sum256([]byte("a token of 32 random bytes")): "billing"}

	fromToken := func(c echo.Context) (actor.Actor, bool, error) {
		token := c.Request().Header.Get("X-Service-Token")
		if token == "" {
			return actor.Actor{}, false, nil
		}
		name, ok := services[sha256.Sum256([]byte(token))] // only hashes are kept
		if !ok {
			return actor.Actor{}, false, echoauth.ErrBadCredential // a 401
		}
		return actor.Service(name), true, nil
	}
	isService := func(_ echo.Context, a actor.Actor) (bool, error) { return a.Kind == actor.KindService, nil }
	createNote := showActor

	e := echo.New()
	e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{
		Sources: []echoauth.Source{fromToken, echoauth.FromSession()},
	}))
	e.POST("/machine/notes", createNote, echoauth.RequireFunc(isService))
	e.POST("/notes", createNote, echoauth.RequireUser())

	for _, call := range [][2]string{{"/machine/notes", "a token of 32 random bytes"}, {"/notes", "a token of 32 random bytes"}, {"/machine/notes", "forged"}, {"/machine/notes", ""}} {
		req := httptest.NewRequest(http.MethodPost, call[0], nil)
		req.Header.Set("X-Service-Token", call[1])
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, req)
		fmt.Println(rec.Code, strings.TrimSpace(rec.Body.String()))
	}
	// Output:
	// 200 service:billing
	// 403 {"message":"Forbidden"}
	// 401 {"message":"Unauthorized"}
	// 403 {"message":"Forbidden"}
}

func ExampleSafeNext() {
	fmt.Println(echoauth.SafeNext("/notes?page=2"))
	fmt.Println(echoauth.SafeNext("https://evil.example/"))
	fmt.Println(echoauth.SafeNext(`/\evil.example`))
	// Output:
	// /notes?page=2
	// /
	// /
}
