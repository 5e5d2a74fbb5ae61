package tests

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

var errRollback = errors.New("roll back")

func count(tb testing.TB, db *gorm.DB, table string) (n int64) {
	tb.Helper()
	must(tb, db.Table(table).Count(&n).Error)
	return n
}

// last is the newest change of a note.
func last(tb testing.TB, db *gorm.DB, model any) history.Change {
	tb.Helper()
	changes, err := history.Find(db, history.Query{Rows: []any{model}, Limit: 1})
	must(tb, err)
	if len(changes) == 0 {
		tb.Fatalf("Find(%v) found nothing", model)
	}
	return changes[0]
}

func TestOneChangeSetPerTransaction(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		a, b := Note{Title: "a"}, Note{Title: "b"}
		ctx := actor.NewRequestContext(as(ann), actor.Request{ID: "r-1", IP: "192.0.2.1", UserAgent: "curl/8", Method: "POST", Route: "/notes"})
		before := time.Now().Add(-time.Minute)
		must(t, db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
			must(t, tx.Create(&a).Error)
			must(t, tx.Create(&b).Error)
			must(t, tx.Exec("UPDATE notes SET stars = 5").Error)
			return tx.Transaction(func(tx *gorm.DB) error { return tx.Model(&a).Update("title", "aa").Error })
		}))
		set, changes, err := history.ChangeSetOf(plain, last(t, plain, &a).ChangeSet.ID)
		must(t, err)
		if len(changes) != 5 || count(t, plain, "whodunit_change_sets") != 1 {
			t.Errorf("ChangeSetOf has %d changes, and there are %d change sets, want 5 and 1", len(changes), count(t, plain, "whodunit_change_sets"))
		}
		if want := (actor.Request{ID: "r-1", IP: "192.0.2.1", UserAgent: "curl/8", Method: "POST", Route: "/notes"}); set.Request != want || set.Actor != ann {
			t.Errorf("change set has %v by %v, want %v by %v", set.Request, set.Actor, want, ann)
		}
		if set.At.Before(before) || set.At.After(time.Now().Add(time.Minute)) {
			t.Errorf("change set is of %v, want about %v", set.At, time.Now())
		}
		if hasUser := set.DatabaseUser != ""; hasUser != (d.Kind == dbtest.Postgres || d.Kind == dbtest.MariaDB || d.Kind == dbtest.MySQL) {
			t.Errorf("DatabaseUser = %q", set.DatabaseUser)
		}
	})
}

func TestAnAssociationSharesTheChangeSet(t *testing.T) {
	type Page struct {
		ID     uint
		BookID uint
	}
	type Book struct {
		ID    uint
		Title string
		Pages []Page
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		for _, skip := range []bool{false, true} {
			db := d.Open(t, &gorm.Config{Logger: logger.Discard, SkipDefaultTransaction: skip})
			must(t, db.Use(history.New()))
			must(t, history.Migrate(db, &Book{}, &Page{}))
			book := Book{Title: "b", Pages: []Page{{}, {}}}
			must(t, db.WithContext(as(ann)).Create(&book).Error)
			set := last(t, db, &book).ChangeSet
			_, changes, err := history.ChangeSetOf(db, set.ID)
			must(t, err)
			if len(changes) != 3 || set.Actor != ann {
				t.Errorf("SkipDefaultTransaction %t: the set of a book with two pages has %d changes by %v, want 3 by %v", skip, len(changes), set.Actor, ann)
			}
		}
	})
}

func TestNothingIsRecordedForNoChange(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		note := Note{Title: "a"}
		must(t, db.Create(&note).Error)
		sets, changes := count(t, plain, "whodunit_change_sets"), count(t, plain, "whodunit_changes")
		as := db.WithContext(as(ann))
		must(t, as.Model(&note).Update("title", "a").Error) // moves updated_at
		must(t, as.Model(&note).Where("title = 'zzz'").Update("title", "b").Error)
		must(t, as.Model(&note).UpdateColumn("updated_by", "9").Error)
		must(t, as.Transaction(func(tx *gorm.DB) error { return tx.Exec("UPDATE notes SET title = title").Error }))
		if count(t, plain, "whodunit_change_sets") != sets || count(t, plain, "whodunit_changes") != changes {
			t.Errorf("%d change sets and %d changes after updates that change nothing, want %d and %d",
				count(t, plain, "whodunit_change_sets"), count(t, plain, "whodunit_changes"), sets, changes)
		}
	})
}

