package httpauth

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// FromJWT is echoauth.FromJWT.
func (ad *Adapter) FromJWT(contextKey ...string) Source {
	tokens := ad.newTokenSource(contextKey)
	return func(c Context) (actor.Actor, bool, error) {
		tokens.note(c)
		return tokens.read(c)
	}
}

// tokenSource is where echo-jwt leaves its tokens.
type tokenSource struct {
	adapter  *Adapter
	keys     []string
	unusable sync.Once // logged once
}

func (ad *Adapter) newTokenSource(keys []string) *tokenSource {
	if len(keys) == 0 {
		keys = []string{defaultTokenKey}
	}
	return &tokenSource{adapter: ad, keys: slices.Clone(keys)}
}

// note lets the diagnosis know where a source looked.
func (t *tokenSource) note(c Context) {
	r := noteOf(c)
	r.tokenKeys = append(r.tokenKeys, t.keys...)
}

func (t *tokenSource) read(c Context) (actor.Actor, bool, error) {
	for _, key := range t.keys {
		value := c.Get(key)
		if value == nil {
			continue
		}
		token, _ := value.(*jwt.Token)
		if token == nil || !token.Valid {
			t.logUnusable(c, key, value)
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

// logUnusable logs what lies under key instead of a token that signs in.
func (t *tokenSource) logUnusable(c Context, key string, value any) {
	token, ok := value.(*jwt.Token)
	if ok && token == nil {
		return
	}
	text := fmt.Sprintf("echoauth: the token under c.Get(%q) is not Valid: nobody verified it, and nobody is signed in by it", key)
	if !ok {
		text = fmt.Sprintf("echoauth: c.Get(%q) is a %T, not a *jwt.Token of github.com/golang-jwt/jwt/v5: nobody is signed in by it. "+
			"Set Config.Sources if something of your own is kept there", key, value)
	}
	t.unusable.Do(func() { t.adapter.Log(c, text, slog.String("key", key)) })
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
