package echoauth_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/golang-jwt/jwt/v5"
	echojwt "github.com/labstack/echo-jwt/v4"
	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// AccessClaims are what an API reads of an access token.
type AccessClaims struct {
	jwt.RegisteredClaims
	ClientID string        `json:"client_id"` // RFC 9068: in every access token
	Act      *AccessClaims `json:"act"`       // RFC 8693: who acts for the subject
}

// principal is a client where the client got the token for itself, else a user.
func principal(c *AccessClaims) actor.Actor {
	if c.Subject == c.ClientID {
		return actor.Service(c.Subject)
	}
	return actor.User(c.Subject)
}

func readClaims(c *AccessClaims) (actor.Actor, bool, error) {
	if c.Issuer != "https://login.example.com" {
		return actor.Actor{}, false, echoauth.ErrBadCredential
	}
	who := principal(c)
	if c.Act == nil {
		return who, true, nil
	}
	by := principal(c.Act)
	if by.IsAnonymous() { // As would take the user to act alone
		return actor.Actor{}, false, echoauth.ErrBadCredential
	}
	return by.As(who), true, nil
}

// More than the subject: the issuer, clients' own tokens, and delegation.
func ExampleFromClaims() {
	key := []byte("32 random bytes, kept in a secret")
	e := echo.New()
	api := e.Group("/api")
	api.Use(echojwt.WithConfig(echojwt.Config{
		SigningKey:    key,
		NewClaimsFunc: func(echo.Context) jwt.Claims { return new(AccessClaims) },
	}))
	api.Use(echoauth.MiddlewareWithConfig(echoauth.Config{
		Sources: []echoauth.Source{echoauth.FromClaims(readClaims)},
	}))
	api.GET("/", showActor)

	for _, claims := range []jwt.MapClaims{
		{"iss": "https://login.example.com", "sub": "42", "client_id": "web"},
		{"iss": "https://login.example.com", "sub": "billing", "client_id": "billing"},
		{"iss": "https://login.example.com", "sub": "42", "client_id": "web", "act": jwt.MapClaims{"sub": "7"}},
		{"iss": "https://login.example.com", "sub": "42", "client_id": "web", "act": jwt.MapClaims{}},
		{"iss": "https://evil.example", "sub": "42"},
	} {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(key)
		if err != nil {
			panic(err)
		}
		send(e, "/api/", "Bearer "+token)
	}
	// Output:
	// GET /api/ 200 user:42
	// GET /api/ 200 service:billing
	// GET /api/ 200 user:42 (by user:7)
	// GET /api/ 401 {"message":"Unauthorized"}
	// GET /api/ 401 {"message":"Unauthorized"}
}

// An application whose users have numbers: it looks the number up by the issuer and
// the subject.
func ExampleSource_numbers() {
	key := []byte("32 random bytes, kept in a secret")
	numbers := map[string]uint{"42": 1001, "7": 1002}
	numberOf := func(_ context.Context, id string) (uint, error) {
		number, ok := numbers[id]
		if !ok {
			return 0, echoauth.ErrBadCredential
		}
		return number, nil
	}

	readToken := echoauth.FromClaims(readClaims)
	byNumber := func(c echo.Context) (actor.Actor, bool, error) {
		a, ok, err := readToken(c)
		if !ok || err != nil {
			return a, ok, err
		}
		for _, who := range []*actor.Identity{&a.Identity, &a.Impersonator} {
			if who.Kind != actor.KindUser {
				continue
			}
			number, err := numberOf(c.Request().Context(), who.ID)
			if err != nil {
				return actor.Actor{}, false, err
			}
			who.ID = fmt.Sprint(number)
		}
		return a, true, nil
	}
	e := echo.New()
	api := e.Group("/api")
	api.Use(echojwt.WithConfig(echojwt.Config{
		SigningKey:    key,
		NewClaimsFunc: func(echo.Context) jwt.Claims { return new(AccessClaims) },
	}))
	api.Use(echoauth.MiddlewareWithConfig(echoauth.Config{Sources: []echoauth.Source{byNumber}}))
	api.GET("/", showActor)

	for _, claims := range []jwt.MapClaims{
		{"iss": "https://login.example.com", "sub": "42", "client_id": "web"},
		{"iss": "https://login.example.com", "sub": "42", "client_id": "web", "act": jwt.MapClaims{"sub": "7"}},
		{"iss": "https://login.example.com", "sub": "billing", "client_id": "billing"},
		{"iss": "https://login.example.com", "sub": "43", "client_id": "web"},
	} {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(key)
		if err != nil {
			panic(err)
		}
		send(e, "/api/", "Bearer "+token)
	}
	// Output:
	// GET /api/ 200 user:1001
	// GET /api/ 200 user:1001 (by user:1002)
	// GET /api/ 200 service:billing
	// GET /api/ 401 {"message":"Unauthorized"}
}

func readNamed(claims jwt.MapClaims) (actor.Actor, bool, error) {
	if claims["act"] != nil { // who acts for the subject: see "Act as"
		return actor.Actor{}, false, echoauth.ErrBadCredential
	}
	id, _ := claims["sub"].(string)
	a := actor.User(id) // without an id, FromClaims answers 401
	a.Name, _ = claims["name"].(string)
	return a, true, nil
}

