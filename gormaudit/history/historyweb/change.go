package historyweb

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

// change is one change as people see it: "put" a row "in the trash".
type change struct {
	ID     int64
	Verb   string
	Row    rowRef
	Rest   string
	Fields []field
	Then   string // in a row's own story: the address of the row as it was
	With   bool   // by then the next change of the row had been made, too
}

// verbs are what somebody did: the words before the row, and after it.
var verbs = map[history.Action][2]string{
	history.ActionCreate:     {"created"},
	history.ActionUpdate:     {"changed"},
	history.ActionDelete:     {"deleted"},
	history.ActionSoftDelete: {"put", "in the trash"},
	history.ActionRestore:    {"took", "out of the trash"},
	history.ActionTruncate:   {"emptied"},
	history.ActionRename:     {"renamed"},
	history.ActionAnonymize:  {"anonymized"},
}

// field is one column that changed: with both values where they are short, else
// with what differs.
type field struct {
	Label         string
	Verb          string // what was done to it
	Before, After string // empty if there was nothing to read
	Hidden        bool   // what it held is not known
	Segments      []segment
}

func (h *handler) change(c history.Change, people people, titles titles) change {
	t := h.tables[c.Table]
	words, known := verbs[c.Action]
	if !known {
		words[0] = string(c.Action)
	}
	shown := change{ID: c.ID, Verb: words[0], Row: titles.refer(t, c.Table, c.Key), Rest: words[1]}
	switch {
	case c.Action == history.ActionAnonymize:
		shown.Row = rowRef{Label: strings.Join(c.Key, " ")}
	case c.Action == history.ActionRename:
		shown.Row, shown.Rest = rowRef{Label: "the table " + c.Table}, "to "+strings.Join(c.Key, " ")
	case len(c.Key) == 0:
		shown.Row = rowRef{Label: "the table " + c.Table}
	}
	for _, f := range worthShowing(t, c) {
		if whole := c.Action == history.ActionCreate || c.Action == history.ActionDelete; whole && (t.isKey(f.Column) || isEmpty(f)) {
			continue
		}
		shown.Fields = append(shown.Fields, h.field(t, c.Action, f, people))
	}
	return shown
}

// worthShowing leaves out columns that move with every change, unless they are
// all there is, and when a row was deleted, which the change says itself.
func worthShowing(t *Table, c history.Change) (fields []history.Field) {
	for _, f := range c.Fields {
		deletion := c.Action == history.ActionSoftDelete || c.Action == history.ActionRestore
		said := !f.Bookkeeping && deletion && strings.HasPrefix(f.Column, "deleted_")
		if !said && !isRoutine(t, c, f) {
			fields = append(fields, f)
		}
	}
	if len(fields) == 0 && c.Action == history.ActionUpdate {
		return c.Fields
	}
	return fields
}

// isRoutine reports whether a column holds what the program writes into it with each
// change of that kind. It does not if somebody has forged it.
func isRoutine(t *Table, c history.Change, f history.Field) bool {
	role := t.roleOf(f.Column)
	switch {
	case !f.Bookkeeping || f.Err != nil:
		return false
	case c.Action == history.ActionDelete, c.Action == history.ActionCreate && !role.by:
		return true
	case c.Action == history.ActionUpdate && !role.updated, c.Action != history.ActionCreate && role.created:
		return false
	case c.Action == history.ActionRestore && role.deleted && f.After.IsNull():
		return true
	}
	return !role.by || f.Redacted || holdsWhoActed(c.ChangeSet, idIn(f.After))
}

// holdsWhoActed reports whether id is what a by-column holds of whoever made a change
// set: nothing, if that is no user.
func holdsWhoActed(s history.ChangeSet, id string) bool {
	who, by := s.Actor.Identity, s.Actor.Impersonator
	isUser := s.Attributed && who.Kind == actor.KindUser && !who.IsAnonymous()
	if id == "" || !s.Attributed {
		return id == "" && !isUser
	}
	return strings.EqualFold(id, who.ID) && isUser || id == who.String() || id == by.ID
}

// isEmpty reports whether there is nothing to read before and after.
func isEmpty(f history.Field) bool {
	return !f.Redacted && f.Err == nil && f.Before.String() == "" && f.After.String() == ""
}

// shortText is up to how many letters a value is in the line of its change.
const shortText = 40

