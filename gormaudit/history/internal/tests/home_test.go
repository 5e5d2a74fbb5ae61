package tests

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
	"gorm.io/plugin/dbresolver"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// homeOf is the schema or database that a connection is in.
func homeOf(tb testing.TB, db *gorm.DB) (name string) {
	tb.Helper()
	query := "SELECT current_schema()"
	if db.Name() == "mysql" {
		query = "SELECT DATABASE()"
	}
	must(tb, db.Raw(query).Scan(&name).Error)
	return name
}

// twoHomes are two homes that one server has, each with a history of notes. Those
// of the second one begin with a change set of eve's.
func twoHomes(t *testing.T, kind string) (db, first, second *gorm.DB) {
	t.Helper()
	d := dbtest.New(t, kind)
	db, first = open(t, d)
	second = dbtest.New(t, kind).Open(t)
	must(t, history.Migrate(second, &Note{}))
	withPlugin := second.Session(&gorm.Session{})
	must(t, withPlugin.Use(history.New()))
	for i := range 5 {
		must(t, withPlugin.WithContext(as(actor.User("eve"))).Create(&Note{ID: uint(100 + i), Title: "eve's"}).Error)
	}
	return db, first, second
}

// titles is the trail of a row with who and its title alone.
func titles(tb testing.TB, db *gorm.DB, model any) (lines []string) {
	tb.Helper()
	for _, line := range trail(tb, db, model) {
		lines = append(lines, titleOf(line))
	}
	return lines
}

// titleOf is the line of a change with its title alone.
func titleOf(line string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(line, "; "), func(part string) bool {
		return strings.Contains(part, ">") && !strings.HasPrefix(part, "title ") || strings.HasSuffix(part, "redacted")
	}), "; ")
}

var homeKinds = []string{dbtest.Postgres, dbtest.MariaDB, dbtest.MySQL}

// A change set's id is that of one home. In another one, it is somebody else's.
func TestOneTransactionInTwoHomes(t *testing.T) {
	for _, kind := range homeKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			db, first, second := twoHomes(t, kind)
			other := homeOf(t, second) + ".notes"
			must(t, db.WithContext(as(ann)).Transaction(func(tx *gorm.DB) error {
				must(t, tx.Create(&Note{ID: 1, Title: "a"}).Error)
				must(t, tx.Table(other).Create(&Note{ID: 1, Title: "b"}).Error)
				must(t, tx.Exec("UPDATE "+other+" SET title = 'c' WHERE id = 1").Error)
				return tx.Model(&Note{ID: 1}).Update("title", "d").Error
			}))
			sameLines(t, "the first home", titles(t, first, &Note{ID: 1}), `create; user:42; title NULL>"a"`, `update; user:42; title "a">"d"`)
			sameLines(t, "the second home", titles(t, second, &Note{ID: 1}), `create; user:42; title NULL>"b"`, `update; user:42; title "b">"c"`)
			for home, db := range map[string]*gorm.DB{"first": first, "second": second} {
				changes := by(t, db, ann)
				if len(changes) != 2 || changes[0].ChangeSet.ID != changes[1].ChangeSet.ID {
					t.Errorf("By(ann) in the %s home has %+v, want 2 changes in one set", home, changes)
				}
			}
			must(t, db.Exec("UPDATE "+other+" SET title = 'raw' WHERE id = 1").Error)
			if c := last(t, second, &Note{ID: 1}); c.ChangeSet.Attributed {
				t.Errorf("a raw write afterwards is by %v", c.ChangeSet.Actor)
			}
		})
	}
}

