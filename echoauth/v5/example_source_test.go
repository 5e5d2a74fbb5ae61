package echoauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"github.com/labstack/echo-contrib/v5/session"
	echojwt "github.com/labstack/echo-jwt/v5"
	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	"github.com/seed-3826ef92/whodunit/echoauth/v5"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// send sends one GET with an Authorization header and prints the answer.
func send(e *echo.Echo, path, authorization string) {
	req := httptest.NewRequest(http.MethodGet, path, nil)
	req.Header.Set(echo.HeaderAuthorization, authorization)
	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, req)
	fmt.Println("GET", path, rec.Code, strings.TrimSpace(rec.Body.String()))
}

// Echo runs e.Use before the middleware of a group, and so before the group's
// JWT. A second Middleware behind it reads the token.
func ExampleFromJWT() {
	key := []byte("32 random bytes, kept in a secret")
	e := echo.New()
	e.Use(echoauth.Middleware())
	e.GET("/", showActor)
	api := e.Group("/api", echojwt.JWT(key), echoauth.Middleware())
	api.GET("/", showActor)

	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "42"}).SignedString(key)
	if err != nil {
		panic(err)
	}
	send(e, "/", "Bearer "+token)
	send(e, "/api/", "Bearer "+token)
	// Output:
	// GET / 200 anonymous
	// GET /api/ 200 user:42
}

// A route for everybody, where a token is optional: without one, a visitor reads it.
// A token that has expired or is forged is refused all the same.
func ExampleFromJWT_optional() {
	key := []byte("32 random bytes, kept in a secret")
	e := echo.New()
	public := e.Group("/notes")
	public.Use(echojwt.WithConfig(echojwt.Config{
		SigningKey:             key,
		ContinueOnIgnoredError: true,
		ErrorHandler: func(_ *echo.Context, err error) error {
			if errors.Is(err, echojwt.ErrJWTMissing) {
				return nil // a visitor
			}
			return echojwt.ErrJWTInvalid
		},
	}))
	public.Use(echoauth.Middleware())
	public.GET("/", showActor)

	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "42"}).SignedString(key)
	if err != nil {
		panic(err)
	}
	send(e, "/notes/", "")
	send(e, "/notes/", "Bearer "+token)
	send(e, "/notes/", "Bearer forged")
	// Output:
	// GET /notes/ 200 anonymous
	// GET /notes/ 200 user:42
	// GET /notes/ 401 {"message":"invalid or expired jwt"}
}

// An application that has its own sign-in keeps it. SessionName is the name that it
// gives to session.Get: under another one everybody is anonymous.
func ExampleFromSession_valueKey() {
	e := echo.New()
	e.Use(session.Middleware(newSessionStore()))
	e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{
		SessionName: "app", // as in session.Get("app", c)
		Sources:     []echoauth.Source{echoauth.FromSessionValue("user_id")},
	}))
	account := struct{ ID uint }{42}
	e.POST("/login", func(c *echo.Context) error {
		s, err := session.Get("app", c)
		if err != nil {
			return err
		}
		clear(s.Values) // also what Login wrote
		s.Values["user_id"] = account.ID
		return s.Save(c.Request(), c.Response())
	})
	e.GET("/", showActor)

	signedIn := visit(e, "POST", "/login", nil)
	visit(e, "GET", "/", signedIn)
	// Output:
	// POST /login 200
	// GET / 200 user:42
}

// A Source of one's own: the client certificate that TLS verified.
func ExampleSource() {
	fromCertificate := func(c *echo.Context) (actor.Actor, bool, error) {
		tls := c.Request().TLS
		if tls == nil || len(tls.VerifiedChains) == 0 {
			return actor.Actor{}, false, nil
		}
		return actor.Service(tls.VerifiedChains[0][0].Subject.CommonName), true, nil
	}
	e := echo.New()
	e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{
		Sources: []echoauth.Source{fromCertificate, echoauth.FromSession()},
	}))
	e.GET("/", showActor)

	visit(e, "GET", "/", nil)
	// Output: GET / 200 anonymous
}

func ExampleBasicAuth() {
	e := echo.New()
	e.Use(middleware.BasicAuth(echoauth.BasicAuth(
		func(_ *echo.Context, user, password string) (actor.Actor, bool, error) {
			return actor.User(user), password == "swordfish", nil // compare a hash
		})))
	e.Use(echoauth.Middleware())
	e.GET("/", showActor)

	send(e, "/", "Basic YW5uOnN3b3JkZmlzaA==") // ann:swordfish
	send(e, "/", "Basic YW5uOmd1ZXNz")         // ann:guess
	// Output:
	// GET / 200 user:ann
	// GET / 401 {"message":"Unauthorized"}
}

func ExampleKeyAuth() {
	e := echo.New()
	e.Use(middleware.KeyAuth(echoauth.KeyAuth(
		func(_ *echo.Context, key string, _ middleware.ExtractorSource) (actor.Actor, bool, error) {
			return actor.Service("billing"), key == "k-4711", nil // look up a hash
		})))
	e.Use(echoauth.Middleware())
	e.GET("/", showActor)

	send(e, "/", "Bearer k-4711")
	send(e, "/", "Bearer guess")
	// Output:
	// GET / 200 service:billing
	// GET / 401 {"message":"Unauthorized"}
}