func TestWhoIsToldAgainWhenItChanges(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		note := Note{Title: "0"}
		must(t, db.Create(&note).Error)
		must(t, db.Transaction(func(tx *gorm.DB) error {
			for i, ctx := range []context.Context{as(ann), as(bob), context.Background(), as(bob), as(bob)} {
				must(t, tx.WithContext(ctx).Model(&note).Update("title", fmt.Sprint(i+1)).Error)
			}
			must(t, tx.WithContext(as(ann)).Exec("UPDATE notes SET title = 'raw'").Error)
			must(t, tx.WithContext(context.Background()).Exec("UPDATE notes SET title = 'raw 2'").Error)
			return nil
		}))
		sameLines(t, "trail", trail(t, plain, &note)[1:],
			`update; user:42; title "0">"1"`,
			`update; user:7; title "1">"2"`,
			`update; nobody said; title "2">"3"`,
			`update; user:7; title "3">"4"`,
			`update; user:7; title "4">"5"`,
			`update; user:42; title "5">"raw"`,
			`update; nobody said; title "raw">"raw 2"`,
		)
	})
}

func TestSQLPastThePluginIsNobodys(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		note := Note{Title: "a"}
		must(t, db.Create(&note).Error)
		must(t, db.WithContext(as(ann)).Transaction(func(tx *gorm.DB) error {
			for _, title := range []string{"b", "c"} {
				must(t, tx.Model(&note).Update("title", title).Error)
				must2(tx.Statement.ConnPool.ExecContext(tx.Statement.Context, "UPDATE notes SET stars = stars + 1"))
			}
			return nil
		}))
		past := "nobody said"
		if d.Kind == dbtest.Postgres {
			past = "user:42" // what was told is the transaction's
		}
		sameLines(t, "trail", trail(t, plain, &note)[1:], `update; user:42; title "a">"b"`, `update; `+past+`; stars "0">"1"`,
			`update; user:42; title "b">"c"`, `update; `+past+`; stars "1">"2"`)
	})
}

func TestARawQueryThatWritesIsTold(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		if d.Kind == dbtest.MariaDB || d.Kind == dbtest.MySQL {
			return // they have no UPDATE … RETURNING
		}
		db, plain := open(t, d)
		note := Note{Title: "a"}
		must(t, db.Create(&note).Error)
		var notes []Note
		must(t, db.WithContext(as(ann)).Transaction(func(tx *gorm.DB) error {
			return tx.Raw("/* x */ UPDATE notes SET title = 'b' RETURNING *").Find(&notes).Error
		}))
		must(t, db.WithContext(as(ann)).Transaction(func(tx *gorm.DB) error {
			return tx.Raw("UPDATE notes SET title = 'c' RETURNING *").Scan(&notes).Error
		}))
		scanned := "user:42"
		if d.Kind != dbtest.Postgres {
			scanned = "nobody said" // Scan reads rows after the callbacks, as Rows does
		}
		sameLines(t, "trail", trail(t, plain, &note)[1:],
			`update; user:42; title "a">"b"`, `update; `+scanned+`; title "b">"c"`)
	})
}

