package httpauth

import "github.com/seed-3826ef92/whodunit/gormaudit/actor"

// Impersonate is echoauth.Impersonate.
func (ad *Adapter) Impersonate(c Context, target actor.Actor) error {
	real := Current(c)
	switch {
	case real.IsAnonymous() || target.IsAnonymous():
		return ErrAnonymous
	case !real.Impersonator.IsAnonymous():
		return ErrImpersonating
	}
	return ad.Login(c, real.As(target))
}

// StopImpersonating is echoauth.StopImpersonating.
func (ad *Adapter) StopImpersonating(c Context) error {
	real := Current(c).Impersonator
	if real.IsAnonymous() {
		return ErrNotImpersonating
	}
	return ad.Login(c, actor.Actor{Identity: real})
}
