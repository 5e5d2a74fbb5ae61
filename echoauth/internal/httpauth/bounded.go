package httpauth

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// bounded calls f, which is named what, on a goroutine of its own and waits
// for it, but not longer than timeout or than ctx lives, even if f ignores its
// context. A panic of f is an error.
func bounded[T any](ctx context.Context, timeout time.Duration, what string, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, ErrLoadTimeout)
	defer cancel()
	done := make(chan outcome[T], 1)
	go deliver(ctx, done, what, f)
	select {
	case o := <-done:
		if o.err != nil && errors.Is(context.Cause(ctx), ErrLoadTimeout) && !errors.Is(o.err, ErrLoadTimeout) {
			o.err = fmt.Errorf("%w: %w", ErrLoadTimeout, o.err)
		}
		return o.value, o.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

type outcome[T any] struct {
	value T
	err   error
}

// deliver sends what f returns, or an error if it panics or ends its
// goroutine.
func deliver[T any](ctx context.Context, done chan<- outcome[T], what string, f func(context.Context) (T, error)) {
	o := outcome[T]{err: fmt.Errorf("echoauth: %s did not return", what)}
	defer func() {
		if p := recover(); p != nil {
			o.err = fmt.Errorf("echoauth: panic in %s: %v\n%s", what, p, debug.Stack())
		}
		done <- o
	}()
	o.value, o.err = f(ctx)
}
