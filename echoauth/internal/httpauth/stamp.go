package httpauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/gorilla/sessions"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// stampKey is the session key of the digest of the session's stamps.
const stampKey = "echoauth:stamp"

// stamp is a [Config] SessionStamp and its timeout.
type stamp struct {
	of      func(context.Context, actor.Actor) (string, error)
	timeout time.Duration
}

// digest sums up the stamps of a and of the one who acts as a: whichever
// account is closed ends the session. It is a digest because a cookie store
// shows its values to the browser.
func (s *stamp) digest(ctx context.Context, a actor.Actor) (string, error) {
	var stamps []byte
	for _, identity := range []actor.Identity{a.Identity, a.Impersonator} {
		if identity.IsAnonymous() {
			continue
		}
		text, err := bounded(ctx, s.timeout, "SessionStamp", func(ctx context.Context) (string, error) {
			return s.of(ctx, actor.Actor{Identity: identity})
		})
		if err != nil {
			return "", fmt.Errorf("echoauth: SessionStamp of %s: %w", identity, err)
		}
		stamps = fmt.Appendf(stamps, "%q %q\n", identity.String(), text)
	}
	digest := sha256.Sum256(stamps)
	return credentialVersion + base64.RawURLEncoding.EncodeToString(digest[:]), nil
}

// verified is a session whose stamp was found to hold in this request.
type verified struct {
	actor actor.Actor
	stamp string
}

// stampHolds tells whether the session of a may still sign a in.
func stampHolds(c Context, session *sessions.Session, a actor.Actor) (bool, error) {
	r := requestOf(c)
	if r.stamp == nil {
		return true, nil
	}
	stored, _ := session.Values[stampKey].(string)
	if v := (verified{a, stored}); r.verified != nil && *r.verified == v {
		return true, nil
	}
	current, err := r.stamp.digest(c.Request().Context(), a)
	if errors.Is(err, ErrAnonymous) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if subtle.ConstantTimeCompare([]byte(stored), []byte(current)) != 1 {
		return false, nil
	}
	r.verified = &verified{a, stored}
	return true, nil
}
