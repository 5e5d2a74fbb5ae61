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
)
