package tests

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// objectsOf is what there is of the history, so that a change shows.
func objectsOf(t *testing.T, db *gorm.DB) (found string) {
	t.Helper()
	query := "SELECT group_concat(name || sql) FROM sqlite_master WHERE name LIKE 'whodunit%'"
	switch db.Name() {
	case "postgres":
		query = `SELECT string_agg(proname || p.xmin::text, ',' ORDER BY p.oid) || (SELECT string_agg(tgname || t.oid::text || t.xmin::text, ',' ORDER BY t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
WHERE relnamespace = current_schema()::regnamespace) FROM pg_proc p WHERE pronamespace = current_schema()::regnamespace`
	case "mysql":
		query = `SELECT CONCAT((SELECT GROUP_CONCAT(TRIGGER_NAME, CREATED) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE()),
(SELECT GROUP_CONCAT(ROUTINE_NAME, CREATED, LAST_ALTERED) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE()))`
	}
	must(t, db.Raw(query).Scan(&found).Error)
	return found
}

// information_schema looks into all databases of the server, unless it is asked for one
// in the form that it knows. What it has read, it counts as written to a table of its own.
func TestMigrateLooksIntoOneDatabase(t *testing.T) {
	d := dbtest.New(t, dbtest.MariaDB)
	_, plain := open(t, d)
	var version string
	if must(t, plain.Raw("SELECT VERSION()").Scan(&version).Error); !strings.Contains(version, "MariaDB") {
		t.Skip("MySQL has no such count")
	}
	read := func() (n int) {
		must(t, plain.Connection(func(conn *gorm.DB) error {
			conn = conn.Session(&gorm.Session{})
			must(t, conn.Exec("FLUSH STATUS").Error)
			must(t, history.Migrate(conn, &Note{}))
			var name string
			return conn.Raw("SHOW SESSION STATUS LIKE 'Handler_tmp_write'").Row().Scan(&name, &n)
		}))
		return n
	}
	before := read()
	const others = 50
	other := dbtest.New(t, dbtest.MariaDB).Open(t)
	must(t, other.Exec("CREATE TABLE busy (id int)").Error)
	for i := range others {
		must(t, other.Exec(fmt.Sprintf("CREATE TRIGGER busy%d BEFORE DELETE ON busy FOR EACH ROW DO 0", i)).Error)
	}
	if after := read(); after >= before+others/2 { // other tests have homes, whose procedures it does see
		t.Errorf("beside a database with %d triggers, Migrate reads %d rows, want about %d, as without it", others, after, before)
	}
}

// What is right is not touched, and takes no lock that a reader or a writer of the
// table holds up.
func TestMigrateOfWhatIsRight(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		must(t, history.Migrate(db, &Note{}, &noteV1{}))
		must(t, plain.Create(&Note{ID: 1, Title: "a"}).Error)
		before := objectsOf(t, plain)
		reader := plain.Begin()
		defer reader.Rollback()
		must(t, reader.Find(&[]Note{}).Error)
		if d.Kind != dbtest.SQLite && d.Kind != "sqlite-cgo" {
			writer := d.Open(t).Begin()
			defer writer.Rollback()
			must(t, writer.Exec("UPDATE notes SET title = 'b'").Error)
		}
		start := time.Now()
		must(t, history.Migrate(db, &Note{}, &noteV1{}))
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("Migrate took %v beside a reader and a writer", took)
		}
		if after := objectsOf(t, plain); after != before {
			t.Errorf("Migrate changed\n%s\nto\n%s", before, after)
		}
	})
}

type (
	busyV1 struct {
		ID    uint
		Title string
	}
	busyV2 struct {
		ID    uint
		Title string
		Stars int
	}
)

func (busyV1) TableName() string { return "busy" }
func (busyV2) TableName() string { return "busy" }

