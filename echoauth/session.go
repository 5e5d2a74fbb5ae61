package echoauth

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// storeKey is where echo-contrib's session.Middleware keeps the store.
const storeKey = "_session_store"

// FromSession returns the source that reads what [Login] wrote to the session.
//
// A cookie that can't be read, that has expired, or whose session is gone is
// no credential. A store that is down or lacks its key is an error.
//
// It asks the store only if the request has a cookie of the session's name,
// and never writes to it. [Config.SessionStamp] decides whether the session
// still holds.
func FromSession() Source {
	return readSession
}

func readSession(c echo.Context) (actor.Actor, bool, error) {
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

// FromSessionValue returns the source for an application that itself keeps the
// id of its user in the session under key, as a string or any kind of integer.
// The zero value of either is no credential, any other type an error.
//
// An integer that went through a JSON serializer is a float64. It is taken if
// it is integral and smaller than 2^53; beyond, it may be the id of somebody
// else, and is an error.
func FromSessionValue(key string) Source {
	return func(c echo.Context) (actor.Actor, bool, error) {
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
func existingSession(c echo.Context) (*sessions.Session, error) {
	if len(c.Request().Header[echo.HeaderCookie]) == 0 {
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
func openSession(c echo.Context) (*sessions.Session, error) {
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