// Two actors in one transaction, in turns and in two homes.
func TestActorsInTurnsInTwoHomes(t *testing.T) {
	for _, kind := range homeKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			db, first, second := twoHomes(t, kind)
			other := homeOf(t, second) + ".notes"
			must(t, db.Transaction(func(tx *gorm.DB) error {
				for i := range 3 {
					for _, who := range []actor.Actor{ann, bob} {
						tx := tx.WithContext(as(who))
						note := Note{ID: uint(i)*10 + uint(len(who.Name)) + uint(who.ID[0]), Title: who.ID}
						must(t, tx.Create(&note).Error)
						must(t, tx.Table(other).Create(&note).Error)
					}
				}
				return nil
			}))
			for home, db := range map[string]*gorm.DB{"first": first, "second": second} {
				for _, who := range []actor.Actor{ann, bob} {
					changes := by(t, db, who)
					if len(changes) != 3 {
						t.Errorf("By(%v) in the %s home has %d changes, want 3", who, home, len(changes))
					}
					for _, c := range changes {
						if f, _ := c.Field("title"); f.After.String() != who.ID {
							t.Errorf("what %q wrote in the %s home is by %v", f.After, home, who)
						}
					}
				}
			}
		})
	}
}

func TestTwoDatabasesInOneStatement(t *testing.T) {
	for _, kind := range []string{dbtest.MariaDB, dbtest.MySQL} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			db, first, second := twoHomes(t, kind)
			for _, home := range []*gorm.DB{first, second} {
				must(t, home.Create(&[]Note{{ID: 1, Title: "a"}, {ID: 2, Title: "a"}, {ID: 3, Title: "a"}}).Error)
			}
			must(t, db.WithContext(as(ann)).Transaction(func(tx *gorm.DB) error {
				return tx.Exec("UPDATE notes AS a JOIN " + homeOf(t, second) + ".notes AS b ON b.id = a.id SET a.title = 'b', b.title = 'b'").Error
			}))
			for _, home := range []*gorm.DB{first, second} {
				if n := len(by(t, home, ann)); n != 3 {
					t.Errorf("By(ann) in %s has %d changes, want 3", homeOf(t, home), n)
				}
			}
		})
	}
}

// A running program warns of a table that has lost triggers, although that of another
// home has the same name.
func TestATableThatLosesItsTriggersBesideItsNamesake(t *testing.T) {
	for _, kind := range []string{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			db, first, second := twoHomes(t, kind)
			config, logs := logged()
			db.Logger = config.Logger
			other, table := homeOf(t, first)+".notes", homeOf(t, second)+".notes"
			lose := func(event string) {
				t.Helper()
				statement := "DROP TRIGGER whodunit_record_notes_" + event
				if kind == dbtest.Postgres {
					statement = "DROP TRIGGER whodunit_" + event + " ON notes"
				}
				must(t, second.Exec(statement).Error)
			}
			const last = `notes": its triggers are missing`
			for _, step := range []struct {
				lose func()
				want string // in what is logged
			}{
				{func() {}, ""},
				{func() { lose("update") }, fmt.Sprintf("table %q: its triggers are outdated", table)},
				{func() { must(t, history.Drop(second, &Note{})) }, fmt.Sprintf("table %q: its triggers are missing", table)},
				{func() { must(t, history.Migrate(second, &Note{})) }, ""},
				{func() { must(t, second.Migrator().DropTable(&Note{})) }, ""},
				{func() { must(t, history.Drop(first, &Note{})) }, last},
			} {
				logs.Reset()
				step.lose()
				for range 2 {
					_ = history.Verify(db.Session(&gorm.Session{Logger: logger.Discard}), &Note{}) // it looks again
					must(t, db.WithContext(as(ann)).Create(&Note{Title: "a"}).Error)
				}
				var got []string
				for line := range strings.Lines(logs.String()) {
					if strings.Contains(line, "triggers are") && (strings.Contains(line, table) || strings.Contains(line, other) || strings.Contains(line, `"notes"`)) {
						got = append(got, line) // of no other test
					}
				}
				if step.want == last {
					got = slices.Compact(got) // a model that is written is checked after each Verify
				}
				if len(got) != min(len(step.want), 1) || len(got) == 1 && !strings.Contains(got[0], step.want) {
					t.Errorf("the log has %q, want %q once", got, step.want)
				}
			}
		})
	}
}