func (h *handler) field(t *Table, action history.Action, f history.Field, people people) field {
	shown := field{Label: humanize(f.Column), Hidden: f.Redacted}
	if t != nil {
		shown.Label = t.columnLabel(f.Column)
	}
	if f.Redacted {
		if shown.Verb = "hidden"; action == history.ActionUpdate {
			shown.Verb = "changed, hidden"
		}
		return shown
	}
	if f.Err != nil {
		if shown.Segments = []segment{{Text: "can't be read"}}; f.Column == "" {
			shown.Label = "Record"
		}
		return shown
	}
	before, after := h.text(f.Before), h.text(f.After)
	if t.isBy(f.Column) {
		before, after = people.named(idIn(f.Before)), people.named(idIn(f.After))
	}
	switch {
	case action == history.ActionCreate:
		shown.Segments = excerpt("ins", after)
	case action == history.ActionDelete:
		shown.Segments = excerpt("del", before)
	case isShort(before) && isShort(after):
		shown.Verb, shown.Before, shown.After = verb(t, f), before, after
		if before == "" && after == "" {
			shown.Before, shown.After = emptiness(f.Before), emptiness(f.After)
		}
	default:
		shown.Segments = diff(before, after)
	}
	return shown
}

func isShort(text string) bool {
	return utf8.RuneCountInString(text) <= shortText && !strings.Contains(text, "\n")
}

// emptiness tells what looks like nothing apart.
func emptiness(v history.Value) string {
	if v.IsNull() {
		return "NULL"
	}
	return "an empty text"
}

// verb is what was done to a value: numbers go up and down.
func verb(t *Table, f history.Field) string {
	before, ok := number(t, f.Column, f.Before)
	after, also := number(t, f.Column, f.After)
	switch old, now := f.Before.String(), f.After.String(); {
	case old == "" && now != "":
		return "set to"
	case old != "" && now == "":
		return "cleared, it was"
	case !ok || !also, t.isBy(f.Column):
		return "changed"
	case before < after:
		return "raised"
	}
	return "lowered"
}

// number is a value that can be more or less than another.
func number(t *Table, column string, v history.Value) (float64, bool) {
	if v.IsNull() || t == nil {
		return 0, false
	}
	f := t.schema.FieldsByDBName[column]
	if f == nil || f.PrimaryKey {
		return 0, false
	}
	switch f.GORMDataType {
	case schema.Int, schema.Uint, schema.Float:
		n, err := strconv.ParseFloat(v.String(), 64)
		return n, err == nil
	}
	return 0, false
}

// text is a value for people to read.
func (h *handler) text(v history.Value) string {
	if v.IsNull() {
		return ""
	}
	if at, err := history.ValueAs[time.Time](v); err == nil {
		return h.timeText(at)
	}
	raw, _ := v.Value()
	if bytes, ok := raw.([]byte); ok {
		return bytesText(bytes)
	}
	text := v.String()
	if _, isText := raw.(string); isText {
		return text
	}
	return truthText(text)
}

// idIn is the id that a by-column holds, as text: "" for nobody's.
func idIn(v history.Value) string {
	raw, _ := v.Value()
	return idText(raw, v.String())
}

// idText is an id that is in the database as raw: a UUID perhaps as its bytes. 0 is
// nobody's.
func idText(raw any, text string) string {
	if bytes, ok := raw.([]byte); ok && len(bytes) == 16 {
		return fmt.Sprintf("%x-%x-%x-%x-%x", bytes[:4], bytes[4:6], bytes[6:8], bytes[8:10], bytes[10:])
	}
	if text == "0" {
		return ""
	}
	return text
}

func truthText(text string) string {
	switch text {
	case "true":
		return "yes"
	case "false":
		return "no"
	}
	return text
}

// bytesText is the text that bytes hold, such as JSON, or else how they begin.
func bytesText(bytes []byte) string {
	unreadable := func(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) }
	if text := string(bytes); utf8.ValidString(text) && !strings.ContainsFunc(text, unreadable) {
		return text
	}
	return fmt.Sprintf("%d bytes: %.24x", len(bytes), bytes)
}

// timeText leaves out what a day does not have.
func (h *handler) timeText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	if at.Equal(at.UTC().Truncate(24 * time.Hour)) {
		return at.UTC().Format("2 January 2006")
	}
	return at.In(h.config.Location).Format("2 January 2006, 15:04:05")
}