// Programs write and read, in transactions that take the tables in two orders,
// while a release migrates: a table that has no history yet, and one that gets a
// column. No write fails, waits for a
// reader that the migration waits for, or goes unrecorded.
func TestMigrateBesideWriters(t *testing.T) {
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			d := dbtest.New(t, kind)
			db := d.Open(t)
			must(t, db.AutoMigrate(&busyV1{}, &Note{}, &noteV1{}))
			for id := range uint(8) {
				must(t, db.Create(&busyV1{ID: id + 1, Title: "a"}).Error)
				must(t, db.Create(&Note{ID: id + 1, Title: "a"}).Error)
				must(t, db.Create(&noteV1{ID: id + 1, Title: "a"}).Error)
			}
			must(t, history.Migrate(d.Open(t), &Note{}, &busyV1{}))
			var stop atomic.Bool
			transactions := make([]atomic.Int64, 8)
			var writers sync.WaitGroup
			for w := range transactions {
				pool := d.Open(t)
				must(t, pool.Use(history.New()))
				writers.Go(func() {
					for i := 0; !stop.Load(); i++ {
						first, second := "busy", "notes"
						if w%2 == 1 {
							first, second = second, first
						}
						err := pool.WithContext(as(ann)).Transaction(func(tx *gorm.DB) error {
							for _, table := range []string{first, "pages", second} {
								if err := tx.Table(table).Where("id = ?", w+1).Update("title", fmt.Sprint(w, i)).Error; err != nil {
									err = fmt.Errorf("table %s: %w", table, err)
									return err
								}
							}
							return nil
						})
						if err != nil {
							t.Errorf("a write failed: %v", err)
							return
						}
						transactions[w].Add(1)
						time.Sleep(time.Millisecond)
					}
				})
			}
			must(t, history.Migrate(d.Open(t), &Note{}, &busyV1{}, &noteV1{})) // pages have no history yet
			must(t, history.Migrate(d.Open(t), &Note{}, &busyV1{}, &noteV1{}))
			reader := d.Open(t).Begin()
			must(t, reader.Find(&[]Note{}).Error)
			must(t, reader.Raw("SELECT title FROM busy").Scan(&[]string{}).Error)
			var left sync.WaitGroup
			left.Go(func() {
				defer reader.Rollback()
				if kind != dbtest.SQLite { // whose readers nobody waits for
					waitForAlter(t, d.Open(t))
					waitForWriters(t, transactions)
				}
			})
			must(t, history.Migrate(d.Open(t), &Note{}, &busyV2{}))
			left.Wait()
			must(t, history.Migrate(d.Open(t), &Note{}, &busyV1{}))
			time.Sleep(100 * time.Millisecond)
			stop.Store(true)
			writers.Wait()
			plain := d.Open(t)
			must(t, history.Verify(plain, &Note{}, &busyV2{}))
			n := 0
			for _, c := range by(t, plain, ann) {
				if c.Table != "pages" {
					n++
				}
			}
			wrote := int64(0)
			for w := range transactions {
				wrote += 2 * transactions[w].Load()
			}
			if int64(n) != wrote || n == 0 {
				t.Errorf("%d changes are by ann, want %d", n, wrote)
			}
		})
	}
}

// waitForAlter waits until somebody's ALTER TABLE waits for others.
func waitForAlter(t *testing.T, db *gorm.DB) {
	waits := `SELECT count(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO LIKE 'ALTER TABLE%' AND STATE LIKE 'Waiting for table metadata lock%'`
	if db.Name() == "postgres" {
		waits = `SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock' AND relation = 'busy'::regclass`
	}
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); {
		var n int
		if err := db.Raw(waits).Scan(&n).Error; err != nil {
			t.Error(err)
			return
		}
		if n > 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("the migration does not wait for the reader")
}