// Tenants have a schema each. The transaction says whose, and one is founded after
// the program has started.
func TestTenantsBySearchPath(t *testing.T) {
	db, _ := open(t, dbtest.New(t, dbtest.Postgres))
	must(t, db.Create(&Note{Title: "in the schema of the pool"}).Error)
	for i := range 3 {
		tenant := dbtest.New(t, dbtest.Postgres).Open(t)
		must(t, history.Migrate(tenant, &Note{}))
		for range i { // their ids differ
			must(t, tenant.Create(&Note{Title: "by nobody"}).Error)
		}
		note := Note{Title: "a"}
		must(t, db.WithContext(as(ann)).Transaction(func(tx *gorm.DB) error {
			must(t, tx.Exec("SET LOCAL search_path = "+homeOf(t, tenant)).Error)
			return tx.Create(&note).Error
		}))
		sameLines(t, "the tenant's trail", titles(t, tenant, &note), `create; user:42; title NULL>"a"`)
	}
}

// A pool that has seen no history yet meets the first one, which another program
// has made.
func TestTheFirstTenantOfAnotherProgram(t *testing.T) {
	for _, kind := range homeKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t, kind)
			db := d.Open(t)
			must(t, db.AutoMigrate(&Note{}))
			must(t, db.Use(history.NewWithConfig(history.Config{Models: []any{&Note{}}})))
			must(t, db.WithContext(as(ann)).Create(&Note{Title: "before"}).Error)
			must(t, history.Migrate(d.Open(t), &Note{}))
			note := Note{Title: "a"}
			must(t, db.WithContext(as(ann)).Create(&note).Error)
			sameLines(t, "trail", titles(t, d.Open(t), &note), `create; user:42; title NULL>"a"`)
		})
	}
}

func dialectorOf(d *dbtest.Database) gorm.Dialector {
	switch d.Kind {
	case dbtest.Postgres:
		return postgres.Open(d.DSN)
	case dbtest.MariaDB:
		return mysql.Open(d.DSN)
	}
	return sqlite.New(sqlite.Config{DriverName: "sqlite", DSN: d.DSN})
}

// dbresolver opens its pools with a copy of the configuration, plugins included.
func TestBesideDBResolver(t *testing.T) {
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB} {
		for _, order := range []string{"before", "after"} {
			t.Run(kind+"/"+order, func(t *testing.T) {
				t.Parallel()
				main, source := dbtest.New(t, kind), dbtest.New(t, kind)
				db := main.Open(t)
				must(t, history.Migrate(source.Open(t), &Note{}))
				resolver := dbresolver.Register(dbresolver.Config{Sources: []gorm.Dialector{dialectorOf(source)}}, "second")
				plugins := []gorm.Plugin{history.New(), resolver}
				if order == "after" {
					plugins[0], plugins[1] = plugins[1], plugins[0]
				}
				for _, p := range plugins {
					must(t, db.Use(p))
				}
				must(t, history.Migrate(db, &Note{}))
				note := Note{ID: 9, Title: "a"}
				me := db.WithContext(as(ann))
				must(t, me.Clauses(dbresolver.Use("second")).Create(&note).Error)
				must(t, me.Clauses(dbresolver.Use("second")).Model(&note).Update("title", "b").Error)
				must(t, me.Clauses(dbresolver.Use("second")).Exec("UPDATE notes SET title = 'c'").Error)
				must(t, me.Create(&Note{ID: 9, Title: "main"}).Error)
				must(t, me.Exec("UPDATE notes SET title = 'd'").Error)
				sameLines(t, "the second source", titles(t, source.Open(t), &note),
					`create; user:42; title NULL>"a"`, `update; user:42; title "a">"b"`, `update; user:42; title "b">"c"`)
				sameLines(t, "the main one", titles(t, main.Open(t), &note), `create; user:42; title NULL>"main"`, `update; user:42; title "main">"d"`)
				must(t, resolver.Call(func(pool gorm.ConnPool) error { return pool.(*sql.DB).Close() }))
			})
		}
	}
}

