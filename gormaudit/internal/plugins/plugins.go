// Package plugins knows the library's GORM plugins by their names, where a package
// can't import them or need not.
package plugins

import (
	"errors"
	"fmt"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit/internal/bycolumn"
)

// The names under which a db has them. Callbacks and settings begin with them, too. An
// application may have a history of its own, so that one is not "history".
const (
	Stamping = "gormaudit"
	History  = "gormaudit/history"
)

// ErrMissing says that nothing would say who writes.
var ErrMissing = errors.New("db lacks a plugin")

// SayWho is an error unless db has the plugins that say who puts a row of s back: in the
// history, and in the row itself.
func SayWho(db *gorm.DB, s *schema.Schema) error {
	if db.Plugins[History] == nil {
		return fmt.Errorf("history: table %q: %w, the history's, which would say who puts the row back (db.Use(history.New())?)", s.Table, ErrMissing)
	}
	by, err := bycolumn.Find(s)
	if err != nil {
		return err
	}
	if stamped := slices.Concat(by.Updated, by.Deleted); len(stamped) > 0 && db.Plugins[Stamping] == nil {
		return fmt.Errorf("history: table %q: %w, gormaudit's, which would write to column %q who puts the row back (db.Use(gormaudit.New())?)", s.Table, ErrMissing, stamped[0].DBName)
	}
	return nil
}
