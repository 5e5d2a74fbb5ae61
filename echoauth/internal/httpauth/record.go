package httpauth

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// User is echoauth.User.
func User[T any](ctx context.Context) (T, error) {
	var none T
	record, err := recordOf(ctx)
	if err != nil {
		return none, err
	}
	user, ok := record.(T)
	if !ok {
		return none, fmt.Errorf("echoauth: the record that Load returns is a %T, not a %v", record, reflect.TypeFor[T]())
	}
	return user, nil
}

func recordOf(ctx context.Context) (any, error) {
	if ctx == nil {
		return nil, ErrNoLoader
	}
	all, ok := ctx.Value(recordsKey{}).(*records)
	if !ok {
		return nil, ErrNoLoader
	}
	a, _ := actor.FromContext(ctx)
	if a.IsAnonymous() {
		return nil, ErrAnonymous
	}
	return all.get(ctx, a)
}

type (
	recordsKey struct{}
	loadKey    struct{}
)

// records are what one request has loaded. sync.Once would not do: it keeps
// errors, and turns a panic into a zero value for whoever asks next.
type records struct {
	load    func(context.Context, actor.Actor) (any, error)
	timeout time.Duration

	mu    sync.Mutex
	loads map[actor.Actor]*load // by the actor without names
}

// load is one call of Load. record and err are set when done is closed.
type load struct {
	done   chan struct{}
	record any
	err    error
	within *load // the load whose function started this one
}

func newRecordsContext(ctx context.Context, config Config) context.Context {
	return context.WithValue(ctx, recordsKey{}, &records{load: config.Load, timeout: config.LoadTimeout})
}

func (all *records) get(ctx context.Context, a actor.Actor) (any, error) {
	l := all.find(ctx, a)
	if l.isDone() {
		return l.record, l.err
	}
	for outer := within(ctx); outer != nil; outer = outer.within {
		if outer == l {
			return nil, errors.New("echoauth: Load calls User for the record that it is loading")
		}
	}
	select {
	case <-l.done:
		return l.record, l.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// find returns the load of a's record: the one that is there, or a new one.
func (all *records) find(ctx context.Context, a actor.Actor) *load {
	key := nameless(a)
	all.mu.Lock()
	defer all.mu.Unlock()
	if l, ok := all.loads[key]; ok {
		return l
	}
	l := &load{done: make(chan struct{}), within: within(ctx)}
	if all.loads == nil {
		all.loads = map[actor.Actor]*load{}
	}
	all.loads[key] = l
	go all.run(ctx, a, l)
	return l
}

// run does the load under a context that the first caller can't cancel.
func (all *records) run(ctx context.Context, a actor.Actor, l *load) {
	ctx = context.WithValue(actor.Detach(ctx), loadKey{}, l)
	record, err := bounded(ctx, all.timeout, "Load", func(ctx context.Context) (any, error) {
		return all.load(ctx, a)
	})
	if err == nil && isNil(record) {
		err = fmt.Errorf("echoauth: Load returned a nil %T for %s", record, a)
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	if err != nil {
		delete(all.loads, nameless(a))
	}
	l.record, l.err = record, err
	close(l.done)
}

func (l *load) isDone() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// within returns the load whose function has ctx, or nil.
func within(ctx context.Context) *load {
	l, _ := ctx.Value(loadKey{}).(*load)
	return l
}

// nameless returns a without names, which decide nothing.
func nameless(a actor.Actor) actor.Actor {
	a.Name, a.Impersonator.Name = "", ""
	return a
}

func isNil(record any) bool {
	switch v := reflect.ValueOf(record); v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Func, reflect.Chan:
		return v.IsNil()
	default:
		return false
	}
}
