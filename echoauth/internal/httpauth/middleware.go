package httpauth

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Middleware is one registered middleware: a [Config] with its defaults
// resolved, and the mistakes that it has already logged.
type Middleware struct {
	Config
	adapter               *Adapter
	session, token        Source // the default ones
	stamp                 *stamp
	permission            *permission
	wrongOrder, lateToken sync.Once
	noSubject, dispute    sync.Once
	mistakes              sync.Map // by mistake
}

// NewMiddleware returns the middleware of config, or an error if config can't
// be used.
func (ad *Adapter) NewMiddleware(config Config) (*Middleware, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	config.LoadTimeout = cmp.Or(config.LoadTimeout, defaultLoadTimeout)
	config.ContextKey = cmp.Or(config.ContextKey, defaultContextKey)
	m := &Middleware{Config: config, adapter: ad, session: ad.FromSession(""), token: ad.newSubjectSource(nil).read}
	if config.SessionStamp != nil {
		m.stamp = &stamp{of: config.SessionStamp, timeout: config.LoadTimeout}
	}
	if config.MayImpersonate != nil {
		m.permission = &permission{may: config.MayImpersonate, timeout: config.LoadTimeout}
	}
	return m, nil
}

// Before finds out who makes the request and puts the answer into both
// contexts. It runs before the handler. If Before fails, the handler must not
// run. The error is an [ErrEnded], after which c may serve another request, an
// [ErrMayNotImpersonate], or says why nobody can tell who makes the request.
func (m *Middleware) Before(c Context) error {
	ctx := c.Request().Context()
	_, nested := actor.FromContext(ctx)
	if nested || !m.isPlain() {
		m.enter(c)
	}
	m.adapter.logTimeout(c)
	a, found, err := m.resolve(c, nested)
	if over := ended(ctx); over != nil {
		return over
	}
	if err != nil {
		return err
	}
	if !found {
		if a, err = m.kept(c); err != nil {
			return err
		}
	}
	if err := m.adapter.permit(c, a); err != nil {
		return err
	}
	m.place(c, a)
	return nil
}

// isPlain tells whether the defaults say all that others need to know of m.
func (m *Middleware) isPlain() bool {
	return m.SessionName == "" && m.SessionLifetime == 0 && m.stamp == nil && m.permission == nil && m.ContextKey == defaultContextKey
}

// enter makes m the innermost middleware of the request. What m leaves unset
// stays as an outer one has it.
func (m *Middleware) enter(c Context) {
	r := noteOf(c)
	if _, ok := c.Get(defaultContextKey).(actor.Actor); ok && len(r.contextKeys) == 0 {
		r.contextKeys = []string{defaultContextKey} // of an outer one that is plain
	}
	if !slices.Contains(r.contextKeys, m.ContextKey) {
		r.contextKeys = append(r.contextKeys, m.ContextKey)
	}
	r.sessionName = cmp.Or(m.SessionName, r.sessionName)
	r.lifetime = cmp.Or(m.SessionLifetime, r.lifetime)
	if m.stamp != nil {
		r.stamp, r.verified = m.stamp, nil // another stamp has not held yet
	}
	if m.permission != nil {
		r.permission, r.permitted = m.permission, nil
	}
	r.revoked = nil
}

// resolve asks the sources in order. Of the default ones, a nested middleware
// asks for the token first: the outer one saw the session, and it is the token
// that the group verified.
func (m *Middleware) resolve(c Context, nested bool) (actor.Actor, bool, error) {
	switch {
	case m.Sources != nil:
		return firstOf(c, m.Sources...)
	case nested:
		return firstOf(c, m.token, m.session)
	}
	return firstOf(c, m.session, m.token)
}

// firstOf stops where the request ended while a source was asked: the next one
// would read another's Context.
func firstOf(c Context, sources ...Source) (a actor.Actor, found bool, err error) {
	ctx := c.Request().Context()
	for _, source := range sources {
		if a, found, err = source(c); found || err != nil || ctx.Err() != nil {
			return a, found, err
		}
	}
	return actor.Actor{}, false, nil
}

// kept returns the actor that is already there, and that no source replaces:
// nobody where an outer middleware took it from a session which has ended for m.
func (m *Middleware) kept(c Context) (actor.Actor, error) {
	ctx := c.Request().Context()
	a, _ := actor.FromContext(ctx)
	if a.IsAnonymous() || isVerified(ctx, a) {
		return a, nil
	}
	// The sources of m need not have asked for the session.
	if limited := m.stamp != nil || m.SessionLifetime != 0; limited && requestOf(c).revoked == nil {
		if _, _, err := liveSession(c); err != nil {
			return actor.Actor{}, err
		}
	}
	if r := requestOf(c); r.revoked != nil && sameActor(*r.revoked, a) {
		return actor.Actor{}, nil
	}
	return a, nil
}

