package echoauth

import (
	"github.com/golang-jwt/jwt/v5"
	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/echoauth/internal/httpauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Source reads an already verified credential from a request and returns whom
// it names. ok is false when the request carries none, and the next source is
// asked.
//
// An error that wraps [ErrBadCredential] means that the credential can't name
// anybody: the request is refused with 401. If the answer shall have a
// WWW-Authenticate header, the source sets it in the response. Any other error
// means that the answer is unknown, because the session store is down for
// instance. The request then fails with 503, and never becomes anonymous. See
// [Config.ErrorHandler].
//
// Security: a Source must not believe what a client can write. A user name
// from r.BasicAuth() or an X-User header proves nothing, unless something in
// front of the source verified or removed it.
type Source func(c echo.Context) (a actor.Actor, ok bool, err error)

// FromSession returns the source that reads what [Login] wrote to the session.
//
// A cookie that can't be read, that has expired, or whose session is gone is
// no credential. A store that is down or lacks its key is an error.
//
// It asks the store only if the request has a cookie of the session's name,
// and never writes to the store. [Config.SessionStamp] decides whether the
// session still holds. Where there is a store, every response gets Vary: Cookie:
// a cache must keep apart the answers to anonymous visitors, too.
func FromSession() Source {
	return source(adapter.FromSession(""))
}

// FromSessionValue returns the source for an application that itself keeps the id of
// its user in the session under key, as a string or any kind of integer. An empty
// string or a 0 is no credential. A value of another type is an error.
//
// It also reads what [Login] wrote, as [FromSession] does: name it in place of
// FromSession, not beside it. A session in which Login names one person and the value
// another signs nobody in, and is logged once. [Login] and [Logout] end that.
//
// It reads the session of [Config.SessionName]. This must be the name that the
// application gives to session.Get, or everybody is anonymous.
//
// An integer that went through a JSON serializer is a float64. It is taken if
// it is integral and smaller than 2^53 in size. A larger one may be the id of
// somebody else, and is an error.
func FromSessionValue(key string) Source {
	return source(adapter.FromSession(key))
}

// FromJWT returns the source that reads the token which echo-jwt verified and
// left in echo.Context under one of contextKey, by default "user". The actor
// is a user with the token's subject as id.
//
// The subject may be a string, or a number that is integral and smaller than
// 2^53 in size. A larger JSON number is rounded, and so names somebody else.
// Unless the parser keeps numbers as [encoding/json.Number], a larger number is
// an [ErrBadCredential]. So is a subject of any other type. The request is then
// refused with 401 and the challenge of RFC 6750, Bearer error="invalid_token". A
// token without a subject is no credential, and is logged once if the request stays
// anonymous: read another claim with [FromClaims].
//
// A token that says who acts for its subject (the claim act of RFC 8693) is an
// [ErrBadCredential], too, and is logged once. Only the application knows whether its
// act names a user or a program: read both with [FromClaims].
//
// Security: it reads the subject alone. If more than one issuer signs tokens, or
// if programs get tokens of their own, a subject may be somebody else's or no
// user's. Then use [FromClaims].
//
// Anything else under the key is no credential either, and is logged once,
// through c.Logger(): a *jwt.Token of another major version, for instance, or a
// token that is not Valid.
func FromJWT(contextKey ...string) Source {
	return source(adapter.FromJWT(contextKey...))
}

// FromClaims returns the source that reads the claims of a token with read, a
// function of the application. echo-jwt verified the token and left it in
// echo.Context under one of contextKey, by default "user". C is the type of claims
// that echo-jwt's NewClaimsFunc returns, and [jwt.MapClaims] where there is none.
//
// read answers as a [Source] does. If the claims are no credential, ok is false,
// and the next key or source is asked. An error that wraps [ErrBadCredential]
// refuses the request with 401 and Bearer error="invalid_token". So does ok with an
// anonymous actor. Any other error fails the request with 503. A token with claims
// of another type is such an error, which names both types.
//
// Security: compare the issuer, not only the subject. Tell the tokens of users
// from those that a client got for itself. Keep the one who acts for the user (the
// claim act) as the [actor.Actor.Impersonator]. See jwt.md beside this package.
func FromClaims[C jwt.Claims](read func(claims C) (actor.Actor, bool, error), contextKey ...string) Source {
	return source(httpauth.FromClaims(adapter, read, contextKey...))
}

func source(core httpauth.Source) Source {
	return func(c echo.Context) (actor.Actor, bool, error) { return core(c) }
}

// coreSources keeps nil apart from empty, as [Config] does.
func coreSources(sources []Source) []httpauth.Source {
	if sources == nil {
		return nil
	}
	core := make([]httpauth.Source, len(sources))
	for i, read := range sources {
		if read != nil {
			core[i] = func(c httpauth.Context) (actor.Actor, bool, error) { return read(c.(echo.Context)) }
		}
	}
	return core
}
