package actor_test

import (
	"context"
	"maps"
	"testing"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

func TestMetadataIsMerged(t *testing.T) {
	outer := actor.NewMetadataContext(context.Background(), map[string]string{"reason": "a", "ticket": "1", "trace_id": "t"})
	inner := actor.NewMetadataContext(outer, map[string]string{"reason": "b", "trace_id": "", "empty": ""})
	later, cancel := context.WithCancel(inner)
	detached := actor.Detach(later)
	cancel()
	for _, test := range []struct {
		name string
		ctx  context.Context
		want map[string]string
	}{
		{"nil", nil, nil},
		{"none", context.Background(), nil},
		{"nothing", actor.NewMetadataContext(context.Background(), nil), nil},
		{"the parent", outer, map[string]string{"reason": "a", "ticket": "1", "trace_id": "t"}},
		{"the later one", inner, map[string]string{"reason": "b", "ticket": "1"}},
		{"detached", detached, map[string]string{"reason": "b", "ticket": "1"}},
		{"all taken away", actor.NewMetadataContext(inner, map[string]string{"reason": "", "ticket": ""}), nil},
	} {
		if got := actor.MetadataFromContext(test.ctx); !maps.Equal(got, test.want) || (got == nil) != (test.want == nil) {
			t.Errorf("MetadataFromContext(%s) = %#v, want %#v", test.name, got, test.want)
		}
	}
}

func TestMetadataIsCopied(t *testing.T) {
	mine := map[string]string{"reason": "a"}
	ctx := actor.NewMetadataContext(context.Background(), mine)
	mine["reason"] = "changed"
	actor.MetadataFromContext(ctx)["reason"] = "changed"
	if got := actor.MetadataFromContext(ctx)["reason"]; got != "a" {
		t.Errorf("the context's reason is %q after the caller changed its own maps, want %q", got, "a")
	}
}
