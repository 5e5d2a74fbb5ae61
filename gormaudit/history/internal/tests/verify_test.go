package tests

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// Tagged is a table that something else than Migrate changes.
type Tagged struct {
	ID    uint
	Name  string
	Count int
	Tags  string
}

// What was done to a table past its triggers, what Verify says, what it warns of, and
// whether writes fail until Migrate.
var pastMigrate = []struct {
	name   string
	kinds  []string // all by default
	alter  string   // %update is the trigger for UPDATE, and so on
	want   error
	warns  string
	broken bool
}{
	{
		name: "a dropped column", kinds: []string{dbtest.Postgres, dbtest.MariaDB},
		alter: "ALTER TABLE taggeds DROP COLUMN tags", want: history.ErrOutdated, broken: true,
	},
	{
		name: "a renamed column", kinds: []string{dbtest.Postgres, dbtest.MariaDB},
		alter: "ALTER TABLE taggeds RENAME COLUMN tags TO labels", want: history.ErrOutdated, warns: `column "labels" is not in the model`, broken: true,
	},
	{name: "a renamed column", kinds: []string{dbtest.SQLite}, // which renames it in the triggers, too
		alter: "ALTER TABLE taggeds RENAME COLUMN tags TO labels", want: history.ErrOutdated, warns: `column "labels" is not in the model`},
	{name: "a column in another case", kinds: []string{dbtest.SQLite, dbtest.MariaDB}, alter: "ALTER TABLE taggeds RENAME COLUMN tags TO TAGS"},
	{
		name: "a column in another case", kinds: []string{dbtest.Postgres},
		alter: `ALTER TABLE taggeds RENAME COLUMN tags TO "TAGS"`, want: history.ErrOutdated, warns: `column "TAGS" is not in the model`, broken: true,
	},
	{name: "a new column", alter: "ALTER TABLE taggeds ADD COLUMN extra integer", warns: `column "extra" is not in the model`},
	{
		name: "a generated column", kinds: []string{dbtest.SQLite, dbtest.MariaDB},
		alter: "ALTER TABLE taggeds ADD COLUMN extra integer GENERATED ALWAYS AS (id + 1) VIRTUAL", warns: `column "extra" is not in the model`,
	},
	{
		name: "a column of another type", kinds: []string{dbtest.Postgres},
		alter: "ALTER TABLE taggeds ALTER COLUMN name TYPE integer USING 1", warns: `column "name" is of type integer`,
	},
	{name: "a column of another type", kinds: []string{dbtest.MariaDB}, alter: "ALTER TABLE taggeds MODIFY name integer", warns: `column "name" is of type int`},
	{name: "a renamed table", alter: "ALTER TABLE taggeds RENAME TO others", want: history.ErrMissing, broken: true},
	{name: "a dropped table", alter: "DROP TABLE taggeds", want: history.ErrMissing, broken: true},
	{name: "no trigger for INSERT", alter: "DROP TRIGGER %insert", want: history.ErrOutdated},
	{name: "no trigger for UPDATE", alter: "DROP TRIGGER %update", want: history.ErrOutdated},
	{name: "no trigger for DELETE", alter: "DROP TRIGGER %delete", want: history.ErrOutdated},
	{name: "no trigger for TRUNCATE", kinds: []string{dbtest.Postgres}, alter: "DROP TRIGGER %truncate", want: history.ErrOutdated},
}

func TestVerifyAfterWhatMigrateDidNotDo(t *testing.T) {
	for _, c := range pastMigrate {
		kinds := c.kinds
		if kinds == nil {
			kinds = []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB}
		}
		t.Run(c.name, func(t *testing.T) {
			dbtest.Beside(t, kinds, func(t *testing.T, d *dbtest.Database) {
				config, warnings := logged()
				db, plain := d.Open(t, config), d.Open(t)
				must(t, history.Migrate(db, &Tagged{}))
				must(t, db.Exec("INSERT INTO taggeds (id, name, count, tags) VALUES (1, '12', 1, 'x')").Error)
				must(t, plain.Exec(triggersIn(plain, c.alter)).Error)
				if err := history.Verify(db, &Tagged{}); !errors.Is(err, c.want) {
					t.Errorf("Verify = %v, want %v", err, c.want)
				}
				if (warnings.Len() > 0) != (c.warns != "") || !strings.Contains(warnings.String(), c.warns) {
					t.Errorf("Verify warns of %q, want %q", warnings, c.warns)
				}
				if err := plain.Exec("UPDATE taggeds SET name = '13'").Error; (err != nil) != c.broken {
					t.Errorf("UPDATE = %v, want that it fails: %t", err, c.broken)
				}
			})
		})
	}
}

