package oidc

import (
	"context"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	echojwt "github.com/labstack/echo-jwt/v4"
	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Claims are what this API reads of an access token.
type Claims struct {
	jwt.RegisteredClaims
	ClientID string `json:"client_id"`
	Act      any    `json:"act"` // RFC 8693: who acts for the subject
}

// API lets in whoever has an access token that issuer signed for audience. It
// fetches the issuer's keys, and fetches them again when a token names one that
// it does not know.
func API(ctx context.Context, issuer, audience, keysURL string) ([]echo.MiddlewareFunc, error) {
	keys, err := keyfunc.NewDefaultCtx(ctx, []string{keysURL})
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{"RS256"}), // never what the token says
		jwt.WithIssuer(issuer),
		jwt.WithAudience(audience),
		jwt.WithExpirationRequired(),
	)
	verify, err := echojwt.Config{
		ParseTokenFunc: func(_ echo.Context, text string) (any, error) {
			return parser.ParseWithClaims(text, new(Claims), keys.Keyfunc)
		},
	}.ToMiddleware()
	if err != nil {
		return nil, err
	}
	source := echoauth.FromClaims(func(c *Claims) (actor.Actor, bool, error) {
		if c.Act != nil { // jwt.md reads it; to leave it out would hide who acts
			return actor.Actor{}, false, echoauth.ErrBadCredential
		}
		if c.Subject == c.ClientID {
			return actor.Service(c.Subject), true, nil
		}
		return actor.User(c.Subject), true, nil
	})
	who := echoauth.MiddlewareWithConfig(echoauth.Config{Sources: []echoauth.Source{source}})
	return []echo.MiddlewareFunc{verify, who}, nil
}
