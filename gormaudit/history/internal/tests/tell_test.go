package tests

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// dialectOf is what a program that knows its database says.
func dialectOf(d *dbtest.Database) history.Dialect {
	switch d.Kind {
	case dbtest.Postgres:
		return history.PostgreSQL
	case dbtest.MariaDB, dbtest.MySQL:
		return history.MySQL
	}
	return history.SQLite
}

// A road is a way to write as somebody, on one connection.
type road struct {
	name string
	open func(t *testing.T, d *dbtest.Database) wire
}

// A wire is one connection to a database.
type wire interface {
	exec(query string) error
	begin(ctx context.Context) (stretch, error)
}

// A stretch is a transaction. as runs write, after which it must be attributed to
// nobody else.
type stretch interface {
	exec(query string) error
	as(ctx context.Context, write func() error) error
	commit() error
	rollback() error
}

var roads = []road{
	{"GORM", func(t *testing.T, d *dbtest.Database) wire { return openSQLWire(t, d, nil) }},
	{"Tell", func(t *testing.T, d *dbtest.Database) wire { return openSQLWire(t, d, (*sqlStretch).asTold) }},
	{"TellSQL", func(t *testing.T, d *dbtest.Database) wire {
		if d.Kind == dbtest.Postgres {
			return openPGXWire(t, d)
		}
		return openSQLWire(t, d, (*sqlStretch).asTellSQL)
	}},
}

type sqlWire struct {
	db      *gorm.DB
	pool    *sql.DB
	dialect history.Dialect
	road    func(s *sqlStretch, ctx context.Context, write func() error) error // nil is GORM's
}

func openSQLWire(t *testing.T, d *dbtest.Database, road func(*sqlStretch, context.Context, func() error) error) wire {
	t.Helper()
	db := d.Open(t)
	must(t, db.Use(history.New()))
	pool := must2(db.DB())
	pool.SetMaxOpenConns(1)
	return &sqlWire{db: db, pool: pool, dialect: dialectOf(d), road: road}
}

func (l *sqlWire) exec(query string) error {
	_, err := l.pool.Exec(query)
	return err
}

func (l *sqlWire) begin(ctx context.Context) (stretch, error) {
	tx, err := l.pool.BeginTx(ctx, nil)
	s := &sqlStretch{wire: l, tx: tx}
	if l.road == nil {
		s.gorm = gormOn(l.db, tx)
	}
	return s, err
}

type sqlStretch struct {
	wire *sqlWire
	tx   *sql.Tx
	gorm *gorm.DB // the statements are GORM's, nil where they are not
}

func (s *sqlStretch) exec(query string) error {
	if s.gorm != nil {
		return s.gorm.Exec(query).Error
	}
	_, err := s.tx.Exec(query)
	return err
}

func (s *sqlStretch) commit() error   { return s.tx.Commit() }
func (s *sqlStretch) rollback() error { return s.tx.Rollback() }

func (s *sqlStretch) as(ctx context.Context, write func() error) error {
	if s.wire.road != nil {
		return s.wire.road(s, ctx, write)
	}
	outer := s.gorm
	defer func() { s.gorm = outer }()
	s.gorm = outer.WithContext(ctx)
	return write()
}

// gormOn is GORM on somebody's transaction.
func gormOn(db *gorm.DB, tx *sql.Tx) *gorm.DB {
	db = db.Session(&gorm.Session{NewDB: true})
	db.Statement.ConnPool = tx
	return db.Session(&gorm.Session{})
}

func (s *sqlStretch) asTold(ctx context.Context, write func() error) error {
	return s.wire.dialect.Tell(ctx, s.tx, write)
}

func (s *sqlStretch) asTellSQL(ctx context.Context, write func() error) error {
	begin, end, err := s.wire.dialect.TellSQL(ctx)
	if err != nil {
		return err
	}
	if begin.SQL == "" {
		return write()
	}
	if _, err := s.tx.Exec(begin.SQL, begin.Args...); err != nil {
		return err
	}
	if err := write(); err != nil {
		return err
	}
	_, err = s.tx.Exec(end.SQL, end.Args...)
	return err
}

type pgxWire struct{ conn *pgx.Conn }

func openPGXWire(t *testing.T, d *dbtest.Database) wire {
	t.Helper()
	conn := must2(pgx.Connect(context.Background(), d.DSN))
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return &pgxWire{conn}
}

func (l *pgxWire) exec(query string) error {
	_, err := l.conn.Exec(context.Background(), query)
	return err
}

