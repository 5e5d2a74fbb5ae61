package httpauth

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// FromSession is the source echoauth.FromSession.
func FromSession(c Context) (actor.Actor, bool, error) {
	s, err := existingSession(c)
	if s == nil || err != nil {
		return actor.Actor{}, false, err
	}
	a, ok := sessionActor(s)
	if !ok {
		return actor.Actor{}, false, nil
	}
	if ok, err = stampHolds(c, s, a); !ok || err != nil {
		noteOf(c).revoked = &actor.Actor{Identity: a.Identity, Impersonator: a.Impersonator}
		return actor.Actor{}, false, err
	}
	// A handler may save this session, and must not weaken its cookie.
	s.Options = cookieOptions(c, s)
	return a, true, nil
}

// FromSessionValue is echoauth.FromSessionValue.
func FromSessionValue(key string) Source {
	return func(c Context) (actor.Actor, bool, error) {
		s, err := existingSession(c)
		if s == nil || err != nil {
			return actor.Actor{}, false, err
		}
		a, err := userFrom(s.Values[key])
		if err != nil {
			return actor.Actor{}, false, fmt.Errorf("echoauth: session value %q: %w", key, err)
		}
		return a, !a.IsAnonymous(), nil
	}
}

// existingSession returns the session that the request came with, or nil.
func existingSession(c Context) (*sessions.Session, error) {
	if len(c.Request().Header["Cookie"]) == 0 {
		return nil, nil // whatever the order of the middlewares
	}
	if c.Get(storeKey) == nil {
		noteOf(c).missedStore = true
		return nil, nil
	}
	c.Set(sawStoreKey, true)
	if _, err := c.Request().Cookie(requestOf(c).session()); err != nil {
		return nil, nil
	}
	return openSession(c)
}

// openSession returns the request's session, a new one if it came with none
// that can be read. It returns [ErrNoSession] where there is no store.
func openSession(c Context) (*sessions.Session, error) {
	store, ok := c.Get(storeKey).(sessions.Store)
	if !ok {
		return nil, ErrNoSession
	}
	s, err := store.Get(c.Request(), requestOf(c).session())
	if err != nil && !isBadCookie(err) {
		return nil, fmt.Errorf("echoauth: session store: %w", err)
	}
	return s, nil
}

// isBadCookie tells what is wrong with one visitor's cookie from what is wrong
// with the store. securecookie reports a cookie that is too long by an error
// that is none of its kinds, so this asks what err is not.
func isBadCookie(err error) bool {
	var cookie securecookie.Error
	if errors.As(err, &cookie) {
		return !cookie.IsUsage() && !cookie.IsInternal()
	}
	return errors.Is(err, fs.ErrNotExist)
}