// waitForWriters waits until each writer has ended two more transactions, which
// nobody does who waits for the reader.
func waitForWriters(t *testing.T, transactions []atomic.Int64) {
	var ended []int64
	for w := range transactions {
		ended = append(ended, transactions[w].Load())
	}
	until := time.Now().Add(20 * time.Second)
	for w := range transactions {
		for transactions[w].Load() < ended[w]+2 {
			if time.Now().After(until) {
				t.Error("a writer waits while the migration waits for a reader")
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// Several programs start for the first time.
func TestFirstMigratesAtOnce(t *testing.T) {
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for range 3 {
				d := dbtest.New(t, kind)
				var programs sync.WaitGroup
				for range 4 {
					db := d.Open(t)
					programs.Go(func() {
						if err := history.Migrate(db, &Note{}, &noteV1{}, &parent{}, &child{}); err != nil {
							t.Errorf("Migrate = %v", err)
						}
					})
				}
				programs.Wait()
				must(t, history.Verify(d.Open(t), &Note{}, &noteV1{}, &parent{}, &child{}))
			}
		})
	}
}

type (
	olderNote struct {
		ID     uint
		Title  string
		Token  string
		Scrap  string
		Doomed string
	}
	newerNote struct {
		ID    uint
		Title string
		Token string `gorm:"history:redact"`
		Scrap string `gorm:"history:-"`
		Added string
	}
)

func (olderNote) TableName() string { return "released" }
func (newerNote) TableName() string { return "released" }

// An older release that is started again takes nothing from a newer one.
func TestAnOlderReleaseTakesNothingAway(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		must(t, history.Migrate(db, &olderNote{}))
		must(t, history.Options{AppendOnly: true}.Migrate(db, &newerNote{}))
		must(t, history.Verify(plain, &olderNote{}))
		must(t, history.Verify(plain, &newerNote{}))
		for range 2 {
			must(t, history.Migrate(db, &olderNote{}))
			must(t, history.Verify(plain, &olderNote{}))
			must(t, history.Verify(plain, &newerNote{}))
		}
		row := olderNote{ID: 1, Title: "a", Token: "hush", Scrap: "private", Doomed: "d"}
		must(t, db.WithContext(as(ann)).Create(&row).Error)
		must(t, plain.Exec("UPDATE released SET added = 'new' WHERE id = 1").Error)
		c := last(t, plain, &row)
		if f, ok := c.Field("added"); !ok || f.After.String() != "new" {
			t.Errorf("the newer release's column is not recorded: %+v", c)
		}
		created := must2(history.Of(plain, &row))[1]
		if f, ok := created.Field("token"); !ok || !f.Redacted {
			t.Errorf("the redacted column is recorded as %+v", f)
		}
		if f, ok := created.Field("scrap"); ok {
			t.Errorf("the column that was left out is recorded as %+v", f)
		}
		if err := plain.Exec("DELETE FROM whodunit_changes").Error; err == nil {
			t.Error("the history is not append-only any more")
		}
		must(t, history.Options{Exact: true}.Migrate(db, &olderNote{}))
		must(t, plain.Exec("UPDATE released SET added = 'newer', token = 'shown' WHERE id = 1").Error)
		c = last(t, plain, &row)
		if _, ok := c.Field("added"); ok {
			t.Error("Exact left the newer release's column")
		}
		if f, ok := c.Field("token"); !ok || f.After.String() != "shown" {
			t.Errorf("Exact left the column redacted: %+v", f)
		}
		if err := history.Verify(plain, &newerNote{}); !errors.Is(err, history.ErrOutdated) {
			t.Errorf("Verify of the newer model = %v, want ErrOutdated", err)
		}
	})
}

// A column that is gone is not named any more.
func TestAColumnThatIsGone(t *testing.T) {
	for _, kind := range []string{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			db, plain := open(t, dbtest.New(t, kind))
			must(t, history.Migrate(db, &olderNote{}))
			must(t, db.WithContext(as(ann)).Create(&olderNote{ID: 1, Title: "a"}).Error)
			must(t, plain.Exec("ALTER TABLE released DROP COLUMN doomed").Error)
			err := db.Table("released").Where("id = 1").Update("title", "b").Error
			if !errors.Is(err, history.ErrOutdated) || !strings.Contains(err.Error(), "history.Migrate") {
				t.Errorf("Update past Migrate = %v, want ErrOutdated that names history.Migrate", err)
			}
			must(t, history.Migrate(db, &newerNote{}))
			must(t, db.Table("released").Where("id = 1").Update("title", "c").Error)
		})
	}
}

// AutoMigrate alone may alter a column on PostgreSQL.
func TestAutoMigratePastTheHistory(t *testing.T) {
	db, plain := open(t, dbtest.New(t, dbtest.Postgres))
	must(t, history.Migrate(db, &noteV1{}))
	must(t, db.AutoMigrate(&noteV2{}))
	must(t, db.WithContext(as(ann)).Create(&noteV2{ID: 1, Title: "a title of more than ten"}).Error)
	if c := last(t, plain, &noteV2{ID: 1}); c.ChangeSet.Actor != ann {
		t.Errorf("the creation is by %v", c.ChangeSet.Actor)
	}
}

func TestMigrateHonoursTableAndSettings(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		must(t, history.Migrate(db.Table("other_notes"), &noteV1{}))
		if plain.Migrator().HasTable("pages") {
			t.Error("the model's own table was made")
		}
		must(t, db.WithContext(as(ann)).Table("other_notes").Create(&noteV1{ID: 1, Title: "a"}).Error)
		sameLines(t, "trail", titles(t, plain.Table("other_notes"), &noteV1{ID: 1}), `create; user:42; title NULL>"a"`)
		if err := history.Migrate(db.Table("other_notes"), &noteV1{}, &Note{}); err == nil {
			t.Error("Migrate of two models for one table succeeded")
		}
		if db.Name() == "mysql" {
			must(t, history.Migrate(db.Set("gorm:table_options", "COMMENT='hello'"), &parent{}))
			var comment string
			must(t, plain.Raw("SELECT TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'parents'").Scan(&comment).Error)
			if comment != "hello" {
				t.Errorf("the table's comment is %q, want that of gorm:table_options", comment)
			}
		}
	})
}

