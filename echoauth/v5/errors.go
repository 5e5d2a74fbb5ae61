package echoauth

import "github.com/seed-3826ef92/whodunit/echoauth/internal/httpauth"

// Where a handler returns what a function of this package returned, Echo
// answers with the status that stands below, and never shows the cause. On v4
// such an error is an *echo.HTTPError of its own, on v5 an error with a
// StatusCode. Both wrap the error of this list, for [errors.Is]; on v4, what
// stands in the list has no status itself. Errors of a session store and of your
// own functions are returned as they are.
//
// A handler that returns one with status 500, a mistake of wiring, is logged
// by the middleware, once for each route.
var (
	// ErrAnonymous says that nobody is signed in where somebody is needed: [Login]
	// of an anonymous actor, [User] of an anonymous request. A
	// [Config.SessionStamp] returns it for an account that is gone or disabled. It
	// is answered with 401.
	ErrAnonymous = httpauth.ErrAnonymous

	// ErrBadCredential says that a verified credential can't name anybody: the
	// subject of a token is no id, for instance. A [Source] wraps it to have the
	// request refused with 401, where any other error is answered with 503. It is
	// answered with 401.
	ErrBadCredential = httpauth.ErrBadCredential

	// ErrNoLoader says that [User] was called with a context that no middleware
	// with a [Config.Load] has seen. It is answered with 500.
	ErrNoLoader = httpauth.ErrNoLoader

	// ErrLoadTimeout says that [Config.Load], [Config.SessionStamp] or
	// [Config.MayImpersonate] took longer than [Config.LoadTimeout]. A load inside
	// a transaction that holds the only connection to the database is one way to
	// get there. It is answered with 503.
	ErrLoadTimeout = httpauth.ErrLoadTimeout

	// ErrNoSession says that the request has no session store. Register
	// echo-contrib's session.Middleware(store) with e.Use. It is answered with
	// 500.
	ErrNoSession = httpauth.ErrNoSession

	// ErrResponseCommitted says that a session can't change any more, because the
	// headers of the response, which carry its cookie, are already sent. It is
	// answered with 500.
	ErrResponseCommitted = httpauth.ErrResponseCommitted

	// ErrImpersonating says that [Impersonate] was called by somebody who already
	// acts as somebody else. It is answered with 409.
	ErrImpersonating = httpauth.ErrImpersonating

	// ErrNotImpersonating says that [StopImpersonating] was called with a session
	// that does not impersonate. It is answered with 409.
	ErrNotImpersonating = httpauth.ErrNotImpersonating

	// ErrMayNotImpersonate says that [Config.MayImpersonate] said no. It is
	// answered with 403.
	ErrMayNotImpersonate = httpauth.ErrMayNotImpersonate

	// ErrNoSignIn says that [Impersonate] was called for an actor that no session
	// of [Login] signed in: by a token or a key, for instance. It is answered with
	// 409.
	ErrNoSignIn = httpauth.ErrNoSignIn
)