// triggersIn is a statement with the names of the triggers on taggeds.
func triggersIn(db *gorm.DB, statement string) string {
	before, event, found := strings.Cut(statement, "%")
	switch {
	case !found:
		return statement
	case db.Name() == "postgres":
		return before + "whodunit_" + event + " ON taggeds"
	}
	return before + "whodunit_record_taggeds_" + event
}

// Where a recorded column was dropped, Migrate makes it again, as AutoMigrate does, or
// forgets it with the model.
func TestMigrateAfterADroppedColumn(t *testing.T) {
	type later struct {
		ID    uint
		Name  string
		Count int
	}
	for name, model := range map[string]any{"the same model": &Tagged{}, "a model without it": &later{}} {
		t.Run(name, func(t *testing.T) {
			dbtest.Beside(t, []string{dbtest.Postgres, dbtest.MariaDB}, func(t *testing.T, d *dbtest.Database) {
				db := d.Open(t)
				must(t, history.Migrate(db, &Tagged{}))
				must(t, db.Exec("ALTER TABLE taggeds DROP COLUMN tags").Error)
				db = db.Table("taggeds")
				if err := history.Verify(db, model); !errors.Is(err, history.ErrOutdated) || !strings.HasSuffix(err.Error(), "(tags)") {
					t.Errorf("Verify = %v, want ErrOutdated that names tags", err)
				}
				must(t, history.Migrate(db, model))
				must(t, history.Verify(db, model))
				must(t, db.Exec("INSERT INTO taggeds (id, name, count) VALUES (1, '12', 1)").Error)
				must(t, db.Exec("UPDATE taggeds SET name = '13'").Error)
			})
		})
	}
}

// Where a write fails because a column was dropped under the triggers, the errors of Tell
// and of GORM's raw SQL say what to do.
func TestWritesAfterADroppedColumn(t *testing.T) {
	for kind, text := range map[string]string{dbtest.Postgres: `record "old" has no field "tags"`, dbtest.MariaDB: `Unknown column 'tags' in 'OLD'`} {
		t.Run(kind, func(t *testing.T) {
			d := dbtest.New(t, kind)
			db := d.Open(t)
			must(t, history.Migrate(db, &Tagged{}))
			must(t, db.Exec("INSERT INTO taggeds (id) VALUES (1)").Error)
			must(t, db.Exec("ALTER TABLE taggeds DROP COLUMN tags").Error)
			tx := must2(must2(db.DB()).BeginTx(t.Context(), nil))
			write := func() error { return second(tx.ExecContext(t.Context(), "UPDATE taggeds SET name = 'a'")) }
			err := dialectOf(d).Tell(as(ann), tx, write)
			if !errors.Is(err, history.ErrOutdated) || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "history.Migrate") {
				t.Errorf("Tell = %v, want ErrOutdated and %s", err, text)
			}
			must(t, tx.Rollback())
			must(t, db.Use(history.New()))
			for name, me := range map[string]*gorm.DB{"nobody": db, "ann": db.WithContext(as(ann))} {
				err := me.Exec("UPDATE taggeds SET name = 'a'").Error
				if !errors.Is(err, history.ErrOutdated) || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), `""`) {
					t.Errorf("Exec by %s = %v, want ErrOutdated and %s", name, err, text)
				}
			}
		})
	}
}

// SQLite takes triggers that name a column which is not there. They fail.
func TestVerifyFindsAColumnThatNeverCame(t *testing.T) {
	eachSQLite(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		_, create, err := history.SQL(db, &Tagged{})
		must(t, err)
		must(t, db.Exec("CREATE TABLE taggeds (id integer PRIMARY KEY, name text, count integer)").Error)
		for _, statement := range strings.Split(create, ";\n\n") {
			must(t, db.Exec(statement).Error)
		}
		if err := history.Verify(db, &Tagged{}); !errors.Is(err, history.ErrOutdated) {
			t.Errorf("Verify = %v, want ErrOutdated", err)
		}
		if err := db.Exec("INSERT INTO taggeds (id) VALUES (1)").Error; err == nil {
			t.Error("a write of a table without a column that is recorded succeeded")
		}
	})
}

