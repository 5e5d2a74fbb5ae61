package httpauth

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
)

// ended returns an [ErrEnded] once the request of ctx has ended, and else nil.
//
// A handler may run on after that: Echo v4's Timeout and net/http's
// TimeoutHandler don't wait for it. Its Context then serves another request, and
// is neither to be read nor to be written to. So whoever called something slow
// asks before it touches its Context again, with a ctx from before.
func ended(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrEnded, context.Cause(ctx))
}

// logTimeout logs that what serves c may go on after the request has ended.
func (ad *Adapter) logTimeout(c Context) {
	for w := ad.Response(c); w != nil; w = unwrap(w) {
		if isTimeoutWriter(w) {
			ad.logOnce(c, timeoutText)
		}
	}
}

const timeoutText = "echoauth: a request runs under a timeout that answers without waiting for its handler " +
	"(middleware.Timeout of Echo v4, TimeoutHandler of net/http): Echo gives its context to the next request meanwhile, " +
	"and a handler that calls Login, Set or Current afterwards does so for another person. Use middleware.ContextTimeout"

// isTimeoutWriter recognises the response of net/http's TimeoutHandler, which
// Echo v4's Timeout uses, too.
func isTimeoutWriter(w http.ResponseWriter) bool {
	return reflect.TypeOf(w).String() == "*http.timeoutWriter"
}
