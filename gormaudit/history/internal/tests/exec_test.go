package tests

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"strings"
	"testing"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// openLogged is open over one connection, with what the plugin logs.
func openLogged(t *testing.T, d *dbtest.Database, prepare bool) (db, plain *gorm.DB, logged *bytes.Buffer) {
	t.Helper()
	logged = &bytes.Buffer{}
	silent := logger.New(log.New(logged, "", 0), logger.Config{LogLevel: logger.Warn})
	db, plain = open(t, d, &gorm.Config{Logger: silent, PrepareStmt: prepare})
	must2(db.DB()).SetMaxOpenConns(1)
	return db, plain, logged
}

// rawChanges are statements that change one row, with the kinds of database that run
// them, all if there is none, and what is recorded. Where exec is true, GORM or a driver
// can't run them as a query.
var rawChanges = []struct {
	name, kinds, sql, want string
	exec                   bool
}{
	{"TRUNCATE", "postgres", "TRUNCATE notes RESTART IDENTITY", "truncate", false},
	{"TRUNCATE and more", "postgres", "INSERT INTO notes (id, title) VALUES (5, 't'); TRUNCATE notes", "truncate", true},
	{"INSERT", "", "INSERT INTO notes (id, title, stars) VALUES (2, 'a; b', 0)", "create", false},
	{"comments", "", "-- it's a change;\n /* of; */ update notes set stars = 1 where id = 2;", "update", false},
	{"a comment after", "", "UPDATE notes SET stars = 7 WHERE id = 2; -- done\n", "update", true},
	{"quotes", "", `UPDATE notes SET title = 'it''s; "x' WHERE id = 2`, "update", false},
	{"WITH", "sqlite postgres", "WITH n AS (SELECT 2 AS id) UPDATE notes SET stars = 2 WHERE id IN (SELECT id FROM n)", "update", false},
	{"upsert", "sqlite postgres", "INSERT INTO notes (id, title, stars) VALUES (2, 'c', 0) ON CONFLICT (id) DO UPDATE SET title = 'c'", "update", false},
	{"upsert", "mysql", "INSERT INTO notes (id, title, stars) VALUES (2, 'c', 0) ON DUPLICATE KEY UPDATE title = 'c'", "update", false},
	{"MERGE", "postgres", "MERGE INTO notes USING (SELECT 2 AS id) AS n ON notes.id = n.id WHEN MATCHED THEN UPDATE SET stars = 3", "update", false},
	{"REPLACE", "mysql", "REPLACE INTO notes (id, title, stars) VALUES (3, 'r', 0)", "create", false},
	{"RETURNING", "", "INSERT INTO notes (id, title, stars) VALUES (4, 'r', 0) RETURNING id", "create", false},
	{"two", "postgres", "UPDATE notes SET stars = 8 WHERE id = 4; UPDATE notes SET stars = 9 WHERE id = 4", "update", true},
	{"DELETE", "", "DELETE FROM notes WHERE id = 2", "delete", false},
}

// rawWays run raw SQL as ann.
var rawWays = map[string]func(db *gorm.DB, sql string) *gorm.DB{
	"Exec": func(db *gorm.DB, sql string) *gorm.DB { return db.WithContext(as(ann)).Exec(sql) },
	"Exec of a session": func(db *gorm.DB, sql string) *gorm.DB {
		return db.WithContext(as(ann)).Session(&gorm.Session{SkipHooks: true, SkipDefaultTransaction: true, NewDB: true}).Exec(sql)
	},
	"Raw": func(db *gorm.DB, sql string) *gorm.DB { return db.WithContext(as(ann)).Raw(sql).Find(&[]Note{}) },
	"G.Raw": func(db *gorm.DB, sql string) *gorm.DB {
		return &gorm.DB{Error: second(gorm.G[Note](db).Raw(sql).Find(as(ann)))}
	},
}

