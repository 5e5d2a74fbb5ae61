package httpauth

import (
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gorilla/sessions"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// credential is what a session says: who is signed in, and since when.
type credential struct {
	actor      actor.Actor
	signedInAt time.Time // when a credential was last verified, not when somebody began to impersonate
}

// credentialKey is the session key of the credential.
const credentialKey = "echoauth:actor"

// credentialVersion begins each value. Fields may be added under it, readers
// skip those they don't know; a change of meaning needs another.
const credentialVersion = "1:"

// What a name is cut to. A cookie holds 4096 bytes, for the names of two and
// all that the application keeps there.
const (
	maxNameRunes = 64
	maxNameBytes = 128
)

// maxClockSkew is how far the clocks of servers that share sessions may differ.
const maxClockSkew = 5 * time.Minute

// sessionCredential returns what s says. ok is false where s says nothing that
// can be read: a session that can't be read must not lock its owner out of
// signing in again.
func sessionCredential(s *sessions.Session) (cr credential, ok bool) {
	text, ok := s.Values[credentialKey].(string)
	if !ok {
		return credential{}, false
	}
	return decodeCredential(text)
}

// isAlive tells whether cr still signs in, of a session that lives for lifetime
// from the sign-in, or for ever if that is 0.
func (cr credential) isAlive(lifetime time.Duration) bool {
	age := time.Since(cr.signedInAt)
	return age > -maxClockSkew && (lifetime <= 0 || age < lifetime)
}

// encode returns plain ASCII, which every serializer of a session store returns
// as it was.
func (cr credential) encode() (string, error) {
	fields := url.Values{"at": {strconv.FormatInt(cr.signedInAt.UnixMilli(), 10)}}
	for prefix, identity := range map[string]actor.Identity{"": cr.actor.Identity, "by_": cr.actor.Impersonator} {
		if identity.IsAnonymous() {
			continue
		}
		kind, err := identity.Kind.MarshalText()
		if err != nil {
			return "", err
		}
		fields.Set(prefix+"kind", string(kind))
		fields.Set(prefix+"id", identity.ID)
		if name := cutName(identity.Name); name != "" {
			fields.Set(prefix+"name", name)
		}
	}
	return credentialVersion + fields.Encode(), nil
}

// cutName returns the beginning of name that a session keeps, as valid UTF-8.
func cutName(name string) string {
	if len(name) > utf8.UTFMax*maxNameRunes {
		name = name[:utf8.UTFMax*maxNameRunes] // the rest is never kept, however long
	}
	runes := 0
	for i, r := range name {
		if runes++; runes > maxNameRunes || i+utf8.RuneLen(r) > maxNameBytes {
			return strings.ToValidUTF8(name[:i], "")
		}
	}
	return strings.ToValidUTF8(name, "")
}

func decodeCredential(text string) (cr credential, ok bool) {
	text, ok = strings.CutPrefix(text, credentialVersion)
	if !ok {
		return credential{}, false
	}
	fields, err := url.ParseQuery(text)
	if err != nil {
		return credential{}, false
	}
	at, err := strconv.ParseInt(fields.Get("at"), 10, 64)
	if err != nil {
		return credential{}, false
	}
	cr.signedInAt = time.UnixMilli(at)
	if cr.actor.Identity, ok = decodeIdentity(fields, ""); !ok {
		return credential{}, false
	}
	if !fields.Has("by_kind") && !fields.Has("by_id") {
		return cr, true
	}
	if cr.actor.Impersonator, ok = decodeIdentity(fields, "by_"); !ok {
		return credential{}, false
	}
	return cr, true
}

func decodeIdentity(fields url.Values, prefix string) (i actor.Identity, ok bool) {
	if err := i.Kind.UnmarshalText([]byte(fields.Get(prefix + "kind"))); err != nil {
		return actor.Identity{}, false
	}
	i.ID = fields.Get(prefix + "id")
	i.Name = cutName(fields.Get(prefix + "name"))
	return i, !i.IsAnonymous()
}
