package httpauth

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// fromSession is the source echoauth.FromSession and, with a key, FromSessionValue.
func fromSession(valueKey string) Source {
	return func(c Context) (actor.Actor, bool, error) {
		if valueKey != "" {
			noteOf(c).valueKey = valueKey
		}
		s, err := existingSession(c)
		if s == nil || err != nil {
			return actor.Actor{}, false, err
		}
		if _, ofLogin := s.Values[credentialKey]; !ofLogin {
			a, _, err := userIn(s, valueKey, actor.Actor{})
			return a, !a.IsAnonymous(), err
		}
		cr, ok, err := liveCredential(c, s)
		if !ok || err != nil {
			return actor.Actor{}, false, err
		}
		// A handler may save this session, and must not weaken its cookie.
		s.Options = cookieOptions(c, s)
		return cr.actor, true, nil
	}
}

// SignedInAt is echoauth.SignedInAt.
func SignedInAt(c Context) (time.Time, bool) {
	a := Current(c)
	if a.IsAnonymous() {
		return time.Time{}, false // without a look at a store that no middleware has seen, see After
	}
	s, cr, err := liveSession(c)
	if s == nil || err != nil || !sameActor(a, cr.actor) {
		return time.Time{}, false
	}
	return cr.signedInAt, true
}

// liveSession returns the session that signs the request in, and what it says,
// or nil where there is none: a session that Login did not write, or that
// [liveCredential] refuses.
func liveSession(c Context) (*sessions.Session, credential, error) {
	s, err := existingSession(c)
	if s == nil || err != nil {
		return nil, credential{}, err
	}
	cr, ok, err := liveCredential(c, s)
	if !ok || err != nil {
		return nil, credential{}, err
	}
	return s, cr, nil
}

// liveCredential returns what Login wrote to s. ok is false where that signs nobody
// in: s is older than its lifetime, or its stamp does not hold, or the application
// itself wrote another person's id to it.
func liveCredential(c Context, s *sessions.Session) (cr credential, ok bool, err error) {
	ctx := c.Request().Context()
	if cr, ok = sessionCredential(s); !ok {
		return credential{}, false, nil
	}
	_, dispute, err := userIn(s, requestOf(c).valueKey, cr.actor)
	if dispute != "" {
		noteOf(c).dispute = dispute
	}
	holds := err == nil && dispute == "" && cr.isAlive(sessionLifetime(c, s))
	if holds {
		holds, err = stampHolds(c, s, cr.actor)
	}
	if over := ended(ctx); over != nil {
		return credential{}, false, over
	}
	if !holds || err != nil {
		revoked := cr.actor
		noteOf(c).revoked = &revoked
		return credential{}, false, err
	}
	return cr, true, nil
}

// sessionLifetime is that of s from its sign-in, 0 if it has no end. Not every
// store ends a session with its cookie.
func sessionLifetime(c Context, s *sessions.Session) time.Duration {
	lifetime := requestOf(c).lifetime
	if lifetime == 0 && s.Options != nil {
		lifetime = time.Duration(s.Options.MaxAge) * time.Second
	}
	return lifetime
}

// userIn returns whom s names: a, whom Login wrote, and the user whose id the
// application keeps under key, if there is one. If these are two people, it returns
// nobody, and a dispute: the key, quoted.
func userIn(s *sessions.Session, key string, a actor.Actor) (user actor.Actor, dispute string, err error) {
	if key == "" {
		return a, "", nil
	}
	own, err := userFrom(s.Values[key])
	switch {
	case err != nil:
		return actor.Actor{}, "", fmt.Errorf("echoauth: session value %q: %w", key, err)
	case own.IsAnonymous():
		return a, "", nil
	case !a.IsAnonymous() && !a.Same(own.Identity):
		return actor.Actor{}, strconv.Quote(key), nil
	case !a.IsAnonymous():
		return a, "", nil
	}
	return own, "", nil
}

// existingSession returns the session that the request came with, or that it
// has since it signed in or out, or nil.
func existingSession(c Context) (*sessions.Session, error) {
	if r := requestOf(c); r.written != nil && r.written.Name() == r.session() {
		return r.written, nil
	}
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
	ctx := c.Request().Context()
	s, err := openSession(c)
	if over := ended(ctx); over != nil {
		return nil, over
	}
	return s, err
}

// openSession returns the request's session, a new one if it came with none
// that can be read, and [ErrNoSession] where there is no store. An error of the
// store is an [unreadableError], and comes with what the store returned: maybe
// nothing.
func openSession(c Context) (*sessions.Session, error) {
	store, ok := c.Get(storeKey).(sessions.Store)
	if !ok {
		return nil, ErrNoSession
	}
	name := requestOf(c).session()
	s, err := getSession(store, c.Request(), name)
	if err != nil && !isBadCookie(err) && !isGone(err) {
		return s, unreadableError{err}
	}
	if s == nil {
		s = newSession(store, c.Request(), name)
	}
	return s, nil
}

// unreadableError says that the store can't tell what a session holds.
type unreadableError struct{ cause error }

func (e unreadableError) Error() string { return "echoauth: session store: " + e.cause.Error() }
func (e unreadableError) Unwrap() error { return e.cause }

// getSession is store.Get, but that the session may be nil: gorilla's registry,
// which most stores ask, panics where their New returns none.
func getSession(store sessions.Store, r *http.Request, name string) (s *sessions.Session, err error) {
	defer func() {
		if recover() != nil {
			s, err = store.New(r, name)
		}
	}()
	return store.Get(r, name)
}

// newSession returns the session that store gives a visitor without cookies.
func newSession(store sessions.Store, r *http.Request, name string) *sessions.Session {
	stranger := r.Clone(r.Context())
	stranger.Header.Del("Cookie")
	if s, _ := store.New(stranger, name); s != nil {
		return s
	}
	return sessions.NewSession(store, name)
}

// isBadCookie tells what is wrong with one visitor's cookie from what is wrong
// with the store. securecookie reports a cookie that is too long by an error
// that is none of its kinds, so this asks what err is not.
func isBadCookie(err error) bool {
	var cookie securecookie.Error
	return errors.As(err, &cookie) && !cookie.IsUsage() && !cookie.IsInternal()
}

// isGone tells whether a store says that it has no such session. Most stores
// then return a new one; others return the error of their database. Where a
// server can't be reached, what does not exist is its Unix socket.
func isGone(err error) bool {
	if unreached := new(net.OpError); errors.As(err, &unreached) {
		return false
	}
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	for ; err != nil; err = errors.Unwrap(err) {
		if slices.Contains(goneTexts, err.Error()) {
			return true
		}
	}
	return false
}

// goneTexts are the errors by which clients say that there is no such record.
// They are compared as texts, for to import the clients is too much for it.
var goneTexts = []string{
	"sql: no rows in result set",    // database/sql
	"no rows in result set",         // pgx
	"record not found",              // GORM
	"redis: nil",                    // go-redis
	"redigo: nil returned",          // redigo
	"memcache: cache miss",          // gomemcache
	"mongo: no documents in result", // MongoDB
	"not found",                     // mgo
	"Key not found",                 // Badger
}
