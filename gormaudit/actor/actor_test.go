package actor_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"unsafe"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

var (
	alice = actor.User(1)
	bob   = actor.User(2)
	admin = actor.User("admin")
)

type (
	rowID  uint32
	slugID string
)

// String is for people; an id must not be taken from it.
func (rowID) String() string  { return "row" }
func (slugID) String() string { return "slug" }

func TestUser(t *testing.T) {
	for _, test := range []struct {
		got  actor.Actor
		want string // the id; anonymous if empty
	}{
		{actor.User("abc"), "abc"},
		{actor.User(" "), " "},
		{actor.User("0"), "0"},
		{actor.User(""), ""},
		{actor.User(42), "42"},
		{actor.User(0), ""},
		{actor.User(-1), "-1"},
		{actor.User(int8(math.MinInt8)), "-128"},
		{actor.User(int16(math.MaxInt16)), "32767"},
		{actor.User(int32(math.MinInt32)), "-2147483648"},
		{actor.User(int64(math.MinInt64)), "-9223372036854775808"},
		{actor.User(int64(9007199254740993)), "9007199254740993"},
		{actor.User(uint(7)), "7"},
		{actor.User(uint8(math.MaxUint8)), "255"},
		{actor.User(uint16(math.MaxUint16)), "65535"},
		{actor.User(uint64(math.MaxUint64)), "18446744073709551615"},
		{actor.User(uint64(0)), ""},
		{actor.User(uintptr(7)), "7"},
		{actor.User(rowID(7)), "7"},
		{actor.User(rowID(0)), ""},
		{actor.User(slugID("ann")), "ann"},
		{actor.User(slugID("")), ""},
	} {
		want := actor.Actor{}
		if test.want != "" {
			want.Identity = actor.Identity{Kind: actor.KindUser, ID: test.want}
		}
		if test.got != want {
			t.Errorf("User = %#v, want %#v", test.got, want)
		}
	}
}

func TestServiceAndSystem(t *testing.T) {
	for _, test := range []struct {
		got  actor.Actor
		want actor.Identity
	}{
		{actor.Service("billing"), actor.Identity{Kind: actor.KindService, ID: "billing"}},
		{actor.Service(7), actor.Identity{Kind: actor.KindService, ID: "7"}},
		{actor.Service(0), actor.Identity{}},
		{actor.System("nightly"), actor.Identity{Kind: actor.KindSystem, ID: "nightly"}},
		{actor.System(""), actor.Identity{}},
	} {
		if test.got != (actor.Actor{Identity: test.want}) {
			t.Errorf("actor = %#v, want %#v", test.got, test.want)
		}
	}
}

func TestIdentity(t *testing.T) {
	named := alice.Identity
	named.Name = "Alice"
	for _, test := range []struct {
		identity  actor.Identity
		anonymous bool
		text      string
	}{
		{actor.Identity{}, true, "anonymous"},
		{actor.Identity{Name: "Alice"}, true, "anonymous"},
		{actor.Identity{ID: "1"}, true, "anonymous"},
		{actor.Identity{Kind: actor.KindUser}, true, "anonymous"},
		{named, false, "user:1"},
		{actor.Service("a:b").Identity, false, "service:a:b"},
		{actor.Identity{Kind: 9, ID: "1"}, false, "Kind(9):1"},
	} {
		if got := test.identity.IsAnonymous(); got != test.anonymous {
			t.Errorf("%#v.IsAnonymous() = %v, want %v", test.identity, got, test.anonymous)
		}
		if got := test.identity.String(); got != test.text {
			t.Errorf("%#v.String() = %q, want %q", test.identity, got, test.text)
		}
	}
	for _, test := range []struct {
		a, b actor.Identity
		want bool
	}{
		{alice.Identity, named, true},
		{alice.Identity, bob.Identity, false},
		{alice.Identity, actor.Service(1).Identity, false},
		{actor.Identity{}, actor.Identity{Name: "x"}, true},
	} {
		if got := test.a.Same(test.b); got != test.want {
			t.Errorf("%v.Same(%v) = %v, want %v", test.a, test.b, got, test.want)
		}
	}
}

func TestAs(t *testing.T) {
	for _, test := range []struct {
		name      string
		got, want actor.Actor
	}{
		{"acting as somebody", admin.As(alice), actor.Actor{Identity: alice.Identity, Impersonator: admin.Identity}},
		{"the first real one stays", admin.As(alice).As(bob), actor.Actor{Identity: bob.Identity, Impersonator: admin.Identity}},
		{"as oneself", alice.As(alice), alice},
		{"as oneself again", admin.As(alice).As(admin), admin},
		{"nobody acting as somebody", actor.Actor{}.As(alice), alice},
		{"as an impersonated one", admin.As(bob.As(alice)), actor.Actor{Identity: alice.Identity, Impersonator: admin.Identity}},
		{"a program acting as somebody", actor.System("job").As(alice), actor.Actor{Identity: alice.Identity, Impersonator: actor.System("job").Identity}},
	} {
		if test.got != test.want {
			t.Errorf("%s = %v, want %v", test.name, test.got, test.want)
		}
	}
}

