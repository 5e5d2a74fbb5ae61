package history

import (
	"fmt"
	"time"

	"gorm.io/gorm"
)

// pruneBatch bounds what one transaction of Prune holds locks on.
const pruneBatch = 1000

// Prune deletes what was recorded before a time and returns how many change
// sets that were. It works in batches, each its own transaction, and can be
// stopped by the context of db and run again.
//
// [At] of an earlier time then answers with the row as it was at before, or that
// there is none: what happened until then is gone.
func Prune(db *gorm.DB, before time.Time) (int64, error) {
	d, err := dialectOf(db)
	if err != nil {
		return 0, err
	}
	db = db.Session(&gorm.Session{NewDB: true})
	for total := int64(0); ; {
		var pruned int64
		var more bool
		err := maintained(db, d, func(tx *gorm.DB) (err error) {
			pruned, more, err = d.prune(tx, before, pruneBatch)
			return err
		})
		if err != nil {
			return total, fmt.Errorf("history: pruning: %w", err)
		}
		if total += pruned; !more {
			return total, nil
		}
	}
}
