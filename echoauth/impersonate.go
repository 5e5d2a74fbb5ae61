package echoauth

import (
	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

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
func Impersonate(c echo.Context, target actor.Actor) error {
	real := Current(c)
	switch {
	case real.IsAnonymous() || target.IsAnonymous():
		return ErrAnonymous
	case !real.Impersonator.IsAnonymous():
		return ErrImpersonating
	}
	return Login(c, real.As(target))
}

// StopImpersonating signs the real one in again, with a new session. It
// returns [ErrNotImpersonating] where nobody impersonates, and the errors of
// [Login].
func StopImpersonating(c echo.Context) error {
	real := Current(c).Impersonator
	if real.IsAnonymous() {
		return ErrNotImpersonating
	}
	return Login(c, actor.Actor{Identity: real})
}