// An account that lacks a right changes nothing.
func TestRightsAreTestedFirst(t *testing.T) {
	t.Run(dbtest.Postgres, func(t *testing.T) {
		_, owners := postgresAccount(t)
		admin := openDialector(t, postgres.Open(owners))
		must(t, admin.Exec("CREATE SCHEMA shared").Error)
		must(t, admin.Exec("SET search_path = shared").Error)
		must(t, admin.AutoMigrate(&noteV1{}))
		var role string
		must(t, admin.Raw("SELECT current_database()").Scan(&role).Error)
		must(t, admin.Exec("GRANT USAGE ON SCHEMA shared TO "+role).Error)
		must(t, admin.Exec("ALTER TABLE shared.pages OWNER TO "+role).Error)
		mine, _ := owners, ""
		_ = mine
		err := admin.Transaction(func(tx *gorm.DB) error {
			must(t, tx.Exec("SET LOCAL ROLE "+role).Error)
			must(t, tx.Exec("SET LOCAL search_path = shared").Error)
			return history.Migrate(tx, &noteV2{})
		})
		if err == nil || !strings.Contains(err.Error(), "lacks a right: CREATE") {
			t.Errorf("Migrate = %v, want it to name the right", err)
		}
	})
	t.Run(dbtest.MariaDB, func(t *testing.T) {
		d := dbtest.New(t, dbtest.MariaDB)
		plain := d.Open(t)
		must(t, plain.AutoMigrate(&noteV1{}))
		config, _ := logged()
		home := homeOf(t, plain)
		db := mysqlAccount(t, d, config.Logger, "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX ON "+home+".*")
		if err := history.Migrate(db, &noteV2{}); err == nil || !strings.Contains(err.Error(), "can't create") {
			t.Errorf("Migrate = %v, want it to name the right", err)
		}
		if plain.Migrator().HasColumn(&noteV2{}, "New") || plain.Migrator().HasTable("whodunit_changes") {
			t.Error("Migrate changed something")
		}
	})
}

func TestAModelWithoutKeyIsRefusedFirst(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		type Keyless struct{ Name string }
		db := d.Open(t)
		if err := history.Migrate(db, &noteV1{}, &Keyless{}); err == nil || db.Migrator().HasTable("pages") || db.Migrator().HasTable(&Keyless{}) {
			t.Errorf("Migrate = %v, want an error before anything is made", err)
		}
	})
}

// A program that registers the plugin and forgets Migrate is told so.
func TestWithoutMigrate(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		config, logs := logged()
		db := d.Open(t, config)
		must(t, db.Use(history.New()))
		must(t, db.AutoMigrate(&noteV1{}))
		for range 2 {
			must(t, db.WithContext(as(ann)).Create(&noteV1{Title: "a"}).Error)
		}
		if n := strings.Count(logs.String(), "history.Migrate"); n != 1 {
			t.Errorf("the log names history.Migrate %d times, want once:\n%s", n, logs)
		}
		if _, err := history.Of(db, &noteV1{ID: 1}); err == nil || !strings.Contains(err.Error(), "history.Migrate") {
			t.Errorf("Of = %v, want it to name history.Migrate", err)
		}
	})
}

// SQLite loses the triggers of a table that the Migrator rebuilds.
func TestARebuiltTableIsNoticedOnSQLite(t *testing.T) {
	eachSQLite(t, func(t *testing.T, d *dbtest.Database) {
		config, logs := logged()
		db := d.Open(t, config)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &noteV1{}))
		must(t, db.WithContext(as(ann)).Create(&noteV1{ID: 1, Title: "a"}).Error)
		must(t, db.Migrator().AlterColumn(&noteV2{}, "Title"))
		must(t, db.WithContext(as(ann)).Create(&noteV1{ID: 2, Title: "b"}).Error)
		if !strings.Contains(logs.String(), `table "pages": its triggers are missing`) {
			t.Errorf("the log is %q, want it to miss the triggers", logs)
		}
		must(t, history.Migrate(db, &noteV2{}))
		must(t, db.WithContext(as(ann)).Create(&noteV2{ID: 3, Title: "c"}).Error)
		if c := last(t, db, &noteV2{ID: 3}); c.ChangeSet.Actor != ann {
			t.Errorf("the creation is by %v", c.ChangeSet.Actor)
		}
	})
}