// The row must not come from a replica that is behind, and its changes from the
// primary.
func TestAtAsksOnePlace(t *testing.T) {
	for _, kind := range []string{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			main, replica := dbtest.New(t, kind), dbtest.New(t, kind)
			must(t, history.Migrate(replica.Open(t), &Note{}))
			db, _ := open(t, main)
			must(t, db.Use(dbresolver.Register(dbresolver.Config{Replicas: []gorm.Dialector{dialectorOf(replica)}})))
			note := Note{Title: "a"}
			must(t, db.WithContext(as(ann)).Create(&note).Error)
			now := must2(history.At[Note](db, note.ID, time.Now().Add(time.Minute)))
			if now.Title != "a" {
				t.Errorf("At = %+v, want the row of the primary", now)
			}
			if n := len(must2(history.Of(db, &note))); n != 1 {
				t.Errorf("Of has %d changes, want 1", n)
			}
		})
	}
}

// One plugin serves two databases, of one kind or two.
func TestOnePluginForTwoDatabases(t *testing.T) {
	plugin := history.New()
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres, dbtest.SQLite, dbtest.MariaDB} {
		db := dbtest.New(t, kind).Open(t)
		must(t, db.Use(plugin))
		must(t, history.Migrate(db, &Note{}))
		note := Note{Title: "a"}
		must(t, db.WithContext(as(ann)).Create(&note).Error)
		sameLines(t, kind, titles(t, db, &note), `create; user:42; title NULL>"a"`)
	}
}

// A configuration that was copied has the plugin of the one it is a copy of.
func TestACopiedConfiguration(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, _ := open(t, d)
		config := *db.Config
		config.Dialector, config.ConnPool = nil, nil
		other := dbtest.New(t, d.Kind)
		copied := must2(gorm.Open(other.Open(t).Dialector, &config))
		must(t, history.Migrate(copied, &Note{}))
		note := Note{Title: "a"}
		must(t, copied.WithContext(as(ann)).Create(&note).Error)
		sameLines(t, "trail", titles(t, other.Open(t), &note), `create; user:42; title NULL>"a"`)
	})
}

// mysqlAccount makes an account with some rights, each "SELECT ON notes", and
// opens its connection. MariaDB's tests run as root.
func mysqlAccount(t *testing.T, d *dbtest.Database, log logger.Interface, rights ...string) *gorm.DB {
	t.Helper()
	owner := d.Open(t)
	name := fmt.Sprintf("w%x", time.Now().UnixNano())
	must(t, owner.Exec("CREATE USER '"+name+"'@'%' IDENTIFIED BY 'a password'").Error)
	t.Cleanup(func() { must(t, owner.Exec("DROP USER '"+name+"'@'%'").Error) })
	for _, right := range rights {
		must(t, owner.Exec("GRANT "+right+" TO '"+name+"'@'%'").Error)
	}
	config := must2(mysqldriver.ParseDSN(d.DSN))
	config.User, config.Passwd = name, "a password"
	db := must2(gorm.Open(mysql.New(mysql.Config{DSN: config.FormatDSN(), DisableWithReturning: d.Kind == dbtest.MySQL}), &gorm.Config{Logger: log}))
	t.Cleanup(func() { _ = must2(db.DB()).Close() })
	return db
}

const dml = "SELECT, INSERT, UPDATE, DELETE ON notes"

// The account that writes is shown the triggers' names, not their text, on
// MariaDB, and neither on MySQL.
func TestTheAccountThatWritesOnMariaDB(t *testing.T) {
	for _, kind := range []string{dbtest.MariaDB, dbtest.MySQL} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t, kind)
			_, plain := open(t, d)
			config, logs := logged()
			db := mysqlAccount(t, d, config.Logger, rightsOf(t, "MariaDB and MySQL", "writer", homeOf(t, plain))...)
			must(t, db.Use(history.New()))
			note := Note{Title: "a"}
			must(t, db.WithContext(as(ann)).Create(&note).Error)
			must(t, db.WithContext(as(bob)).Model(&note).Update("title", "b").Error)
			must(t, db.Exec("UPDATE notes SET title = 'raw'").Error)
			sameLines(t, "trail", titles(t, plain, &note), `create; user:42; title NULL>"a"`, `update; user:7; title "a">"b"`, `update; nobody said; title "b">"raw"`)
			if c := last(t, plain, &note); !strings.HasPrefix(c.ChangeSet.DatabaseUser, "w") {
				t.Errorf("the database's user is %q, want the account's", c.ChangeSet.DatabaseUser)
			}
			if logs.Len() > 0 {
				t.Errorf("the log has %s", logs)
			}
		})
	}
}

