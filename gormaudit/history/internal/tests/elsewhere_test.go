package tests

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// auditedElsewhere is a table in a schema of its own, by its name with that of its schema,
// whose history is in another one. It returns connections whose current schemas are the
// history's and the table's.
func auditedElsewhere(t *testing.T) (table string, inHistory, inTable *gorm.DB) {
	t.Helper()
	inHistory, inTable = dbtest.New(t, dbtest.Postgres).Open(t), dbtest.New(t, dbtest.Postgres).Open(t)
	table = homeOf(t, inTable) + ".notes"
	must(t, history.Migrate(inHistory.Table(table), &Note{}))
	return table, inHistory, inTable
}

// With another search_path than that of its history, a table is recorded where it was.
func TestASecondSearchPath(t *testing.T) {
	t.Parallel()
	table, inHistory, inTable := auditedElsewhere(t)
	names := func(what string, err error, db *gorm.DB) {
		t.Helper()
		var found *history.TableError
		if home := homeOf(t, db); !errors.Is(err, history.ErrElsewhere) || !errors.As(err, &found) || !strings.Contains(err.Error(), `"`+home+`"`) {
			t.Errorf("%s = %v, want ErrElsewhere that names %s", what, err, home)
		}
	}
	for _, named := range []*gorm.DB{inTable, inTable.Table(table)} {
		names("Migrate", history.Migrate(named, &Note{}), inHistory)
		_, _, err := history.SQL(named, &Note{})
		names("SQL", err, inHistory)
		names("Verify", history.Verify(named, &Note{}), inHistory)
	}
	must(t, inTable.Create(&Note{ID: 1, Title: "a"}).Error)
	if n := len(trail(t, inHistory.Table(table), &Note{ID: 1})); n != 1 || inTable.Migrator().HasTable("whodunit_changes") {
		t.Errorf("the row has %d changes where it is recorded, want 1, and no second history", n)
	}
	names("Drop", history.Drop(inTable, &Note{}), inHistory)
	must(t, history.Verify(inHistory.Table(table), &Note{}))
	must(t, history.Drop(inHistory.Table(table), &Note{}))
	must(t, history.Migrate(inTable, &Note{}))
	must(t, history.Verify(inTable, &Note{}))
	names("Verify from the former history", history.Verify(inHistory.Table(table), &Note{}), inTable)
}

// An account whose search_path is the table's schema writes with its actor, and no warning.
func TestWritersOfATableWithAHistoryElsewhere(t *testing.T) {
	t.Parallel()
	table, inHistory, inTable := auditedElsewhere(t)
	config, logs := logged()
	inTable.Logger = config.Logger
	must(t, inTable.Use(history.NewWithConfig(history.Config{Models: []any{&Note{}}})))
	must(t, inTable.WithContext(as(ann)).Create(&Note{ID: 1, Title: "a"}).Error)
	if c := last(t, inHistory.Table(table), &Note{ID: 1}); c.ChangeSet.Actor != ann || logs.Len() > 0 {
		t.Errorf("the change is by %v, and the log has %q, want ann and nothing", c.ChangeSet.Actor, logs)
	}
}

// What an account that writes needs for Verify where the history has a schema of its own.
func TestVerifyByTheAccountThatWritesOfAHistoryElsewhere(t *testing.T) {
	t.Parallel()
	table, inHistory, inTable := auditedElsewhere(t)
	home, schema := homeOf(t, inHistory), homeOf(t, inTable)
	writer := inTable.Session(&gorm.Session{})
	must2(writer.DB()).SetMaxOpenConns(1)
	role := "whodunit_" + strings.ToLower(rand.Text()[:12])
	for _, statement := range []string{"CREATE ROLE " + role, "GRANT USAGE ON SCHEMA " + schema + " TO " + role, "GRANT SELECT, INSERT, UPDATE, DELETE ON " + table + " TO " + role} {
		must(t, inHistory.Exec(statement).Error)
	}
	t.Cleanup(func() {
		must(t, inHistory.Exec("DROP OWNED BY "+role).Error)
		must(t, inHistory.Exec("DROP ROLE "+role).Error)
	})
	must(t, writer.Exec("SET ROLE "+role).Error)
	must(t, writer.Exec("SET search_path = "+home+", "+schema).Error)
	verify := func() error { return history.Verify(writer.Table(table), &Note{}) }
	if err := verify(); !errors.Is(err, history.ErrElsewhere) {
		t.Errorf("Verify without USAGE = %v, want ErrElsewhere", err)
	}
	must(t, writer.Exec("SET search_path = "+home).Error)
	if err := verify(); err == nil || !strings.Contains(err.Error(), "USAGE") {
		t.Errorf("Verify without any schema = %v, want an error that names USAGE", err)
	}
	must(t, inHistory.Exec("GRANT USAGE ON SCHEMA "+home+" TO "+role).Error)
	must(t, verify())
	must(t, writer.Exec("SET search_path = "+home+", "+schema).Error)
	must(t, verify())
}