// A tag that GORM can't read as a time is no zero value.
func TestAQuotedZeroValue(t *testing.T) {
	type Quoted struct {
		ID        uint
		Title     string
		DeletedAt gorm.DeletedAt `gorm:"zeroValue:'1970-01-01 00:00:01'"`
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Quoted{}))
		row := Quoted{Title: "a"}
		must(t, db.WithContext(as(ann)).Create(&row).Error)
		must(t, db.WithContext(as(ann)).Delete(&row).Error)
		if c := last(t, db, &row); c.Action != history.ActionSoftDelete {
			t.Errorf("the deletion is recorded as %s", c.Action)
		}
	})
}

// A migration gives up when its context ends.
func TestMigrateEndsWithItsContext(t *testing.T) {
	db, _ := open(t, dbtest.New(t, dbtest.Postgres))
	holder := db.Begin()
	defer holder.Rollback()
	must(t, holder.Exec("LOCK TABLE notes IN ACCESS EXCLUSIVE MODE").Error)
	must(t, db.Exec("CREATE TABLE busy (id bigint PRIMARY KEY, title text)").Error)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	start := time.Now()
	if err := history.Migrate(db.WithContext(ctx), &Note{}, &busyV2{}); err == nil || time.Since(start) > 10*time.Second {
		t.Errorf("Migrate = %v after %v", err, time.Since(start))
	}
}

// A program may hold a connection while it migrates, for a lock of its own, or a
// transaction.
func TestMigrateOnAConnection(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		must(t, db.Connection(func(conn *gorm.DB) error { return history.Migrate(conn, &noteV1{}) }))
		must(t, db.WithContext(as(ann)).Create(&noteV1{ID: 1, Title: "a"}).Error)
		must(t, db.Connection(func(conn *gorm.DB) error {
			conn = conn.Session(&gorm.Session{Context: as(bob)})
			must(t, history.Verify(conn, &noteV1{}))
			return conn.Model(&noteV1{ID: 1}).Update("title", "b").Error
		}))
		must(t, db.Transaction(func(tx *gorm.DB) error { return history.Migrate(tx, &noteV1{}, &parent{}) }))
		must(t, history.Verify(plain, &noteV1{}, &parent{}))
		sameLines(t, "trail", titles(t, plain, &noteV1{ID: 1}), `create; user:42; title NULL>"a"`, `update; user:7; title "a">"b"`)
	})
}

// A model that must be recorded and is not can be written all the same.
func TestARequiredModelWithoutMigrate(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		config, logs := logged()
		db := d.Open(t, config)
		must(t, db.Use(history.NewWithConfig(history.Config{Models: []any{&noteV1{}}})))
		must(t, db.AutoMigrate(&noteV1{}))
		for range 2 {
			must(t, db.WithContext(as(ann)).Create(&noteV1{Title: "a"}).Error)
		}
		if n := strings.Count(logs.String(), `table "pages": its triggers are missing`); n != 1 {
			t.Errorf("the log misses the triggers %d times, want once:\n%s", n, logs)
		}
	})
}

// A session keeps its settings through a migration.
func TestMigrateLeavesTheSessionAsItWas(t *testing.T) {
	for kind, setting := range map[string]struct{ set, show, want string }{
		dbtest.Postgres: {"SET lock_timeout = '7s'", "SHOW lock_timeout", "7s"},
		dbtest.MariaDB:  {"SET SESSION lock_wait_timeout = 7", "SELECT @@session.lock_wait_timeout", "7"},
	} {
		t.Run(kind, func(t *testing.T) {
			db, _ := open(t, dbtest.New(t, kind))
			must2(db.DB()).SetMaxOpenConns(1)
			must(t, db.Exec(setting.set).Error)
			migrate := func(db *gorm.DB) {
				t.Helper()
				must(t, history.Migrate(db, &noteV1{}))
				var got string
				must(t, db.Raw(setting.show).Scan(&got).Error)
				if got != setting.want {
					t.Errorf("%s is %s after Migrate, want %s", setting.show, got, setting.want)
				}
			}
			migrate(db)
			must(t, db.Transaction(func(tx *gorm.DB) error { migrate(tx); return nil }))
		})
	}
}