func TestActorString(t *testing.T) {
	for _, test := range []struct {
		actor actor.Actor
		want  string
	}{
		{actor.Actor{}, "anonymous"},
		{alice, "user:1"},
		{admin.As(alice), "user:1 (by user:admin)"},
		{actor.System("nightly").As(alice), "user:1 (by system:nightly)"},
	} {
		if got := fmt.Sprint(test.actor); got != test.want {
			t.Errorf("String() = %q, want %q", got, test.want)
		}
	}
}

func TestActorIsAPlainValue(t *testing.T) {
	seen := map[actor.Actor]string{alice: "alice", admin.As(alice): "both"}
	if seen[actor.User("1")] != "alice" || seen[actor.User("admin").As(actor.User(1))] != "both" {
		t.Errorf("an actor as a map key finds %v", seen)
	}
	if alice != actor.User("1") || alice == bob || alice == actor.Service(1) {
		t.Error("actors of the same person differ, or of others are the same")
	}
	if size := unsafe.Sizeof(actor.Actor{}); size > 96 {
		t.Errorf("size of an Actor = %d, want at most 96", size)
	}
}

func TestActorLogValue(t *testing.T) {
	named := alice
	named.Name = "Alice"
	for _, test := range []struct {
		actor actor.Actor
		want  string
	}{
		{actor.Actor{}, `{"actor":{"kind":"anonymous"}}`},
		{named, `{"actor":{"kind":"user","id":"1"}}`},
		{admin.As(named), `{"actor":{"kind":"user","id":"1","impersonator":"user:admin"}}`},
		{actor.User("a\nb"), `{"actor":{"kind":"user","id":"a\nb"}}`},
	} {
		var log bytes.Buffer
		options := &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key != "actor" {
				return slog.Attr{}
			}
			return a
		}}
		slog.New(slog.NewJSONHandler(&log, options)).Info("", slog.Any("actor", test.actor))
		if got := strings.TrimSpace(log.String()); got != test.want {
			t.Errorf("log of %v = %s, want %s", test.actor, got, test.want)
		}
	}
}

var hostileIDs = []string{
	"1", "9007199254740993", "a b", `"`, `\`, "\x00", "\n", "\u2028", "<script>", "ü", "\U0001F600", "user:1", " (by user:7)", "{}", strings.Repeat("x", 1<<16),
}

func TestActorJSON(t *testing.T) {
	for _, id := range hostileIDs {
		want := actor.Actor{
			Identity:     actor.Identity{Kind: actor.KindUser, ID: id, Name: id},
			Impersonator: actor.Service(id).Identity,
		}
		text, err := json.Marshal(want)
		if err != nil {
			t.Errorf("Marshal(%q) = %v", want, err)
			continue
		}
		var got actor.Actor
		if err := json.Unmarshal(text, &got); err != nil || got != want {
			t.Errorf("Unmarshal(%s) = %q, %v, want %q", text, got, err, want)
		}
	}
	for _, test := range []struct {
		actor actor.Actor
		want  string
	}{
		{actor.Actor{}, `{"kind":"anonymous"}`},
		{alice, `{"kind":"user","id":"1"}`},
		{admin.As(alice), `{"kind":"user","id":"1","impersonator":{"kind":"user","id":"admin"}}`},
	} {
		if got, err := json.Marshal(&test.actor); err != nil || string(got) != test.want {
			t.Errorf("Marshal(%v) = %s, %v, want %s", test.actor, got, err, test.want)
		}
	}
}

// TestActorJSONInAStruct holds what Actor's comment warns of, and the remedy.
func TestActorJSONInAStruct(t *testing.T) {
	type embedding struct {
		actor.Actor
		Invoice int
	}
	type naming struct {
		Actor   actor.Actor
		Invoice int
	}
	for _, test := range []struct {
		name, want string
		value      any
	}{
		{"embedded", `{"kind":"user","id":"1"}`, embedding{actor.User(1), 7}},
		{"in a field", `{"Actor":{"kind":"user","id":"1"},"Invoice":7}`, naming{actor.User(1), 7}},
	} {
		if got, err := json.Marshal(test.value); err != nil || string(got) != test.want {
			t.Errorf("Marshal of an actor %s = %s, %v, want %s", test.name, got, err, test.want)
		}
	}
}

func TestActorJSONErrors(t *testing.T) {
	for _, a := range []actor.Actor{
		actor.User("\xff"),
		actor.User("\xff").As(alice),
		{Identity: actor.Identity{Kind: 9, ID: "1"}},
	} {
		if text, err := json.Marshal(a); err == nil {
			t.Errorf("Marshal(%q) = %s, want an error", a, text)
		}
	}
	for _, text := range []string{`{"kind":"robot","id":"1"}`, `{"kind":1,"id":"1"}`, `{"kind":"user","id":1}`, `{"kind":"USER"}`, `[]`} {
		var got actor.Actor
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("Unmarshal(%s) = %v, want an error", text, got)
		}
	}
}

func TestActorGob(t *testing.T) {
	for _, id := range append([]string{"\xff"}, hostileIDs...) {
		want := actor.User(id).As(actor.Service(id))
		var buffer bytes.Buffer
		if err := gob.NewEncoder(&buffer).Encode(want); err != nil {
			t.Fatal(err)
		}
		var got actor.Actor
		if err := gob.NewDecoder(&buffer).Decode(&got); err != nil || got != want {
			t.Errorf("gob of %q = %q, %v", want, got, err)
		}
	}
}