// Without EXECUTE its writes are recorded as nobody's, which is logged once. The log does
// not say that the account only lacks a right: MariaDB denies a missing procedure, too.
func TestAnAccountThatMayNotSayWhoActs(t *testing.T) {
	d := dbtest.New(t, dbtest.MariaDB)
	_, plain := open(t, d)
	config, logs := logged()
	db := mysqlAccount(t, d, config.Logger, dml)
	must(t, db.Use(history.New()))
	note := Note{Title: "a"}
	must(t, db.WithContext(as(ann)).Create(&note).Error)
	must(t, db.WithContext(as(ann)).Model(&note).Update("title", "b").Error)
	sameLines(t, "trail", titles(t, plain, &note), `create; nobody said; title NULL>"a"`, `update; nobody said; title "a">"b"`)
	if n := strings.Count(logs.String(), "GRANT EXECUTE"); n != 1 {
		t.Errorf("the log names the GRANT %d times, want once:\n%s", n, logs)
	}
	if !strings.Contains(logs.String(), "or are the procedures missing: history.Migrate") {
		t.Errorf("the log is %q, want it to ask for the procedures", logs)
	}
	if strings.Contains(logs.String(), "a password") {
		t.Error("the log has the password")
	}
	for _, name := range []string{"whodunit_set_actor", "whodunit_clear_actor"} {
		must(t, plain.Exec("DROP PROCEDURE "+name).Error)
	}
	tx := must2(must2(db.DB()).Begin())
	defer func() { _ = tx.Rollback() }()
	err := history.MySQL.Tell(as(ann), tx, func() error { return nil })
	if err == nil || !strings.Contains(err.Error(), "or are the procedures missing: history.Migrate") {
		t.Errorf("Tell without the procedures = %v, want it to ask for them", err)
	}
}

// Before there is a history, there is nothing to grant: it is logged when there is.
func TestAnAccountThatWritesBeforeTheHistory(t *testing.T) {
	skipUnderRace(t, "it waits eleven seconds, alone")
	t.Parallel()
	d := dbtest.New(t, dbtest.MariaDB)
	owner := d.Open(t)
	must(t, owner.AutoMigrate(&Note{}))
	config, logs := logged()
	db := mysqlAccount(t, d, config.Logger, dml)
	must(t, db.Use(history.NewWithConfig(history.Config{Models: []any{&Note{}}})))
	must(t, db.WithContext(as(ann)).Create(&Note{Title: "a"}).Error)
	if got := logs.String(); !strings.Contains(got, "it has no history (history.Migrate, or history.SQL?)") || strings.Contains(got, "GRANT") {
		t.Errorf("before the history, the log is %q, want that it has none, and no GRANT", got)
	}
	must(t, history.Migrate(owner, &Note{}))
	time.Sleep(11 * time.Second) // it looks again
	for range 2 {
		must(t, db.WithContext(as(ann)).Create(&Note{Title: "b"}).Error)
	}
	if n := strings.Count(logs.String(), "GRANT EXECUTE"); n != 1 {
		t.Errorf("the log names the GRANT %d times, want once:\n%s", n, logs)
	}
}

// The grants go with the procedures. A history that begins again is one to warn of.
func TestAHistoryThatBeginsAgain(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t, dbtest.MariaDB)
	owner := d.Open(t)
	must(t, history.Migrate(owner, &Note{}))
	config, logs := logged()
	db := mysqlAccount(t, d, config.Logger, rightsOf(t, "MariaDB and MySQL", "writer", homeOf(t, owner))...)
	must(t, db.Use(history.New()))
	write := func(when string, warnings int) {
		t.Helper()
		for range 2 {
			must(t, db.WithContext(as(ann)).Create(&Note{Title: when}).Error)
		}
		if n := strings.Count(logs.String(), "GRANT EXECUTE"); n != warnings {
			t.Errorf("%s, the log names the GRANT %d times, want %d:\n%s", when, n, warnings, logs)
		}
	}
	write("with a history", 0)
	must(t, history.Drop(owner, &Note{}))
	for _, statement := range strings.Split(strings.TrimSpace(snippet(t, "../upgrading.md", "DROP TABLE whodunit_changes, whodunit_change_sets, whodunit_context")), "\n") {
		must(t, owner.Exec(statement).Error)
	}
	write("before the plugin looks again", 1)
	_ = history.Verify(db, &Note{}) // it looks again
	write("without a history", 1)
	must(t, history.Migrate(owner, &Note{}))
	_ = history.Verify(db, &Note{})
	write("with a new one", 2)
}

