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
// anonymous visitor left in it are kept, those of another person are dropped. Its
// cookie is HttpOnly and SameSite=Lax (Strict if the store's Options say so). The
// cookie is Secure if the request came by https or the store's Options say so. The
// Options themselves stay as they are. A browser drops a Secure cookie that comes
// over plain http. Only from localhost do browsers keep it, except Safari. A
// dropped cookie is logged once. See "In development" in the package comment.
//
// The token of Echo's CSRF middleware is renewed, if the middleware has its
// default cookie name or context key. The response gets Vary: Cookie. Where it has
// no Cache-Control, it gets no-store.
//
// Login uses the SessionName and the SessionStamp of the middleware that ran for
// this request. Where none ran, or its Skipper skipped, it writes the session
// "session" without a stamp. A middleware with a SessionStamp does not accept
// such a session: let the middleware run for the handlers that sign in.
//
// It returns [ErrAnonymous] for an anonymous actor, [ErrNoSession] where there
// is no session store, [ErrResponseCommitted] once the response's headers are
// sent, and the errors of the store and of [Config.SessionStamp]. If the request
// ends meanwhile, it returns the reason. After an error, the request's actor and
// cookies are unchanged, but the old session may be gone. If the store can't read
// the old session, Login writes a new one all the same.
//
// Security: call Login only once a credential is verified, and never to renew a
// session. [SignedInAt] and [Config.SessionLifetime] count from the call, and
// whoever holds a copied cookie would begin anew. Save no session in handlers that
// may run while somebody signs out. A store with records, such as Redis, then
// writes the record anew, and a copied cookie is good again.
// [Config.SessionStamp] prevents that.
func Login(c echo.Context, a actor.Actor) error {
	return withStatus(adapter.Login(c, a))
}

// Logout signs the request out: it deletes the session with all its values,
// expires its cookie, and makes the request anonymous. The response gets the
// same Vary and Cache-Control as from [Login]. Logout returns
// [ErrNoSession], [ErrResponseCommitted] and the store's errors. After an error,
// the request's actor and cookies are as they were.
//
// Security: let only a POST (or DELETE) log out, so that a link on another
// site can't. A store that keeps the session in the cookie itself, such as
// gorilla's CookieStore, can't forget it: a copied cookie stays valid until it
// expires, or until what [Config.SessionStamp] returns changes. Logout does not
// end a JWT either.
func Logout(c echo.Context) error {
	return withStatus(adapter.Logout(c))
}

// SignedInAt returns when the request's actor last proved who they are: the time
// of the [Login] that the session began with, to a millisecond. [Impersonate] and
// [StopImpersonating] keep it. ok is false if no session signed the actor in. A
// page that asks users to confirm who they are compares this time with the
// present; see the example.
func SignedInAt(c echo.Context) (at time.Time, ok bool) {
	return httpauth.SignedInAt(c)
}

// Impersonate lets the request's actor, the real one, act as target. From now on
// the session signs target in, with the real one as its
// [actor.Actor.Impersonator]. Impersonate works as [Login] does, and returns the
// same errors. The new session has none of the real one's values, and ends when
// the old one would have.
//
// It returns [ErrImpersonating] to somebody who already impersonates,
// [ErrAnonymous] where the request or target is anonymous, and [ErrNoSignIn]
// where the request's actor is not the session's: a token does not become a
// session. It returns [ErrMayNotImpersonate] where [Config.MayImpersonate] says
// no, or where MayImpersonate or [Config.SessionStamp] returns ErrAnonymous for
// target. Other errors of theirs come back as they are.
//
// Pass the id that your row has, not the text of the URL: a UUID in another
// spelling, such as in capitals, is another person in the history.
//
// Security: without MayImpersonate, whoever may call Impersonate may act as
// anybody, for as long as the session lives. Let MayImpersonate ask for a role,
// and never let target have more rights than the real one. Show on each page that
// somebody impersonates. While actor.Actor.Impersonator names somebody, refuse what
// only the owner of an account may do (passwords, payments). The log line of an
// [actor.Actor] and its String name both.
func Impersonate(c echo.Context, target actor.Actor) error {
	return withStatus(adapter.Impersonate(c, target))
}

// StopImpersonating makes the session the impersonator's again, with a new id and
// the time of the old sign-in, and makes the impersonator the request's actor. It
// returns [ErrNotImpersonating] where the session does not impersonate, and the
// errors of [Login].
//
// It acts on the session only. If the request's actor came from elsewhere, such as
// a token with an impersonator, the actor stays.
//
// Security: a cookie store can't forget the session that impersonated; see
// [Logout].
func StopImpersonating(c echo.Context) error {
	return withStatus(adapter.StopImpersonating(c))
}
