package echoauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/labstack/echo/v5"

	"github.com/seed-3826ef92/whodunit/echoauth/v5"
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
	isAdmin := func(_ *echo.Context, a actor.Actor) (bool, error) {
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

func ExampleSafeNext() {
	fmt.Println(echoauth.SafeNext("/notes?page=2"))
	fmt.Println(echoauth.SafeNext("https://evil.example/"))
	fmt.Println(echoauth.SafeNext(`/\evil.example`))
	// Output:
	// /notes?page=2
	// /
	// /
}
