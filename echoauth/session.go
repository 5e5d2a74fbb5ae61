package echoauth

import (
	"time"

	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/echoauth/internal/httpauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Login signs a in: it writes a to the session, saves it at once, and makes a
// the request's actor as [Set] does. The session keeps the names of a and of its
// impersonator, each cut to 64 characters and 128 bytes of valid UTF-8, and the
// time of the sign-in, see [SignedInAt].
//
// The session gets a new id, and its old record is deleted. Values that an
// anonymous visitor left in it are kept, those of another person dropped. Its
// cookie is HttpOnly, SameSite=Lax (Strict if the store's Options say so), and
// Secure where the request came by https or the store's Options say so. The
// Options themselves stay as they are. A browser drops a Secure cookie that comes
// over plain http, from localhost aside, where Safari drops it too; this is
// logged once. See "In development" in the package comment.
// The token of Echo's CSRF middleware is renewed, if that has its default
// cookie name or context key. The response gets Vary: Cookie and, where it has
// no Cache-Control, no-store.
//
// It uses the SessionName and the SessionStamp of the middleware that ran for
// this request. Where none ran, or its Skipper skipped, that is the session
// "session" without a stamp, which a middleware with a SessionStamp does not
// accept: let the middleware run for the handlers that sign in.
//
// It returns [ErrAnonymous] for an anonymous actor, [ErrNoSession] where there
// is no session store, [ErrResponseCommitted] once the response's headers are
// sent, the errors of the store and of [Config.SessionStamp], and the reason why
// the request has ended, if it did meanwhile. The request's actor and cookies are
// then unchanged; the old session may be gone. A store that can't read the old
// session does not keep Login from writing a new one.
//
// Security: call it only once a credential is verified, and never to renew a
// session: [SignedInAt] and [Config.SessionLifetime] count from it, and whoever
// holds a copied cookie would begin anew. Save no session in handlers that may
// run while somebody signs out: a store with records, such as Redis, writes the
// record anew, and a copied cookie is good again. [Config.SessionStamp] is the
// remedy.
func Login(c echo.Context, a actor.Actor) error {
	return withStatus(adapter.Login(c, a))
}

// Logout signs the request out: it deletes the session with all its values,
// expires its cookie, and makes the request anonymous. The response gets the
// same Vary and Cache-Control as from [Login]. Logout returns
// [ErrNoSession], [ErrResponseCommitted] and the store's errors, and then
// leaves the request's actor and cookies as they are.
//
// Security: let only a POST (or DELETE) log out, so that a link on another
// site can't. A store that keeps the session in the cookie itself, such as
// gorilla's CookieStore, can't forget it: a copied cookie stays valid until it
// expires, or until what [Config.SessionStamp] returns changes. Nor does Logout
// end a JWT.
func Logout(c echo.Context) error {
	return withStatus(adapter.Logout(c))
}

// SignedInAt returns when the request's actor last proved who they are: the time
// of the [Login] that the session began with, to a millisecond. [Impersonate] and
// [StopImpersonating] keep it. ok is false for whom no session signed in. A page
// that asks to confirm who is there compares it; see the example.
func SignedInAt(c echo.Context) (at time.Time, ok bool) {
	return httpauth.SignedInAt(c)
}

// Impersonate lets the request's actor act as target: from now on the session
// signs target in, with the real one as its [actor.Actor.Impersonator]. It
// works as [Login] does, with the same errors, and a new session without the
// real one's values, which ends when the old one would have.
//
// It returns [ErrImpersonating] to somebody who already impersonates,
// [ErrAnonymous] where the request or target is anonymous, and [ErrNoSignIn]
// where the request's actor is not the session's: a token does not become a
// session. [ErrMayNotImpersonate] and other errors come from
// [Config.MayImpersonate].
//
// Security: without MayImpersonate, whoever may call it may be anybody, for as
// long as the session lives. Let it ask for a role, and never let target have
// more rights than the real one. Show on each page that somebody impersonates,
// and refuse what only the owner of an account may do (passwords, payments) while
// actor.Actor.Impersonator names somebody. The log line of an [actor.Actor] and
// its String name both.
func Impersonate(c echo.Context, target actor.Actor) error {
	return withStatus(adapter.Impersonate(c, target))
}

// StopImpersonating makes the session the real one's again, with a new id and the
// time of the old sign-in, and makes the real one the request's actor. It returns
// [ErrNotImpersonating] where the session does not impersonate, and the errors of
// [Login].
//
// It acts on the session only. Where the request's actor came from elsewhere, a
// token with an impersonator for instance, the actor stays.
//
// Security: a cookie store can't forget the session that impersonated; see
// [Logout].
func StopImpersonating(c echo.Context) error {
	return withStatus(adapter.StopImpersonating(c))
}
