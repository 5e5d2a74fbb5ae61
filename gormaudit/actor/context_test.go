package actor_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

type key struct{}

func TestFromContext(t *testing.T) {
	background := context.Background()
	deep := actor.NewContext(background, alice)
	for range 20 {
		deep = context.WithValue(deep, key{}, "value")
	}
	for _, test := range []struct {
		name string
		ctx  context.Context
		want actor.Actor
		ok   bool
	}{
		{"nil", nil, actor.Actor{}, false},
		{"nobody said", background, actor.Actor{}, false},
		{"somebody", actor.NewContext(background, alice), alice, true},
		{"anonymous", actor.NewContext(background, actor.Actor{}), actor.Actor{}, true},
		{"anonymous with a name", actor.NewContext(background, actor.Actor{Identity: actor.Identity{Name: "x"}}), actor.Actor{Identity: actor.Identity{Name: "x"}}, true},
		{"the innermost", actor.NewContext(actor.NewContext(background, alice), bob), bob, true},
		{"anonymous within somebody", actor.NewContext(actor.NewContext(background, alice), actor.Actor{}), actor.Actor{}, true},
		{"far away", deep, alice, true},
		{"detached", actor.Detach(deep), alice, true},
	} {
		if got, ok := actor.FromContext(test.ctx); got != test.want || ok != test.ok {
			t.Errorf("FromContext(%s) = %v, %v, want %v, %v", test.name, got, ok, test.want, test.ok)
		}
	}
}

func TestNewContextKeepsItsParent(t *testing.T) {
	for _, a := range []actor.Actor{alice, {}} {
		parent, cancel := context.WithTimeout(context.WithValue(context.Background(), key{}, "value"), time.Hour)
		ctx := actor.NewContext(parent, a)
		later := actor.NewContext(ctx, bob)
		if got := ctx.Value(key{}); got != "value" {
			t.Errorf("Value = %v, want the parent's", got)
		}
		if _, ok := ctx.Deadline(); !ok {
			t.Error("the deadline is gone")
		}
		if got, _ := actor.FromContext(ctx); got != a {
			t.Errorf("actor after a later NewContext = %v, want %v", got, a)
		}
		cancel()
		if ctx.Err() == nil || later.Err() == nil {
			t.Error("the parent's cancellation does not arrive")
		}
	}
}

func TestNilParents(t *testing.T) {
	for name, call := range map[string]func(){
		"NewContext":         func() { actor.NewContext(nil, alice) },                  //nolint:staticcheck // it is what is tested
		"NewRequestContext":  func() { actor.NewRequestContext(nil, actor.Request{}) }, //nolint:staticcheck // it is what is tested
		"NewMetadataContext": func() { actor.NewMetadataContext(nil, nil) },            //nolint:staticcheck // it is what is tested
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, "nil parent") {
					t.Errorf("%s(nil) panicked with %s, want nil parent", name, got)
				}
			}()
			call()
		}()
	}
	if actor.Detach(nil) != context.Background() { //nolint:staticcheck // it is what is tested
		t.Error("Detach(nil) is not context.Background()")
	}
}

func TestDetach(t *testing.T) {
	parent, cancel := context.WithTimeout(context.WithValue(context.Background(), key{}, "value"), time.Hour)
	parent = actor.NewRequestContext(actor.NewContext(parent, alice), actor.Request{ID: "r1"})
	ctx := actor.Detach(parent)
	cancel()
	if _, ok := ctx.Deadline(); ok || ctx.Err() != nil || ctx.Done() != nil {
		t.Errorf("detached context has deadline %v and error %v, want neither", ok, ctx.Err())
	}
	if got, ok := actor.FromContext(ctx); got != alice || !ok {
		t.Errorf("actor = %v, %v, want %v", got, ok, alice)
	}
	if got, ok := actor.RequestFromContext(ctx); got.ID != "r1" || !ok {
		t.Errorf("request = %v, %v, want r1", got, ok)
	}
	if got := ctx.Value(key{}); got != "value" {
		t.Errorf("Value = %v, want the parent's", got)
	}
	if _, ok := actor.FromContext(actor.Detach(context.Background())); ok {
		t.Error("Detach made an actor where nobody said")
	}
	if a, ok := actor.FromContext(actor.Detach(actor.NewContext(context.Background(), actor.Actor{}))); !ok || !a.IsAnonymous() {
		t.Error("Detach lost the anonymous actor")
	}
}

func TestContextAllocs(t *testing.T) {
	ctx := actor.NewRequestContext(actor.NewContext(context.Background(), admin.As(alice)), actor.Request{ID: "r1"})
	anonymous := actor.NewContext(context.Background(), actor.Actor{})
	detached := actor.Detach(ctx)
	for name, test := range map[string]struct {
		run  func()
		want float64
	}{
		"FromContext":           {func() { sinkActor, _ = actor.FromContext(ctx) }, 0},
		"FromContext anonymous": {func() { sinkActor, _ = actor.FromContext(anonymous) }, 0},
		"FromContext detached":  {func() { sinkActor, _ = actor.FromContext(detached) }, 0},
		"FromContext of nobody": {func() { sinkActor, _ = actor.FromContext(context.Background()) }, 0},
		"RequestFromContext":    {func() { sinkRequest, _ = actor.RequestFromContext(ctx) }, 0},
		"MetadataFromContext":   {func() { sinkMetadata = actor.MetadataFromContext(ctx) }, 0},
		"NewContext":            {func() { sinkContext = actor.NewContext(ctx, alice) }, 1},
		"NewContext anonymous":  {func() { sinkContext = actor.NewContext(ctx, actor.Actor{}) }, 1},
	} {
		if got := testing.AllocsPerRun(100, test.run); got != test.want {
			t.Errorf("allocations of %s = %v, want %v", name, got, test.want)
		}
	}
}

var (
	sinkActor    actor.Actor
	sinkRequest  actor.Request
	sinkContext  context.Context
	sinkMetadata map[string]string
)

// TestContextPrints: fmt would else walk the parents by reflection, and race
// with their cancellation.
func TestContextPrints(t *testing.T) {
	for _, a := range []actor.Actor{admin.As(alice), {}} {
		parent, cancel := context.WithCancel(context.Background())
		ctx := actor.NewContext(parent, a)
		var wg sync.WaitGroup
		wg.Go(cancel)
		wg.Go(func() {
			if got := fmt.Sprint(ctx); !strings.Contains(got, a.String()) {
				t.Errorf("context prints as %q, want the actor in it", got)
			}
		})
		wg.Wait()
	}
}

func BenchmarkFromContext(b *testing.B) {
	ctx := actor.NewContext(context.Background(), alice)
	b.ReportAllocs()
	for b.Loop() {
		sinkActor, _ = actor.FromContext(ctx)
	}
}

func BenchmarkNewContext(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sinkContext = actor.NewContext(context.Background(), alice)
	}
}