func (l *pgxWire) begin(ctx context.Context) (stretch, error) {
	tx, err := l.conn.Begin(ctx)
	return &pgxStretch{tx}, err
}

type pgxStretch struct{ tx pgx.Tx }

func (s *pgxStretch) exec(query string) error {
	_, err := s.tx.Exec(context.Background(), query)
	return err
}

func (s *pgxStretch) as(ctx context.Context, write func() error) error {
	begin, end, err := history.PostgreSQL.TellSQL(ctx)
	if err != nil {
		return err
	}
	if end.SQL != "" {
		return fmt.Errorf("the end is %q, want none", end.SQL)
	}
	if _, err := s.tx.Exec(ctx, begin.SQL, begin.Args...); err != nil {
		return err
	}
	return write()
}

func (s *pgxStretch) commit() error   { return s.tx.Commit(context.Background()) }
func (s *pgxStretch) rollback() error { return s.tx.Rollback(context.Background()) }

// leaks are six ways in which an actor could outlive what it was told for. Each
// writes to the note 1, whose changes are then what it says, oldest first.
var leaks = []struct {
	name string
	do   func(t *testing.T, l wire)
	want []string
}{
	{"pool", func(t *testing.T, l wire) {
		s := must2(l.begin(context.Background()))
		must(t, s.as(as(ann), title(s, "by ann")))
		must(t, s.commit())
		must(t, title(l, "raw")())
		s = must2(l.begin(context.Background()))
		must(t, title(s, "raw in a transaction")())
		must(t, s.commit())
	}, []string{"user:42 by ann", "nobody raw", "nobody raw in a transaction"}},
	{"savepoint", func(t *testing.T, l wire) {
		s := must2(l.begin(context.Background()))
		must(t, s.exec("SAVEPOINT a"))
		must(t, s.as(as(bob), title(s, "by bob")))
		must(t, s.exec("ROLLBACK TO SAVEPOINT a"))
		must(t, title(s, "raw")())
		must(t, s.as(as(bob), title(s, "by bob again")))
		must(t, s.as(as(ann), func() error {
			must(t, title(s, "by ann")())
			must(t, s.exec("SAVEPOINT b"))
			must(t, title(s, "taken back")())
			must(t, s.exec("ROLLBACK TO SAVEPOINT b"))
			return title(s, "by ann again")()
		}))
		must(t, s.commit())
	}, []string{"nobody raw", "user:7 by bob again", "user:42 by ann", "user:42 by ann again"}},
	{"panic", func(t *testing.T, l wire) {
		s := must2(l.begin(context.Background()))
		func() {
			defer func() { _ = recover() }()
			_ = s.as(as(ann), func() error {
				must(t, title(s, "taken back")())
				panic("in the middle")
			})
		}()
		must(t, s.rollback())
		must(t, title(l, "raw")())
	}, []string{"nobody raw"}},
	{"rollback", func(t *testing.T, l wire) {
		s := must2(l.begin(context.Background()))
		must(t, s.as(as(ann), title(s, "taken back")))
		must(t, s.rollback())
		must(t, title(l, "raw")())
		s = must2(l.begin(context.Background()))
		must(t, title(s, "raw in a transaction")())
		must(t, s.commit())
	}, []string{"nobody raw", "nobody raw in a transaction"}},
	{"cancelled context", func(t *testing.T, l wire) {
		ctx, cancel := context.WithCancel(as(ann))
		s := must2(l.begin(ctx))
		_ = s.as(ctx, func() error {
			must(t, title(s, "taken back")())
			cancel()
			return ctx.Err()
		})
		_ = s.rollback()
		must(t, title(l, "raw")())
	}, []string{"nobody raw"}},
	{"two actors", func(t *testing.T, l wire) {
		s := must2(l.begin(context.Background()))
		must(t, s.as(as(ann), title(s, "by ann")))
		must(t, s.as(as(bob), title(s, "by bob")))
		must(t, s.as(as(ann), title(s, "by ann again")))
		must(t, s.as(as(actor.Actor{}), title(s, "by a visitor")))
		must(t, s.as(context.Background(), title(s, "by nobody")))
		must(t, s.commit())
		must(t, title(l, "raw")())
	}, []string{"user:42 by ann", "user:7 by bob", "user:42 by ann again", "anonymous by a visitor", "nobody by nobody", "nobody raw"}},
}

// title writes a new title of note 1.
func title(to interface{ exec(query string) error }, title string) func() error {
	return func() error { return to.exec("UPDATE notes SET title = '" + title + "' WHERE id = 1") }
}

