package httpauth

import (
	"cmp"
	"context"
	"time"

	"github.com/gorilla/sessions"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// request is what is known of one request beyond what the defaults say. It
// lives in the Context, as soon as there is something to know, and belongs, as
// that does, to the goroutine that serves the request.
type request struct {
	sessionName string        // "" is the default one
	lifetime    time.Duration // of sessions; 0 is their cookie's
	contextKeys []string      // none is the default one

	stamp    *stamp       // nil where sessions have none
	verified *verified    // nil until a stamp was compared
	revoked  *actor.Actor // whose session has ended for the innermost middleware

	valueKey string // of the user's id that the application itself keeps in the session

	written *sessions.Session // by a session function; nil where none ran

	permission *permission  // nil where everybody may impersonate
	permitted  *actor.Actor // nil until somebody who impersonates was let pass

	// What the sources looked for, for the diagnosis after the handler.
	missedStore bool
	dispute     string // of a session that names two people, see userIn
	tokenKeys   []string
}

// unknown is the request of which there is nothing to know. It is only read.
var unknown request

// requestOf returns what is known of the request that c serves, to be read.
func requestOf(c Context) *request {
	if r, ok := c.Get(requestKey).(*request); ok {
		return r
	}
	return &unknown
}

// noteOf returns what is known of the request that c serves, to be added to.
func noteOf(c Context) *request {
	r, ok := c.Get(requestKey).(*request)
	if !ok {
		r = new(request)
		c.Set(requestKey, r)
	}
	return r
}

func (r *request) session() string {
	return cmp.Or(r.sessionName, defaultSessionName)
}

// replaceActor puts a into the request's context, under ctx's values, and into
// Context, under the key of each middleware that ran. What is anonymous
// becomes the zero Actor.
func (r *request) replaceActor(c Context, ctx context.Context, a actor.Actor) {
	value := anonymous
	if a.IsAnonymous() {
		a = actor.Actor{}
	} else {
		value = a
	}
	c.SetRequest(c.Request().WithContext(actor.NewContext(ctx, a)))
	if len(r.contextKeys) == 0 {
		c.Set(defaultContextKey, value)
	}
	for _, key := range r.contextKeys {
		c.Set(key, value)
	}
}

// anonymous saves most requests an allocation.
var anonymous any = actor.Actor{}
