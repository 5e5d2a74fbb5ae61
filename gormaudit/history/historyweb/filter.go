package historyweb

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

// filter is what a page's address asks for, in texts as they are in it.
type filter struct {
	Table, Action, Column, Actor, Since, Until, Request, Word, Text string
	Unattributed                                                    bool
	Key                                                             []string
	Before                                                          int64
	Problems                                                        map[string]string // by the names of what can't be read
}

// localTime is a time as browsers send it, without a zone.
const localTime = "2006-01-02T15:04"

func readFilter(values url.Values) filter {
	f := filter{
		Table: values.Get("table"), Action: values.Get("action"), Column: strings.TrimSpace(values.Get("column")),
		Actor: strings.TrimSpace(values.Get("actor")), Since: values.Get("since"), Until: values.Get("until"),
		Request: strings.TrimSpace(values.Get("request")), Unattributed: values.Get("unattributed") != "", Key: values["key"],
		Word: strings.TrimSpace(values.Get("word")), Text: strings.TrimSpace(values.Get("text")), Problems: map[string]string{},
	}
	f.Before, _ = strconv.ParseInt(values.Get("before"), 10, 64)
	return f
}

// isText reports whether every database can be asked for all of values:
// PostgreSQL takes no NUL and nothing but UTF-8.
func isText(values url.Values) bool {
	for _, all := range values {
		for _, value := range all {
			if strings.Contains(value, "\x00") || !utf8.ValidString(value) {
				return false
			}
		}
	}
	return true
}

// Any reports whether there is any condition.
func (f filter) Any() bool { return f.values().Encode() != "" }

// values is the filter as an address, without its place.
func (f filter) values() url.Values {
	values := url.Values{}
	for name, value := range map[string]string{
		"table": f.Table, "action": f.Action, "column": f.Column, "actor": f.Actor, "since": f.Since, "until": f.Until, "request": f.Request,
		"word": f.Word, "text": f.Text,
	} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if f.Unattributed {
		values.Set("unattributed", "1")
	}
	if len(f.Key) > 0 {
		values["key"] = f.Key
	}
	return values
}

// Address is that of a page with the same filter.
func (f filter) Address(page string) string {
	if query := f.values().Encode(); query != "" {
		return page + "?" + query
	}
	return page
}

// Older is the address of what comes before a change.
func (f filter) Older(page string, before int64) string {
	values := f.values()
	values.Set("before", strconv.FormatInt(before, 10))
	return page + "?" + values.Encode()
}

// Moment is the address of the row as it was.
func (f filter) Moment(at string) string {
	values := f.values()
	values.Set("at", at)
	return "moment?" + values.Encode()
}

// Restore is the address that writes the row as it was.
func (f filter) Restore(at string) string {
	values := f.values()
	values.Set("at", at)
	return "restore?" + values.Encode()
}

// models are pointers to those of all tables.
func (h *handler) models() (all []any) {
	for _, name := range h.names {
		all = append(all, h.tables[name].model)
	}
	return all
}

// query is what the filter asks for, whether that may be read or not. What can't be
// read as a filter is a problem, and asks for nothing.
func (h *handler) query(v *visit, f filter) (q history.Query, err error) {
	switch {
	case f.Table == "":
		q.Tables = h.models()
	case h.tables[f.Table] == nil:
		return q, errNotFound
	default:
		q.Tables = []any{h.tables[f.Table].model}
	}
	if f.Action != "" {
		q.Actions = []history.Action{history.Action(f.Action)}
	}
	if f.Column != "" {
		q.Columns = []string{f.Column}
	}
	switch {
	case f.Word != "" && f.Text != "":
		q.Metadata = map[string]string{f.Word: f.Text}
	case f.Word != "" || f.Text != "":
		f.Problems["word"] = "Write both: a name, such as reason, and its whole text."
	}
	q.Unattributed, q.RequestID, q.Before = f.Unattributed, f.Request, f.Before
	q.Since = h.readTime(f, "since", f.Since)
	q.Until = h.readTime(f, "until", f.Until)
	q.Actors, err = h.actors(v, f, q)
	return q, err
}

// actors are those whom the filter asks for: by kind and id, or by an id or a name
// alone.
func (h *handler) actors(v *visit, f filter, q history.Query) ([]actor.Identity, error) {
	if f.Actor == "" {
		return nil, nil
	}
	who, ok := readIdentity(f.Actor)
	if !ok {
		f.Problems["actor"] = "Write a name, an id, or a kind and an id: user:42, service:billing, system:archiver, anonymous."
	}
	if !ok || isExact(f.Actor) || len(f.Problems) > 0 {
		return []actor.Identity{who}, nil
	}
	called, err := h.called(v, q, f.Actor)
	if errors.Is(err, errForbidden) { // who may read what this one did, perhaps
		err = nil
	}
	if v.nameless {
		f.Problems["actor"] = noNames
	}
	return append(called, who), err
}

// user is the id of the user whom the filter asks for by kind and id, "" if it does
// not.
func (f filter) user() string {
	if who, ok := exactly(f.Actor); ok && who.Kind == actor.KindUser {
		return who.ID
	}
	return ""
}

func (h *handler) readTime(f filter, name, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	for _, layout := range []string{localTime, "2006-01-02T15:04:05", time.DateOnly, time.RFC3339Nano} {
		// No database has a year 0.
		if t, err := time.ParseInLocation(layout, text, h.config.Location); err == nil && t.UTC().Year() > 0 {
			return t
		}
	}
	f.Problems[name] = "This is not a time like 2026-03-09T08:00."
	return time.Time{}
}

// readIdentity reads "user:42", "bob (user:42)", or an id alone for a user's.
func readIdentity(text string) (actor.Identity, bool) {
	if who, ok := exactly(text); ok {
		return who, true
	}
	return actor.Identity{Kind: actor.KindUser, ID: text}, !strings.HasSuffix(text, ":")
}

// isExact reports whether a text says a kind, so that it is nobody's name.
func isExact(text string) bool {
	_, ok := exactly(text)
	return ok
}

func exactly(text string) (who actor.Identity, ok bool) {
	if text == actor.KindAnonymous.String() {
		return actor.Identity{}, true
	}
	if _, within, found := cutLast(strings.TrimSuffix(text, ")"), " ("); found && strings.HasSuffix(text, ")") {
		if who, ok = exactly(within); ok {
			return who, true
		}
	}
	kind, id, _ := strings.Cut(text, ":")
	who.ID = id
	return who, who.Kind.UnmarshalText([]byte(kind)) == nil && !who.IsAnonymous()
}

func cutLast(text, at string) (before, after string, found bool) {
	i := strings.LastIndex(text, at)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(at):], true
}
