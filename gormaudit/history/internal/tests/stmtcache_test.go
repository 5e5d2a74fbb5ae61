package tests

import (
	"context"
	"database/sql"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
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
		if n := len(by(t, db, ann)); n != 10 {
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
		if n := len(by(t, plain, ann)); n != 600 || note.Stars != 600 {
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
		must(t, plain.Raw("SELECT count(*) FROM whodunit_changes JOIN whodunit_layouts ON whodunit_layouts.id = layout WHERE columns LIKE '%mood%'").Scan(&moods).Error)
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
		if n := len(by(t, plain, ann)); n != 9 {
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
		if n := len(by(t, plain, ann)); n != 5 {
			t.Errorf("By(ann) has %d changes, want 5", n)
		}
	})
}

type speaker struct {
	ID   uint
	Word loud
	N    int
}

type loud string

// What the next Scan of a loud calls first, for one test at a time.
var (
	scanning sync.Mutex
	onScan   func()
)

func (l *loud) Scan(value any) error {
	if f := onScan; f != nil {
		onScan = nil
		f()
	}
	*l = loud(fmt.Sprint(value))
	return nil
}

// A statement that is begun again loses the rows of those who read it.
func TestAStatementRunsWhileItsRowsAreRead(t *testing.T) {
	eachSQLite(t, func(t *testing.T, d *dbtest.Database) {
		scanning.Lock()
		defer scanning.Unlock()
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &speaker{}))
		must(t, db.Create(&[]speaker{{Word: "one"}, {Word: "two"}, {Word: "three"}}).Error)
		update := func(tx *gorm.DB, above int) (rows []speaker) {
			returning := clause.Returning{Columns: []clause.Column{{Name: "id"}, {Name: "word"}}}
			must(t, tx.Model(&rows).Clauses(returning).Where("id > ?", above).Update("n", gorm.Expr("n + 1")).Error)
			return rows
		}
		for range 3 {
			update(db.WithContext(as(ann)), 9)
		}
		must(t, db.WithContext(as(ann)).Transaction(func(tx *gorm.DB) error {
			onScan = func() { update(tx, 9) }
			if rows := update(tx, 0); len(rows) != 3 {
				t.Errorf("RETURNING gave %v, want three rows", rows)
			}
			return nil
		}))
	})
}

func TestRowsThatNobodyReads(t *testing.T) {
	eachSQLite(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		must(t, db.Create(&Note{ID: 1}).Error)
		for i := range 5 {
			must(t, db.WithContext(as(ann)).Model(&Note{}).Where(clause.Expr{SQL: "id = 1 returning id", WithoutParentheses: true}).
				UpdateColumns(map[string]any{"stars": i + 1}).Error)
		}
		if n := len(by(t, plain, ann)); n != 5 {
			t.Errorf("By(ann) has %d changes, want 5", n)
		}
	})
}

func TestReturningHasTheColumnsOfAMigration(t *testing.T) {
	eachSQLite(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		must(t, plain.Exec("ALTER TABLE notes ADD COLUMN other text").Error)
		must(t, db.Create(&Note{ID: 1}).Error)
		update := func() (rows []noteWithMood) {
			must(t, db.WithContext(as(ann)).Model(&rows).Clauses(clause.Returning{}).Where("id = 1").UpdateColumn("stars", gorm.Expr("stars + 1")).Error)
			return rows
		}
		for range 3 {
			update()
		}
		must(t, plain.Exec("ALTER TABLE notes ADD COLUMN mood text DEFAULT 'gay'").Error)
		if rows := update(); len(rows) != 1 || rows[0].Mood != "gay" {
			t.Errorf("RETURNING * gave %+v, want the new column's gay", rows)
		}
	})
}

// What is kept takes memory.
func TestWhatIsNotKeptCompiled(t *testing.T) {
	eachSQLite(t, func(t *testing.T, d *dbtest.Database) {
		compiled := 0
		db := interrupted(t, d, &gorm.Config{Logger: logger.Discard}, "UPDATE", func() { compiled++ })
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Note{}))
		note := Note{Title: "a"}
		must(t, db.Create(&note).Error)
		me := db.WithContext(as(ann)).Model(&note)
		large := strings.Repeat("x", 20_000)
		for name, update := range map[string]func(tx *gorm.DB, n int) error{
			"large values":   func(tx *gorm.DB, n int) error { return tx.Update("title", large+fmt.Sprint(n)).Error },
			"large pointers": func(tx *gorm.DB, n int) error { body := large + fmt.Sprint(n); return tx.Update("body", &body).Error },
			"long statements": func(tx *gorm.DB, n int) error {
				return tx.Where("? = "+strings.Repeat("1 AND 1 = ", 500)+"1", 1).Update("stars", n).Error
			},
			"a transaction of many": func(tx *gorm.DB, n int) error {
				return tx.Transaction(func(tx *gorm.DB) error {
					for i := range 400 {
						must(t, tx.Model(&note).UpdateColumn("stars", n*1000+i).Error)
					}
					return nil
				})
			},
		} {
			var before int
			for n := range 5 {
				before = compiled
				must(t, update(me.Session(&gorm.Session{}), n+1))
				must(t, db.First(&Note{}).Error) // outside a transaction: compiles
			}
			if compiled == before {
				t.Errorf("%s are kept compiled", name)
			}
		}
	})
}

// Another request may have the only connection for long.
func TestCompilingGivesUp(t *testing.T) {
	eachSQLite(t, func(t *testing.T, d *dbtest.Database) {
		var db *gorm.DB
		var armed atomic.Bool
		done := make(chan struct{})
		var other sync.WaitGroup
		db = interrupted(t, d, &gorm.Config{Logger: logger.Discard}, "", func() {
			if !armed.Load() || !strings.Contains(string(debug.Stack()), "PrepareContext") || !armed.CompareAndSwap(true, false) {
				return
			}
			other.Go(func() {
				_ = db.Transaction(func(*gorm.DB) error { <-done; return nil })
			})
			time.Sleep(50 * time.Millisecond) // until it waits for the connection
		})
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Note{}))
		must2(db.DB()).SetMaxOpenConns(1)
		must(t, db.Create(&Note{ID: 1}).Error)
		armed.Store(true)
		ctx, cancel := context.WithTimeout(as(ann), 10*time.Second)
		defer cancel()
		for i := range 2 {
			must(t, db.WithContext(ctx).Model(&Note{ID: 1}).UpdateColumn("stars", i+1).Error)
		}
		if armed.Load() || ctx.Err() != nil {
			t.Errorf("nothing was compiled (%t), or it waited as long as the other request: %v", armed.Load(), ctx.Err())
		}
		close(done)
		other.Wait()
	})
}
