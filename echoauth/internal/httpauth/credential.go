package httpauth

import (
	"net/url"
	"strings"

	"github.com/gorilla/sessions"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// actorKey is the session key of the signed-in actor.
const actorKey = "echoauth:actor"

// credentialVersion begins each value. Fields may be added under it, readers
// skip those they don't know; a change of meaning needs another.
const credentialVersion = "1:"

func sessionActor(s *sessions.Session) (a actor.Actor, ok bool) {
	text, ok := s.Values[actorKey].(string)
	if !ok {
		return actor.Actor{}, false
	}
	return decodeActor(text)
}

// encodeActor keeps kinds and ids, no names: a session outlives them, and a
// cookie is read by whoever holds it. It is plain ASCII, which every
// serializer of a session store returns as it was.
func encodeActor(a actor.Actor) (string, error) {
	fields := url.Values{}
	for prefix, identity := range map[string]actor.Identity{"": a.Identity, "by_": a.Impersonator} {
		if identity.IsAnonymous() {
			continue
		}
		kind, err := identity.Kind.MarshalText()
		if err != nil {
			return "", err
		}
		fields.Set(prefix+"kind", string(kind))
		fields.Set(prefix+"id", identity.ID)
	}
	return credentialVersion + fields.Encode(), nil
}

// decodeActor answers with nobody where text is none of encodeActor's: a
// session that can't be read must not lock its owner out of signing in again.
func decodeActor(text string) (a actor.Actor, ok bool) {
	text, ok = strings.CutPrefix(text, credentialVersion)
	if !ok {
		return actor.Actor{}, false
	}
	fields, err := url.ParseQuery(text)
	if err != nil {
		return actor.Actor{}, false
	}
	who, ok := decodeIdentity(fields, "")
	if !ok {
		return actor.Actor{}, false
	}
	if !fields.Has("by_kind") && !fields.Has("by_id") {
		return actor.Actor{Identity: who}, true
	}
	by, ok := decodeIdentity(fields, "by_")
	if !ok {
		return actor.Actor{}, false
	}
	return actor.Actor{Identity: who, Impersonator: by}, true
}

func decodeIdentity(fields url.Values, prefix string) (i actor.Identity, ok bool) {
	if err := i.Kind.UnmarshalText([]byte(fields.Get(prefix + "kind"))); err != nil {
		return actor.Identity{}, false
	}
	i.ID = fields.Get(prefix + "id")
	return i, !i.IsAnonymous()
}
