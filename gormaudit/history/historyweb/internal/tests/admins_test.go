package tests

import (
	"context"
	"net/http"
	"testing"

	"github.com/labstack/echo/v4"
	echo5 "github.com/labstack/echo/v5"

	"github.com/seed-3826ef92/whodunit/echoauth"
	auth5 "github.com/seed-3826ef92/whodunit/echoauth/v5"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

type Account struct{ Role string }

func loadAccount(_ context.Context, a actor.Actor) (any, error) {
	if a.Same(alice.Identity) {
		return &Account{"admin"}, nil
	}
	return &Account{"clerk"}, nil
}

// adminsV4 is an application with the page for administrators: the code of questions.md.
func adminsV4(page http.Handler) http.Handler {
	e := echo.New()
	e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{Load: loadAccount}))
	e.GET("/login", func(c echo.Context) error { return c.String(http.StatusOK, "please sign in") })
	isAdmin := func(c echo.Context, a actor.Actor) (bool, error) {
		if !a.Impersonator.IsAnonymous() {
			return false, nil // somebody who acts as an administrator is not one
		}
		account, err := echoauth.User[*Account](c.Request().Context()) // what Config.Load of the middleware returns
		if err != nil {
			return false, err
		}
		return account.Role == "admin", nil
	}
	toSignIn := echoauth.RequireUserWithConfig(echoauth.RequireConfig{LoginURL: "/login"}) // redirects a browser
	admins := e.Group("/admin", toSignIn, echoauth.RequireFunc(isAdmin))
	admins.Any("/history/*", echo.WrapHandler(page))
	admins.GET("/history", echo.WrapHandler(http.RedirectHandler("/admin/history/", http.StatusSeeOther)))
	return e
}

// adminsV5 is [adminsV4] for Echo v5.
func adminsV5(page http.Handler) http.Handler {
	e := echo5.New()
	e.Use(auth5.MiddlewareWithConfig(auth5.Config{Load: loadAccount}))
	e.GET("/login", func(c *echo5.Context) error { return c.String(http.StatusOK, "please sign in") })
	isAdmin := func(c *echo5.Context, a actor.Actor) (bool, error) {
		if !a.Impersonator.IsAnonymous() {
			return false, nil
		}
		account, err := auth5.User[*Account](c.Request().Context())
		if err != nil {
			return false, err
		}
		return account.Role == "admin", nil
	}
	toSignIn := auth5.RequireUserWithConfig(auth5.RequireConfig{LoginURL: "/login"})
	admins := e.Group("/admin", toSignIn, auth5.RequireFunc(isAdmin))
	admins.Any("/history/*", echo5.WrapHandler(page))
	admins.GET("/history", echo5.WrapHandler(http.RedirectHandler("/admin/history/", http.StatusSeeOther)))
	return e
}

func TestAPageForAdministrators(t *testing.T) {
	t.Parallel()
	for name, application := range map[string]func(page http.Handler) http.Handler{"Echo v4": adminsV4, "Echo v5": adminsV5} {
		t.Run(name, func(t *testing.T) {
			db, _ := shop(t, dbtest.New(t, dbtest.SQLite))
			must(t, db.WithContext(as(alice)).Create(&Order{ID: 17, Customer: "Ms Miller"}).Error)
			app := application(historyweb.Handler(db, historyweb.Config{Tables: tables}))
			for _, test := range []struct {
				actor  actor.Actor
				status int
				at     string
			}{
				{alice, http.StatusOK, "/admin/history/"},
				{bob, http.StatusForbidden, "/admin/history"},
				{bob.As(alice), http.StatusForbidden, "/admin/history"},
				{alice.As(bob), http.StatusForbidden, "/admin/history"},
				{actor.Actor{}, http.StatusOK, "/login"},
			} {
				b := visit(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					app.ServeHTTP(w, r.WithContext(actor.NewContext(r.Context(), test.actor)))
				}))
				b.header.Set("Accept", "text/html")
				if at, _ := b.expect(test.status, "GET", "/admin/history", "none", nil); at != test.at {
					t.Errorf("/admin/history leads %s to %s, want %s", test.actor, at, test.at)
				}
			}
		})
	}
}
