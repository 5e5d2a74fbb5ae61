package tests

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// withRole returns a connection that has the rights of a new role, and a
// function that grants it some.
func withRole(t *testing.T, d *dbtest.Database) (db *gorm.DB, grant func(rights ...string)) {
	t.Helper()
	owner, db := d.Open(t), d.Open(t)
	must2(db.DB()).SetMaxOpenConns(1)
	role := "whodunit_" + strings.ToLower(rand.Text()[:12])
	must(t, owner.Exec("CREATE ROLE "+role).Error)
	t.Cleanup(func() {
		must(t, owner.Exec("DROP OWNED BY "+role).Error)
		must(t, owner.Exec("DROP ROLE "+role).Error)
	})
	grant = func(rights ...string) {
		for _, right := range rights {
			must(t, owner.Exec("GRANT "+right+" TO "+role).Error)
		}
	}
	var schema string
	must(t, owner.Raw("SELECT current_schema()").Scan(&schema).Error)
	grant("USAGE ON SCHEMA "+schema, "SELECT, INSERT, UPDATE, DELETE ON notes", "USAGE ON SEQUENCE notes_id_seq")
	must(t, db.Exec("SET ROLE "+role).Error)
	return db, grant
}

// What doc.go says of the rights that an account needs on PostgreSQL.
func TestRightsOfTheApplicationsAccountOnPostgres(t *testing.T) {
	d := dbtest.New(t, dbtest.Postgres)
	must(t, history.Options{AppendOnly: true}.Migrate(d.Open(t), &Note{}))
	db, grant := withRole(t, d)
	must(t, db.Use(history.New()))
	me := db.WithContext(as(ann))
	expect := func(what string, err error, allowed bool) {
		t.Helper()
		if (err == nil) != allowed {
			t.Errorf("%s = %v, want it allowed: %t", what, err, allowed)
		}
	}
	create := func() error { return me.Create(&Note{Title: "a"}).Error }

	expect("Create", create(), true)
	expect("Update", me.Model(&Note{}).Where("title = 'a'").Update("title", "b").Error, true)
	expect("Delete", me.Where("title = 'b'").Delete(&Note{}).Error, true)
	expect("Verify", history.Verify(db, &Note{}), true)
	expect("Find without SELECT on changes", second(history.Find(db, history.Query{})), false)
	grant("SELECT ON whodunit_changes", "SELECT ON whodunit_change_sets")
	changes := by(t, db, ann)
	expect("At", second(history.At[Note](db, changes[0].Key[0], time.Now().Add(time.Minute))), true)
	expect("Revert", history.Revert(signing(t, me.Model(&Note{})), changes[0]), true)
	expect("Erase without UPDATE", second(history.Anonymize(me, ann)), false)
	grant("UPDATE, INSERT ON whodunit_change_sets", "INSERT ON whodunit_changes")
	expect("Erase", second(history.Anonymize(me, ann)), true)
	expect("Prune without DELETE", second(history.Prune(db, time.Now().Add(time.Hour))), false)
	grant("DELETE ON whodunit_change_sets", "DELETE ON whodunit_changes")
	expect("Prune", second(history.Prune(db, time.Now().Add(time.Hour))), true)
	expect("Migrate of what is right", history.Migrate(db, &Note{}), true)
	expect("Migrate of another model", history.Migrate(db, &parent{}), false)
}

// GRANT … ON ALL TABLES gives an account the history, too.
func TestVerifyWarnsOfRightsOnTheHistoryOnPostgres(t *testing.T) {
	d := dbtest.New(t, dbtest.Postgres)
	must(t, history.Migrate(d.Open(t), &Note{}))
	db, grant := withRole(t, d)
	config, logs := logged()
	db.Logger = config.Logger
	expect := func(when string, want int) {
		t.Helper()
		must(t, history.Verify(db, &Note{}))
		if got := strings.Count(logs.String(), "may change what is recorded"); got != want {
			t.Errorf("Verify %s warns %q, want %d warnings", when, logs, want)
		}
	}
	expect("of a writer", 0)
	grant("SELECT ON whodunit_changes")
	expect("of a reader", 0)
	grant("DELETE ON whodunit_changes")
	expect("of one that may delete", 1)
}

// A database may give a role the right to each function that is created.
func TestDefaultPrivilegesDoNotExposeTheFunctions(t *testing.T) {
	db := dbtest.New(t, dbtest.Postgres).Open(t)
	role := "whodunit_" + strings.ToLower(rand.Text()[:12])
	must(t, db.Exec("CREATE ROLE "+role).Error)
	t.Cleanup(func() {
		must(t, db.Exec("DROP OWNED BY "+role).Error)
		must(t, db.Exec("DROP ROLE "+role).Error)
	})
	must(t, db.Exec("ALTER DEFAULT PRIVILEGES IN SCHEMA "+homeOf(t, db)+" GRANT EXECUTE ON FUNCTIONS TO "+role).Error)
	must(t, history.Migrate(db, &Note{}))
	must(t, history.Verify(db, &Note{}))
	for _, function := range []string{"whodunit_open_set()", "whodunit_record_notes()"} {
		var allowed bool
		must(t, db.Raw("SELECT has_function_privilege(?, ?, 'EXECUTE')", role, function).Scan(&allowed).Error)
		if allowed {
			t.Errorf("the role may execute %s", function)
		}
	}
}

// A reader that looks in another schema is told so.
func TestAReaderWithoutASearchPath(t *testing.T) {
	t.Parallel()
	db, _ := open(t, dbtest.New(t, dbtest.Postgres))
	must(t, db.Connection(func(conn *gorm.DB) error {
		must(t, conn.Exec("SET search_path = pg_catalog").Error)
		_, err := history.Find(conn, history.Query{})
		if err == nil || !strings.Contains(err.Error(), "its tables are missing (search_path? history.Migrate, or history.SQL?)") {
			t.Errorf("Find = %v, want a hint of the search_path", err)
		}
		return conn.Exec("RESET search_path").Error
	}))
}