// The connection is one, so that whatever stayed on it would be inherited.
func TestNothingSurvivesItsTransaction(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		for _, prepare := range []bool{false, true} {
			db, plain := open(t, d, &gorm.Config{Logger: logger.Discard, PrepareStmt: prepare})
			pool, err := db.DB()
			must(t, err)
			pool.SetMaxOpenConns(1)
			note := Note{Title: "a"}
			must(t, db.Create(&note).Error)
			raw := 0
			rawWrite := func(what string, exec func(sql string) error) {
				t.Helper()
				raw++
				must(t, exec(fmt.Sprintf("UPDATE notes SET title = 'raw %d' WHERE id = %d", raw, note.ID)))
				if c := last(t, plain, &note); c.ChangeSet.Attributed || len(c.Fields) == 0 || c.Fields[0].After.String() != fmt.Sprintf("raw %d", raw) {
					t.Errorf("PrepareStmt %t: a raw write %s is by %v (said %t), want nobody said", prepare, what, c.ChangeSet.Actor, c.ChangeSet.Attributed)
				}
			}
			direct := func(sql string) error { return db.Exec(sql).Error }
			must(t, db.WithContext(as(ann)).Model(&note).Update("stars", 1).Error)
			rawWrite("after a commit", direct)
			_ = db.WithContext(as(ann)).Transaction(func(tx *gorm.DB) error {
				must(t, tx.Model(&note).Update("stars", 2).Error)
				return errRollback
			})
			rawWrite("after a rollback", direct)
			cancelInside(t, db, &note)
			rawWrite("after a cancelled context", direct)
			must(t, db.WithContext(as(ann)).Model(&note).Update("stars", 4).Error)
			rawWrite("in its own transaction", func(sql string) error {
				return db.Transaction(func(tx *gorm.DB) error { return tx.Exec(sql).Error })
			})
			if err := db.WithContext(as(ann)).Exec("SELECT nonsense FROM nowhere").Error; err == nil {
				t.Error("a failing statement did not fail")
			}
			must(t, db.Transaction(func(tx *gorm.DB) error {
				return tx.WithContext(as(ann)).Model(&note).Update("stars", 5).Error
			}))
			must(t, db.WithContext(as(ann)).Exec("UPDATE notes SET stars = 77").Error)
			rawWrite("after an Exec by somebody", direct)
		}
	})
}

// cancelInside cancels a context between two writes of its transaction.
func cancelInside(tb testing.TB, db *gorm.DB, note *Note) {
	tb.Helper()
	ctx, cancel := context.WithCancel(as(ann))
	defer cancel()
	err := db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		must(tb, tx.Model(note).Update("stars", 3).Error)
		cancel()
		return tx.Model(note).Update("stars", 33).Error
	})
	if err == nil {
		tb.Error("a cancelled transaction was committed")
	}
}

func TestAStatementCancelledInALivingTransactionTellsNobodyElse(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		note := Note{Title: "a"}
		must(t, db.Create(&note).Error)
		must(t, db.Transaction(func(tx *gorm.DB) error {
			ctx, cancel := context.WithCancel(as(ann))
			must(t, tx.WithContext(ctx).Model(&note).Update("title", "b").Error)
			cancel()
			if err := tx.WithContext(ctx).Model(&note).Update("title", "c").Error; err == nil {
				t.Error("Update under a cancelled context succeeded")
			}
			return tx.Exec("UPDATE notes SET title = 'd'").Error
		}))
		sameLines(t, "trail", trail(t, plain, &note)[1:],
			`update; user:42; title "a">"b"`, `update; nobody said; title "b">"d"`)
	})
}

func TestSavepointsTakeTheirRecordsBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		note := Note{Title: "a"}
		must(t, db.Create(&note).Error)
		sets := count(t, plain, "whodunit_change_sets")
		must(t, db.WithContext(as(ann)).Transaction(func(tx *gorm.DB) error {
			must(t, tx.SavePoint("one").Error)
			must(t, tx.Model(&note).Update("title", "undone").Error)
			must(t, tx.RollbackTo("one").Error)
			must(t, tx.Model(&note).Update("title", "b").Error)
			_ = tx.Transaction(func(tx *gorm.DB) error {
				must(t, tx.WithContext(as(bob)).Model(&note).Update("title", "undone 2").Error)
				return errRollback
			})
			must(t, tx.Exec("UPDATE notes SET title = 'c'").Error)
			return tx.Model(&note).Update("title", "d").Error
		}))
		sameLines(t, "trail", trail(t, plain, &note)[1:],
			`update; user:42; title "a">"b"`, `update; user:42; title "b">"c"`, `update; user:42; title "c">"d"`)
		for _, c := range must2(history.Of(plain, &note)) {
			if c.ChangeSet.At.IsZero() {
				t.Errorf("change %d has no change set", c.ID)
			}
		}
		if got := count(t, plain, "whodunit_change_sets") - sets; got > 3 {
			t.Errorf("the transaction left %d change sets", got)
		}
	})
}

