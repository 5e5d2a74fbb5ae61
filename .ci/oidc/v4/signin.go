// Package oidc is a sign-in with OpenID Connect for Echo v4, to be copied: the
// authorization code flow with state, nonce and PKCE. The provider says who
// somebody is, echoauth keeps them signed in.
package oidc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net/http"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/labstack/echo-contrib/session"
	"github.com/labstack/echo/v4"
	"golang.org/x/oauth2"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// SignIn is the sign-in with one provider.
type SignIn struct {
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
	account  Account
}

// Account returns the account of the person whom issuer knows as subject, and
// makes it where there is none. The two together are a person's key: neither
// an email address nor a name is, for either may become somebody else's.
type Account func(ctx context.Context, issuer, subject string) (actor.Actor, error)

// New reads what the provider says of itself and its keys. The keys are read
// again as soon as a token names one that is not known.
func New(ctx context.Context, issuer, clientID, secret, callbackURL string, account Account) (*SignIn, error) {
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, fmt.Errorf("oidc: %w", err)
	}
	return &SignIn{
		oauth: oauth2.Config{
			ClientID:     clientID,
			ClientSecret: secret,
			Endpoint:     provider.Endpoint(),
			RedirectURL:  callbackURL,
			Scopes:       []string{oidc.ScopeOpenID},
		},
		verifier: provider.Verifier(&oidc.Config{ClientID: clientID}),
		account:  account,
	}, nil
}

// The keys of the session in which a browser's sign-in is remembered.
const (
	stateKey    = "oidc:state"
	nonceKey    = "oidc:nonce"
	verifierKey = "oidc:verifier"
	nextKey     = "oidc:next"
)

// Begin sends the browser to the provider. Route it as the LoginURL of
// echoauth.RequireConfig.
func (s *SignIn) Begin(c echo.Context) error {
	visitor, err := session.Get("session", c)
	if visitor == nil {
		return err // a cookie that can't be read comes with a new session
	}
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	visitor.Values[stateKey] = state
	visitor.Values[nonceKey] = nonce
	visitor.Values[verifierKey] = verifier
	visitor.Values[nextKey] = c.QueryParam("next")
	visitor.Options.HttpOnly = true
	visitor.Options.SameSite = http.SameSiteLaxMode // Strict would not come back from the provider
	if err := visitor.Save(c.Request(), c.Response()); err != nil {
		return err
	}
	url := s.oauth.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))
	return c.Redirect(http.StatusFound, url)
}

// Callback takes the browser back from the provider, and signs it in.
func (s *SignIn) Callback(c echo.Context) error {
	visitor, err := session.Get("session", c)
	if visitor == nil {
		return err
	}
	state, _ := visitor.Values[stateKey].(string)
	nonce, _ := visitor.Values[nonceKey].(string)
	verifier, _ := visitor.Values[verifierKey].(string)
	next, _ := visitor.Values[nextKey].(string)
	if state == "" || subtle.ConstantTimeCompare([]byte(state), []byte(c.QueryParam("state"))) != 1 {
		return echo.NewHTTPError(http.StatusBadRequest, "this sign-in did not begin here: try again")
	}
	token, err := s.verify(c.Request().Context(), c.QueryParam("code"), verifier, nonce)
	if err != nil {
		return echo.NewHTTPError(http.StatusUnauthorized, "the sign-in failed: try again").WithInternal(err)
	}
	who, err := s.account(c.Request().Context(), token.Issuer, token.Subject)
	if err != nil {
		return err
	}
	// Login keeps what an anonymous visitor left in the session: here the
	// secrets above, and whatever somebody may have planted.
	clear(visitor.Values)
	if err := echoauth.Login(c, who); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, echoauth.SafeNext(next))
}

// verify exchanges the code for the ID token, and checks that it is the answer
// to this browser's question.
func (s *SignIn) verify(ctx context.Context, code, verifier, nonce string) (*oidc.IDToken, error) {
	tokens, err := s.oauth.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, err
	}
	raw, ok := tokens.Extra("id_token").(string)
	if !ok {
		return nil, fmt.Errorf("oidc: the provider sent no ID token")
	}
	token, err := s.verifier.Verify(ctx, raw) // signature, issuer, audience, time
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1 {
		return nil, fmt.Errorf("oidc: the ID token has another nonce")
	}
	return token, nil
}