// titlesOf says who gave note 1 its titles, oldest first.
func titlesOf(tb testing.TB, db *gorm.DB) []string {
	tb.Helper()
	changes := must2(history.Of(db, &Note{ID: 1}))
	var lines []string
	for i := range changes {
		c := changes[len(changes)-1-i]
		who := "nobody"
		if c.ChangeSet.Attributed {
			who = c.ChangeSet.Actor.String()
		}
		if f, ok := c.Field("title"); ok && c.Action == history.ActionUpdate {
			lines = append(lines, who+" "+f.After.String())
		}
	}
	return lines
}

func TestNothingLeaksOnAnyRoad(t *testing.T) {
	t.Parallel()
	for _, leak := range leaks {
		t.Run(leak.name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
				migrated := d.Open(t)
				must(t, history.Migrate(migrated, &Note{}))
				for _, r := range roads {
					must(t, migrated.Exec("DELETE FROM notes").Error)
					must(t, migrated.Exec("DELETE FROM whodunit_change_sets").Error)
					must(t, migrated.Exec("DELETE FROM whodunit_changes").Error)
					must(t, migrated.Create(&Note{ID: 1, Title: "first"}).Error)
					leak.do(t, r.open(t, d))
					sameLines(t, r.name, titlesOf(t, migrated), leak.want...)
				}
			})
		})
	}
}

// told runs f in a transaction of a database with note 1, and returns who then
// gave that its titles.
func told(t *testing.T, d *dbtest.Database, f func(tell func(a actor.Actor, write func() error) error, raw *sql.Tx, orm *gorm.DB) error) []string {
	t.Helper()
	db, plain := open(t, d)
	must2(db.DB()).SetMaxOpenConns(1)
	must(t, plain.Create(&Note{ID: 1, Title: "first"}).Error)
	must(t, db.Transaction(func(tx *gorm.DB) error {
		raw := tx.Statement.ConnPool.(*sql.Tx)
		return f(func(a actor.Actor, write func() error) error { return dialectOf(d).Tell(as(a), raw, write) }, raw, tx)
	}))
	_, err := must2(db.DB()).Exec("UPDATE notes SET title = 'afterwards' WHERE id = 1")
	must(t, err)
	return titlesOf(t, plain)
}

func rawTitle(t *testing.T, tx *sql.Tx, title string) {
	t.Helper()
	_, err := tx.Exec("UPDATE notes SET title = '" + title + "' WHERE id = 1")
	must(t, err)
}

func TestTellWithinTell(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		got := told(t, d, func(tell func(actor.Actor, func() error) error, raw *sql.Tx, orm *gorm.DB) error {
			return tell(ann, func() error {
				rawTitle(t, raw, "1")
				must(t, tell(bob, func() error {
					rawTitle(t, raw, "2")
					must(t, orm.WithContext(as(ann)).Model(&Note{ID: 1}).Update("title", "3").Error)
					rawTitle(t, raw, "4")
					return nil
				}))
				rawTitle(t, raw, "5")
				must(t, orm.WithContext(as(bob)).Model(&Note{ID: 1}).Update("title", "6").Error)
				must(t, orm.WithContext(as(ann)).Model(&Note{ID: 1}).Update("title", "7").Error)
				must(t, orm.Model(&Note{ID: 1}).Update("title", "8").Error)
				rawTitle(t, raw, "9")
				return nil
			})
		})
		sameLines(t, "titles", got, "user:42 1", "user:7 2", "user:42 3", "user:7 4", "user:42 5", "user:7 6", "user:42 7", "nobody 8", "user:42 9",
			"nobody afterwards")
	})
}

func TestTellEndsWithAPanicOrAnError(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		fails := errors.New("the writer's own")
		got := told(t, d, func(tell func(actor.Actor, func() error) error, raw *sql.Tx, orm *gorm.DB) error {
			func() {
				defer func() { _ = recover() }()
				_ = tell(ann, func() error {
					rawTitle(t, raw, "1")
					panic("in the middle")
				})
			}()
			must(t, orm.Model(&Note{ID: 1}).Update("title", "2").Error)
			if err := tell(bob, func() error { rawTitle(t, raw, "3"); return fails }); !errors.Is(err, fails) {
				t.Errorf("Tell = %v, want %v", err, fails)
			}
			return orm.Model(&Note{ID: 1}).Update("title", "4").Error
		})
		sameLines(t, "titles", got, "user:42 1", "nobody 2", "user:7 3", "nobody 4", "nobody afterwards")
	})
}

