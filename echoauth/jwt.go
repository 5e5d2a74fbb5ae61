package echoauth

import (
	"fmt"
	"slices"
	"sync"

	"github.com/golang-jwt/jwt/v5"
	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// defaultTokenKey is echo-jwt's default ContextKey.
const defaultTokenKey = "user"

// FromJWT returns the source that reads the token which echo-jwt verified and
// left in echo.Context under one of contextKey, by default "user". The actor
// is a user with the token's subject as id.
//
// The subject may be a string, or a number that is integral and smaller than
// 2^53 in size: JSON numbers beyond are rounded, and so name somebody else.
// They are an error, unless the parser keeps numbers as
// [encoding/json.Number]. A token without subject is no credential.
//
// Anything else under the key, a *jwt.Token of another major version for
// instance, or a token that is not Valid, is no credential either, and is said
// once through c.Logger().
func FromJWT(contextKey ...string) Source {
	tokens := newTokenSource(contextKey)
	return func(c echo.Context) (actor.Actor, bool, error) {
		tokens.note(c)
		return tokens.read(c)
	}
}

// tokenSource is where echo-jwt leaves its tokens.
type tokenSource struct {
	keys     []string
	unusable sync.Once // said once
}

func newTokenSource(keys []string) *tokenSource {
	if len(keys) == 0 {
		keys = []string{defaultTokenKey}
	}
	return &tokenSource{keys: slices.Clone(keys)}
}

// note lets the diagnosis know where a source looked.
func (t *tokenSource) note(c echo.Context) {
	r := noteOf(c)
	r.tokenKeys = append(r.tokenKeys, t.keys...)
}

func (t *tokenSource) read(c echo.Context) (actor.Actor, bool, error) {
	for _, key := range t.keys {
		value := c.Get(key)
		if value == nil {
			continue
		}
		token, _ := value.(*jwt.Token)
		if token == nil || !token.Valid {
			t.sayUnusable(c, key, value)
			continue
		}
		c.Set(sawTokenKey, true)
		a, err := subject(token)
		if err != nil {
			return actor.Actor{}, false, fmt.Errorf("echoauth: subject of the token under %q: %w", key, err)
		}
		if !a.IsAnonymous() {
			return a, true, nil
		}
	}
	return actor.Actor{}, false, nil
}

// sayUnusable says what lies under key instead of a token that signs in.
func (t *tokenSource) sayUnusable(c echo.Context, key string, value any) {
	if token, ok := value.(*jwt.Token); ok && token == nil {
		return
	}
	t.unusable.Do(func() {
		if _, ok := value.(*jwt.Token); ok {
			c.Logger().Errorf("echoauth: the token under c.Get(%q) is not Valid: nobody verified it, and nobody is signed in by it", key)
			return
		}
		c.Logger().Errorf("echoauth: c.Get(%q) is a %T, not a *jwt.Token of github.com/golang-jwt/jwt/v5: nobody is signed in by it. "+
			"Set Config.Sources if something of your own is kept there", key, value)
	})
}

// subject is the user whom the token's sub claim names.
func subject(token *jwt.Token) (actor.Actor, error) {
	switch claims := token.Claims.(type) {
	case nil:
		return actor.Actor{}, nil
	case jwt.MapClaims:
		return userFrom(claims["sub"])
	case *jwt.MapClaims:
		if claims == nil {
			return actor.Actor{}, nil
		}
		return userFrom((*claims)["sub"])
	default:
		sub, err := claims.GetSubject()
		return actor.User(sub), err
	}
}
