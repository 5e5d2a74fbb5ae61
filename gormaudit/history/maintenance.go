package history

import (
	"context"
	"time"

	"gorm.io/gorm"
)

// recorder inserts a change that no trigger writes, in a change set of a.
type recorder interface {
	recordChange(tx *gorm.DB, a attribution, record map[string]any) error
}

// upkeep changes what one kind of database has recorded.
type upkeep interface {
	// maintain lets the transaction tx past the protection of append-only
	// tables, or ends that.
	maintain(tx *gorm.DB, on bool) error
	// actorID is a condition with two placeholders for the same id, on a
	// column of change_sets.
	actorID(column string) string
	recorder
	// prune deletes change sets older than before, with their changes, about
	// limit of them. It returns how many, and whether there may be more.
	prune(tx *gorm.DB, before time.Time, limit int) (n int64, more bool, err error)
}

// maintenance marks the context of writes to the history's own tables: nobody
// needs telling.
type maintenance struct{}

// maintained runs f in a transaction that may change the history's tables, and
// after what follows in it.
func maintained(db *gorm.DB, d upkeep, f func(tx *gorm.DB) error, after ...func(tx *gorm.DB) error) error {
	ctx := context.WithValue(contextOf(db), maintenance{}, true)
	return db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if err := d.maintain(tx, true); err != nil {
			return err
		}
		if err := f(tx); err != nil {
			return err
		}
		if err := d.maintain(tx, false); err != nil {
			return err
		}
		for _, f := range after {
			if err := f(tx); err != nil {
				return err
			}
		}
		return nil
	})
}
