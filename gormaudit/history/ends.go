package history

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
)

// Ends returns the times from which on [At] counts some changes: result[i] is when
// the transaction of changes[i] made its last change, of whatever row. So At(db, key,
// ends[i]) returns the row as it was after changes[i] and all else that its
// transaction did. [Change.At] is too early for that if the change is in the middle
// of a transaction. The changes are known by their IDs. For a change that is no
// longer recorded, the result is its own time. [ChangeSet.Transaction] says what is
// not known of transactions.
func Ends(db *gorm.DB, changes []Change) ([]time.Time, error) {
	r, fresh, err := newReader(db)
	if err != nil {
		return nil, err
	}
	ends := make([]time.Time, 0, len(changes))
	for some := range slices.Chunk(changes, manySubjects) {
		ids := make([]int64, len(some))
		for i, c := range some {
			ids[i] = c.ID
		}
		var found []struct {
			ID   int64
			Text string
		}
		err := fresh.Table(changesTable+" AS changes").Select("changes.id, "+r.dialect.asText(r.dialect.endedAt())+" AS text").
			Joins("LEFT JOIN whodunit_change_sets AS change_sets ON "+r.dialect.join()).Where("changes.id IN ?", ids).Find(&found).Error
		if err != nil {
			return nil, fmt.Errorf("history: reading when transactions ended: %w", hintOfTables(err))
		}
		byID := map[int64]time.Time{}
		for _, f := range found {
			byID[f.ID], _ = parseTime(f.Text, time.UTC)
		}
		for _, c := range some {
			end, recorded := byID[c.ID]
			if !recorded {
				end = c.At
			}
			ends = append(ends, end)
		}
	}
	return ends, nil
}

// endsAfter is the condition that the last change of a change's transaction is later
// than @at.
func endsAfter(d recordReader) string {
	at := strings.Replace(d.recordedInstant(), "?", "@at", 1)
	return "(changes.at > " + at + " OR " + d.endedAt() + " > " + at + ")"
}
