package history_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

func TestAStatementThatComesAgainIsNotCompiledAgain(t *testing.T) {
	eachSQLite(t, func(t *testing.T, d *dbtest.Database) {
		for name, config := range map[string]gorm.Config{
			"default": {}, "SkipDefaultTransaction": {SkipDefaultTransaction: true}, "PrepareStmt": {PrepareStmt: true},
		} {
			compiled := 0
			config.Logger = logger.Discard
			db := interrupted(t, d, &config, "", func() { compiled++ })
			must(t, db.Use(history.New()))
			must(t, history.Migrate(db, &Note{}))
			me := db.WithContext(as(ann))
			var last int
			var note Note
			for i := range 6 {
				last, note = compiled, Note{Title: fmt.Sprint(i)}
				must(t, me.Create(&note).Error)
				must(t, me.Model(&note).Update("title", fmt.Sprint(i, "b")).Error)
				must(t, me.Unscoped().Delete(&note).Error)
			}
			if compiled != last {
				t.Errorf("%s: statements seen five times before: %d were compiled, want none", name, compiled-last)
			}
			id := fmt.Sprint(note.ID)
			sameLines(t, name, trail(t, d.Open(t), &note),
				`create; user:42; id NULL>"`+id+`"; title NULL>"5"; stars NULL>"0"; secret redacted`,
				`update; user:42; title "5">"5b"`,
				`delete; user:42; id "`+id+`">NULL; title "5b">NULL; stars "0">NULL; secret redacted`)
		}
	})
}

// A database in memory is another one for each connection.
func TestCompilingOpensNoConnection(t *testing.T) {
	for _, driver := range []string{"sqlite", "sqlite3"} {
		db, err := gorm.Open(sqlite.New(sqlite.Config{DriverName: driver, DSN: ":memory:"}), &gorm.Config{Logger: logger.Discard})
		if driver == "sqlite3" && err != nil {
			continue // without cgo
		}
		must(t, err)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Note{}))
		for range 5 {
			must(t, db.WithContext(as(ann)).Create(&Note{Title: "a"}).Error)
		}
		must(t, db.WithContext(as(ann)).Connection(func(tx *gorm.DB) error {
			for i := range 5 {
				must(t, tx.Session(&gorm.Session{}).Model(&Note{ID: uint(i + 1)}).Update("title", "b").Error)
			}
			return nil
		}))
		pool := must2(db.DB())
		if n := pool.Stats().OpenConnections; n != 1 {
			t.Errorf("%s: %d connections are open, want 1", driver, n)
		}
		if n := len(must2(history.By(db, ann))); n != 10 {
			t.Errorf("%s: By(ann) has %d changes, want 10", driver, n)
		}
		must(t, pool.Close())
	}
}

// Who holds the only connection must not wait for another.
func TestCompilingWaitsForNobody(t *testing.T) {
	eachSQLite(t, func(t *testing.T, d *dbtest.Database) {
		db, _ := open(t, d)
		must2(db.DB()).SetMaxOpenConns(1)
		ctx, cancel := context.WithTimeout(as(ann), 10*time.Second)
		defer cancel()
		must(t, db.WithContext(ctx).Connection(func(tx *gorm.DB) error {
			for i := range 4 {
				must(t, tx.Transaction(func(tx *gorm.DB) error { return tx.Create(&Note{Title: fmt.Sprint(i)}).Error }))
			}
			return nil
		}))
	})
}

func TestMoreStatementsThanAreKeptCompiled(t *testing.T) {
	eachSQLite(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		note := Note{Title: "a"}
		must(t, db.Create(&note).Error)
		var writers sync.WaitGroup
		for w := range 4 {
			writers.Go(func() {
				for i := range 150 {
					where := fmt.Sprintf("%d = %[1]d", (w*30+i/3)%90)
					if err := db.WithContext(as(ann)).Model(&note).Where(where).Update("stars", gorm.Expr("stars + 1")).Error; err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		writers.Wait()
		must(t, plain.First(&note).Error)
		if n := len(must2(history.By(plain, ann))); n != 600 || note.Stars != 600 {
			t.Errorf("By(ann) has %d changes, stars are %d, want 600", n, note.Stars)
		}
	})
}

type noteWithMood struct {
	Note
	Mood string
}

func (noteWithMood) TableName() string { return "notes" }

// What is compiled has the triggers of its time in it.
func TestACompiledStatementHasTheTriggersOfAMigration(t *testing.T) {
	eachSQLite(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		note := Note{Title: "a"}
		me := db.WithContext(as(ann))
		must(t, me.Create(&note).Error)
		for i := range 4 {
			must(t, me.Model(&note).Update("title", fmt.Sprint(i)).Error)
		}
		must(t, plain.Exec("ALTER TABLE notes ADD COLUMN mood text").Error)
		must(t, history.Migrate(plain, &noteWithMood{}))
		must(t, plain.Exec("CREATE TRIGGER cheer AFTER UPDATE OF title ON notes BEGIN UPDATE notes SET mood = NEW.title WHERE id = NEW.id; END").Error)
		must(t, me.Model(&note).Update("title", "b").Error)
		var moods int64
		must(t, plain.Raw("SELECT count(*) FROM changes JOIN change_layouts ON change_layouts.id = layout WHERE columns LIKE '%mood%'").Scan(&moods).Error)
		if moods != 2 {
			t.Errorf("%d changes have the new column, want 2", moods)
		}
	})
}

// Another pool has none of what is compiled.
func TestATransactionOfAnotherPool(t *testing.T) {
	eachSQLite(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		note := Note{Title: "a"}
		me := db.WithContext(as(ann))
		must(t, me.Create(&note).Error)
		other := must2(d.Open(t).DB())
		for i := range 4 {
			must(t, me.Model(&note).Update("title", fmt.Sprint(i)).Error)
			elsewhere := me.Session(&gorm.Session{})
			elsewhere.Statement.ConnPool = other
			must(t, elsewhere.Transaction(func(tx *gorm.DB) error { return tx.Model(&note).Update("title", fmt.Sprint(i, "b")).Error }))
		}
		if n := len(must2(history.By(plain, ann))); n != 9 {
			t.Errorf("By(ann) has %d changes, want 9", n)
		}
	})
}

func TestACompiledStatementFailsAsAnyOther(t *testing.T) {
	eachSQLite(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d, &gorm.Config{Logger: logger.Discard, TranslateError: true})
		me := db.WithContext(as(ann))
		must(t, me.Create(&Note{ID: 1}).Error)
		var errs []string
		for range 4 {
			err := me.Create(&Note{ID: 1}).Error
			if err == nil {
				t.Fatal("an id was given twice")
			}
			errs = append(errs, err.Error())
			must(t, me.Model(&Note{ID: 1}).Update("stars", gorm.Expr("stars + 1")).Error)
		}
		sameLines(t, "errors", errs, errs[0], errs[0], errs[0], errs[0])
		ctx, cancel := context.WithCancel(as(ann))
		cancel()
		if err := db.WithContext(ctx).Model(&Note{ID: 1}).Update("stars", 9).Error; err == nil {
			t.Error("a cancelled context did not stop a compiled statement")
		}
		must(t, plain.Raw("SELECT stars FROM notes").Row().Scan(new(sql.NullInt64)))
		if n := len(must2(history.By(plain, ann))); n != 5 {
			t.Errorf("By(ann) has %d changes, want 5", n)
		}
	})
}
