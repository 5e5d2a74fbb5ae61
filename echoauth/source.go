package echoauth

import (
	"github.com/labstack/echo/v4"

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
type Source func(c echo.Context) (a actor.Actor, ok bool, err error)
