package echoauth

import (
	"context"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// The keys of echo.Context.
const (
	requestKey  = "echoauth:request" // the *request
	sawStoreKey = "echoauth:store"   // set once a source saw the session store
	sawTokenKey = "echoauth:token"   // set once a source saw a valid token
)

// request is what the middleware, the sources and the session functions share
// about one request. It lives in echo.Context and belongs, as that does, to
// the goroutine that serves the request. The zero request has the defaults,
// and a nil one stands for it where no middleware ran, or its Skipper skipped.
type request struct {
	sessionName string
	contextKeys []string

	stamp    *stamp       // nil where sessions have none
	verified *verified    // nil until a stamp was compared
	revoked  *actor.Actor // whose session the stamp of this middleware ended

	// alone says that this request is not in echo.Context: no actor was there
	// before, and no other Middleware needs what this one knows.
	alone bool

	// What the sources missed, for the diagnosis after the handler.
	missedStore  bool
	missedTokens []string // keys
}

// requestOf returns nil where no middleware ran but plain ones.
func requestOf(c echo.Context) *request {
	r, _ := c.Get(requestKey).(*request)
	return r
}

func (r *request) session() string {
	if r == nil || r.sessionName == "" {
		return defaultSessionName
	}
	return r.sessionName
}

// addContextKey adds the one key of another middleware. The slice is the
// middleware's own, so that a request with one needs no copy.
func (r *request) addContextKey(key []string) {
	switch {
	case r.contextKeys == nil:
		r.contextKeys = key
	case !slices.Contains(r.contextKeys, key[0]):
		r.contextKeys = slices.Concat(r.contextKeys, key)
	}
}

// put puts a into ctx, ctx into req, which becomes the request, and a into
// echo.Context, under the key of each middleware that ran. What is anonymous
// becomes the zero Actor.
func (r *request) put(c echo.Context, req *http.Request, ctx context.Context, a *actor.Actor) {
	var value any
	if a.IsAnonymous() {
		value, ctx = anonymous, actor.NewContext(ctx, actor.Actor{})
	} else {
		value, ctx = *a, actor.NewContext(ctx, *a)
	}
	c.SetRequest(req.WithContext(ctx))
	if r == nil || r.contextKeys == nil {
		c.Set(defaultContextKey, value)
		return
	}
	for _, key := range r.contextKeys {
		c.Set(key, value)
	}
}

// anonymous saves most requests an allocation.
var anonymous any = actor.Actor{}