// The plugin does not see a savepoint that is made and rolled back past it.
func TestTellAroundSavepointsOfOthers(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		got := told(t, d, func(tell func(actor.Actor, func() error) error, raw *sql.Tx, orm *gorm.DB) error {
			byAnn := orm.WithContext(as(ann)).Model(&Note{ID: 1})
			must2(raw.Exec("SAVEPOINT a"))
			must(t, tell(bob, func() error { rawTitle(t, raw, "taken back"); return nil }))
			must2(raw.Exec("ROLLBACK TO SAVEPOINT a"))
			must(t, tell(bob, func() error { rawTitle(t, raw, "1"); return nil }))
			must(t, byAnn.Update("title", "2").Error)
			must2(raw.Exec("SAVEPOINT b"))
			must(t, tell(bob, func() error { rawTitle(t, raw, "taken back"); return nil }))
			must(t, byAnn.Update("title", "taken back").Error)
			must(t, tell(bob, func() error { rawTitle(t, raw, "taken back"); return nil }))
			must2(raw.Exec("ROLLBACK TO SAVEPOINT b"))
			must(t, orm.WithContext(as(bob)).Model(&Note{ID: 1}).Update("title", "3").Error)
			return byAnn.Update("title", "4").Error
		})
		sameLines(t, "titles", got, "user:7 1", "user:42 2", "user:7 3", "user:42 4", "nobody afterwards")
	})
}

func TestTellAndGORMShareAChangeSet(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		ctx := because(actor.NewRequestContext(as(ann), actor.Request{ID: "r-1"}), map[string]string{"reason": "refund"})
		note := Note{Title: "a"}
		must(t, db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
			must(t, tx.Create(&note).Error)
			raw := tx.Statement.ConnPool.(*sql.Tx)
			must(t, dialectOf(d).Tell(ctx, raw, func() error {
				_, err := raw.Exec("UPDATE notes SET title = 'b'")
				return err
			}))
			return tx.Model(&note).Update("title", "c").Error
		}))
		_, changes, err := history.ChangeSetOf(plain, last(t, plain, &note).ChangeSet.ID)
		must(t, err)
		if len(changes) != 3 {
			t.Errorf("the change set has %d changes, want 3", len(changes))
		}
		for _, c := range changes {
			if s := c.ChangeSet; s.Actor != ann || s.Request.ID != "r-1" || s.Metadata["reason"] != "refund" {
				t.Errorf("%s is by %#v in request %q because of %v", c.Action, s.Actor, s.Request.ID, s.Metadata)
			}
		}
	})
}

// With PrepareStmt, GORM's transaction is around the database's.
func TestTellOnAPreparedTransaction(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d, &gorm.Config{Logger: logger.Discard, PrepareStmt: true})
		note := Note{Title: "a"}
		for range 3 { // until statements are compiled
			note.ID = 0
			must(t, db.WithContext(as(ann)).Transaction(func(tx *gorm.DB) error {
				must(t, tx.Create(&note).Error)
				raw := tx.Statement.ConnPool.(*gorm.PreparedStmtTX).Tx.(*sql.Tx)
				return dialectOf(d).Tell(as(bob), raw, func() error {
					_, err := raw.Exec("UPDATE notes SET title = 'b' WHERE title = 'a'")
					return err
				})
			}))
		}
		changes := must2(history.Of(plain, &note))
		if len(changes) != 2 || changes[0].ChangeSet.Actor != bob || changes[1].ChangeSet.Actor != ann {
			t.Errorf("recorded %+v, want ann's creation and bob's update", changes)
		}
	})
}

func TestTellThatCannotTell(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		pool := must2(d.Open(t).DB())
		dialect := dialectOf(d)
		refused := func(name string, err error, want string) {
			t.Helper()
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Tell %s = %v, want an error with %q", name, err, want)
			}
		}
		never := func() error { t.Error("write was called"); return nil }
		refused("without a transaction", dialect.Tell(as(ann), nil, never), "without a transaction")
		refused("of an unknown dialect", history.Dialect("oracle").Tell(as(ann), nil, never), `"oracle"`)
		tx := must2(pool.Begin())
		refused("too much", dialect.Tell(because(as(ann), map[string]string{"k": strings.Repeat("x", 5000)}), tx, never), history.ErrMetadata.Error())
		refused("an id that can't be stored", dialect.Tell(as(actor.User("4\x002")), tx, never), "can't be stored")
		if dialect == history.SQLite {
			refused("without the history's tables", dialect.Tell(as(ann), tx, never), "history.Migrate, or history.SQL?")
		}
		must(t, tx.Rollback())
		refused("after the end", dialect.Tell(as(ann), tx, never), sql.ErrTxDone.Error())
	})
}

