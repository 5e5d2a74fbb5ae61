package echoauth_test

import (
	"net/http"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/sessions"
	"github.com/labstack/echo-contrib/v5/session"
	echojwt "github.com/labstack/echo-jwt/v5"
	"github.com/labstack/echo/v5"

	"github.com/seed-3826ef92/whodunit/echoauth/v5"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

func newApp(store sessions.Store, key []byte) *echo.Echo {
	e := echo.New()
	e.Use(session.Middleware(store))
	e.Use(echoauth.Middleware())
	e.POST("/login", func(c *echo.Context) error {
		return echoauth.Login(c, actor.User(42)) // after your own check of a password
	})
	e.POST("/logout", echoauth.Logout)
	e.GET("/me", showMe, echoauth.RequireUser())

	api := e.Group("/api", echojwt.JWT(key), echoauth.Middleware()) // a second one, behind the JWT middleware
	api.GET("/me", showMe, echoauth.RequireUser())
	return e
}

func showMe(c *echo.Context) error {
	return c.String(http.StatusOK, echoauth.Current(c).String())
}

// Pages with sessions, and an API with tokens: the program of sessions.md.
func Example_program() {
	key := []byte("32 random bytes, kept in a secret")
	e := newApp(sessions.NewCookieStore(key), key)

	visit(e, "GET", "/me", nil)
	signedIn := visit(e, "POST", "/login", nil)
	visit(e, "GET", "/me", signedIn)
	visit(e, "GET", "/me", visit(e, "POST", "/logout", signedIn))
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "43"}).SignedString(key)
	if err != nil {
		panic(err)
	}
	send(e, "/api/me", "Bearer "+token)
	// Output:
	// GET /me 401 {"message":"Unauthorized"}
	// POST /login 200
	// GET /me 200 user:42
	// POST /logout 200
	// GET /me 401 {"message":"Unauthorized"}
	// GET /api/me 200 user:43
}