// A generated column is one of the table's.
func TestVerifyKnowsGeneratedColumns(t *testing.T) {
	type Sum struct {
		ID    uint
		A     int
		Twice int `gorm:"->;type:integer GENERATED ALWAYS AS (a * 2) STORED"`
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		config, warnings := logged()
		db := d.Open(t, config)
		must(t, history.Migrate(db, &Sum{}))
		must(t, db.Create(&Sum{ID: 1, A: 2}).Error)
		must(t, history.Verify(db, &Sum{}))
		if warnings.Len() > 0 {
			t.Errorf("Verify warns of %s", warnings)
		}
	})
}

// The account that writes sees on MariaDB which triggers there are, not what they
// record.
func TestVerifyByTheAccountThatWritesOnMariaDB(t *testing.T) {
	d := dbtest.New(t, dbtest.MariaDB)
	_, plain := open(t, d)
	config, warnings := logged()
	db := mysqlAccount(t, d, config.Logger, rightsOf(t, "MariaDB and MySQL", "writer", homeOf(t, plain))...)
	must(t, history.Verify(db, &Note{}))
	if !strings.Contains(warnings.String(), "may not see what its triggers record") {
		t.Errorf("Verify warns of %q, want that it can't see the triggers", warnings)
	}
	must(t, history.Verify(mysqlAccount(t, d, config.Logger, "TRIGGER ON "+homeOf(t, plain)+".notes"), &Note{})) // sees no column
	must(t, plain.Exec("DROP TRIGGER whodunit_record_notes_update").Error)
	if err := history.Verify(db, &Note{}); !errors.Is(err, history.ErrOutdated) {
		t.Errorf("Verify without a trigger = %v, want ErrOutdated", err)
	}
}

// The rights that schema.md names for the account that migrates.
const migratorsRights = "SELECT, CREATE, ALTER, DROP, INDEX, TRIGGER, LOCK TABLES, CREATE ROUTINE, ALTER ROUTINE ON "

// Each right that schema.md grants the definer, taken away alone, makes Verify an
// error. Without most of them a write fails.
func TestVerifyFindsRightsThatTheDefinerLacks(t *testing.T) {
	d := dbtest.New(t, dbtest.MariaDB)
	owner, home, role := definer(t, d)
	migrator := mysqlAccount(t, d, logger.Discard, migratorsRights+home+".*", "SET USER ON *.*")
	options := history.Options{Definer: role, AppendOnly: true}
	must(t, options.Migrate(migrator))
	rights := rightsOf(t, "MariaDB and MySQL", "definer", home)
	for _, right := range rights {
		must(t, owner.Exec("GRANT "+right+" TO "+role).Error)
	}
	must(t, options.Migrate(migrator, &Note{}))
	must(t, history.Verify(migrator, &Note{}))
	if err := history.Verify(migrator.Table(home+".notes"), &Note{}); errors.Is(err, history.ErrDefiner) {
		t.Errorf("Verify of a table with its database's name = %v", err)
	}
	writer := mysqlAccount(t, d, logger.Discard, rightsOf(t, "MariaDB and MySQL", "writer", home)...)
	for _, right := range rights {
		list, on, _ := strings.Cut(right, " ON ")
		table, isTable := strings.CutPrefix(on, home+".")
		for right := range strings.SplitSeq(list, ", ") {
			if !isTable {
				continue
			}
			must(t, owner.Exec("REVOKE "+right+" ON "+on+" FROM "+role).Error)
			err := history.Verify(migrator, &Note{})
			var found *history.TableError
			if !errors.As(err, &found) || !errors.Is(err, history.ErrDefiner) || found.Table != table || !strings.Contains(err.Error(), right) {
				t.Errorf("Verify without %s on %s = %v, want ErrDefiner of it", right, table, err)
			}
			if err := history.Verify(writer, &Note{}); err != nil && !errors.Is(err, history.ErrDefiner) {
				t.Errorf("Verify by the account that writes = %v, want what it can see", err)
			}
			must(t, owner.Exec("GRANT "+right+" ON "+on+" TO "+role).Error)
			must(t, history.Verify(migrator, &Note{}))
		}
	}
	must(t, owner.Exec("ALTER TABLE notes RENAME COLUMN title TO TITLE").Error)
	must(t, history.Verify(migrator, &Note{}))
}

