package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"gorm.io/gorm"
)

// record is a row of changes, joined to its change set.
type record struct {
	Change
	packed string
	zone   *time.Location
}

// recordReader is the SQL that reads what one kind of database recorded.
type recordReader interface {
	columnReader
	restorer
	// asText is the time of a change as text in UTC, setAt that of its set.
	asText(at string) string
	setAt() string
	// changeKey are the key columns of changes. recordedAt is the time of a change,
	// to be compared with recordedInstant, a placeholder for a time of instantOf.
	changeKey() string
	recordedAt() string
	recordedInstant() string
	// transaction is the same for all changes of one transaction, as far as that is
	// known. endedAt is the time of the last of them, to be compared like recordedAt.
	// endedAfter is a FROM of changes, with a placeholder for a time: of all those
	// for which that is so, and maybe some others.
	transaction() string
	endedAt() string
	endedAfter() string
	// set is the id of a change's set, inSet the condition with a placeholder
	// that it is id. join is the condition that joins a change to its set,
	// within that on a change which is in one of the sets that meet a condition.
	set() string
	inSet(id int64) string
	join() string
	within(sets string) string
	// setsOfChanges is a FROM of changes, each with its change set, if any, which is
	// looked up for one after the other. setColumn is a format for a column of the set
	// in a condition that keeps it so. changesOfSets is a FROM of change sets, each
	// with its changes. setsInOrder is true where these come one set after the other.
	// onWay is a FROM of changes for a query that asks for those of one table or row.
	setsOfChanges() string
	onWay(from string) string
	setColumn() string
	changesOfSets() string
	setsInOrder() bool
	// user and role are the account that a change was made with.
	user() string
	role() string
	// packed is what parseFields reads, zone a time in the application's zone.
	packed() string
	zone() string
	// actorID is a condition with two placeholders for the same id, on a
	// column of change_sets.
	actorID(column string) string
	// triggerText is the query for the text of a trigger of t, which may not be shown.
	triggerText(t table) string
	literal(text string) string
	// isKey is the condition that a column of changes holds the recorded key @key.
	isKey(column string) string
	// isRow is the condition that row_key holds a key, by an index.
	isRow(key string) string
	// alike is the condition that a change's key is @key to the column of the key,
	// "" where only the same bytes are.
	alike(db *gorm.DB, t table) (string, error)
	// key is the recorded key of a row.
	key(t table, row string) string
	// mayHave is the condition, with arguments, that a change may have a field of one of
	// some columns: it holds for each that has. It is "" where any may.
	mayHave(db *gorm.DB, columns []string) (condition string, args []any, err error)
	// fields are the recorded columns of changes, by change id.
	fields(db *gorm.DB, records []record) (map[int64][]Field, error)
}

// parseFields reads what PostgreSQL and MariaDB record: arrays of
// [column, kind, before, after], or two arrays for several columns, which may have
// stayed as they were: [[column, kind], …] and [before, after, …].
func parseFields(records []record) map[int64][]Field {
	found := make(map[int64][]Field, len(records))
	for _, rec := range records {
		var packed [][]json.RawMessage
		if err := json.Unmarshal([]byte(rec.packed), &packed); err != nil {
			found[rec.ID] = []Field{unreadable(err)}
			continue
		}
		var names []json.RawMessage // of the values that come next
		for _, parts := range packed {
			switch {
			case names != nil:
				found[rec.ID] = append(found[rec.ID], parseRun(names, parts, rec.zone)...)
				names = nil
			case len(parts) > 0 && parts[0][0] == '[':
				names = parts
			default:
				found[rec.ID] = append(found[rec.ID], parseField(parts, rec.zone))
			}
		}
		if names != nil {
			found[rec.ID] = append(found[rec.ID], unreadable(errors.New("columns without values")))
		}
	}
	return found
}

// parseRun leaves out columns that stayed as they were.
func parseRun(names, values []json.RawMessage, zone *time.Location) (fields []Field) {
	if len(values) != 2*len(names) {
		return []Field{unreadable(fmt.Errorf("%d values of %d columns", len(values), len(names)))}
	}
	for i, name := range names {
		before, after := values[2*i], values[2*i+1]
		if bytes.Equal(before, after) {
			continue
		}
		var column []json.RawMessage
		if err := json.Unmarshal(name, &column); err != nil || len(column) != 2 {
			fields = append(fields, unreadable(errors.Join(err, fmt.Errorf("a name of %d parts", len(column)))))
			continue
		}
		fields = append(fields, parseField(append(column, before, after), zone))
	}
	return fields
}

// plainName is a name that JSON spells in one way.
var plainName = regexp.MustCompile(`^[\w .$-]+$`)

// mention is mayHave where fields are recorded as JSON. condition has a placeholder
// for what is in it.
func mention(condition string, columns []string) (string, []any, error) {
	args := make([]any, len(columns))
	for i, name := range columns {
		if !plainName.MatchString(name) {
			return "", nil, nil
		}
		args[i] = `"` + name + `"`
	}
	return condition + strings.Repeat(" OR "+condition, len(columns)-1), args, nil
}

// unreadable is the field of a record that can't be read.
func unreadable(err error) Field {
	return Field{Err: fmt.Errorf("history: a record that can't be read: %w", err)}
}

func parseField(parts []json.RawMessage, zone *time.Location) Field {
	texts := make([]*string, len(parts))
	var failed error
	for i, part := range parts {
		failed = errors.Join(failed, json.Unmarshal(part, &texts[i]))
	}
	if len(texts) < 2 || texts[0] == nil || texts[1] == nil || len(*texts[1]) != 1 {
		return unreadable(errors.Join(failed, fmt.Errorf("a field of %d parts", len(parts))))
	}
	f, k := newField(*texts[0], *texts[1])
	if f.Redacted || len(texts) < 4 {
		return f
	}
	var before, after error
	f.Before, before = parseValue(k, texts[2], zone)
	f.After, after = parseValue(k, texts[3], zone)
	if failed = errors.Join(failed, before, after); failed != nil {
		f.Err = unreadable(failed).Err
	}
	return f
}

// newField reads a kind's letter, which is in upper case for bookkeeping.
func newField(column, letter string) (Field, kind) {
	k := kind(letter[0])
	bookkeeping := 'A' <= k && k <= 'Z'
	if bookkeeping {
		k += 'a' - 'A'
	}
	return Field{Column: column, Redacted: k == kindRedact, Bookkeeping: bookkeeping}, k
}
