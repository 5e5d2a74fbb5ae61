package echoauth_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo-contrib/session"
	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// A guard for what needs a fresh proof of who is there: it lets pass whose
// password was asked for less than a while ago, and sends others to a page that
// asks once more and calls Login again.
func ExampleSignedInAt() {
	confirmed := func(within time.Duration) echo.MiddlewareFunc {
		return func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				if at, ok := echoauth.SignedInAt(c); !ok || time.Since(at) >= within {
					return c.Redirect(http.StatusSeeOther, "/confirm?next=/account")
				}
				return next(c)
			}
		}
	}
	e := echo.New()
	e.Use(session.Middleware(newSessionStore()), echoauth.Middleware())
	e.POST("/login", func(c echo.Context) error { return echoauth.Login(c, actor.User(42)) })
	e.GET("/account", showActor, echoauth.RequireUser(), confirmed(10*time.Minute))
	e.GET("/account/closing", showActor, echoauth.RequireUser(), confirmed(0)) // never fresh enough

	visit(e, "GET", "/account", nil)
	signedIn := visit(e, "POST", "/login", nil)
	visit(e, "GET", "/account", signedIn)
	visit(e, "GET", "/account/closing", signedIn)
	// Output:
	// GET /account 401 {"message":"Unauthorized"}
	// POST /login 200
	// GET /account 200 user:42
	// GET /account/closing 303
}

// "Sign out everywhere": the stamp is a counter in the account's row, beside the
// password's hash. To raise it ends each session of the account; a new Login
// begins one with the new count.
func ExampleConfig_signOutEverywhere() {
	type account struct {
		passwordHash string
		sessions     int // UPDATE accounts SET sessions = sessions + 1
	}
	accounts := map[string]*account{"42": {passwordHash: "$2a$10$…"}}

	e := echo.New()
	e.Use(session.Middleware(newSessionStore()))
	e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{
		SessionStamp: func(_ context.Context, a actor.Actor) (string, error) {
			account, ok := accounts[a.ID]
			if !ok {
				return "", echoauth.ErrAnonymous // the account was closed
			}
			return fmt.Sprint(account.sessions, " ", account.passwordHash), nil
		},
	}))
	e.POST("/login", func(c echo.Context) error { return echoauth.Login(c, actor.User(42)) })
	e.GET("/", showActor)
	e.POST("/logout-everywhere", func(c echo.Context) error {
		accounts[echoauth.Current(c).ID].sessions++
		return echoauth.Logout(c) // here, too: a Login takes the password, for SignedInAt counts from it
	}, echoauth.RequireUser())

	laptop := visit(e, "POST", "/login", nil)
	phone := visit(e, "POST", "/login", nil)
	visit(e, "POST", "/logout-everywhere", phone)
	visit(e, "GET", "/", laptop)
	visit(e, "GET", "/", phone) // a copy of its cookie
	visit(e, "GET", "/", visit(e, "POST", "/login", nil))
	// Output:
	// POST /login 200
	// POST /login 200
	// POST /logout-everywhere 200
	// GET / 200 anonymous
	// GET / 200 anonymous
	// POST /login 200
	// GET / 200 user:42
}

// Who is demoted while acting as somebody else is refused with the next request,
// and is themselves again.
func ExampleConfig_mayImpersonate() {
	roles := map[string]string{"7": "support", "42": "customer"}

	e := echo.New()
	e.Use(session.Middleware(newSessionStore()))
	e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{
		MayImpersonate: func(_ context.Context, a actor.Actor) (bool, error) {
			return roles[a.Impersonator.ID] == "support" && roles[a.ID] == "customer", nil
		},
	}))
	e.POST("/login/:id", func(c echo.Context) error { return echoauth.Login(c, actor.User(c.Param("id"))) })
	e.POST("/as/:id", func(c echo.Context) error { return echoauth.Impersonate(c, actor.User(c.Param("id"))) })
	e.GET("/", showActor)

	signedIn := visit(e, "POST", "/login/7", nil)
	acting := visit(e, "POST", "/as/42", signedIn)
	visit(e, "GET", "/", acting)
	roles["7"] = ""
	refused := visit(e, "GET", "/", acting)
	visit(e, "GET", "/", refused)
	// Output:
	// POST /login/7 200
	// POST /as/42 200
	// GET / 200 user:42 (by user:7)
	// GET / 403 {"message":"Forbidden"}
	// GET / 200 user:7
}