// An account that migrates is the definer, unless another one is chosen. Its rights for
// that are not those that a definer needs.
func TestVerifyFindsAMigratorThatCannotRecord(t *testing.T) {
	d := dbtest.New(t, dbtest.MariaDB)
	owner := d.Open(t)
	home := homeOf(t, owner)
	migrator := mysqlAccount(t, d, logger.Discard, migratorsRights+home+".*")
	must(t, history.Migrate(migrator, &Note{}))
	if err := owner.Create(&Note{}).Error; err == nil {
		t.Fatal("a write succeeded that the definer may not record")
	}
	err := history.Verify(migrator, &Note{})
	if !errors.Is(err, history.ErrDefiner) || !strings.Contains(err.Error(), "lacks INSERT") {
		t.Errorf("Verify = %v, want ErrDefiner that names INSERT", err)
	}
}

// failingLogger gives what Verify warns of to fail, such as t.Errorf.
type failingLogger struct {
	logger.Interface
	fail func(format string, args ...any)
}

func (l failingLogger) Warn(_ context.Context, format string, args ...any) { l.fail(format, args...) }

// The logger of migrations.md makes a warning fail.
func TestALoggerThatFails(t *testing.T) {
	db, plain := open(t, dbtest.New(t, dbtest.SQLite))
	must(t, history.Verify(db.Session(&gorm.Session{Logger: failingLogger{logger.Discard, t.Errorf}}), &Note{}))
	must(t, plain.Exec("ALTER TABLE notes ADD COLUMN forgotten text").Error)
	var failed string
	fail := func(format string, args ...any) { failed = fmt.Sprintf(format, args...) }
	must(t, history.Verify(db.Session(&gorm.Session{Logger: failingLogger{logger.Discard, fail}}), &Note{}))
	if !strings.Contains(failed, `column "forgotten" is not in the model`) {
		t.Errorf("it failed with %q", failed)
	}
}

// Without any of the rights that the functions' owner needs, Verify is an error and a write
// fails.
func TestVerifyFindsRightsThatTheFunctionsOwnerLacks(t *testing.T) {
	t.Parallel()
	mine, owners := postgresAccount(t)
	admin := openDialector(t, postgres.Open(owners+"&search_path=audit"))
	var role, me string
	must(t, admin.Raw("SELECT current_database(), current_user").Row().Scan(&role, &me))
	must(t, admin.Exec("CREATE SCHEMA audit").Error)
	must(t, admin.Exec("GRANT USAGE, CREATE ON SCHEMA audit TO "+role).Error)
	must(t, history.Migrate(openDialector(t, postgres.Open(mine+"&search_path=audit")), &Note{}))
	for _, lost := range []struct{ lose, regain, want string }{
		{"REVOKE USAGE ON SCHEMA audit FROM " + role, "GRANT USAGE ON SCHEMA audit TO " + role, "lacks USAGE on the schema"},
		{"REVOKE INSERT ON whodunit_changes FROM " + role, "GRANT INSERT ON whodunit_changes TO " + role, "lacks INSERT on whodunit_changes"},
		{"REVOKE INSERT ON whodunit_change_sets FROM " + role, "GRANT INSERT ON whodunit_change_sets TO " + role, "lacks INSERT on whodunit_change_sets"},
		{"REVOKE SELECT ON whodunit_change_sets FROM " + role, "GRANT SELECT ON whodunit_change_sets TO " + role, "lacks SELECT on whodunit_change_sets"},
		{"REVOKE SELECT ON whodunit_changes FROM " + role, "GRANT SELECT ON whodunit_changes TO " + role, ""},
		{"ALTER TABLE whodunit_changes OWNER TO " + me, "ALTER TABLE whodunit_changes OWNER TO " + role, "lacks INSERT on whodunit_changes"},
		{"ALTER FUNCTION whodunit_record_notes OWNER TO " + me, "ALTER FUNCTION whodunit_record_notes OWNER TO " + role, ""},
		{"ALTER FUNCTION whodunit_open_set OWNER TO " + me, "ALTER FUNCTION whodunit_open_set OWNER TO " + role, "lacks EXECUTE on whodunit_open_set()"},
	} {
		must(t, admin.Exec(lost.lose).Error)
		var found *history.TableError
		err := history.Verify(admin, &Note{})
		if lost.want == "" {
			must(t, err)
		} else if !errors.Is(err, history.ErrDefiner) || !errors.As(err, &found) || found.Table != "notes" || !strings.Contains(err.Error(), role+" "+lost.want) {
			t.Errorf("after %s, Verify = %v, want ErrDefiner: %s %s", lost.lose, err, role, lost.want)
		}
		if err := admin.Create(&Note{Title: "a"}).Error; (err != nil) != (lost.want != "") {
			t.Errorf("after %s, a write = %v", lost.lose, err)
		}
		must(t, admin.Exec(lost.regain).Error)
		must(t, history.Verify(admin, &Note{}))
		must(t, admin.Create(&Note{Title: "a"}).Error)
	}
}

