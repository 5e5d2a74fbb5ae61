package echoauth

import (
	"github.com/labstack/echo/v5"

	"github.com/seed-3826ef92/whodunit/echoauth/internal/httpauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Source reads an already verified credential from a request and returns whom
// it names. ok is false when the request carries none, and the next source is
// asked.
//
// An error means that the answer is unknown, because the session store is
// down for instance. The request then fails, see [Config]; it never becomes
// anonymous.
//
// Security: a Source must not believe what a client can write. A user name
// from r.BasicAuth() or an X-User header proves nothing, unless something in
// front verified or removed it.
type Source func(c *echo.Context) (a actor.Actor, ok bool, err error)

// FromSession returns the source that reads what [Login] wrote to the session.
//
// A cookie that can't be read, that has expired, or whose session is gone is
// no credential. A store that is down or lacks its key is an error.
//
// It asks the store only if the request has a cookie of the session's name,
// and never writes to it. [Config.SessionStamp] decides whether the session
// still holds.
func FromSession() Source {
	return source(httpauth.FromSession)
}

// FromSessionValue returns the source for an application that itself keeps the
// id of its user in the session under key, as a string or any kind of integer.
// The zero value of either is no credential, any other type an error.
//
// An integer that went through a JSON serializer is a float64. It is taken if
// it is integral and smaller than 2^53; beyond, it may be the id of somebody
// else, and is an error.
func FromSessionValue(key string) Source {
	return source(httpauth.FromSessionValue(key))
}

// FromJWT returns the source that reads the token which echo-jwt verified and
// left in echo.Context under one of contextKey, by default "user". The actor
// is a user with the token's subject as id.
//
// The subject may be a string, or a number that is integral and smaller than
// 2^53 in size: JSON numbers beyond are rounded, and so name somebody else.
// They are an error, unless the parser keeps numbers as
// [encoding/json.Number]. A token without subject is no credential.
//
// Anything else under the key, a *jwt.Token of another major version for
// instance, or a token that is not Valid, is no credential either, and is
// logged once, through c.Logger().
func FromJWT(contextKey ...string) Source {
	return source(adapter.FromJWT(contextKey...))
}

func source(core httpauth.Source) Source {
	return func(c *echo.Context) (actor.Actor, bool, error) { return core(c) }
}

// coreSources keeps nil apart from empty, as [Config] does.
func coreSources(sources []Source) []httpauth.Source {
	if sources == nil {
		return nil
	}
	core := make([]httpauth.Source, len(sources))
	for i, read := range sources {
		if read != nil {
			core[i] = func(c httpauth.Context) (actor.Actor, bool, error) { return read(c.(*echo.Context)) }
		}
	}
	return core
}
