package echoauth

import "errors"

var (
	// ErrAnonymous says that nobody is signed in where somebody is needed:
	// [Login] of an anonymous actor, [User] of an anonymous request. A
	// [Config.SessionStamp] returns it for an account that is gone or disabled.
	ErrAnonymous = errors.New("echoauth: nobody is signed in")

	// ErrNoLoader says that [User] was called with a context that no middleware
	// with a [Config.Load] has seen.
	ErrNoLoader = errors.New("echoauth: no Config.Load for this context (ctx := c.Request().Context()?)")

	// ErrLoadTimeout says that [Config.Load] or [Config.SessionStamp] took longer
	// than [Config.LoadTimeout]. A load inside a transaction that holds the only
	// connection to the database is one way to get there.
	ErrLoadTimeout = errors.New("echoauth: timeout of Load or SessionStamp")

	// ErrNoSession says that the request has no session store. Register
	// echo-contrib's session.Middleware(store) with e.Use.
	ErrNoSession = errors.New("echoauth: no session store (e.Use(session.Middleware(store))?)")

	// ErrResponseCommitted says that a session can't change any more, because
	// the headers of the response, which carry its cookie, are already sent.
	ErrResponseCommitted = errors.New("echoauth: the response is already committed, too late for a cookie")

	// ErrImpersonating says that [Impersonate] was called by somebody who
	// already acts as somebody else.
	ErrImpersonating = errors.New("echoauth: already impersonating")

	// ErrNotImpersonating says that [StopImpersonating] was called by somebody
	// who acts as nobody else.
	ErrNotImpersonating = errors.New("echoauth: not impersonating")
)
