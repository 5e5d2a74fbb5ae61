package history_test

import (
	"database/sql/driver"
	"testing"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// A known gap: what a callback says in between is not taken back.
func TestACallbackThatWritesAsAnotherActor(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		outbox := actor.System("outbox")
		db, plain := open(t, d)
		must(t, db.Callback().Create().Before("gorm:create").Register("outbox", func(tx *gorm.DB) {
			if n, ok := tx.Statement.Dest.(*Note); ok && n.Title == "main" {
				_ = tx.AddError(tx.Session(&gorm.Session{NewDB: true, Context: as(outbox)}).Create(&Note{Title: "side"}).Error)
			}
		}))
		note := Note{Title: "main"}
		must(t, db.WithContext(as(ann)).Create(&note).Error)
		want := ann
		switch d.Kind {
		case dbtest.Postgres:
			want = outbox
		case dbtest.MariaDB, dbtest.MySQL:
			want = actor.Actor{} // nobody said
		}
		if got := last(t, plain, &note).ChangeSet.Actor; got != want {
			t.Errorf("created by %v, want %v", got, want)
		}
	})
}

type bomb struct{}

func (bomb) Value() (driver.Value, error) { panic("a bug in a Valuer") }

// A known gap of MariaDB and MySQL: what was told outlives a recovered panic.
func TestAPanicRecoveredInACommittedTransaction(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, _ := open(t, d)
		must2(db.DB()).SetMaxOpenConns(1)
		note := Note{Title: "a"}
		must(t, db.Create(&note).Error)
		must(t, db.Transaction(func(tx *gorm.DB) error {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			return tx.WithContext(as(ann)).Model(&note).Update("title", bomb{}).Error
		}))
		must(t, db.Exec("UPDATE notes SET title = 'raw' WHERE id = ?", note.ID).Error)
		gap := d.Kind == dbtest.MariaDB || d.Kind == dbtest.MySQL
		if c := last(t, db, &note); c.ChangeSet.Said != gap {
			t.Errorf("raw SQL after a recovered panic is by %v (said %t), want said %t", c.ChangeSet.Actor, c.ChangeSet.Said, gap)
		}
	})
}