// What a savepoint's rollback takes back is not the change set of what was
// before it.
func TestOneChangeSetAroundASavepoint(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		for _, who := range []actor.Actor{ann, {}} {
			for name, undone := range map[string]func(tx *gorm.DB) error{
				"that writes nothing": func(*gorm.DB) error { return nil },
				"that writes":         func(tx *gorm.DB) error { return tx.Create(&Note{}).Error },
				"that deletes":        func(tx *gorm.DB) error { return tx.Exec("DELETE FROM notes").Error },
			} {
				sets := count(t, plain, "whodunit_change_sets")
				must(t, db.WithContext(as(who)).Transaction(func(tx *gorm.DB) error {
					must(t, tx.Create(&Note{}).Error)
					_ = tx.Transaction(func(tx *gorm.DB) error { return errors.Join(undone(tx), errRollback) })
					return tx.Create(&Note{}).Error
				}))
				if n := count(t, plain, "whodunit_change_sets") - sets; n != 1 {
					t.Errorf("%v, around a savepoint %s: %d change sets, want 1", who, name, n)
				}
			}
		}
	})
}

// What was told before the savepoint is there again after it was rolled back.
func TestNobodyAfterASavepointIsNobody(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		note := Note{Title: "a"}
		must(t, db.Create(&note).Error)
		must(t, db.Transaction(func(tx *gorm.DB) error {
			must(t, tx.WithContext(as(ann)).Model(&note).Update("title", "b").Error)
			must(t, tx.SavePoint("one").Error)
			must(t, tx.Model(&note).Update("title", "undone").Error)
			must(t, tx.RollbackTo("one").Error)
			return tx.Model(&note).Update("title", "c").Error
		}))
		sameLines(t, "trail", trail(t, plain, &note)[1:],
			`update; user:42; title "a">"b"`, `update; nobody said; title "b">"c"`)
	})
}

// A failed statement must not keep anybody from rolling back to a savepoint.
func TestASavepointAfterAFailedStatement(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		must(t, db.Create(&Note{ID: 1}).Error)
		must(t, db.WithContext(as(ann)).Transaction(func(tx *gorm.DB) error {
			must(t, tx.SavePoint("one").Error)
			if tx.Create(&Note{ID: 1}).Error == nil {
				t.Error("a second row of one key is no error")
			}
			must(t, tx.WithContext(as(bob)).RollbackTo("one").Error)
			return tx.WithContext(as(bob)).Create(&Note{ID: 2, Title: "a"}).Error
		}))
		sameLines(t, "trail", titles(t, plain, &Note{ID: 2}), `create; user:7; title NULL>"a"`)
	})
}

func TestOneChangeSetPerPreparedTransaction(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d, &gorm.Config{Logger: logger.Discard, PrepareStmt: true})
		must(t, db.WithContext(as(ann)).Transaction(func(tx *gorm.DB) error {
			return errors.Join(tx.Create(&Note{ID: 1}).Error, tx.Create(&Note{ID: 2}).Error)
		}))
		if n := count(t, plain, "whodunit_change_sets"); n != 1 {
			t.Errorf("%d change sets, want 1", n)
		}
	})
}

// A statement that is used again is out of its first transaction.
func TestAStatementIsUsedAgain(t *testing.T) {
	db, plain := open(t, dbtest.New(t, dbtest.SQLite), &gorm.Config{Logger: logger.Discard, SkipDefaultTransaction: true})
	must(t, db.Create(&Note{ID: 1, Title: "a"}).Error)
	again := db.WithContext(as(ann)).Model(&Note{}).Where("id = 1")
	must(t, again.UpdateColumn("title", "b").Error)
	must(t, again.UpdateColumn("stars", 1).Error)
	if got := trail(t, plain, &Note{ID: 1}); len(got) != 3 {
		t.Errorf("trail = %q, want three changes", got)
	}
}

// skipUnderRace is for a test in which the database works, and not a program, and for one
// of what the race detector itself costs.
func skipUnderRace(tb testing.TB, why string) {
	tb.Helper()
	if dbtest.LessUnderRace(tb) {
		tb.Skip("under the race detector: " + why)
	}
}

