package echoauth

import "github.com/seed-3826ef92/whodunit/echoauth/internal/httpauth"

var (
	// ErrAnonymous says that nobody is signed in where somebody is needed:
	// [Login] of an anonymous actor, [User] of an anonymous request. A
	// [Config.SessionStamp] returns it for an account that is gone or disabled.
	ErrAnonymous = httpauth.ErrAnonymous

	// ErrNoLoader says that [User] was called with a context that no middleware
	// with a [Config.Load] has seen.
	ErrNoLoader = httpauth.ErrNoLoader

	// ErrLoadTimeout says that [Config.Load], [Config.SessionStamp] or
	// [Config.MayImpersonate] took longer than [Config.LoadTimeout]. A load inside a transaction that holds the only
	// connection to the database is one way to get there.
	ErrLoadTimeout = httpauth.ErrLoadTimeout

	// ErrNoSession says that the request has no session store. Register
	// echo-contrib's session.Middleware(store) with e.Use.
	ErrNoSession = httpauth.ErrNoSession

	// ErrResponseCommitted says that a session can't change any more, because
	// the headers of the response, which carry its cookie, are already sent.
	ErrResponseCommitted = httpauth.ErrResponseCommitted

	// ErrImpersonating says that [Impersonate] was called by somebody who
	// already acts as somebody else.
	ErrImpersonating = httpauth.ErrImpersonating

	// ErrNotImpersonating says that [StopImpersonating] was called with a session
	// that does not impersonate.
	ErrNotImpersonating = httpauth.ErrNotImpersonating

	// ErrMayNotImpersonate says that [Config.MayImpersonate] said no.
	ErrMayNotImpersonate = httpauth.ErrMayNotImpersonate

	// ErrNoSignIn says that [Impersonate] was called for an actor that no session
	// of [Login] signed in: by a token or a key, for instance.
	ErrNoSignIn = httpauth.ErrNoSignIn
)
