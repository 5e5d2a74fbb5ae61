package httpauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Impersonate is echoauth.Impersonate.
func (ad *Adapter) Impersonate(c Context, target actor.Actor) error {
	real := Current(c)
	switch {
	case real.IsAnonymous() || target.IsAnonymous():
		return ErrAnonymous
	case !real.Impersonator.IsAnonymous():
		return ErrImpersonating
	}
	w, err := ad.openWriter(c)
	if err != nil {
		return err
	}
	s, cr, err := liveSession(c)
	switch {
	case err != nil:
		return err
	case s == nil || !sameActor(cr.actor, real):
		return ErrNoSignIn
	}
	cr.actor = cr.actor.As(target)
	if ok, err := mayImpersonate(c, cr.actor); err != nil {
		return err
	} else if !ok {
		return ErrMayNotImpersonate
	}
	if err := w.signIn(cr); errors.Is(err, ErrAnonymous) {
		return ErrMayNotImpersonate // of SessionStamp: the target's account is closed
	} else if err != nil {
		return err
	}
	w.replaceActor(cr.actor)
	return nil
}

// StopImpersonating is echoauth.StopImpersonating.
func (ad *Adapter) StopImpersonating(c Context) error {
	current := Current(c)
	w, err := ad.openWriter(c)
	if err != nil {
		return err
	}
	s, cr, err := liveSession(c)
	switch {
	case err != nil:
		return err
	case s == nil || cr.actor.Impersonator.IsAnonymous():
		return ErrNotImpersonating
	}
	real := actor.Actor{Identity: cr.actor.Impersonator}
	if err := w.signIn(credential{real, cr.signedInAt}); err != nil {
		return err
	}
	if sameActor(current, cr.actor) {
		w.replaceActor(real)
	}
	return nil
}

// permission is a [Config] MayImpersonate and its timeout.
type permission struct {
	may     func(context.Context, actor.Actor) (bool, error)
	timeout time.Duration
}

// mayImpersonate tells whether a's impersonator may act as a.
func mayImpersonate(c Context, a actor.Actor) (bool, error) {
	r, ctx := requestOf(c), c.Request().Context()
	if r.permission == nil || a.Impersonator.IsAnonymous() || r.permitted != nil && sameActor(*r.permitted, a) {
		return true, nil
	}
	ok, err := bounded(ctx, r.permission.timeout, "MayImpersonate", func(ctx context.Context) (bool, error) {
		return r.permission.may(ctx, a)
	})
	if over := ended(ctx); over != nil {
		return false, over
	}
	if errors.Is(err, ErrAnonymous) {
		return false, nil // as from SessionStamp: an account is closed
	}
	if err != nil {
		return false, fmt.Errorf("echoauth: MayImpersonate of %s: %w", a, err)
	}
	if ok {
		permitted := a // a copy: to take the address of a would cost every request an allocation
		r.permitted = &permitted
	}
	return ok, nil
}

// permit refuses a request of an impersonator who may not impersonate any more,
// and ends the impersonation of its session.
func (ad *Adapter) permit(c Context, a actor.Actor) error {
	ok, err := mayImpersonate(c, a)
	switch {
	case err != nil:
		return err
	case ok:
		return nil
	}
	s, cr, err := liveSession(c)
	if err == nil && s != nil && sameActor(cr.actor, a) {
		err = ad.StopImpersonating(c)
	}
	if errors.Is(err, ErrEnded) {
		return err
	}
	return errors.Join(ErrMayNotImpersonate, err)
}
