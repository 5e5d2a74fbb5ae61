package actor

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strconv"
	"unicode/utf8"
)

// Identity names one person or program. The zero Identity is anonymous.
type Identity struct {
	// Kind tells people from programs. By default KindAnonymous.
	Kind Kind `json:"kind"`
	// ID is what by-columns hold. An Identity without one is anonymous.
	ID string `json:"id,omitempty"`
	// Name is for people to read. It decides nothing and may be empty.
	Name string `json:"name,omitempty"`
}

// IsAnonymous reports whether i names nobody: it has no kind, or no id.
func (i Identity) IsAnonymous() bool {
	return i.Kind == KindAnonymous || i.ID == ""
}

// Same reports whether i and other name the same person or program: their
// kinds and ids are equal. Names don't count: they change, and differ between
// sources.
func (i Identity) Same(other Identity) bool {
	return i.Kind == other.Kind && i.ID == other.ID
}

// String returns kind and id as in "user:42", or "anonymous".
func (i Identity) String() string {
	if i.IsAnonymous() {
		return KindAnonymous.String()
	}
	return i.Kind.String() + ":" + i.ID
}

// Actor is whoever is responsible for what happens under a context. The zero
// Actor is anonymous. It is a plain value: comparable with ==, usable as a map
// key, safe to share between goroutines.
//
// In a struct of your own, make the Actor a named field. A struct that embeds an
// Actor gets its MarshalJSON as well, which leaves the struct's other fields out.
type Actor struct {
	Identity
	// Impersonator is the one really at the keyboard, while Identity is the
	// account that they act as. It is the zero Identity when nobody impersonates.
	Impersonator Identity `json:"impersonator,omitzero"`
}

// Identifier lists the types that an id can have. Turn an id of another type
// into a string first: actor.User(id.String()) for a UUID.
type Identifier interface {
	~string |
		~int | ~int8 | ~int16 | ~int32 | ~int64 |
		~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr
}

// User returns the actor for a person. An empty string or the integer 0 is not an
// id, and gives the zero Actor, which is anonymous. In GORM, too, a row with a zero
// primary key is an unsaved row.
func User[T Identifier](id T) Actor { return newActor(KindUser, format(id)) }

// Service returns the actor for another program, such as the holder of an API
// key. Empty ids are treated as in [User].
func Service[T Identifier](id T) Actor { return newActor(KindService, format(id)) }

// System returns the actor for this program itself, such as a job or a
// migration. Without an id it is anonymous.
func System(id string) Actor { return newActor(KindSystem, id) }

// As returns the actor for a acting as target: target's identity, with a as the
// [Actor.Impersonator]. If a already has an impersonator, that one stays. Acting
// as oneself is not impersonation. If a is anonymous, the result is target alone.
//
// Security: check first that a is somebody, and may act as target. A guard that looks
// at the result's ID alone takes a for target: nobody should act as an administrator,
// or the guard must look at the Impersonator, too.
func (a Actor) As(target Actor) Actor {
	first := a.Impersonator
	if first.IsAnonymous() {
		first = a.Identity
	}
	switch {
	case first.IsAnonymous():
		return target
	case first.Same(target.Identity):
		return Actor{Identity: target.Identity}
	}
	return Actor{Identity: target.Identity, Impersonator: first}
}

// String returns the identity, and who is behind it, as in
// "user:42 (by user:7)".
func (a Actor) String() string {
	if a.Impersonator.IsAnonymous() {
		return a.Identity.String()
	}
	return a.Identity.String() + " (by " + a.Impersonator.String() + ")"
}

// LogValue implements [slog.LogValuer]: a group of kind, id and, while
// somebody impersonates, impersonator. Names stay out of logs.
func (a Actor) LogValue() slog.Value {
	if a.IsAnonymous() && a.Impersonator.IsAnonymous() {
		return slog.GroupValue(slog.String("kind", KindAnonymous.String()))
	}
	attrs := []slog.Attr{slog.String("kind", a.Kind.String()), slog.String("id", a.ID)}
	if !a.Impersonator.IsAnonymous() {
		attrs = append(attrs, slog.String("impersonator", a.Impersonator.String()))
	}
	return slog.GroupValue(attrs...)
}

// MarshalJSON implements [encoding/json.Marshaler]. An id that is not valid
// UTF-8 is an error, because JSON would turn it into another id.
func (a Actor) MarshalJSON() ([]byte, error) {
	if !utf8.ValidString(a.ID) || !utf8.ValidString(a.Impersonator.ID) {
		return nil, fmt.Errorf("actor: the id of %q is not valid UTF-8", a)
	}
	type plain Actor // without this method
	return json.Marshal(plain(a))
}

func newActor(kind Kind, id string) Actor {
	if id == "" {
		return Actor{}
	}
	return Actor{Identity: Identity{Kind: kind, ID: id}}
}

// format never asks id's own String method: what a type prints for people is
// not what its column holds.
func format[T Identifier](id T) string {
	v := reflect.ValueOf(id)
	switch {
	case v.Kind() == reflect.String:
		return v.String()
	case v.IsZero():
		return ""
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10)
	default:
		return strconv.FormatUint(v.Uint(), 10)
	}
}
