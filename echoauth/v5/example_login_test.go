package echoauth_test

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"

	"github.com/gorilla/sessions"
	"github.com/labstack/echo-contrib/v5/session"
	"github.com/labstack/echo/v5"

	"github.com/seed-3826ef92/whodunit/echoauth/v5"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

func newSessionStore() sessions.Store {
	return sessions.NewCookieStore([]byte("32 random bytes, kept in a secret"))
}

func showActor(c *echo.Context) error {
	return c.String(http.StatusOK, echoauth.Current(c).String())
}

func ExampleLogin() {
	e := echo.New()
	e.Use(session.Middleware(newSessionStore()), echoauth.Middleware())
	e.POST("/login/:password", func(c *echo.Context) error {
		// An application compares a hash, bcrypt's for instance.
		if subtle.ConstantTimeCompare([]byte(c.Param("password")), []byte("swordfish")) != 1 {
			return echo.ErrUnauthorized
		}
		if err := echoauth.Login(c, actor.User(42)); err != nil {
			return err
		}
		return showActor(c)
	})
	e.GET("/", showActor)

	visit(e, "POST", "/login/guess", nil)
	signedIn := visit(e, "POST", "/login/swordfish", nil)
	cookie := signedIn.Cookies()[0]
	fmt.Println(cookie.Name, cookie.HttpOnly, cookie.Secure, cookie.SameSite == http.SameSiteLaxMode)
	visit(e, "GET", "/", signedIn)
	// Output:
	// POST /login/guess 401 {"message":"Unauthorized"}
	// POST /login/swordfish 200 user:42
	// session true true true
	// GET / 200 user:42
}

func ExampleLogout() {
	e := echo.New()
	e.Use(session.Middleware(newSessionStore()), echoauth.Middleware())
	e.POST("/login", func(c *echo.Context) error { return echoauth.Login(c, actor.User(42)) })
	e.POST("/logout", func(c *echo.Context) error {
		if err := echoauth.Logout(c); err != nil {
			return err
		}
		return showActor(c)
	})

	signedIn := visit(e, "POST", "/login", nil)
	signedOut := visit(e, "POST", "/logout", signedIn)
	fmt.Println(signedOut.Cookies()[0].MaxAge)
	// Output:
	// POST /login 200
	// POST /logout 200 anonymous
	// -1
}

// A session ends as soon as its stamp differs: when the password changes, the
// account is closed, or somebody chooses "log out everywhere".
func ExampleConfig_sessionStamp() {
	passwordHash := map[string]string{"42": "$2a$10$first"}

	e := echo.New()
	e.Use(session.Middleware(newSessionStore()))
	e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{
		SessionStamp: func(_ context.Context, a actor.Actor) (string, error) {
			hash, ok := passwordHash[a.ID]
			if !ok {
				return "", echoauth.ErrAnonymous
			}
			return hash, nil
		},
	}))
	e.POST("/login", func(c *echo.Context) error { return echoauth.Login(c, actor.User(42)) })
	e.GET("/", showActor)

	signedIn := visit(e, "POST", "/login", nil)
	visit(e, "GET", "/", signedIn)
	passwordHash["42"] = "$2a$10$second"
	visit(e, "GET", "/", signedIn)
	// Output:
	// POST /login 200
	// GET / 200 user:42
	// GET / 200 anonymous
}

func ExampleImpersonate() {
	e := echo.New()
	e.Use(session.Middleware(newSessionStore()), echoauth.Middleware())
	e.POST("/login/:id", func(c *echo.Context) error { return echoauth.Login(c, actor.User(c.Param("id"))) })

	isSupport := func(_ *echo.Context, a actor.Actor) (bool, error) { return a.ID == "7", nil }
	e.POST("/as/:id", func(c *echo.Context) error {
		if err := echoauth.Impersonate(c, actor.User(c.Param("id"))); err != nil {
			return err
		}
		return showActor(c)
	}, echoauth.RequireFunc(isSupport))
	e.POST("/stop", func(c *echo.Context) error {
		err := echoauth.StopImpersonating(c)
		if errors.Is(err, echoauth.ErrNotImpersonating) {
			return echo.NewHTTPError(http.StatusConflict, "not impersonating").Wrap(err)
		}
		if err != nil {
			return err
		}
		return showActor(c)
	})

	user := visit(e, "POST", "/login/42", nil)
	visit(e, "POST", "/as/1", user)
	support := visit(e, "POST", "/login/7", nil)
	asUser := visit(e, "POST", "/as/42", support)
	visit(e, "POST", "/stop", asUser)
	// Output:
	// POST /login/42 200
	// POST /as/1 403 {"message":"Forbidden"}
	// POST /login/7 200
	// POST /as/42 200 user:42 (by user:7)
	// POST /stop 200 user:7
}
