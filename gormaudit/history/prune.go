package history

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// pruneBatch bounds what one transaction of Prune holds locks on.
const pruneBatch = 1000

// Prune deletes what was recorded before a time and returns how many change
// sets that were. It works in batches, each its own transaction, and can be
// stopped by the context of db and run again. Where the history is partitioned
// by month, partitions that are old as a whole are dropped.
//
// [At] of an earlier time then answers with the row as it was at before, or that
// there is none: what happened until then is gone.
func Prune(db *gorm.DB, before time.Time) (int64, error) {
	dialect, err := engineOf(db)
	if err != nil {
		return 0, err
	}
	db = db.Session(&gorm.Session{NewDB: true})
	for total := int64(0); ; {
		var pruned int64
		var more bool
		err := maintained(db, dialect, func(tx *gorm.DB) (err error) {
			pruned, more, err = dialect.prune(tx, before, pruneBatch)
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

// erased is what stands for the name of a person who was erased.
const erased = "erased"

// Erase replaces one person's name and metadata in all change sets: the name
// becomes "erased"; address, user agent and request id become NULL. Kind, id,
// time, route and the changes stay, and with them the trail's structure: [By]
// still finds it. It returns how many change sets it changed, and records itself
// with the actor of db's context, as an [ActionErase] of table change_sets.
//
// What the changes themselves hold is not touched: leave columns with personal
// data out of the history or redact them, or [Prune].
func Erase(db *gorm.DB, person actor.Actor) (int64, error) {
	dialect, err := engineOf(db)
	if err != nil {
		return 0, err
	}
	if person.IsAnonymous() {
		return 0, fmt.Errorf("history: erasing: %s is no person", person)
	}
	var n int64
	err = maintained(db.Session(&gorm.Session{NewDB: true}), dialect, func(tx *gorm.DB) (err error) {
		n, err = erase(tx, dialect, person.Identity)
		return err
	}, func(tx *gorm.DB) error { return recordErasure(tx, dialect, person.Identity) })
	if err != nil {
		return 0, fmt.Errorf("history: erasing: %w", err)
	}
	return n, nil
}

func erase(tx *gorm.DB, dialect engine, person actor.Identity) (int64, error) {
	var n int64
	for _, role := range []string{"actor", "impersonator"} {
		updated := tx.Exec("UPDATE change_sets SET "+role+"_name = ?, request_id = NULL, ip = NULL, user_agent = NULL WHERE "+
			role+"_kind = ? AND "+dialect.actorID(role+"_id"), erased, person.Kind.String(), person.ID, person.ID)
		if updated.Error != nil {
			return 0, updated.Error
		}
		n += updated.RowsAffected
	}
	return n, nil
}

func recordErasure(tx *gorm.DB, dialect engine, person actor.Identity) error {
	p := pluginOf(tx)
	if p == nil {
		p = New()
	}
	w, err := p.who(tx.Statement.Context)
	if err != nil {
		return err
	}
	record := map[string]any{"table_name": changeSetsTable, "row_key": person.String(), "action": ActionErase}
	return dialect.erasure(tx, w, record)
}

// maintenance marks the context of writes to the history's own tables: nobody
// needs telling.
type maintenance struct{}

// maintained runs f in a transaction that may change the history's tables, and
// after what follows in it.
func maintained(db *gorm.DB, dialect engine, f func(tx *gorm.DB) error, after ...func(tx *gorm.DB) error) error {
	ctx := context.WithValue(contextOf(db), maintenance{}, true)
	return db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if err := dialect.maintain(tx, true); err != nil {
			return err
		}
		if err := f(tx); err != nil {
			return err
		}
		if err := dialect.maintain(tx, false); err != nil {
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
