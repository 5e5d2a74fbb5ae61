package echoauth

import (
	"github.com/labstack/echo/v5"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Login signs a in: it writes a to the session, saves it at once, and makes a
// the request's actor as [Set] does. Names are not stored.
//
// The session gets a new id, and its old record is deleted. Values that an
// anonymous visitor left in it are kept, those of another person dropped. Its
// cookie is HttpOnly, SameSite=Lax (Strict if the store's Options say so), and
// Secure where the request came by https or the store's Options say so, except
// on plain http at a loopback host. The Options themselves stay as they are.
// The token of Echo's CSRF middleware is renewed, if that has its default
// cookie name or context key.
//
// It uses the SessionName and the SessionStamp of the middleware that ran for
// this request. Where none ran, or its Skipper skipped, that is the session
// "session" without a stamp, which a middleware with a SessionStamp does not
// accept: let the middleware run for the handlers that sign in.
//
// It returns [ErrAnonymous] for an anonymous actor, [ErrNoSession] where there
// is no session store, [ErrResponseCommitted] once the response's headers are
// sent, and the errors of the store and of [Config.SessionStamp]. The
// request's actor and cookies are then unchanged; the old session may be gone.
//
// Security: call it only once a credential is verified. Save no session in
// handlers that may run while somebody signs out: a store with records, such
// as Redis, writes the record anew, and a copied cookie is good again.
// [Config.SessionStamp] is the remedy.
func Login(c *echo.Context, a actor.Actor) error {
	return adapter.Login(c, a)
}

// Logout signs the request out: it deletes the session with all its values,
// expires its cookie, and makes the request anonymous. It returns
// [ErrNoSession], [ErrResponseCommitted] and the store's errors, and then
// leaves the request's actor and cookies as they are.
//
// Security: let only a POST (or DELETE) log out, so that a link on another
// site can't. A store that keeps the session in the cookie itself, such as
// gorilla's CookieStore, can't forget it: a copied cookie stays valid until it
// expires. Nor does Logout end a JWT.
func Logout(c *echo.Context) error {
	return adapter.Logout(c)
}

// Impersonate lets the request's actor act as target: from now on the session
// signs target in, with the real one as its [actor.Actor.Impersonator]. It
// works as [Login] does, with the same errors, and a new session without the
// real one's values. It returns [ErrImpersonating] to somebody who already
// impersonates, and [ErrAnonymous] where the request or target is anonymous.
//
// Security: whoever may call it may be anybody. Ask for a role first, never
// let target have more rights than the real one, show on each page that
// somebody impersonates, and refuse what only the owner of an account may do
// (passwords, payments) while actor.Actor.Impersonator names somebody. The
// log line of an [actor.Actor] and its String name both.
func Impersonate(c *echo.Context, target actor.Actor) error {
	return adapter.Impersonate(c, target)
}

// StopImpersonating signs the real one in again, with a new session. It
// returns [ErrNotImpersonating] where nobody impersonates, and the errors of
// [Login].
func StopImpersonating(c *echo.Context) error {
	return adapter.StopImpersonating(c)
}
