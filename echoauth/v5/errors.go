package echoauth

import "github.com/seed-3826ef92/whodunit/echoauth/internal/httpauth"

// Where a handler returns what a function of this package returned, Echo
// answers with the status that stands below, and never shows the cause. On v4
// such an error is an *echo.HTTPError of its own, on v5 an error with a
// StatusCode. Both wrap the error of this list, for [errors.Is]. On v4, the errors
// in the list themselves have no status. Errors of a session store and of your
// own functions are returned as they are.
//
// An error with status 500 is a mistake of wiring, as is a Login of an actor
// without an id. If a handler returns it, the middleware logs it, once for each
// route.
var (
	// ErrAnonymous says that nobody is signed in where somebody is needed, such as
	// in [Login] of an anonymous actor, or in [User] of an anonymous request. Your
	// [Config.SessionStamp] returns it for an account that is gone or disabled. It
	// is answered with 401. From [Config.MayImpersonate] it is a no.
	ErrAnonymous = httpauth.ErrAnonymous

	// ErrBadCredential says that a verified credential can't name anybody: the
	// subject of a token is not an id, for instance. A [Source] wraps it to have the
	// request refused with 401. Any other error of a Source is answered with 503.
	ErrBadCredential = httpauth.ErrBadCredential

	// ErrNoLoader says that [User] was called with a context that no middleware
	// with a [Config.Load] has seen. It is answered with 500.
	ErrNoLoader = httpauth.ErrNoLoader

	// ErrLoadTimeout says that [Config.Load], [Config.SessionStamp] or
	// [Config.MayImpersonate] took longer than [Config.LoadTimeout]. One cause is a
	// load inside a transaction that holds the only connection to the database. It
	// is answered with 503.
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

	// ErrMayNotImpersonate says that [Config.MayImpersonate] said no, or that
	// [Impersonate] was called for an account that [Config.SessionStamp] says is
	// gone. It is answered with 403.
	ErrMayNotImpersonate = httpauth.ErrMayNotImpersonate

	// ErrNoSignIn says that [Impersonate] was called for an actor that no session
	// of [Login] signed in: by a token or a key, for instance. It is answered with
	// 409.
	ErrNoSignIn = httpauth.ErrNoSignIn
)