// place puts a into both contexts.
//
// It reads the request's context only now: a session store may have written
// to it while the sources were asked.
func (m *Middleware) place(c Context, a actor.Actor) {
	ctx := c.Request().Context()
	if m.Request {
		ctx = actor.NewRequestContext(ctx, m.adapter.metadata(c))
	}
	if m.Load != nil {
		ctx = newRecordsContext(ctx, m.Config)
	}
	requestOf(c).replaceActor(c, ctx, a)
}

// After logs the mistakes of wiring that nobody was told about. It runs after the
// handler, which returned err, with the context that the request came with.
func (m *Middleware) After(ctx context.Context, c Context, err error) {
	if ctx.Err() != nil {
		return // c may serve another request by now
	}
	m.logOrder(c)
	m.logNoSubject(c)
	m.logDispute(c)
	m.logMistake(c, err)
}

// logNoSubject logs, once, that a token names its user by another claim than the one
// that FromJWT reads.
func (m *Middleware) logNoSubject(c Context) {
	if c.Get(noSubjectKey) == true && Current(c).IsAnonymous() {
		c.Set(noSubjectKey, nil) // for the Middleware around this one
		m.noSubject.Do(func() { m.adapter.Log(c, noSubjectText) })
	}
}

// logDispute logs, once, that a session names two people.
func (m *Middleware) logDispute(c Context) {
	dispute := requestOf(c).dispute
	if dispute == "" {
		return
	}
	noteOf(c).dispute = "" // for the Middleware around this one
	m.dispute.Do(func() { m.adapter.Log(c, fmt.Sprintf(disputeText, dispute)) })
}

// logOrder logs, once, that middleware is registered in an order that hid a
// credential from m, and from any other Middleware.
func (m *Middleware) logOrder(c Context) {
	r := requestOf(c)
	if r.missedStore && c.Get(storeKey) != nil && c.Get(sawStoreKey) == nil {
		m.wrongOrder.Do(func() { m.adapter.Log(c, wrongOrderText) })
	}
	keys := r.tokenKeys
	if m.Sources == nil {
		keys = append(keys, defaultTokenKey)
	}
	for _, key := range keys {
		token, _ := c.Get(key).(*jwt.Token)
		if token != nil && token.Valid && c.Get(sawTokenKey) == nil && Current(c).IsAnonymous() {
			m.lateToken.Do(func() { m.adapter.Log(c, fmt.Sprintf(lateTokenText, key), slog.String("key", key)) })
		}
	}
}

// mistake is one of wiring, at one route.
type mistake struct{ text, route string }

// logMistake logs, once for each route, an error that only a mistake of wiring
// explains. Echo answers with its status and logs nothing.
func (m *Middleware) logMistake(c Context, err error) {
	text := mistakeOf(err)
	if text == "" || c.Get(loggedKey) != nil {
		return
	}
	c.Set(loggedKey, true) // for the Middleware around this one
	method, route := c.Request().Method, m.adapter.Route(c)
	if _, known := m.mistakes.LoadOrStore(mistake{text, route}, true); !known {
		m.adapter.Log(c, fmt.Sprintf("%s, in the handler of %s %s", text, method, route),
			slog.String("method", method), slog.String("route", route))
	}
}

const (
	wrongOrderText = "echoauth: session.Middleware runs after echoauth.Middleware, which therefore sees no session: " +
		"register e.Use(session.Middleware(store)) before e.Use(echoauth.Middleware())"
	noSubjectText = "echoauth: a verified token has no subject (sub), so it signed nobody in: " +
		"if another claim names the user, read its claims with echoauth.FromClaims"
	disputeText = "echoauth: a session names two people, one of them by its value %s, so it signs nobody in: " +
		"sign out by echoauth.Logout alone, and clear the session's Values before a sign-in of your own " +
		"(see \"Your own sign-in\" in gormaudit/adopting.md)"
	lateTokenText = "echoauth: a token was verified after echoauth.Middleware ran (c.Get(%q)), and the request stayed anonymous: " +
		"add a second echoauth.Middleware() to the group, after its JWT middleware"
)