func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestAFailingWriteLeavesNoRecord(t *testing.T) {
	type Unique struct {
		ID   uint
		Name string `gorm:"uniqueIndex;size:50"`
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Unique{}))
		must(t, db.WithContext(as(ann)).Create(&Unique{Name: "a"}).Error)
		if err := db.WithContext(as(bob)).Create(&[]Unique{{Name: "b"}, {Name: "a"}}).Error; err == nil {
			t.Fatal("a duplicate was created")
		}
		if got := count(t, db, "whodunit_changes"); got != 1 {
			t.Errorf("%d changes after a failed insert, want 1", got)
		}
		must(t, db.Transaction(func(tx *gorm.DB) error {
			if d.Kind == dbtest.Postgres {
				return nil // an error ends its transactions
			}
			_ = tx.WithContext(as(bob)).Create(&Unique{Name: "a"}).Error
			return tx.Exec("UPDATE uniques SET name = 'c'").Error
		}))
		if c := last(t, db, &Unique{ID: 1}); c.ChangeSet.Attributed && c.ChangeSet.Actor != ann {
			t.Errorf("a raw write after a failed one is by %v, want nobody said", c.ChangeSet.Actor)
		}
	})
}

func TestWithoutItsTablesTheWriteFails(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		must(t, plain.Migrator().DropTable("whodunit_changes"))
		if err := db.WithContext(as(ann)).Create(&Note{Title: "a"}).Error; err == nil {
			t.Error("a write that can't be recorded succeeded")
		}
		if n := count(t, plain, "notes"); n != 0 {
			t.Errorf("%d notes were written without a record", n)
		}
	})
}

func TestUpsertsAndBulkWritesAreRecordedPerRow(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		notes := []Note{{ID: 1, Title: "a"}, {ID: 2, Title: "b"}}
		must(t, db.WithContext(as(ann)).Create(&notes).Error)
		upsert := []Note{{ID: 1, Title: "a2"}, {ID: 3, Title: "c"}}
		must(t, db.WithContext(as(bob)).Clauses(clause.OnConflict{
			Columns: []clause.Column{{Name: "id"}}, DoUpdates: clause.AssignmentColumns([]string{"title"}),
		}).Create(&upsert).Error)
		must(t, db.WithContext(as(bob)).Model(&Note{}).Where("id > 1").Update("stars", 9).Error)
		sameLines(t, "trail of 1", trail(t, plain, &Note{ID: 1})[1:], `update; user:7; title "a">"a2"`)
		sameLines(t, "trail of 2", trail(t, plain, &Note{ID: 2})[1:], `update; user:7; stars "0">"9"`)
		if got := trail(t, plain, &Note{ID: 3}); len(got) != 2 || got[0][:14] != "create; user:7" {
			t.Errorf("trail of 3 = %q, want created and updated by user:7", got)
		}
	})
}

func TestWritesWithoutAModelAreTold(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		note := Note{Title: "a"}
		must(t, db.WithContext(as(ann)).Create(&note).Error)
		as := db.WithContext(as(bob))
		must(t, as.Table("notes").Where("id = ?", note.ID).Updates(map[string]any{"title": "b"}).Error)
		if d.Kind == dbtest.Postgres {
			must(t, as.Table("notes AS n").Where("n.id = ?", note.ID).Updates(map[string]any{"title": "c"}).Error)
		}
		must(t, gorm.G[Note](db).Exec(actor.NewContext(context.Background(), ann), "UPDATE notes SET stars = 0"))
		_, err := gorm.G[Note](db).Where("id = ?", note.ID).Update(actor.NewContext(context.Background(), ann), "title", "d")
		must(t, err)
		got := trail(t, plain, &note)
		if got[1] != `update; user:7; title "a">"b"` || got[len(got)-1][:15] != "update; user:42" {
			t.Errorf("trail = %q", got)
		}
		if d.Kind == dbtest.Postgres && got[2] != `update; user:7; title "b">"c"` {
			t.Errorf("trail through an alias = %q", got[2])
		}
	})
}

