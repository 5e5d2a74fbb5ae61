package history

import (
	"time"

	"gorm.io/gorm"
)

// upkeep changes what one kind of database has recorded.
type upkeep interface {
	// maintain lets the transaction tx past the protection of append-only
	// tables, or ends that.
	maintain(tx *gorm.DB, on bool) error
	// actorID is a condition with two placeholders for the same id, on a
	// column of change_sets.
	actorID(column string) string
	recorder
	// setKey are the key columns of change_sets. ended is the id of the change set
	// that ends with a change, 0 where a change can't tell, empty the condition,
	// with a placeholder for a time, that one is older and holds no change.
	setKey() string
	ended() string
	empty() string
	// tidy deletes what else is kept for changes before a time.
	tidy(db *gorm.DB, before time.Time) error
	// busy is true of a lock that was not free in time, and of a deadlock.
	busy(err error) bool
}

// maintained runs f in a transaction that may change the history's tables.
func maintained(db *gorm.DB, d upkeep, f func(tx *gorm.DB) error) error {
	return db.Transaction(func(tx *gorm.DB) error {
		if err := d.maintain(tx, true); err != nil {
			return err
		}
		if err := f(tx); err != nil {
			return err
		}
		return d.maintain(tx, false)
	})
}