// In a rolling deployment the program runs meanwhile. Without models, Migrate makes what
// schema.md has the administrator grant, so the first recorded change has an actor.
func TestGrantsBeforeTheTriggers(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t, dbtest.MariaDB)
	owner := d.Open(t)
	must(t, owner.AutoMigrate(&Note{}))
	db := mysqlAccount(t, d, logger.Discard, dml)
	must(t, db.Use(history.NewWithConfig(history.Config{Models: []any{&Note{}}})))
	must(t, db.WithContext(as(ann)).Create(&Note{ID: 1, Title: "a"}).Error)
	must(t, history.Migrate(owner))
	var user string
	must(t, db.Raw("SELECT CURRENT_USER()").Scan(&user).Error)
	for _, grant := range rightsOf(t, "MariaDB and MySQL", "writer", homeOf(t, owner)) {
		must(t, owner.Exec("GRANT "+grant+" TO '"+strings.Replace(user, "@", "'@'", 1)+"'").Error)
	}
	must(t, history.Migrate(owner, &Note{}))
	must(t, db.WithContext(as(ann)).Model(&Note{ID: 1}).Update("title", "b").Error)
	if c := last(t, owner, &Note{ID: 1}); c.ChangeSet.Actor != ann {
		t.Errorf("the first change is by %v, want ann", c.ChangeSet.Actor)
	}
}

// A database whose name the statement happens to hold, and where the account may
// not say who acts, keeps nothing from the one that is written.
func TestAHomeThatDeniesIsNoHarm(t *testing.T) {
	d := dbtest.New(t, dbtest.MariaDB)
	_, plain := open(t, d)
	other := dbtest.New(t, dbtest.MariaDB)
	_, elsewhere := open(t, other)
	config, logs := logged()
	rights := rightsOf(t, "MariaDB and MySQL", "writer", homeOf(t, plain))
	db := mysqlAccount(t, d, config.Logger, append(rights, "EXECUTE ON PROCEDURE "+homeOf(t, elsewhere)+".whodunit_clear_actor",
		"EXECUTE ON PROCEDURE "+homeOf(t, elsewhere)+".whodunit_set_actor")...)
	must2(db.DB()).SetMaxOpenConns(1)
	must(t, db.Use(history.New()))
	must(t, db.WithContext(as(ann)).Create(&Note{ID: 1, Title: "a"}).Error)
	var account string
	must(t, db.Raw("SELECT CURRENT_USER()").Scan(&account).Error)
	account = "'" + strings.Replace(account, "@", "'@'", 1) + "'"
	must(t, plain.Exec("REVOKE EXECUTE ON PROCEDURE "+homeOf(t, elsewhere)+".whodunit_set_actor FROM "+account).Error)
	must(t, db.WithContext(as(ann)).Transaction(func(tx *gorm.DB) error {
		return tx.Exec("UPDATE notes SET title = 'b' /* " + homeOf(t, elsewhere) + " */").Error
	}))
	must(t, db.Exec("UPDATE notes SET title = 'raw'").Error)
	sameLines(t, "trail", titles(t, plain, &Note{ID: 1}), `create; user:42; title NULL>"a"`, `update; user:42; title "a">"b"`, `update; nobody said; title "b">"raw"`)
	if !strings.Contains(logs.String(), "GRANT EXECUTE") {
		t.Errorf("the log is %q, want it to name the GRANT", logs)
	}
}