func TestConcurrentTransactionsKeepTheirActors(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		pool, err := db.DB()
		must(t, err)
		pool.SetMaxOpenConns(6)
		const people, writes = 8, 6
		var wg sync.WaitGroup
		for i := range people {
			wg.Go(func() {
				me := db.WithContext(as(actor.User(i + 1)))
				note := Note{ID: uint(i + 1), Title: "0"}
				if err := me.Create(&note).Error; err != nil {
					t.Error(err)
				}
				for n := range writes {
					if err := me.Transaction(func(tx *gorm.DB) error {
						if err := tx.Model(&note).Update("title", fmt.Sprint(n+1)).Error; err != nil {
							return err
						}
						return tx.Exec("UPDATE notes SET stars = stars + 1 WHERE id = ?", note.ID).Error
					}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		for i := range people {
			changes, err := history.Of(plain, &Note{ID: uint(i + 1)})
			must(t, err)
			if len(changes) != 1+2*writes {
				t.Errorf("note %d has %d changes, want %d", i+1, len(changes), 1+2*writes)
			}
			for _, c := range changes {
				if want := fmt.Sprint("user:", i+1); c.ChangeSet.Actor.String() != want {
					t.Errorf("note %d was changed by %v, want %s", i+1, c.ChangeSet.Actor, want)
				}
			}
		}
		if got, want := count(t, plain, "whodunit_change_sets"), int64(people*(1+writes)); got != want {
			t.Errorf("%d change sets, want %d", got, want)
		}
	})
}

func TestDryRunsTellNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		statement := db.WithContext(as(ann)).ToSQL(func(tx *gorm.DB) *gorm.DB { return tx.Create(&Note{Title: "a"}) })
		if statement == "" || count(t, plain, "whodunit_change_sets") != 0 || count(t, plain, "notes") != 0 {
			t.Errorf("ToSQL wrote something, or returned %q", statement)
		}
	})
}

func TestAContextThatEndsWithItsStatementIsNotInherited(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		note := Note{Title: "a"}
		must(t, db.Create(&note).Error)
		ctx, cancel := context.WithCancel(as(ann))
		must(t, db.Callback().Update().After("gorm:update").Before("gormaudit/history:clear_actor").Register("test:cancel", func(*gorm.DB) { cancel() }))
		must(t, db.Transaction(func(tx *gorm.DB) error {
			must(t, tx.WithContext(ctx).Model(&note).Update("title", "b").Error)
			_, err := tx.Statement.ConnPool.ExecContext(context.Background(), "UPDATE notes SET title = 'c'")
			return err
		}))
		want := `update; nobody said; title "b">"c"`
		if d.Kind == dbtest.Postgres {
			want = `update; user:42; title "b">"c"` // past the plugin, in the same transaction: what was told lasts
		}
		sameLines(t, "trail", trail(t, plain, &note)[1:], `update; user:42; title "a">"b"`, want)
	})
}

func TestSkipDefaultTransactionStillWritesBothOrNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d, &gorm.Config{Logger: logger.Discard, SkipDefaultTransaction: true})
		me := db.WithContext(as(ann))
		note := Note{Title: "a"}
		must(t, me.Create(&note).Error)
		must(t, me.Model(&note).Update("title", "b").Error)
		must(t, me.Delete(&note).Error)
		must(t, me.Unscoped().Delete(&note).Error)
		for _, c := range must2(history.Of(plain, &note)) {
			if c.ChangeSet.Actor != ann {
				t.Errorf("%s is by %v, want %v", c.Action, c.ChangeSet.Actor, ann)
			}
		}
		note = Note{Title: "a"}
		must(t, me.Create(&note).Error)
		must(t, plain.Migrator().DropTable("whodunit_changes"))
		if err := me.Model(&note).Update("title", "z").Error; err == nil {
			t.Error("an update that can't be recorded succeeded")
		}
		if err := me.Unscoped().Delete(&note).Error; err == nil {
			t.Error("a deletion that can't be recorded succeeded")
		}
		if stats := must2(db.DB()).Stats(); stats.InUse != 0 {
			t.Errorf("%d connections are left in use", stats.InUse)
		}
		var now Note
		must(t, plain.First(&now, note.ID).Error)
		if now.Title != "a" {
			t.Errorf("title = %q, want a", now.Title)
		}
	})
}