// The names that tokens have, for the history. FromJWT reads none.
func ExampleFromClaims_name() {
	key := []byte("32 random bytes, kept in a secret")
	e := echo.New()
	api := e.Group("/api")
	api.Use(echojwt.WithConfig(echojwt.Config{SigningKey: key}))
	api.Use(echoauth.MiddlewareWithConfig(echoauth.Config{
		Sources: []echoauth.Source{echoauth.FromClaims(readNamed)},
	}))
	api.GET("/", func(c echo.Context) error {
		a := echoauth.Current(c)
		return c.String(http.StatusOK, a.String()+" "+a.Name)
	})

	acting := jwt.MapClaims{"sub": "42", "name": "Ann", "act": map[string]string{"sub": "7"}}
	for _, claims := range []jwt.MapClaims{{"sub": "42", "name": "Ann"}, {"sub": "43"}, {"name": "Bob"}, acting} {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(key)
		if err != nil {
			panic(err)
		}
		send(e, "/api/", "Bearer "+token)
	}
	// Output:
	// GET /api/ 200 user:42 Ann
	// GET /api/ 200 user:43
	// GET /api/ 401 {"message":"Unauthorized"}
	// GET /api/ 401 {"message":"Unauthorized"}
}

// UserClaims name the user in a claim of their own.
type UserClaims struct {
	jwt.RegisteredClaims
	UserID uint `json:"user_id"`
	Act    any  `json:"act"` // who acts for the user: see "Act as"
}

func readUserID(claims *UserClaims) (actor.Actor, bool, error) {
	if claims.Act != nil {
		return actor.Actor{}, false, echoauth.ErrBadCredential
	}
	return actor.User(claims.UserID), true, nil
}

// The user's id in another claim than the subject.
func ExampleFromClaims_userID() {
	key := []byte("32 random bytes, kept in a secret")
	e := echo.New()
	api := e.Group("/api")
	api.Use(echojwt.WithConfig(echojwt.Config{
		SigningKey:    key,
		NewClaimsFunc: func(echo.Context) jwt.Claims { return new(UserClaims) },
	}))
	api.Use(echoauth.MiddlewareWithConfig(echoauth.Config{
		Sources: []echoauth.Source{echoauth.FromClaims(readUserID)},
	}))
	api.GET("/", showActor)

	acting := &UserClaims{UserID: 42, Act: map[string]string{"sub": "7"}}
	for _, claims := range []*UserClaims{{UserID: 42}, {UserID: 0}, acting} {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(key)
		if err != nil {
			panic(err)
		}
		send(e, "/api/", "Bearer "+token)
	}
	// Output:
	// GET /api/ 200 user:42
	// GET /api/ 401 {"message":"Unauthorized"}
	// GET /api/ 401 {"message":"Unauthorized"}
}

// ActingClaims name two people while support acts as a customer.
type ActingClaims struct {
	jwt.RegisteredClaims
	Act *jwt.RegisteredClaims `json:"act,omitempty"` // who acts for the subject
}

func readActing(claims *ActingClaims) (actor.Actor, bool, error) {
	user := actor.User(claims.Subject) // without an id, FromClaims answers 401
	if claims.Act == nil {
		return user, true, nil
	}
	if claims.Act.Subject == "" {
		return actor.Actor{}, false, echoauth.ErrBadCredential
	}
	return actor.User(claims.Act.Subject).As(user), true, nil
}

// An application signs tokens for its support people, who act as customers.
func ExampleFromClaims_actAs() {
	key := []byte("32 random bytes, kept in a secret")
	e := echo.New()
	api := e.Group("/api")
	api.Use(echojwt.WithConfig(echojwt.Config{
		SigningKey:    key,
		NewClaimsFunc: func(echo.Context) jwt.Claims { return new(ActingClaims) },
	}))
	api.Use(echoauth.MiddlewareWithConfig(echoauth.Config{
		Sources: []echoauth.Source{echoauth.FromClaims(readActing)},
		MayImpersonate: func(_ context.Context, a actor.Actor) (bool, error) {
			return a.Impersonator.ID == "7", nil // your query of a permission
		},
	}))
	api.GET("/", showActor)

	for _, claims := range []*ActingClaims{
		{RegisteredClaims: jwt.RegisteredClaims{Subject: "42"}},
		{RegisteredClaims: jwt.RegisteredClaims{Subject: "42"}, Act: &jwt.RegisteredClaims{Subject: "7"}},
		{RegisteredClaims: jwt.RegisteredClaims{Subject: "42"}, Act: &jwt.RegisteredClaims{Subject: "8"}},
		{RegisteredClaims: jwt.RegisteredClaims{Subject: "42"}, Act: &jwt.RegisteredClaims{}},
	} {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(key)
		if err != nil {
			panic(err)
		}
		send(e, "/api/", "Bearer "+token)
	}
	// Output:
	// GET /api/ 200 user:42
	// GET /api/ 200 user:42 (by user:7)
	// GET /api/ 403 {"message":"Forbidden"}
	// GET /api/ 401 {"message":"Unauthorized"}
}
