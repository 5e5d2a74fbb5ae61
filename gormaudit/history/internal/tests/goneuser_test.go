package tests

import (
	"testing"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

type goneWriter struct{ ID uint }

type signedLetter struct {
	ID          uint
	Title       string
	CreatedByID *uint
	CreatedBy   *goneWriter `gorm:"constraint:OnDelete:SET NULL" json:"-"`
}

// While a user is gone to whom a foreign key refers, a row of theirs can't be put back. Once
// the user is restored, it can.
func TestRowsOfAUserWhoIsGone(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(gormaudit.New()))
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &goneWriter{}, &signedLetter{}))
		if d.Kind == dbtest.SQLite || d.Kind == "sqlite-cgo" {
			must(t, db.Exec("PRAGMA foreign_keys = ON").Error)
		}
		writer, other := db.WithContext(as(actor.User(1))), db.WithContext(as(actor.User(2)))
		must(t, writer.Create(&[]goneWriter{{ID: 1}, {ID: 2}}).Error)
		must(t, writer.Create(&signedLetter{ID: 1, Title: "a"}).Error)
		then := pause()
		must(t, other.Delete(&signedLetter{ID: 1}).Error)
		deletion := last(t, db, &signedLetter{ID: 1})
		must(t, other.Delete(&goneWriter{ID: 1}).Error)

		if _, err := history.Restore[signedLetter](other, uint(1), then); err == nil {
			t.Error("Restore while the user is gone = nil, want the foreign key's error")
		}
		if err := history.Revert(other, deletion); err == nil {
			t.Error("Revert while the user is gone = nil, want the foreign key's error")
		}
		must(t, second(history.Restore[goneWriter](other, uint(1), then)))
		must(t, second(history.Restore[signedLetter](other, uint(1), then)))
		var letter signedLetter
		must(t, d.Open(t).Take(&letter, 1).Error)
		if letter.CreatedByID == nil || *letter.CreatedByID != 1 {
			t.Errorf("the row is by %v, want user 1", letter.CreatedByID)
		}
	})
}