// A change set that is gone may have left its id to somebody else's.
func TestWhoActsAfterSavepointsIsNobodyElse(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		note := Note{Title: "a"}
		must(t, db.Create(&note).Error)
		must(t, db.Transaction(func(tx *gorm.DB) error {
			update := func(tx *gorm.DB, who actor.Actor, title string) error {
				return tx.WithContext(as(who)).Model(&note).Update("title", title).Error
			}
			takenBack := func(who actor.Actor) {
				_ = tx.Transaction(func(tx *gorm.DB) error { return errors.Join(update(tx, who, "back"), errRollback) })
			}
			takenBack(ann)
			must(t, update(tx, bob, "b"))
			takenBack(bob)
			must(t, update(tx, ann, "c"))
			takenBack(bob)
			return update(tx, bob, "d")
		}))
		sameLines(t, "trail", trail(t, plain, &note)[1:],
			`update; user:7; title "a">"b"`, `update; user:42; title "b">"c"`, `update; user:7; title "c">"d"`)
	})
}

// A function rolls back what it did first, and with that its statement's change
// set.
func TestAFunctionThatRollsBack(t *testing.T) {
	for _, kind := range []string{dbtest.MariaDB, dbtest.MySQL} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			db, plain := open(t, dbtest.New(t, kind))
			must(t, plain.Exec("CREATE TABLE jobs (result int)").Error)
			must(t, plain.Exec(`CREATE FUNCTION twice() RETURNS int MODIFIES SQL DATA BEGIN
  SAVEPOINT first; INSERT INTO notes (id, title) VALUES (1, 'first'); ROLLBACK TO first;
  INSERT INTO notes (id, title) VALUES (2, 'second'); RETURN 2;
END`).Error)
			must(t, plain.Exec(`CREATE FUNCTION nothing() RETURNS int MODIFIES SQL DATA BEGIN
  SAVEPOINT first; INSERT INTO notes (id, title) VALUES (4, 'first'); ROLLBACK TO first; RETURN 0;
END`).Error)
			must(t, db.WithContext(as(ann)).Transaction(func(tx *gorm.DB) error {
				must(t, tx.Exec("INSERT INTO jobs SELECT twice()").Error)
				return tx.Model(&Note{}).Where("id = 2").Update("title", "again").Error
			}))
			must(t, db.WithContext(as(bob)).Transaction(func(tx *gorm.DB) error { return tx.Exec("INSERT INTO jobs SELECT nothing()").Error }))
			if n := len(by(t, plain, ann)); n != 2 {
				t.Errorf("By(ann) has %d changes, want 2", n)
			}
			if n := count(t, plain, "whodunit_change_sets WHERE NOT EXISTS (SELECT 1 FROM whodunit_changes WHERE change_set = whodunit_change_sets.id)"); n != 0 {
				t.Errorf("%d change sets have no change", n)
			}
		})
	}
}

// SET timestamp stops the time by which MariaDB and MySQL tell statements apart.
func TestAStatementAtTheTimeOfTheOneBefore(t *testing.T) {
	for _, kind := range []string{dbtest.MariaDB, dbtest.MySQL} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			db, plain := open(t, dbtest.New(t, kind))
			must2(db.DB()).SetMaxOpenConns(1)
			note := Note{Title: "a"}
			must(t, db.Exec("SET timestamp = 1700000000").Error)
			must(t, db.WithContext(as(ann)).Create(&note).Error)
			must(t, db.Exec("UPDATE notes SET title = 'raw'").Error)
			must(t, db.WithContext(as(bob)).Model(&note).Update("title", "b").Error)
			tx := db.Begin()
			must(t, tx.Exec("UPDATE notes SET title = 'lost'").Error)
			must(t, tx.Rollback().Error)
			must(t, db.Exec("UPDATE notes SET title = 'again'").Error)
			sameLines(t, "trail", trail(t, plain, &note)[1:], `update; nobody said; title "a">"raw"`,
				`update; user:7; title "raw">"b"`, `update; nobody said; title "b">"again"`)
			if n := count(t, plain, "whodunit_change_sets"); n != 4 {
				t.Errorf("%d change sets, want 4", n)
			}
		})
	}
}
