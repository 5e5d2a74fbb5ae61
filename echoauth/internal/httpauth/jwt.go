package httpauth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// FromJWT is echoauth.FromJWT.
func (ad *Adapter) FromJWT(contextKey ...string) Source {
	return ad.newSubjectSource(contextKey).noted
}

// newSubjectSource returns the source of users whom tokens name by their subject.
func (ad *Adapter) newSubjectSource(keys []string) *tokenSource {
	t := ad.newTokenSource(keys, nil)
	t.principal = t.subject
	return t
}

// FromClaims is echoauth.FromClaims.
func FromClaims[C jwt.Claims](ad *Adapter, read func(claims C) (actor.Actor, bool, error), contextKey ...string) Source {
	if read == nil {
		panic("echoauth: FromClaims needs a function")
	}
	t := ad.newTokenSource(contextKey, nil)
	t.principal = func(c Context, token *jwt.Token) (actor.Actor, bool, error) {
		if isNil(token.Claims) {
			return actor.Actor{}, false, nil
		}
		claims, ok := token.Claims.(C)
		if !ok {
			return actor.Actor{}, false, fmt.Errorf("its claims are a %T, but FromClaims reads a %v (let echo-jwt's NewClaimsFunc return it)",
				token.Claims, reflect.TypeFor[C]())
		}
		a, ok, err := read(claims)
		if err == nil && ok && a.IsAnonymous() {
			err = fmt.Errorf("%w: its claims name nobody", ErrBadCredential)
		}
		return a, ok, err
	}
	return t.noted
}

// tokenSource is where echo-jwt leaves its tokens.
type tokenSource struct {
	adapter   *Adapter
	keys      []string
	principal func(c Context, token *jwt.Token) (actor.Actor, bool, error)

	unusable, delegated sync.Once // each is logged once
}

func (ad *Adapter) newTokenSource(keys []string, principal func(Context, *jwt.Token) (actor.Actor, bool, error)) *tokenSource {
	if len(keys) == 0 {
		keys = []string{defaultTokenKey}
	}
	return &tokenSource{adapter: ad, keys: slices.Clone(keys), principal: principal}
}

// noted is read, and lets the diagnosis after the handler know where a source
// looked.
func (t *tokenSource) noted(c Context) (actor.Actor, bool, error) {
	r := noteOf(c)
	r.tokenKeys = append(r.tokenKeys, t.keys...)
	return t.read(c)
}

func (t *tokenSource) read(c Context) (actor.Actor, bool, error) {
	ctx := c.Request().Context()
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
		a, ok, err := t.principal(c, token)
		if err != nil {
			if ctx.Err() == nil { // else c may serve another request by now
				t.challenge(c, err)
			}
			return actor.Actor{}, false, fmt.Errorf("echoauth: token under %q: %w", key, err)
		}
		if ok {
			return a, true, nil
		}
	}
	return actor.Actor{}, false, nil
}

// challenge tells the client of a bad token so, as RFC 6750 has it.
func (t *tokenSource) challenge(c Context, err error) {
	header := t.adapter.Response(c).Header()
	if errors.Is(err, ErrBadCredential) && header.Get(wwwAuthenticate) == "" {
		header.Set(wwwAuthenticate, `Bearer error="invalid_token"`)
	}
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

// subject is the user whom the token's sub claim names. It refuses a token that
// says who acts for that user.
func (t *tokenSource) subject(c Context, token *jwt.Token) (actor.Actor, bool, error) {
	if hasAct(token) {
		t.delegated.Do(func() { t.adapter.Log(c, delegatedText) })
		return actor.Actor{}, false, fmt.Errorf("%w: FromJWT does not read its claim act", ErrBadCredential)
	}
	sub, err := subjectClaim(token.Claims)
	if err == nil && (sub == nil || sub == "") && !isNil(token.Claims) {
		c.Set(noSubjectKey, true)
	}
	if err != nil {
		return actor.Actor{}, false, fmt.Errorf("%w: %w", ErrBadCredential, err)
	}
	a, err := userFrom(sub)
	if err != nil {
		return actor.Actor{}, false, fmt.Errorf("%w: its subject: %w", ErrBadCredential, err)
	}
	return a, !a.IsAnonymous(), nil
}

// subjectClaim returns the sub claim as the parser left it.
func subjectClaim(claims jwt.Claims) (any, error) {
	if isNil(claims) {
		return nil, nil
	}
	switch claims := claims.(type) {
	case jwt.MapClaims:
		return claims["sub"], nil
	case *jwt.MapClaims:
		return (*claims)["sub"], nil
	}
	return claims.GetSubject()
}

const delegatedText = "echoauth: a token that says who acts for its subject (the claim act) is refused, because FromJWT reads the subject alone: " +
	"read both with echoauth.FromClaims (see \"Act as\" in echoauth/jwt.md)"

// hasAct tells whether token says who acts for its subject, RFC 8693.
func hasAct(token *jwt.Token) bool {
	switch claims := token.Claims.(type) {
	case jwt.MapClaims:
		return claims["act"] != nil
	case *jwt.MapClaims:
		return claims != nil && (*claims)["act"] != nil
	}
	// Claims of other types need not have a field for it.
	_, payload, _ := strings.Cut(token.Raw, ".")
	payload, _, _ = strings.Cut(payload, ".")
	text, _ := base64.RawURLEncoding.DecodeString(strings.TrimRight(payload, "="))
	var claims map[string]json.RawMessage
	if json.Unmarshal(text, &claims) != nil { // the application made the token of something else
		text, _ = json.Marshal(token.Claims)
		_ = json.Unmarshal(text, &claims)
	}
	act, ok := claims["act"]
	return ok && string(act) != "null"
}
