package history

import (
	"encoding/json"
	"fmt"
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
	// at is the time of a change's set as text in UTC. time is what instant, a
	// placeholder for such a text, is to be compared with.
	at() string
	time() string
	instant() string
	// changeKey are the key columns of changes. recordedAt is the time of a change,
	// to be compared with recordedInstant, a placeholder for a text as for instant.
	changeKey() string
	recordedAt() string
	recordedInstant() string
	// set is the id of a change's set, inSet the condition with a placeholder
	// that it is id. join is the condition that joins a change to its set,
	// within that on a change which is in one of the sets that meet a condition.
	set() string
	inSet(id int64) string
	join() string
	within(sets string) string
	// user and role are the account that a change was made with.
	user() string
	role() string
	// packed is what parseFields reads, zone a time in the application's zone.
	packed() string
	zone() string
	// actorID is a condition with two placeholders for the same id, on a
	// column of change_sets.
	actorID(column string) string
	// rowKey is the condition that a change is of the row @key.
	rowKey() string
	// fields are the recorded columns of changes, by change id.
	fields(db *gorm.DB, records []record) (map[int64][]Field, error)
}

// parseFields reads what PostgreSQL and MariaDB record: arrays of
// [column, kind, before, after].
func parseFields(records []record) (map[int64][]Field, error) {
	found := make(map[int64][]Field, len(records))
	for _, rec := range records {
		var packed [][]*string
		if err := json.Unmarshal([]byte(rec.packed), &packed); err != nil {
			return nil, fmt.Errorf("history: change %d: %w", rec.ID, err)
		}
		for _, parts := range packed {
			f, err := parseField(parts, rec.zone)
			if err != nil {
				return nil, fmt.Errorf("history: change %d: %w", rec.ID, err)
			}
			found[rec.ID] = append(found[rec.ID], f)
		}
	}
	return found, nil
}

func parseField(parts []*string, zone *time.Location) (f Field, err error) {
	if len(parts) < 2 || parts[0] == nil || parts[1] == nil || len(*parts[1]) != 1 {
		return f, fmt.Errorf("history: recorded field of %d parts", len(parts))
	}
	f, k := newField(*parts[0], *parts[1])
	if f.Redacted || len(parts) < 4 {
		return f, nil
	}
	if f.Before, err = parseValue(k, parts[2], zone); err != nil {
		return f, err
	}
	f.After, err = parseValue(k, parts[3], zone)
	return f, err
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
