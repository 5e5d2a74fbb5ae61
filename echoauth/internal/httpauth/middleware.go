package httpauth

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Middleware is one registered middleware: a [Config] with its defaults
// resolved, and what it has already complained about.
type Middleware struct {
	Config
	adapter               *Adapter
	token                 Source // the default one
	stamp                 *stamp
	wrongOrder, lateToken sync.Once
}

// NewMiddleware returns the middleware of config, or an error if config can't
// be used.
func (ad *Adapter) NewMiddleware(config Config) (*Middleware, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	config.LoadTimeout = cmp.Or(config.LoadTimeout, defaultLoadTimeout)
	config.ContextKey = cmp.Or(config.ContextKey, defaultContextKey)
	m := &Middleware{Config: config, adapter: ad, token: ad.newTokenSource(nil).read}
	if config.SessionStamp != nil {
		m.stamp = &stamp{of: config.SessionStamp, timeout: config.LoadTimeout}
	}
	return m, nil
}

// Before finds out who makes the request and puts the answer into both
// contexts. It runs before the handler, which must not run if it fails.
func (m *Middleware) Before(c Context) error {
	_, nested := actor.FromContext(c.Request().Context())
	if nested || !m.isPlain() {
		m.enter(c)
	}
	a, found, err := m.resolve(c, nested)
	if err != nil {
		return err
	}
	m.place(c, a, found)
	return nil
}

// isPlain tells whether the defaults say all that others need to know of m.
func (m *Middleware) isPlain() bool {
	return m.SessionName == "" && m.stamp == nil && m.ContextKey == defaultContextKey
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
	if m.stamp != nil {
		r.stamp, r.verified = m.stamp, nil // another stamp has not held yet
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
		return firstOf(c, m.token, FromSession)
	}
	return firstOf(c, FromSession, m.token)
}

func firstOf(c Context, sources ...Source) (a actor.Actor, found bool, err error) {
	for _, source := range sources {
		if a, found, err = source(c); found || err != nil {
			return a, found, err
		}
	}
	return actor.Actor{}, false, nil
}

// place puts a into both contexts. An actor that is already there gives way
// only to one that was found.
//
// It reads the request's context only now: a session store may have written
// to it while the sources were asked.
func (m *Middleware) place(c Context, a actor.Actor, found bool) {
	ctx, r := c.Request().Context(), requestOf(c)
	if !found {
		a, _ = actor.FromContext(ctx)
		if r.revoked != nil && sameActor(*r.revoked, a) && !isVerified(ctx, a) {
			a = actor.Actor{} // an outer middleware took it from the session
		}
	}
	if m.Request {
		ctx = actor.NewRequestContext(ctx, m.adapter.metadata(c))
	}
	if m.Load != nil {
		ctx = newRecordsContext(ctx, m.Config)
	}
	r.replaceActor(c, ctx, a)
}

// After tells, once, of middleware registered in an order that hid a credential
// from m, and from any other Middleware. It runs after the handler.
func (m *Middleware) After(c Context) {
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

const (
	wrongOrderText = "echoauth: session.Middleware runs after echoauth.Middleware, which therefore sees no session: " +
		"register e.Use(session.Middleware(store)) before e.Use(echoauth.Middleware())"
	lateTokenText = "echoauth: a token was verified after echoauth.Middleware ran (c.Get(%q)), and the request stayed anonymous: " +
		"add a second echoauth.Middleware() to the group, after its JWT middleware"
)
