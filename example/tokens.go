package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"
	echojwt "github.com/labstack/echo-jwt/v4"
	"github.com/labstack/echo/v4"
)

// tokenLifetime is short, because nothing revokes a token: it outlives a
// changed password, and the account.
const tokenLifetime = time.Hour

// tokens issues and verifies the API's bearer tokens.
type tokens struct {
	keys jwt.VerificationKeySet // the first signs, all verify
}

func newTokens(secrets [][]byte) tokens {
	var t tokens
	for _, secret := range secrets {
		t.keys.Keys = append(t.keys.Keys, deriveKey(secret, "API token"))
	}
	return t
}

// issue returns a token that says its bearer is u.
func (t tokens) issue(u *User) (string, error) {
	now := time.Now()
	return jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
		Subject:   strconv.FormatUint(uint64(u.ID), 10),
		IssuedAt:  jwt.NewNumericDate(now),
		ExpiresAt: jwt.NewNumericDate(now.Add(tokenLifetime)),
	}).SignedString(t.keys.Keys[0])
}

// middleware refuses requests without a valid token.
func (t tokens) middleware() echo.MiddlewareFunc {
	return echojwt.WithConfig(echojwt.Config{KeyFunc: func(token *jwt.Token) (any, error) {
		if token.Method != jwt.SigningMethodHS256 {
			return nil, fmt.Errorf("unexpected signing method %v", token.Header["alg"])
		}
		return t.keys, nil
	}})
}