// A file that was made in a database without that history does not move the recording either.
func TestAFileOfAnotherSearchPath(t *testing.T) {
	t.Parallel()
	table, inHistory, inTable := auditedElsewhere(t)
	must(t, history.Drop(inHistory.Table(table), &Note{}))
	drop, create := texts(t, inTable, &Note{})
	must(t, history.Migrate(inHistory.Table(table), &Note{}))
	runScript(t, inTable, drop)
	if err := inTable.Exec(create).Error; err == nil || !strings.Contains(err.Error(), homeOf(t, inHistory)) {
		t.Errorf("create = %v, want an error that names the history", err)
	}
	must(t, history.Verify(inHistory.Table(table), &Note{}))
	if inTable.Migrator().HasTable("whodunit_changes") {
		t.Error("create made a second history")
	}
}

// A tenant's tables do not exist yet, and those of the same names in the schema that all
// tenants share have a history of their own.
func TestATenantBesideASharedSchema(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"Migrate", "SQL"} {
		t.Run(way, func(t *testing.T) {
			shared, tenant := dbtest.New(t, dbtest.Postgres).Open(t), dbtest.New(t, dbtest.Postgres).Open(t)
			must(t, history.Migrate(shared, &Note{}))
			must2(tenant.DB()).SetMaxOpenConns(1)
			must(t, tenant.Exec("SET search_path = "+homeOf(t, tenant)+", "+homeOf(t, shared)).Error)
			if way == "Migrate" {
				must(t, history.Migrate(tenant, &Note{}))
			} else {
				_, create := texts(t, tenant, &Note{})
				must(t, tenant.AutoMigrate(&Note{}))
				runScript(t, tenant, create)
			}
			must(t, history.Verify(tenant, &Note{}))
			must(t, history.Verify(shared, &Note{}))
			must(t, tenant.Create(&Note{ID: 1, Title: "a"}).Error)
			if n, m := count(t, tenant, "whodunit_changes"), count(t, shared, "whodunit_changes"); n != 1 || m != 0 {
				t.Errorf("the tenant's history has %d changes, the shared one %d, want 1 and 0", n, m)
			}
		})
	}
}

// A schema that gets another name keeps its history.
func TestARenamedSchema(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t, dbtest.Postgres)
	db := d.Open(t)
	must2(db.DB()).SetMaxOpenConns(1)
	must(t, history.Migrate(db, &Note{}))
	must(t, db.Create(&Note{ID: 1, Title: "a"}).Error)
	home := homeOf(t, db)
	must(t, db.Exec("ALTER SCHEMA "+home+" RENAME TO "+home+"_b").Error)
	defer func() { must(t, db.Exec("ALTER SCHEMA "+home+"_b RENAME TO "+home).Error) }()
	must(t, db.Exec("SET search_path = "+home+"_b").Error)
	if err := history.Verify(db, &Note{}); !errors.Is(err, history.ErrOutdated) {
		t.Errorf("Verify = %v, want ErrOutdated", err)
	}
	must(t, history.Migrate(db, &Note{}))
	must(t, history.Verify(db, &Note{}))
	must(t, db.Model(&Note{ID: 1}).Update("title", "b").Error)
	if n := len(trail(t, db, &Note{ID: 1})); n != 2 {
		t.Errorf("the row has %d changes, want 2", n)
	}
}

// MariaDB and SQLite keep a trigger beside its table, so a table has one history.
func TestATableOfAnotherDatabaseOnMariaDB(t *testing.T) {
	t.Parallel()
	first, _ := open(t, dbtest.New(t, dbtest.MariaDB))
	second := dbtest.New(t, dbtest.MariaDB).Open(t)
	table := homeOf(t, first) + ".notes"
	if err := history.Migrate(second.Table(table), &Note{}); err == nil {
		t.Error("Migrate of another database's table succeeded")
	}
	if err := history.Verify(second.Table(table), &Note{}); !errors.Is(err, history.ErrMissing) {
		t.Errorf("Verify = %v, want ErrMissing", err)
	}
	must(t, history.Verify(first, &Note{}))
}
