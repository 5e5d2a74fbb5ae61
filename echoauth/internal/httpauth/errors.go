package httpauth

import "errors"

// The errors that package echoauth documents.
var (
	ErrAnonymous         = errors.New("echoauth: nobody is signed in")
	ErrNoLoader          = errors.New("echoauth: no Config.Load for this context (ctx := c.Request().Context()?)")
	ErrLoadTimeout       = errors.New("echoauth: timeout of Load or SessionStamp")
	ErrNoSession         = errors.New("echoauth: no session store (e.Use(session.Middleware(store))?)")
	ErrResponseCommitted = errors.New("echoauth: the response is already committed, too late for a cookie")
	ErrImpersonating     = errors.New("echoauth: already impersonating")
	ErrNotImpersonating  = errors.New("echoauth: not impersonating")
	ErrMayNotImpersonate = errors.New("echoauth: may not impersonate")
	ErrNoSignIn          = errors.New("echoauth: no session signed the request's actor in, so none can impersonate")
)

// ErrEnded says that the request has ended, see [ended]. The adapters answer it
// with 503, without the application's ErrorHandler.
var ErrEnded = errors.New("echoauth: the request has ended")
