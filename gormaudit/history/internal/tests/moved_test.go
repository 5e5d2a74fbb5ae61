package tests

import (
	"testing"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

type loudNote struct {
	ID    uint
	Title string
}

func (loudNote) TableName() string { return "NOTES" }

func TestTableNamesInAnotherCaseOnSQLite(t *testing.T) {
	db, plain := open(t, dbtest.New(t, dbtest.SQLite))
	note := Note{Title: "a"}
	must(t, db.WithContext(as(ann)).Create(&note).Error)
	must(t, db.WithContext(as(bob)).Model(&loudNote{ID: note.ID}).Update("title", "b").Error)
	if c := last(t, plain, &note); c.ChangeSet.Actor != bob {
		t.Errorf("update by %v (said %t), want %v", c.ChangeSet.Actor, c.ChangeSet.Attributed, bob)
	}
}

func TestRevertOfAMovedKey(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &textKey{}))
		must(t, db.Create(&textKey{ID: "a", Name: "n"}).Error)
		must(t, db.Model(&textKey{}).Where("id = 'a'").Update("id", "b").Error)
		must(t, history.Revert(db, last(t, db, &textKey{ID: "a"})))
		var now []textKey
		must(t, db.Find(&now).Error)
		if len(now) != 1 || now[0].ID != "a" || now[0].Name != "n" {
			t.Errorf("after Revert of a moved key the rows are %+v, want a again", now)
		}
	})
}
