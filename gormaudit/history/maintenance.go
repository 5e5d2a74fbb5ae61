package history

import (
	"context"

	"gorm.io/gorm"
)

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
