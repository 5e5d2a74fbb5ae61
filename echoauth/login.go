package echoauth

import (
	"errors"
	"fmt"
	"maps"
	"net/http"

	"github.com/gorilla/sessions"
	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Login signs a in: it writes a to the session, saves it at once, and makes a
// the request's actor as [Set] does. Names are not stored.
//
// The session gets a new id, and its old record is deleted. Values that an
// anonymous visitor left in it are kept, those of another person dropped. Its
// cookie is HttpOnly, SameSite=Lax (Strict if the store's Options say so), and
// Secure where the request came by https or the store's Options say so, except
// on plain http at a loopback host. The Options themselves stay as they are.
// The token of Echo's CSRF middleware is renewed, if that has its default
// cookie name or context key.
//
// It uses the SessionName and the SessionStamp of the middleware that ran for
// this request. Where none ran, or its Skipper skipped, that is the session
// "session" without a stamp, which a middleware with a SessionStamp does not
// accept: let the middleware run for the handlers that sign in.
//
// It returns [ErrAnonymous] for an anonymous actor, [ErrNoSession] where there
// is no session store, [ErrResponseCommitted] once the response's headers are
// sent, and the errors of the store and of [Config.SessionStamp]. The
// request's actor and cookies are then unchanged; the old session may be gone.
//
// Security: call it only once a credential is verified. Save no session in
// handlers that may run while somebody signs out: a store with records, such
// as Redis, writes the record anew, and a copied cookie is good again.
// [Config.SessionStamp] is the remedy.
func Login(c echo.Context, a actor.Actor) error {
	if a.IsAnonymous() {
		return ErrAnonymous
	}
	s, err := writableSession(c)
	if err != nil {
		return err
	}
	values, err := loginValues(c, s, a)
	if err != nil {
		return err
	}
	if err := rotate(c, s, values); err != nil {
		return err
	}
	renewCSRF(c)
	replaceActor(c, c.Request().Context(), a) // not Set: this one may come from a session that has ended
	return nil
}

// Logout signs the request out: it deletes the session with all its values,
// expires its cookie, and makes the request anonymous. It returns
// [ErrNoSession], [ErrResponseCommitted] and the store's errors, and then
// leaves the request's actor and cookies as they are.
//
// Security: let only a POST (or DELETE) log out, so that a link on another
// site can't. A store that keeps the session in the cookie itself, such as
// gorilla's CookieStore, can't forget it: a copied cookie stays valid until it
// expires. Nor does Logout end a JWT.
func Logout(c echo.Context) error {
	s, err := writableSession(c)
	if err != nil {
		return err
	}
	options := cookieOptions(c, s)
	header, err := destroy(c, s, options)
	if err != nil {
		return err
	}
	s.ID, s.Values, s.Options, s.IsNew = "", map[any]any{}, options, true
	replaceCookies(c.Response().Header(), header)
	Set(c, actor.Actor{})
	return nil
}

// writableSession is the request's session, while its cookie can still be
// sent.
func writableSession(c echo.Context) (*sessions.Session, error) {
	if c.Response().Committed {
		return nil, ErrResponseCommitted
	}
	return openSession(c)
}

// loginValues are the values of s once a is signed in.
func loginValues(c echo.Context, s *sessions.Session, a actor.Actor) (map[any]any, error) {
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
func rotate(c echo.Context, s *sessions.Session, values map[any]any) error {
	old, options := s.Values, cookieOptions(c, s)
	if s.ID != "" || !s.IsNew {
		if _, err := destroy(c, s, options); err != nil {
			return err
		}
	}
	s.ID, s.Values, s.Options = "", values, options
	header, err := save(c, s)
	if err == nil && !hasCookie(header, s.Name()) {
		err = errors.New("echoauth: the session store saved no session (is its Options.MaxAge above 0?)")
	}
	if err != nil {
		// Whatever the handler saves after this must not sign anybody in.
		s.ID, s.Values = "", old
		return err
	}
	replaceCookies(c.Response().Header(), header)
	return nil
}

// destroy deletes the record of s and returns the headers that expire its
// cookie. It leaves s as it was.
func destroy(c echo.Context, s *sessions.Session, options *sessions.Options) (http.Header, error) {
	kept := *s
	defer func() { *s = kept }()
	expired := *options
	expired.MaxAge = -1
	s.Values, s.Options = map[any]any{}, &expired
	return save(c, s)
}

// save returns the headers that s.Save would have sent.
func save(c echo.Context, s *sessions.Session) (http.Header, error) {
	w := headerWriter{}
	if err := s.Save(c.Request(), w); err != nil {
		return nil, fmt.Errorf("echoauth: session store: %w", err)
	}
	return w.Header(), nil
}