// Outside a transaction raw SQL has the actor of its context, whatever the settings.
func TestRawChangesOutsideATransaction(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		for _, prepare := range []bool{false, true} {
			db, plain, logged := openLogged(t, d, prepare)
			for way, run := range rawWays {
				must(t, plain.Exec("DELETE FROM notes").Error)
				for _, c := range rawChanges {
					if c.kinds != "" && !strings.Contains(c.kinds, plain.Name()) || c.exec && (prepare || !strings.Contains(way, "Exec")) {
						continue
					}
					want := undone(plain, c.sql)
					if got := run(db, c.sql); got.Error != nil || got.RowsAffected != want && strings.Contains(way, "Exec") {
						t.Errorf("%s by %s = %d, %v, want %d", c.name, way, got.RowsAffected, got.Error, want)
					}
					got := must2(history.Find(plain, history.Query{Limit: 1}))[0]
					if string(got.Action) != c.want || got.ChangeSet.Actor != ann {
						t.Errorf("%s by %s is recorded as %s by %v (said %t), want %s by ann", c.name, way, got.Action, got.ChangeSet.Actor, got.ChangeSet.Attributed, c.want)
					}
				}
			}
			must(t, db.Exec("UPDATE notes SET stars = 20").Error)
			if c := must2(history.Find(plain, history.Query{Limit: 1}))[0]; c.ChangeSet.Attributed {
				t.Errorf("Exec without an actor is by %v, want nobody said", c.ChangeSet.Actor)
			}
			if n := must2(db.DB()).Stats().InUse; n != 0 || logged.Len() > 0 {
				t.Errorf("%d connections are in use, and it was logged %q, want neither", n, logged)
			}
		}
	})
}

// undone is how many rows a statement affects, which is rolled back.
func undone(db *gorm.DB, sql string) (affected int64) {
	_ = db.Transaction(func(tx *gorm.DB) error {
		affected = tx.Exec(sql).RowsAffected
		return errRollback
	})
	return affected
}

// What fails fails as it does without the plugin, and leaves nothing behind.
func TestRawChangesThatFail(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain, _ := openLogged(t, d, false)
		must(t, plain.Create(&Note{ID: 1, Title: "a"}).Error)
		must(t, db.WithContext(as(ann)).Exec("UPDATE notes SET stars = 1").Error)
		for _, sql := range []string{
			"UPDATE notes SET nonsense = 1", "INSERT INTO notes (id, title) VALUES (1, 'again')", "UPDATE notes SET", "DELETE FROM nowhere",
		} {
			want, got := plain.Exec(sql), db.WithContext(as(ann)).Exec(sql)
			if got.Error == nil || got.Error.Error() != want.Error.Error() || got.RowsAffected != want.RowsAffected {
				t.Errorf("%s = %d, %v, want %d, %v", sql, got.RowsAffected, got.Error, want.RowsAffected, want.Error)
			}
		}
		ctx, cancel := context.WithCancel(as(ann))
		cancel()
		if err := db.WithContext(ctx).Exec("UPDATE notes SET stars = 2").Error; !errors.Is(err, context.Canceled) {
			t.Errorf("Exec under a context that has ended = %v, want %v", err, context.Canceled)
		}
		tooMuch := actor.NewMetadataContext(as(ann), map[string]string{"reason": strings.Repeat("x", 5000)})
		if err := db.WithContext(tooMuch).Exec("UPDATE notes SET stars = 3").Error; !errors.Is(err, history.ErrMetadata) {
			t.Errorf("Exec with too much metadata = %v, want %v", err, history.ErrMetadata)
		}
		must(t, db.Exec("UPDATE notes SET stars = 4").Error)
		sameLines(t, "trail", trail(t, plain, &Note{ID: 1})[1:],
			`update; user:42; stars "0">"1"`, `update; nobody said; stars "1">"4"`)
	})
}

// A check at the end of the transaction is one of the statement.
func TestARawChangeThatFailsAtItsCommit(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t, dbtest.Postgres)
	db, plain, _ := openLogged(t, d, false)
	must(t, plain.Exec("ALTER TABLE notes ADD CONSTRAINT one UNIQUE (title) DEFERRABLE INITIALLY DEFERRED").Error)
	must(t, plain.Exec("INSERT INTO notes (title) VALUES ('a'), ('b')").Error)
	tx := db.WithContext(as(ann)).Exec("UPDATE notes SET title = 'a'")
	if tx.Error == nil || tx.RowsAffected != 0 || !strings.Contains(tx.Error.Error(), "23505") {
		t.Errorf("Exec = %d, %v, want none and the violation", tx.RowsAffected, tx.Error)
	}
}

