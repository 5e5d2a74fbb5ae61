package httpauth

import (
	"errors"
	"fmt"
	"net/http"
)

// The errors that package echoauth documents.
var (
	ErrAnonymous         = newError(http.StatusUnauthorized, "nobody is signed in")
	ErrBadCredential     = newError(http.StatusUnauthorized, "the credential is not valid")
	ErrNoLoader          = newError(http.StatusInternalServerError, "no Config.Load for this context (ctx := c.Request().Context()?)")
	ErrLoadTimeout       = newError(http.StatusServiceUnavailable, "Load, SessionStamp or MayImpersonate took longer than LoadTimeout")
	ErrNoSession         = newError(http.StatusInternalServerError, "no session store (e.Use(session.Middleware(store))?)")
	ErrResponseCommitted = newError(http.StatusInternalServerError, "the response is already committed, too late for a cookie")
	ErrImpersonating     = newError(http.StatusConflict, "already impersonating")
	ErrNotImpersonating  = newError(http.StatusConflict, "not impersonating")
	ErrMayNotImpersonate = newError(http.StatusForbidden, "may not impersonate")
	ErrNoSignIn          = newError(http.StatusConflict, "the request's actor was not signed in by a session of Login, so it can't impersonate")
)

// ErrEnded says that the request has ended, see [ended]. The adapters answer it
// with 503, without the application's ErrorHandler.
var ErrEnded = newError(http.StatusServiceUnavailable, "the request has ended")

// statusError is an error that knows the status with which it is answered.
type statusError struct {
	status int
	text   string
}

func newError(status int, text string) error { return &statusError{status, "echoauth: " + text} }

func (e *statusError) Error() string { return e.text }

// StatusCode makes e an echo.HTTPStatusCoder of Echo v5.
func (e *statusError) StatusCode() int { return e.status }

// errLoginOfNobody is the mistake behind an [ErrAnonymous] of Login.
var errLoginOfNobody = fmt.Errorf("%w: Login of an actor without an id (is the account's id still 0 or empty?)", ErrAnonymous)

// mistakeOf returns the text of the mistake of wiring that err is or wraps, ""
// where it is none.
func mistakeOf(err error) string {
	if errors.Is(err, errLoginOfNobody) {
		return errLoginOfNobody.Error()
	}
	var known *statusError
	if errors.As(err, &known) && known.status == http.StatusInternalServerError {
		return known.text
	}
	return ""
}

// StatusOf returns the status with which Echo answers err, if err is or wraps one
// of the errors above, else 0.
func StatusOf(err error) int {
	var known *statusError
	if errors.As(err, &known) {
		return known.status
	}
	return 0
}

// FailureStatus returns the status of a request whose source failed with err.
func FailureStatus(err error) int {
	if errors.Is(err, ErrBadCredential) {
		return http.StatusUnauthorized
	}
	return http.StatusServiceUnavailable
}