// A restore may have left out parts of the history itself. Migrate makes them again.
func TestVerifyFindsMissingPartsOfTheHistory(t *testing.T) {
	t.Parallel()
	table := func(names ...string) (drops []string) {
		for _, name := range names {
			drops = append(drops, "DROP TABLE "+name)
		}
		return drops
	}
	drops := map[string][]string{
		dbtest.SQLite:   table("whodunit_changes", "whodunit_change_sets", "whodunit_layouts"),
		dbtest.Postgres: append(table("whodunit_changes", "whodunit_change_sets"), "DROP FUNCTION whodunit_open_set"),
		dbtest.MariaDB: append(table("whodunit_changes", "whodunit_change_sets", "whodunit_context"),
			"DROP PROCEDURE whodunit_set_actor", "DROP PROCEDURE whodunit_clear_actor", "DROP PROCEDURE whodunit_rights"),
	}
	dbtest.Beside(t, []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB}, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, history.Migrate(db, &Note{}))
		for _, drop := range drops[d.Kind] {
			must(t, db.Exec(drop).Error)
			name := drop[strings.LastIndexByte(drop, ' ')+1:]
			if err := history.Verify(db, &Note{}); !errors.Is(err, history.ErrIncomplete) || !strings.Contains(err.Error(), name) {
				t.Errorf("after %s, Verify = %v, want ErrIncomplete that names it", drop, err)
			}
			must(t, history.Migrate(db, &Note{}))
			must(t, history.Verify(db, &Note{}))
			must(t, db.Create(&Note{Title: "a"}).Error)
		}
		must(t, history.Drop(db, &Note{}))
		for _, drop := range drops[d.Kind] {
			must(t, db.Exec(drop).Error)
		}
		if err := history.Verify(db, &Note{}); !errors.Is(err, history.ErrMissing) || errors.Is(err, history.ErrIncomplete) {
			t.Errorf("after the way back, Verify = %v, want ErrMissing alone", err)
		}
	})
}

// What makes writes fail comes before what does not.
func TestVerifyNamesAllThatIsWrong(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t, dbtest.Postgres).Open(t)
	must(t, history.Migrate(db, &Tagged{}))
	must(t, db.Exec("GRANT EXECUTE ON FUNCTION whodunit_record_taggeds, whodunit_open_set TO PUBLIC").Error)
	err := history.Verify(db, &Tagged{})
	if !errors.Is(err, history.ErrExposed) || errors.Is(err, history.ErrOutdated) {
		t.Errorf("Verify of functions that anybody may execute = %v, want ErrExposed alone", err)
	}
	must(t, db.Exec("ALTER TABLE taggeds DROP COLUMN tags").Error)
	err = history.Verify(db, &Tagged{})
	first, rest, _ := strings.Cut(fmt.Sprint(err), "\n")
	if !errors.Is(err, history.ErrOutdated) || !errors.Is(err, history.ErrExposed) || !strings.Contains(first, "(tags)") || !strings.Contains(rest, "may execute") {
		t.Errorf("Verify = %v, want the column tags first, and then the functions", err)
	}
}
