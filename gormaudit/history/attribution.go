package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// ErrMetadata is the error of a write whose context has metadata that can't be
// recorded: more than 16 keys, more than 4 KiB in keys and values, or a text that has
// a zero byte or is not valid UTF-8. See [actor.NewMetadataContext].
var ErrMetadata = errors.New("history: the context's metadata can't be recorded")

// The most metadata that a change set takes.
const (
	maxMetadataKeys = 16
	maxMetadataSize = 4 << 10 // bytes of keys and values
)

// attribution says who acts, in which request, and what they say of it. The zero
// attribution is "nobody said".
type attribution struct {
	attributed bool // somebody said who acts, if only that nobody is signed in
	actor      actor.Actor
	request    actor.Request
	metadata   string // a JSON object in the order of its keys, "" if it is empty
}

// attributionColumns are the columns of a change set that an attribution fills,
// in the order of its values.
var attributionColumns = [...]string{
	"actor_kind", "actor_id", "actor_name",
	"impersonator_kind", "impersonator_id", "impersonator_name",
	"request_id", "ip", "user_agent", "method", "route", "metadata",
}

// same reports whether a and other are one, names aside: a token and a session
// may name a person differently.
func (a attribution) same(other attribution) bool {
	a.actor.Name, a.actor.Impersonator.Name = other.actor.Name, other.actor.Impersonator.Name
	return a == other
}

// encodeMetadata returns metadata as a JSON object. It is called for each
// statement: encoding/json alone would take three times as long.
func encodeMetadata(metadata map[string]string) (string, error) {
	if len(metadata) == 0 {
		return "", nil
	}
	keys, size := make([]string, 0, maxMetadataKeys), 0
	for key, value := range metadata {
		if !isStorable(key) || !isStorable(value) {
			return "", fmt.Errorf("%w: %q has a zero byte or is not valid UTF-8", ErrMetadata, key)
		}
		keys, size = append(keys, key), size+len(key)+len(value)
	}
	if len(metadata) > maxMetadataKeys || size > maxMetadataSize {
		return "", fmt.Errorf("%w: %d keys and %d bytes are more than %d and %d", ErrMetadata, len(metadata), size, maxMetadataKeys, maxMetadataSize)
	}
	slices.Sort(keys)
	text := append(make([]byte, 0, size+8*len(keys)), '{')
	for _, key := range keys {
		text = append(appendJSON(append(appendJSON(text, key), ':'), metadata[key]), ',')
	}
	text[len(text)-1] = '}'
	return string(text), nil
}

// appendJSON appends a text as JSON has it.
func appendJSON(to []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(text) // of a text: can't fail
			return append(to, quoted...)
		}
	}
	return append(append(append(to, '"'), text...), '"')
}

// parseMetadata also reads what another program may have written: a value that is
// not a text is its JSON.
func parseMetadata(text string) map[string]string {
	var values map[string]json.RawMessage
	if text == "" || json.Unmarshal([]byte(text), &values) != nil || len(values) == 0 {
		return nil
	}
	metadata := make(map[string]string, len(values))
	for key, value := range values {
		text := string(value)
		_ = json.Unmarshal(value, &text)
		metadata[key] = text
	}
	return metadata
}

// values are the texts of attributionColumns. Those that are empty are NULL in
// the database.
func (a attribution) values() [len(attributionColumns)]string {
	who, by, r := a.actor, a.actor.Impersonator, a.request
	values := [...]string{
		"", who.ID, who.Name, "", by.ID, by.Name,
		r.ID, r.IP, r.UserAgent, r.Method, r.Route, a.metadata,
	}
	if a.attributed {
		values[0] = who.Kind.String()
	}
	if by != (actor.Identity{}) {
		values[3] = by.Kind.String()
	}
	for i, value := range values[:len(values)-1] { // metadata is, or it would be an error
		values[i] = storable(value)
	}
	return values
}

// args are the values, with NULL for the empty ones.
func (a attribution) args() []any {
	values := a.values()
	args := make([]any, len(values))
	for i, value := range values {
		if value != "" {
			args[i] = value
		}
	}
	return args
}

// json is the attribution by its columns, without the empty ones; metadata is an
// object in it. Nobody said is "".
func (a attribution) json() string {
	if a == (attribution{}) {
		return ""
	}
	var text []byte
	for i, value := range a.values() {
		if value == "" {
			continue
		}
		text = append(appendJSON(append(text, ','), attributionColumns[i]), ':')
		if attributionColumns[i] == "metadata" {
			text = append(text, value...)
		} else {
			text = appendJSON(text, value)
		}
	}
	return "{" + strings.TrimPrefix(string(text), ",") + "}"
}

// storable drops what PostgreSQL and MariaDB refuse in a text: a name or a user
// agent must not fail the write it is recorded for.
func storable(text string) string {
	if isStorable(text) {
		return text
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", "")
}

func isStorable(text string) bool {
	return utf8.ValidString(text) && strings.IndexByte(text, 0) < 0
}

// maintenance marks the context of writes to the history's own tables: nobody
// needs telling.
type maintenance struct{}
