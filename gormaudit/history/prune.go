package history

import (
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
)

// Prune deletes what is recorded of the transactions that ended before a time, and
// returns how many change sets it deleted. It works in batches of rows, each its own
// transaction, with pauses in which others write. It can be stopped by the context of
// db, and goes on when it is run again.
//
// Afterwards, for any time earlier than before, [At] returns the row as it was at
// before, or says that there is none.
func Prune(db *gorm.DB, before time.Time) (int64, error) {
	d, err := dialectOf(db)
	if err != nil {
		return 0, err
	}
	p := &pruner{upkeeper: newUpkeeper(db, d), before: before}
	if err = p.changes(); err == nil {
		var empty int64
		empty, err = p.sets(d.empty(), []any{instantOf(before)}, forget)
		p.pruned += empty
	}
	if err == nil {
		err = d.tidy(p.db, before)
	}
	if err != nil {
		return p.pruned, fmt.Errorf("history: pruning: %w", err)
	}
	return p.pruned, nil
}

type pruner struct {
	upkeeper
	before time.Time
	pruned int64 // change sets
	last   int64 // the last of them
}

// oldChange is a change to prune. Ended is the change set that ends with it, where
// a change can tell.
type oldChange struct{ ID, Ended int64 }

// changes deletes changes from the oldest on.
func (p *pruner) changes() error {
	for after := int64(0); ; {
		var old []oldChange
		err := p.reads.Table(changesTable+" AS changes").Select("changes.id, "+p.dialect.ended()+" AS ended").
			Joins("LEFT JOIN whodunit_change_sets AS change_sets ON "+p.dialect.join()).
			Where("changes.id > ? AND changes.at < "+p.dialect.recordedInstant(), after, instantOf(p.before)).
			Where("NOT "+endsAfter(p.dialect), map[string]any{"at": instantOf(p.before)}).
			Order("changes.id").Limit(p.rows).Scan(&old).Error
		if err != nil || len(old) == 0 {
			return err
		}
		after = old[len(old)-1].ID
		if err := p.batch(func(tx *gorm.DB) error { return p.delete(tx, old) }); err != nil {
			return err
		}
		p.count(old)
	}
}

func (p *pruner) delete(tx *gorm.DB, old []oldChange) error {
	var ids, sets []int64
	for _, c := range old {
		ids = append(ids, c.ID)
		if c.Ended > 0 && !slices.Contains(sets, c.Ended) {
			sets = append(sets, c.Ended)
		}
	}
	if len(sets) > 0 { // first, while it is known what they hold
		const younger = "SELECT 1 FROM whodunit_changes WHERE id BETWEEN whodunit_change_sets.id AND whodunit_change_sets.last AND at >= "
		if err := tx.Exec("DELETE FROM whodunit_change_sets WHERE id IN ? AND NOT EXISTS ("+younger+p.dialect.recordedInstant()+")",
			sets, instantOf(p.before)).Error; err != nil {
			return err
		}
	}
	return tx.Exec("DELETE FROM whodunit_changes WHERE id IN ? AND at < "+p.dialect.recordedInstant(), ids, instantOf(p.before)).Error
}

func (p *pruner) count(old []oldChange) {
	for _, c := range old {
		if c.Ended != 0 && c.Ended != p.last {
			p.pruned++
			p.last = c.Ended
		}
	}
}

// forget deletes change sets of which no change is left.
func forget(tx *gorm.DB, these string, keys []any) error {
	return tx.Exec("DELETE FROM whodunit_change_sets WHERE "+these, keys).Error
}
