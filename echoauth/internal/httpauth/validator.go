package httpauth

import (
	"context"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Accept makes a the request's actor if a validator of Echo's BasicAuth or
// KeyAuth said ok. It returns what the validator has to return. ctx is the
// request's, from before the validator was asked.
func Accept(ctx context.Context, c Context, a actor.Actor, ok bool, err error) (bool, error) {
	if over := ended(ctx); over != nil {
		return false, over
	}
	switch {
	case err != nil || !ok:
		return false, err
	case a.IsAnonymous():
		return false, ErrAnonymous
	}
	setVerified(c, a)
	return true, nil
}