// A transaction that the program began by SQL is the program's.
func TestRawChangesInATransactionBegunBySQL(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		for _, held := range []bool{false, true} {
			db, plain, _ := openLogged(t, d, false)
			must(t, plain.Where("true").Unscoped().Delete(&Note{}).Error)
			note := Note{Title: "a"}
			must(t, plain.Create(&note).Error)
			change := func(tx *gorm.DB) error {
				statements := []string{"BEGIN", "UPDATE notes SET stars = 1", "ROLLBACK", "BEGIN", "UPDATE notes SET stars = 2", "COMMIT"}
				if plain.Name() == "sqlite" && !held { // where a savepoint begins a transaction
					statements[0], statements[2] = "SAVEPOINT a", "ROLLBACK TO a; RELEASE a"
				}
				for _, sql := range statements {
					if held && !strings.HasPrefix(sql, "UPDATE") { // past the plugin
						must(t, second(tx.Statement.ConnPool.ExecContext(t.Context(), sql)))
						continue
					}
					must(t, tx.WithContext(as(ann)).Exec(sql).Error)
				}
				return nil
			}
			if held {
				must(t, db.Connection(change))
			} else {
				must(t, change(db))
			}
			sameLines(t, fmt.Sprintf("trail, with a connection held: %t", held), trail(t, plain, &note)[1:], `update; nobody said; stars "0">"2"`)
		}
	})
}

// A text that ends the transaction which it begins leaves the pool as it was, unless it
// fails in between.
func TestRawChangesAfterATextWithATransaction(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain, _ := openLogged(t, d, false)
		if d.Kind == dbtest.MariaDB {
			pool := must2(sql.Open("mysql", d.DSN+"&multiStatements=true"))
			t.Cleanup(func() { _ = pool.Close() })
			pool.SetMaxOpenConns(1)
			db = openPool(t, d.Kind, pool)
			must(t, db.Use(history.New()))
		}
		must(t, plain.Create(&Note{ID: 1, Title: "a"}).Error)
		me := db.WithContext(as(ann))
		must(t, db.Exec("BEGIN;\nUPDATE notes SET stars = 1;\nCOMMIT;\n").Error)
		must(t, me.Exec("UPDATE notes SET stars = 2").Error)
		must(t, db.Exec("begin; UPDATE notes SET stars = 9; rollback").Error)
		must(t, me.Exec("UPDATE notes SET stars = 3").Error)
		if err := db.Exec("BEGIN; UPDATE notes SET nonsense = 1; COMMIT").Error; err == nil {
			t.Error("a text with nonsense = nil, want an error")
		}
		must2(db.DB()).SetMaxIdleConns(0) // closes what is still in that transaction
		must(t, me.Exec("UPDATE notes SET stars = 4").Error)
		sameLines(t, "trail", trail(t, plain, &Note{ID: 1})[1:], `update; nobody said; stars "0">"1"`, `update; user:42; stars "1">"2"`,
			`update; user:42; stars "2">"3"`, `update; nobody said; stars "3">"4"`)
	})
}

// What can't have its context's actor is logged, once for each line.
func TestRawChangesWithoutTheirActorAreLogged(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain, logged := openLogged(t, d, false)
		me := db.WithContext(as(ann))
		var id uint
		const returning = "INSERT INTO notes (title) VALUES ('a') RETURNING id"
		expect := func(what string, want bool, run func() error) {
			t.Helper()
			for range 2 {
				must(t, run())
			}
			n := strings.Count(logged.String(), "without the actor of its context")
			if got := logged.String(); n > 1 || (n == 1) != want || want && !strings.Contains(got, "exec_test.go:") {
				t.Errorf("%s logged %q, want one line: %t", what, got, want)
			}
			logged.Reset()
		}
		expect("Scan", true, func() error { return me.Raw(returning).Scan(&id).Error })
		expect("Row", true, func() error { return me.Raw(returning).Row().Scan(&id) })
		expect("Scan by nobody", false, func() error { return db.Raw(returning).Scan(&id).Error })
		expect("Scan of a read", false, func() error {
			return me.Raw("WITH n AS (SELECT 1 AS id) SELECT replace('a', 'b', 'c') FROM n").Scan(new(string)).Error
		})
		expect("Find", false, func() error { return me.Raw(returning).Find(&id).Error })
		expect("Scan in a transaction", plain.Name() != "postgres", func() error {
			return me.Transaction(func(tx *gorm.DB) error { return tx.Raw(returning).Scan(&id).Error })
		})
		expect("Scan within Tell", false, func() error {
			return me.Transaction(func(tx *gorm.DB) error {
				return dialectOf(d).Tell(as(ann), tx.Statement.ConnPool.(*sql.Tx), func() error { return tx.Raw(returning).Scan(&id).Error })
			})
		})
		if plain.Name() == "sqlite" {
			expect("several statements", true, func() error { return me.Exec("UPDATE notes SET stars = 1; PRAGMA user_version = 1").Error })
		}
		expect("a dry run", false, func() error { return me.Session(&gorm.Session{DryRun: true}).Exec("UPDATE notes SET stars = 1").Error })
	})
}
