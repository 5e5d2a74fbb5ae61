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
// anybody: the request is refused with 401. What its WWW-Authenticate shall
// say, the source sets in the response. Any other error means that the answer
// is unknown, because the session store is down for instance. The request then
// fails with 503, see [Config]; it never becomes anonymous.
//
// Security: a Source must not believe what a client can write. A user name
// from r.BasicAuth() or an X-User header proves nothing, unless something in
// front verified or removed it.
type Source func(c echo.Context) (a actor.Actor, ok bool, err error)

// FromSession returns the source that reads what [Login] wrote to the session.
//
// A cookie that can't be read, that has expired, or whose session is gone is
// no credential. A store that is down or lacks its key is an error.
//
// It asks the store only if the request has a cookie of the session's name,
// and never writes to it. [Config.SessionStamp] decides whether the session
// still holds. Every response gets Vary: Cookie where there is a store, because
// a cache must keep apart what is for nobody, too.
func FromSession() Source {
	return source(adapter.FromSession())
}

// FromSessionValue returns the source for an application that itself keeps the
// id of its user in the session under key, as a string or any kind of integer.
// The zero value of either is no credential, any other type an error.
//
// It reads the session of [Config.SessionName]. Under another name than the
// application gives to session.Get, everybody is anonymous.
//
// An integer that went through a JSON serializer is a float64. It is taken if
// it is integral and smaller than 2^53; beyond, it may be the id of somebody
// else, and is an error.
//
// It does not read what [Login] writes. An application that uses both needs
// [FromSession] beside it; where that is missing, the first session that is left
// unread is logged.
func FromSessionValue(key string) Source {
	return source(adapter.FromSessionValue(key))
}

// FromJWT returns the source that reads the token which echo-jwt verified and
// left in echo.Context under one of contextKey, by default "user". The actor
// is a user with the token's subject as id.
//
// The subject may be a string, or a number that is integral and smaller than
// 2^53 in size: JSON numbers beyond are rounded, and so name somebody else.
// Unless the parser keeps numbers as [encoding/json.Number], they are an
// [ErrBadCredential], as is a subject of any other type: the request is refused
// with 401 and the challenge of RFC 6750, Bearer error="invalid_token". A token
// without subject is no credential.
//
// Security: it reads the subject alone. Where more than one issuer signs tokens
// that reach it, or where programs get tokens of their own, a subject may be
// somebody else's or no user's: use [FromClaims].
//
// Anything else under the key, a *jwt.Token of another major version for
// instance, or a token that is not Valid, is no credential either, and is
// logged once, through c.Logger().
func FromJWT(contextKey ...string) Source {
	return source(adapter.FromJWT(contextKey...))
}

// FromClaims returns the source that reads, by a function of the application,
// the claims of the token which echo-jwt verified and left in echo.Context
// under one of contextKey, by default "user". C is the type that echo-jwt's
// NewClaimsFunc returns a new one of, [jwt.MapClaims] where there is none.
//
// read answers as a [Source] does: ok is false where the claims are no
// credential, and the next key or source is asked. An error that wraps
// [ErrBadCredential] refuses the request with 401 and Bearer
// error="invalid_token"; a yes for an anonymous actor is one. Any other error
// fails the request with 503. A token with claims of another type is such an
// error, which names both types.
//
// Security: compare the issuer, not only the subject, tell the tokens of users
// from those that a client got for itself, and keep the one who acts for the
// user (the claim act) as the [actor.Actor.Impersonator]; see jwt.md beside
// this package.
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
