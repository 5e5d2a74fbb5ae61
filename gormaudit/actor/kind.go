package actor

import (
	"fmt"
	"strconv"
)

// Kind tells people from programs.
type Kind uint8

// The kinds of actors. The zero Kind is KindAnonymous.
const (
	KindAnonymous Kind = iota // nobody signed in
	KindUser                  // a person with an account
	KindService               // another program: an API key, a service account
	KindSystem                // this program itself: a job, a migration, a command
)

var kindNames = [...]string{"anonymous", "user", "service", "system"}

// String returns "anonymous", "user", "service" or "system".
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// MarshalText implements [encoding.TextMarshaler]: the text of
// [Kind.String]. A Kind that is none of the constants is an error.
func (k Kind) MarshalText() ([]byte, error) {
	if int(k) >= len(kindNames) {
		return nil, fmt.Errorf("actor: unknown kind %d", uint8(k))
	}
	return []byte(kindNames[k]), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler]. It takes exactly what
// [Kind.MarshalText] returns; anything else is an error and leaves k as it was.
func (k *Kind) UnmarshalText(text []byte) error {
	for i, name := range kindNames {
		if string(text) == name {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("actor: unknown kind %.32q", text)
}
