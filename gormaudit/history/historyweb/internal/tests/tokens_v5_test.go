package tests

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	echojwt "github.com/labstack/echo-jwt/v5"
	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	"github.com/seed-3826ef92/whodunit/echoauth/v5"
)

// tokensV5 is an application whose API takes tokens, and the page in it: the code of
// jwt.md.
func tokensV5(page http.Handler, key []byte) http.Handler {
	e := echo.New()
	e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{Request: true}))
	e.Use(middleware.CSRFWithConfig(middleware.CSRFConfig{Skipper: func(c *echo.Context) bool {
		return strings.HasPrefix(c.Path(), "/api/") || strings.HasPrefix(c.Path(), "/history/")
	}}))
	api := e.Group("/api")
	api.Use(echojwt.WithConfig(echojwt.Config{SigningKey: key}))
	api.Use(echoauth.Middleware()) // behind the JWT middleware, on the same group
	api.Use(echoauth.RequireUserWithConfig(echoauth.RequireConfig{Challenge: "Bearer"}))
	api.GET("/me", func(c *echo.Context) error { return c.String(http.StatusOK, echoauth.Current(c).String()) })

	// The application's script calls it, and then opens /history/.
	api.POST("/open-history", func(c *echo.Context) error {
		token := c.Get("user").(*jwt.Token)
		c.SetCookie(&http.Cookie{
			Name: "token", Value: token.Raw, Path: "/history", // the API never gets it
			HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode,
		})
		return c.NoContent(http.StatusNoContent)
	})

	pages := e.Group("/history")
	pages.Use(echojwt.WithConfig(echojwt.Config{
		SigningKey: key, TokenLookup: "cookie:token",
		ErrorHandler: func(c *echo.Context, _ error) error { // no token, or it has expired
			return c.Redirect(http.StatusSeeOther, "/login?next="+url.QueryEscape(c.Request().URL.RequestURI()))
		},
	}))
	pages.Use(echoauth.Middleware()) // behind the JWT middleware, on the same group
	pages.Any("/*", echo.WrapHandler(page))
	e.GET("/history", echo.WrapHandler(http.RedirectHandler("/history/", http.StatusSeeOther)))
	e.GET("/login", func(c *echo.Context) error {
		return c.String(http.StatusOK, "please sign in, then "+echoauth.SafeNext(c.QueryParam("next")))
	})
	return e
}