// Support acts as a customer. A session ends when the stamp of either account
// changes. StopImpersonating goes on with the person's own session, under the new
// stamp: a copy of the cookie from before is worth nothing.
func ExampleStopImpersonating() {
	sessions := map[string]int{"7": 1, "42": 1} // a counter in the accounts' rows
	roles := map[string]string{"7": "support", "42": "customer"}
	type Account struct{ ID string }
	findAccount := func(id string) (*Account, error) { // a query
		if id = strings.ToLower(id); sessions[id] == 0 {
			return nil, echo.ErrNotFound
		}
		return &Account{ID: id}, nil
	}

	e := echo.New()
	e.Use(session.Middleware(newSessionStore()))
	e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{
		SessionStamp: func(_ context.Context, a actor.Actor) (string, error) {
			count, ok := sessions[a.ID]
			if !ok {
				return "", echoauth.ErrAnonymous // the account was closed
			}
			return fmt.Sprint(count), nil
		},
		MayImpersonate: func(_ context.Context, a actor.Actor) (bool, error) {
			return roles[a.Impersonator.ID] == "support" && roles[a.ID] == "customer", nil
		},
	}))
	e.POST("/act-as/:id", func(c echo.Context) error {
		account, err := findAccount(c.Param("id"))
		if err != nil {
			return err
		}
		return echoauth.Impersonate(c, actor.User(account.ID)) // the row's own id: the URL may spell it otherwise
	}, echoauth.RequireUser())
	e.POST("/stop-acting", func(c echo.Context) error {
		sessions[echoauth.Current(c).Impersonator.ID]++ // ends copies of the cookie, and the person's other sessions
		return echoauth.StopImpersonating(c)
	}, echoauth.RequireUser())
	e.POST("/login/:id", func(c echo.Context) error { return echoauth.Login(c, actor.User(c.Param("id"))) })
	e.GET("/", showActor)

	acting := visit(e, "POST", "/act-as/42", visit(e, "POST", "/login/7", nil))
	visit(e, "GET", "/", acting)
	stopped := visit(e, "POST", "/stop-acting", acting)
	visit(e, "GET", "/", stopped)
	visit(e, "GET", "/", acting) // a copy of its cookie
	acting = visit(e, "POST", "/act-as/42", stopped)
	sessions["42"]++ // the customer signs out everywhere
	visit(e, "GET", "/", acting)
	// Output:
	// POST /login/7 200
	// POST /act-as/42 200
	// GET / 200 user:42 (by user:7)
	// POST /stop-acting 200
	// GET / 200 user:7
	// GET / 200 anonymous
	// POST /act-as/42 200
	// GET / 200 anonymous
}

// An application with a session and an "act as" of its own: the id of whoever
// signed in stands under user_id, that of the one they act as under acting_as.
func ExampleSource_actAs() {
	support := map[string]bool{"7": true}

	readSession := echoauth.FromSessionValue("user_id")
	whoActs := func(c echo.Context) (actor.Actor, bool, error) {
		real, ok, err := readSession(c)
		if !ok || err != nil || !support[real.ID] { // asked on each request: who loses the right is themselves again
			return real, ok, err
		}
		s, err := session.Get("app", c)
		if err != nil {
			return actor.Actor{}, false, err
		}
		switch target := s.Values["acting_as"].(type) {
		case nil:
			return real, true, nil
		case int: // the type that your application puts there
			return real.As(actor.User(target)), true, nil
		default:
			return actor.Actor{}, false, fmt.Errorf("acting_as is a %T", target)
		}
	}
	e := echo.New()
	e.Use(session.Middleware(newSessionStore()))
	e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{
		SessionName: "app",
		Sources:     []echoauth.Source{whoActs},
	}))
	e.POST("/own-login", func(c echo.Context) error {
		s, err := session.Get("app", c)
		if err != nil {
			return err
		}
		s.Values["user_id"], s.Values["acting_as"] = 7, 42
		return s.Save(c.Request(), c.Response())
	})
	e.GET("/", showActor)

	acting := visit(e, "POST", "/own-login", nil)
	visit(e, "GET", "/", acting)
	support["7"] = false
	visit(e, "GET", "/", acting)
	// Output:
	// POST /own-login 200
	// GET / 200 user:42 (by user:7)
	// GET / 200 user:7
}
