package httpauth

import (
	"errors"
	"fmt"
	"maps"
	"net/http"

	"github.com/gorilla/sessions"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Login is echoauth.Login.
func (ad *Adapter) Login(c Context, a actor.Actor) error {
	if a.IsAnonymous() {
		return ErrAnonymous
	}
	s, header, err := ad.writableSession(c)
	if err != nil {
		return err
	}
	values, err := loginValues(c, s, a)
	if err != nil {
		return err
	}
	if err := rotate(c, header, s, values); err != nil {
		return err
	}
	renewCSRF(c, header)
	requestOf(c).replaceActor(c, c.Request().Context(), a) // not Set: this one may come from a session that has ended
	return nil
}

// Logout is echoauth.Logout.
func (ad *Adapter) Logout(c Context) error {
	s, header, err := ad.writableSession(c)
	if err != nil {
		return err
	}
	options := cookieOptions(c, s)
	expired, err := destroy(c, s, options)
	if err != nil {
		return err
	}
	s.ID, s.Values, s.Options, s.IsNew = "", map[any]any{}, options, true
	replaceCookies(header, expired)
	Set(c, actor.Actor{})
	return nil
}

// writableSession returns the request's session, and the header that its
// cookie can still be sent in.
func (ad *Adapter) writableSession(c Context) (*sessions.Session, http.Header, error) {
	w := ad.Response(c)
	if ad.isSent(w) {
		return nil, nil, ErrResponseCommitted
	}
	s, err := openSession(c)
	return s, w.Header(), err
}

// loginValues are the values of s once a is signed in.
func loginValues(c Context, s *sessions.Session, a actor.Actor) (map[any]any, error) {
	text, err := encodeActor(a)
	if err != nil {
		return nil, fmt.Errorf("echoauth: login: %w", err)
	}
	values := map[any]any{}
	previous, _ := sessionActor(s)
	// Where no middleware looked, nobody knows whose values these are.
	current, said := actor.FromContext(c.Request().Context())
	if said && mayInherit(previous, a) && mayInherit(current, a) {
		maps.Copy(values, s.Values)
	}
	values[actorKey] = text
	delete(values, stampKey)
	if r := requestOf(c); r.stamp != nil {
		if values[stampKey], err = r.stamp.digest(c.Request().Context(), a); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// mayInherit tells whether next may see what previous left in the session.
func mayInherit(previous, next actor.Actor) bool {
	return previous.IsAnonymous() || sameActor(previous, next)
}

// rotate saves values under a new id. Deleting the old record first is what
// makes every store give a new one: some keep using the id of the cookie that
// the request came with, and with it whoever planted that cookie.
func rotate(c Context, header http.Header, s *sessions.Session, values map[any]any) error {
	old, options := s.Values, cookieOptions(c, s)
	if s.ID != "" || !s.IsNew {
		if _, err := destroy(c, s, options); err != nil {
			return err
		}
	}
	s.ID, s.Values, s.Options = "", values, options
	saved, err := save(c, s)
	if err == nil && !hasCookie(saved, s.Name()) {
		err = errors.New("echoauth: the session store saved no session (is its Options.MaxAge above 0?)")
	}
	if err != nil {
		// Whatever the handler saves after this must not sign anybody in.
		s.ID, s.Values = "", old
		return err
	}
	replaceCookies(header, saved)
	return nil
}

// destroy deletes the record of s and returns the headers that expire its
// cookie. It leaves s as it was.
func destroy(c Context, s *sessions.Session, options *sessions.Options) (http.Header, error) {
	kept := *s
	defer func() { *s = kept }()
	expired := *options
	expired.MaxAge = -1
	s.Values, s.Options = map[any]any{}, &expired
	return save(c, s)
}

// save returns the headers that s.Save would have sent.
func save(c Context, s *sessions.Session) (http.Header, error) {
	w := headerWriter{}
	if err := s.Save(c.Request(), w); err != nil {
		return nil, fmt.Errorf("echoauth: session store: %w", err)
	}
	return w.Header(), nil
}
