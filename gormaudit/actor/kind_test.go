package actor_test

import (
	"encoding"
	"strings"
	"testing"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

var (
	_ encoding.TextMarshaler   = actor.Kind(0)
	_ encoding.TextUnmarshaler = (*actor.Kind)(nil)
)

func TestKind(t *testing.T) {
	for kind, want := range map[actor.Kind]string{
		actor.KindAnonymous: "anonymous",
		actor.KindUser:      "user",
		actor.KindService:   "service",
		actor.KindSystem:    "system",
	} {
		if got := kind.String(); got != want {
			t.Errorf("Kind(%d).String() = %q, want %q", kind, got, want)
		}
		text, err := kind.MarshalText()
		if err != nil || string(text) != want {
			t.Errorf("%v.MarshalText() = %s, %v, want %s", kind, text, err, want)
		}
		var got actor.Kind
		if err := got.UnmarshalText(text); err != nil || got != kind {
			t.Errorf("UnmarshalText(%s) = %v, %v, want %v", text, got, err, kind)
		}
	}
	if actor.KindAnonymous != 0 {
		t.Errorf("KindAnonymous = %d, want 0", actor.KindAnonymous)
	}
}

func TestKindUnknown(t *testing.T) {
	for _, kind := range []actor.Kind{4, 255} {
		if got := kind.String(); !strings.HasPrefix(got, "Kind(") {
			t.Errorf("Kind(%d).String() = %q", kind, got)
		}
		if text, err := kind.MarshalText(); err == nil {
			t.Errorf("Kind(%d).MarshalText() = %s, want an error", kind, text)
		}
	}
	for _, text := range []string{"", "User", "user ", "robot", "Kind(4)", "1", strings.Repeat("x", 1000)} {
		kind := actor.KindSystem
		if err := kind.UnmarshalText([]byte(text)); err == nil || kind != actor.KindSystem || len(err.Error()) > 100 {
			t.Errorf("UnmarshalText(%.20q) = %v, %v, want a short error and no change", text, kind, err)
		}
	}
}
