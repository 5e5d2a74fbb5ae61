package httpauth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/gorilla/sessions"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Login is echoauth.Login.
func (ad *Adapter) Login(c Context, a actor.Actor) error {
	if a.IsAnonymous() {
		return errLoginOfNobody
	}
	w, err := ad.openWriterAnew(c)
	if err != nil {
		return err
	}
	if err := w.signIn(credential{a, time.Now()}); err != nil {
		return err
	}
	w.replaceActor(a) // not Set: this one may come from a session that has ended
	return nil
}

// Logout is echoauth.Logout.
func (ad *Adapter) Logout(c Context) error {
	w, err := ad.openWriterAnew(c)
	if err != nil {
		return err
	}
	expired, err := w.destroy()
	if err != nil {
		return err
	}
	s := w.session
	s.ID, s.Values, s.Options, s.IsNew = "", map[any]any{}, w.options, true
	replaceCookies(w.header, expired)
	noteOf(c).written = s
	Set(c, actor.Actor{})
	return nil
}

// sessionWriter writes the session of one request. It keeps what belongs to the
// request while its Context does: see [ended].
type sessionWriter struct {
	adapter *Adapter
	c       Context
	ctx     context.Context
	request *http.Request
	header  http.Header // of the response
	session *sessions.Session
	options *sessions.Options // of the session's cookie
}

// openWriter returns the writer of the request's session. Where the response's
// headers are sent, it returns [ErrResponseCommitted].
func (ad *Adapter) openWriter(c Context) (*sessionWriter, error) {
	ad.logTimeout(c)
	response := ad.Response(c)
	if ad.isSent(response) {
		return nil, ErrResponseCommitted
	}
	w := &sessionWriter{adapter: ad, c: c, ctx: c.Request().Context(), request: c.Request(), header: response.Header()}
	s, err := openSession(c)
	if over := ended(w.ctx); over != nil {
		return nil, over
	}
	w.session = s
	if s != nil {
		w.options = cookieOptions(c, s)
	}
	return w, err
}

// openWriterAnew is openWriter for those who don't need what the session holds.
// They get an empty one where the store can't read it: it must not keep its
// visitor from signing in. A store that is down can't save either.
func (ad *Adapter) openWriterAnew(c Context) (*sessionWriter, error) {
	w, err := ad.openWriter(c)
	var unreadable unreadableError
	if !errors.As(err, &unreadable) {
		return w, err
	}
	fresh := newSession(c.Get(storeKey).(sessions.Store), w.request, requestOf(c).session())
	if over := ended(w.ctx); over != nil {
		return nil, over
	}
	if w.session == nil {
		w.session = fresh
	}
	if w.session.Options == nil {
		w.session.Options = fresh.Options
	}
	w.session.Values = map[any]any{}
	w.options = cookieOptions(c, w.session)
	return w, nil
}

// signIn writes cr to the session, under a new id.
func (w *sessionWriter) signIn(cr credential) error {
	values, err := w.values(cr)
	if err != nil {
		return err
	}
	if err := w.rotate(values); err != nil {
		return err
	}
	w.adapter.logDropped(w.c, w.options)
	renewCSRF(w.c, w.header)
	return nil
}

// replaceActor makes a the request's actor.
func (w *sessionWriter) replaceActor(a actor.Actor) {
	requestOf(w.c).replaceActor(w.c, w.request.Context(), a)
}

// values are those of the session once it says cr.
func (w *sessionWriter) values(cr credential) (map[any]any, error) {
	text, err := cr.encode()
	if err != nil {
		return nil, fmt.Errorf("echoauth: login: %w", err)
	}
	values := map[any]any{}
	// Where no middleware looked, nobody knows whose values these are.
	current, said := actor.FromContext(w.ctx)
	if said && w.isVisitedBy(cr.actor) && mayInherit(current, cr.actor) {
		maps.Copy(values, w.session.Values)
	}
	values[credentialKey] = text
	delete(values, stampKey)
	if r := requestOf(w.c); r.stamp != nil {
		values[stampKey], err = r.stamp.digest(w.ctx, cr.actor)
	}
	if over := ended(w.ctx); over != nil {
		return nil, over
	}
	return values, err
}

// isVisitedBy tells whether a may see what the session holds. One that says
// somebody, but can't be read, is another's.
func (w *sessionWriter) isVisitedBy(a actor.Actor) bool {
	if _, dispute, err := userIn(w.session, requestOf(w.c).valueKey, a); dispute != "" || err != nil {
		return false
	}
	if _, signedIn := w.session.Values[credentialKey]; !signedIn {
		return true
	}
	cr, ok := sessionCredential(w.session)
	return ok && mayInherit(cr.actor, a)
}

// mayInherit tells whether next may see what previous left in the session.
func mayInherit(previous, next actor.Actor) bool {
	return previous.IsAnonymous() || sameActor(previous, next)
}

// rotate saves values under a new id. Deleting the old record first is what
// makes every store give a new one: some keep using the id of the cookie that
// the request came with, and with it whoever planted that cookie.
func (w *sessionWriter) rotate(values map[any]any) error {
	s, old := w.session, w.session.Values
	if s.ID != "" || !s.IsNew {
		if _, err := w.destroy(); err != nil {
			return err
		}
	}
	s.ID, s.Values, s.Options = "", values, w.options
	saved, err := w.save()
	if err == nil && !hasCookie(saved, s.Name()) {
		err = errors.New("echoauth: the session store saved no session (is its Options.MaxAge above 0?)")
	}
	if err != nil {
		// Whatever the handler saves after this must not sign anybody in.
		s.ID, s.Values = "", old
		return err
	}
	replaceCookies(w.header, saved)
	noteOf(w.c).written = s
	return nil
}

// destroy deletes the session's record and returns the headers that expire its
// cookie. It leaves the session as it was.
func (w *sessionWriter) destroy() (http.Header, error) {
	s := w.session
	kept := *s
	defer func() { *s = kept }()
	expired := *w.options
	expired.MaxAge = -1
	s.Values, s.Options = map[any]any{}, &expired
	header, err := w.save()
	if isGone(err) {
		header = http.Header{setCookie: {sessions.NewCookie(s.Name(), "", &expired).String()}}
		err = nil
	}
	return header, err
}

// save returns the headers that saving the session would have sent.
func (w *sessionWriter) save() (http.Header, error) {
	response := headerWriter{}
	err := w.session.Save(w.request, response)
	if over := ended(w.ctx); over != nil {
		return nil, over
	}
	if err != nil {
		return nil, fmt.Errorf("echoauth: session store: %w", err)
	}
	return response.Header(), nil
}