func TestACommitWithinTellIsAnError(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, _ := open(t, d)
		tx := must2(must2(db.DB()).Begin())
		err := dialectOf(d).Tell(as(ann), tx, tx.Commit)
		if want := dialectOf(d) != history.PostgreSQL; errors.Is(err, sql.ErrTxDone) != want {
			t.Errorf("Tell of a commit = %v, want an error: %t", err, want)
		}
	})
}

// An application that writes by GORM, as sqlc does on its own transactions, and by
// pgx.
func TestOneApplicationOnThreeRoads(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t, dbtest.Postgres)
	db, plain := open(t, d)
	pool, conn := must2(db.DB()), must2(pgx.Connect(context.Background(), d.DSN))
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	must(t, plain.Create(&Note{ID: 1, Title: "first"}).Error)
	byGORM := func(ctx context.Context, title string) error {
		return db.WithContext(ctx).Model(&Note{ID: 1}).Update("title", title).Error
	}
	bySQLC := func(ctx context.Context, title string) error {
		tx := must2(pool.BeginTx(ctx, nil))
		defer func() { _ = tx.Rollback() }()
		if err := history.PostgreSQL.Tell(ctx, tx, func() error {
			_, err := tx.ExecContext(ctx, "UPDATE notes SET title = $1 WHERE id = $2", title, 1)
			return err
		}); err != nil {
			return err
		}
		return tx.Commit()
	}
	byPGX := func(ctx context.Context, title string) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			begin, _, err := history.PostgreSQL.TellSQL(ctx)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, begin.SQL, begin.Args...); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, "UPDATE notes SET title = $1 WHERE id = $2", title, 1)
			return err
		})
	}
	people := []actor.Actor{ann, bob, actor.System("importer"), ann.As(bob)}
	var want []string
	for i := range 24 {
		road, who := i%3, people[i%len(people)]
		must(t, []func(context.Context, string) error{byGORM, bySQLC, byPGX}[road](as(who), fmt.Sprint(i)))
		want = append(want, fmt.Sprint(who, " ", i))
	}
	sameLines(t, "titles", titlesOf(t, plain), want...)
}

// A begin without an end, and without a write.
func TestASetThatWasLeftEmpty(t *testing.T) {
	t.Parallel()
	eachSQLite(t, func(t *testing.T, d *dbtest.Database) {
		got := told(t, d, func(tell func(actor.Actor, func() error) error, raw *sql.Tx, orm *gorm.DB) error {
			must(t, tell(ann, func() error { rawTitle(t, raw, "1"); return nil }))
			begin, _, err := history.SQLite.TellSQL(as(bob))
			must(t, err)
			must2(raw.Exec(begin.SQL, begin.Args...))
			return tell(ann, func() error { rawTitle(t, raw, "2"); return nil })
		})
		sameLines(t, "titles", got, "user:42 1", "user:42 2", "nobody afterwards")
	})
}

// What only reads may run in Tell, too. MariaDB would not set an actor in a read-only
// transaction, and nothing can be written there.
func TestTellInAReadOnlyTransaction(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		must2(db.DB()).SetMaxOpenConns(1)
		must(t, plain.Create(&Note{ID: 1, Title: "a"}).Error)
		inTransaction := func(o *sql.TxOptions, who actor.Actor, f func(tx *sql.Tx) error) error {
			tx := must2(must2(db.DB()).BeginTx(context.Background(), o))
			defer func() { _ = tx.Rollback() }()
			return errors.Join(dialectOf(d).Tell(as(who), tx, func() error { return f(tx) }), tx.Commit())
		}
		var title string
		must(t, inTransaction(&sql.TxOptions{ReadOnly: true}, ann, func(tx *sql.Tx) error {
			return tx.QueryRow("SELECT title FROM notes").Scan(&title)
		}))
		if title != "a" {
			t.Errorf("the title is read as %q, want a", title)
		}
		update := func(tx *sql.Tx) error { return second(tx.Exec("UPDATE notes SET title = 'b'")) }
		if err := inTransaction(&sql.TxOptions{ReadOnly: true}, ann, update); err == nil && db.Name() != "sqlite" {
			t.Error("a write in a read-only transaction is no error")
		}
		must(t, plain.Exec("UPDATE notes SET title = 'c'").Error)
		must(t, inTransaction(nil, bob, update))
		if c := last(t, plain, &Note{ID: 1}); c.ChangeSet.Actor != bob {
			t.Errorf("the write in the next transaction is by %v, want bob", c.ChangeSet.Actor)
		}
	})
}
