package tests

import (
	"bytes"
	"errors"
	"log"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// logged returns a configuration whose warnings go to the buffer.
func logged() (*gorm.Config, *bytes.Buffer) {
	var buffer bytes.Buffer
	return &gorm.Config{Logger: logger.New(log.New(&buffer, "", 0), logger.Config{LogLevel: logger.Warn, SlowThreshold: time.Minute})}, &buffer
}

type noteV1 struct {
	ID    uint
	Title string `gorm:"size:10"`
	Old   string
}

type noteV2 struct {
	ID    uint
	Title string `gorm:"size:200"`
	New   *string
}

func (noteV1) TableName() string { return "pages" }
func (noteV2) TableName() string { return "pages" }

func TestMigrateKeepsTriggersThroughChangesOfTheTable(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		for range 2 {
			must(t, history.Migrate(db, &noteV1{}))
		}
		page := noteV1{Title: "a", Old: "o"}
		must(t, db.WithContext(as(ann)).Create(&page).Error)
		for range 2 {
			must(t, history.Migrate(db, &noteV2{})) // SQLite rebuilds the table for the new size
		}
		must(t, db.WithContext(as(ann)).Model(&noteV2{ID: page.ID}).Updates(noteV2{Title: "b", New: ptr("n")}).Error)
		drop, create, err := history.SQL(db, &noteV2{})
		must(t, err)
		runScript(t, db, drop)
		must(t, db.Migrator().DropColumn(&noteV1{}, "old"))
		runScript(t, db, create)
		must(t, history.Verify(db, &noteV2{}))
		must(t, db.WithContext(as(bob)).Model(&noteV2{ID: page.ID}).Update("title", "c").Error)
		sameLines(t, "trail", trail(t, db, &page),
			`create; user:42; id NULL>"1"; title NULL>"a"; old NULL>"o"`,
			`update; user:42; title "a">"b"; new NULL>"n"`,
			`update; user:7; title "b">"c"`)
	})
}

// With DDL that no transaction holds together, what is written while a trigger
// is away goes unrecorded. Those that are right stay.
func TestTriggersThatAreRightStayWhereTheyAreOnMariaDB(t *testing.T) {
	d := dbtest.New(t, dbtest.MariaDB)
	db, plain := open(t, d)
	must(t, history.Migrate(db, &noteV1{}))
	created := func(table string) (at string) {
		must(t, plain.Raw("SELECT min(CREATED) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = ?", table).Scan(&at).Error)
		return at
	}
	notes, pages := created("notes"), created("pages")
	time.Sleep(20 * time.Millisecond) // their times have hundredths of a second
	must(t, history.Migrate(db, &Note{}, &noteV2{}))
	if created("notes") != notes {
		t.Error("the triggers of an unchanged model were created again")
	}
	if created("pages") == pages {
		t.Error("the triggers of a changed model were not created again")
	}
	must(t, plain.Exec("DROP TRIGGER whodunit_record_notes_update").Error)
	must(t, history.Migrate(db, &Note{}, &noteV2{}))
	must(t, history.Verify(plain, &Note{}, &noteV2{}))
}

func TestVerifyMakesThePluginLookAgain(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		must(t, history.Drop(db, &Note{}))
		note := Note{Title: "a"}
		must(t, db.Create(&note).Error)
		_, triggers, err := history.SQL(plain, &Note{})
		must(t, err)
		runScript(t, plain, triggers)
		must(t, history.Verify(db, &Note{}))
		must(t, db.WithContext(as(ann)).Model(&note).Update("title", "b").Error)
		sameLines(t, "trail", trail(t, plain, &note), `update; user:42; title "a">"b"`)
	})
}

func TestVerifyFindsMissingAndOutdatedTriggers(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		must(t, history.Verify(plain, &Note{}))
		must(t, plain.AutoMigrate(&noteV1{}))
		err := history.Verify(plain, &Note{}, &noteV1{})
		var missing *history.TableError
		if !errors.As(err, &missing) || missing.Table != "pages" || !errors.Is(err, history.ErrMissing) {
			t.Errorf("Verify = %v, want ErrMissing for pages", err)
		}
		must(t, history.Migrate(db, &noteV1{}))
		if err := history.Verify(plain, &noteV1{}); err != nil {
			t.Errorf("Verify after Migrate = %v", err)
		}
		if err := history.Verify(plain, &noteV2{}); !errors.Is(err, history.ErrOutdated) {
			t.Errorf("Verify of a changed model = %v, want ErrOutdated", err)
		}
		must(t, history.Drop(db, &noteV1{}))
		if err := history.Verify(plain, &noteV1{}); !errors.Is(err, history.ErrMissing) {
			t.Errorf("Verify after Drop = %v, want ErrMissing", err)
		}
		must(t, db.WithContext(as(ann)).Create(&noteV1{Title: "a"}).Error)
		if n := count(t, plain, "whodunit_changes"); n != 0 {
			t.Errorf("%d changes were recorded after Drop", n)
		}
	})
}

func TestATableMigratedLaterIsTold(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		must(t, db.WithContext(as(ann)).Create(&Note{Title: "a"}).Error)
		must(t, history.Migrate(db, &noteV1{}))
		must(t, db.WithContext(as(ann)).Create(&noteV1{ID: 1}).Error)
		if c := last(t, plain, &noteV1{ID: 1}); c.ChangeSet.Actor != ann {
			t.Errorf("the creation is by %v, want %v", c.ChangeSet.Actor, ann)
		}
	})
}

func TestVerifyKnowsOneSchemaFromAnother(t *testing.T) {
	open(t, dbtest.New(t, dbtest.Postgres)) // its notes have triggers
	db := dbtest.New(t, dbtest.Postgres).Open(t)
	must(t, db.AutoMigrate(&Note{}))
	if err := history.Verify(db, &Note{}); !errors.Is(err, history.ErrMissing) {
		t.Errorf("Verify of a table without triggers = %v, want ErrMissing", err)
	}
}

func TestALostTriggerIsOutdated(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		_, plain := open(t, d)
		lost := "DROP TRIGGER whodunit_record_notes_update"
		if d.Kind == dbtest.Postgres {
			lost = "ALTER TABLE notes DISABLE TRIGGER whodunit_update"
		}
		must(t, plain.Exec(lost).Error)
		if err := history.Verify(plain, &Note{}); !errors.Is(err, history.ErrOutdated) {
			t.Errorf("Verify after %s = %v, want ErrOutdated", lost, err)
		}
	})
}

func TestThePluginWarnsAtFirstUse(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		must(t, history.Migrate(d.Open(t), &noteV1{}))
		must(t, d.Open(t).Migrator().AddColumn(&noteV2{}, "New"))
		config, warnings := logged()
		db := d.Open(t, config)
		must(t, db.Use(history.NewWithConfig(history.Config{Models: []any{&Note{}}})))
		must(t, db.AutoMigrate(&Note{}))
		for range 2 {
			must(t, db.Create(&Note{}).Error)
			must(t, db.Create(&noteV2{}).Error)
		}
		for _, want := range []string{`table "notes": its triggers are missing`, `table "pages": its triggers are outdated`} {
			if strings.Count(warnings.String(), want) != 1 {
				t.Errorf("warnings are %q, want %q once", warnings, want)
			}
		}
	})
}

// A program that starts beside a migrated database has nothing to warn of.
func TestThePluginIsSilentWhereAllIsRight(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		must(t, history.Migrate(d.Open(t), &Note{}))
		config, warnings := logged()
		db := d.Open(t, config)
		must(t, db.Use(history.New()))
		must(t, db.WithContext(as(ann)).Create(&Note{}).Error)
		if warnings.String() != "" {
			t.Errorf("warnings are %q, want none", warnings)
		}
	})
}

func TestBadModelsAreErrorsFromUse(t *testing.T) {
	type Keyless struct{ Name string }
	type Float struct {
		ID float64 `gorm:"primaryKey;type:real"`
	}
	for _, model := range []any{&Keyless{}, &Float{}, 7} {
		db := dbtest.New(t, dbtest.SQLite).Open(t)
		if err := db.Use(history.NewWithConfig(history.Config{Models: []any{model}})); err == nil {
			t.Errorf("Use with %T succeeded", model)
		}
	}
}

type hostile struct {
	ID    uint   `gorm:"column:select"`
	Quote string "gorm:\"column:it's \\\"a\\\" `b` -- $whodunit$ ? @x\""
	Slash string `gorm:"column:back\\\\slash %s"`
	Upper string `gorm:"column:UPPER case"`
}

func (hostile) TableName() string { return `order "x" 'y' $whodunit$ %d ?` }

func TestHostileNamesAreQuoted(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		dialect := func(name string) string {
			if d.Kind == dbtest.MariaDB || d.Kind == dbtest.MySQL {
				return "`" + strings.ReplaceAll(name, "`", "``") + "`"
			}
			return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		}
		// GORM itself can neither create nor write such a table everywhere.
		columns := []string{"select", "it's \"a\" `b` -- $whodunit$ ? @x", `back\\slash %s`, "UPPER case"}
		table := hostile{}.TableName()
		create := "CREATE TABLE " + dialect(table) + " (" + dialect(columns[0]) + " integer PRIMARY KEY"
		for _, c := range columns[1:] {
			create += ", " + dialect(c) + " varchar(50)"
		}
		pool := must2(db.DB())
		if _, err := pool.Exec(create + ")"); err != nil {
			t.Fatal(err)
		}
		_, triggers, err := history.SQL(db, &hostile{})
		must(t, err)
		runScript(t, db, triggers)
		if err := history.Verify(db, &hostile{}); err != nil {
			t.Error(err)
		}
		for _, statement := range []string{
			"INSERT INTO " + dialect(table) + " VALUES (1, 'a', 'b', 'c')",
			"UPDATE " + dialect(table) + " SET " + dialect(columns[1]) + " = 'z'",
			"DELETE FROM " + dialect(table),
		} {
			if _, err := pool.Exec(statement); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
		changes := must2(history.Of(db, &hostile{ID: 1}))
		if len(changes) != 3 || len(changes[1].Fields) != 1 || changes[1].Fields[0].Column != columns[1] || changes[1].Table != table {
			t.Fatalf("Of = %+v", changes)
		}
		if f, ok := changes[0].Field(columns[2]); !ok || f.Before.String() != "b" {
			t.Errorf("Field(%q) = %v, %t", columns[2], f, ok)
		}
	})
}

func TestLongTableNamesGetTriggersOfTheirOwn(t *testing.T) {
	long := strings.Repeat("n", 58)
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, history.Migrate(db, &Note{})) // the history's tables
		for _, end := range []string{"1", "2"} {
			must(t, db.Table(long+end).AutoMigrate(&noteV1{}))
		}
		must(t, history.Migrate(db, &longNote1{}, &longNote2{}))
		must(t, db.Create(&longNote1{Name: "a"}).Error)
		must(t, db.Create(&longNote2{Name: "b"}).Error)
		if err := history.Verify(db, &longNote1{}, &longNote2{}); err != nil {
			t.Error(err)
		}
		if n := count(t, db, "whodunit_changes"); n != 2 {
			t.Errorf("%d changes, want 2", n)
		}
	})
}

type longNote1 struct {
	ID   uint
	Name string
}
type longNote2 longNote1

func (longNote1) TableName() string { return strings.Repeat("l", 58) + "1" }
func (longNote2) TableName() string { return strings.Repeat("l", 58) + "2" }

func TestCompositeKeysAreToldApart(t *testing.T) {
	type Line struct {
		A     string `gorm:"primaryKey;size:50"`
		B     string `gorm:"primaryKey;size:50"`
		Count int
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Line{}))
		lines := []Line{{A: "a,b", B: "c"}, {A: "a", B: "b,c"}, {A: "~1", B: ","}, {A: "\\", B: "\\~0,"}}
		must(t, db.Create(&lines).Error)
		for i := range lines {
			must(t, db.WithContext(as(ann)).Model(&lines[i]).Update("count", i+1).Error)
		}
		for i, l := range lines {
			changes := must2(history.Of(db, &l))
			if len(changes) != 2 || len(changes[0].Key) != 2 || changes[0].Key[0] != l.A || changes[0].Key[1] != l.B {
				t.Errorf("Of(%v) = %+v", l, changes)
				continue
			}
			time.Sleep(2 * time.Millisecond) // SQLite keeps no more
			must(t, history.Revert(signing(t, db), changes[0]))
			got, err := history.At[Line](db, &l, changes[0].At)
			if err != nil || got.Count != i+1 {
				t.Errorf("At(%v) = %v, %v, want count %d", l, got, err, i+1)
			}
			var now Line
			must(t, db.First(&now, "a = ? AND b = ?", l.A, l.B).Error)
			if now.Count != 0 {
				t.Errorf("count after Revert = %d, want 0", now.Count)
			}
		}
	})
}

type (
	shelf struct {
		Room  string `gorm:"primaryKey;size:50"`
		Aisle string `gorm:"primaryKey;size:50"`
		Label string
	}
	reorderedShelf struct {
		Label string
		Aisle string `gorm:"primaryKey;size:50"`
		Room  string `gorm:"primaryKey;size:50"`
	}
)

func (shelf) TableName() string          { return "shelves" }
func (reorderedShelf) TableName() string { return "shelves" }

func TestAReorderedModelFindsItsKeys(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &shelf{}))
		me := db.WithContext(as(ann))
		// The other way round, the keys are those of the other row.
		must(t, me.Create(&[]shelf{{Room: "a", Aisle: "b", Label: "ab"}, {Room: "b", Aisle: "a", Label: "ba"}}).Error)
		must(t, history.Migrate(db, &reorderedShelf{}))
		must(t, me.Model(&reorderedShelf{Room: "a", Aisle: "b"}).Update("label", "x").Error)
		changes := must2(history.Of(db, &shelf{Room: "a", Aisle: "b"}))
		if len(changes) != 2 || len(must2(history.Of(db, &reorderedShelf{Room: "a", Aisle: "b"}))) != 2 {
			t.Fatalf("Of = %+v, want a creation and an update, whatever the model's order", changes)
		}
		must(t, history.Revert(signing(t, me), changes[0]))
		for key, want := range map[shelf]string{{Room: "a", Aisle: "b"}: "ab", {Room: "b", Aisle: "a"}: "ba"} {
			var got shelf
			must(t, db.First(&got, &key).Error)
			if got.Label != want {
				t.Errorf("room %s, aisle %s has %q after Revert, want %q", key.Room, key.Aisle, got.Label, want)
			}
		}
	})
}

func TestAppendOnlyTablesRefuseChanges(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		must(t, history.Options{AppendOnly: true}.Migrate(db, &Note{}))
		note := Note{Title: "a"}
		me := db.WithContext(as(ann))
		must(t, me.Create(&note).Error)
		must(t, me.Model(&note).Update("title", "b").Error)
		must(t, me.Model(&note).Update("title", "b").Error)
		must(t, plain.Exec("UPDATE notes SET title = 'c'").Error)
		statements := []string{
			"UPDATE whodunit_changes SET action = 'x'", "DELETE FROM whodunit_changes",
			"UPDATE whodunit_change_sets SET actor_id = '1'", "DELETE FROM whodunit_change_sets",
		}
		if d.Kind == dbtest.Postgres {
			statements = append(statements, "TRUNCATE whodunit_changes", "TRUNCATE whodunit_change_sets")
		}
		for _, statement := range statements {
			if err := plain.Exec(statement).Error; err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s = %v, want refused", statement, err)
			}
		}
		if n, err := history.Anonymize(me, ann); err != nil || n == 0 {
			t.Errorf("Erase = %d, %v", n, err)
		}
		if _, err := history.Prune(db, time.Now().Add(time.Hour)); err != nil {
			t.Errorf("Prune = %v", err)
		}
		if n := count(t, plain, "whodunit_changes"); n != 0 {
			t.Errorf("%d changes after Prune", n)
		}
		must(t, me.Model(&note).Update("title", "d").Error)
		for name, db := range map[string]*gorm.DB{"its own pool": db, "another": plain} {
			if err := db.Exec("DELETE FROM whodunit_changes").Error; err == nil {
				t.Errorf("the protection ended with Prune, for %s", name)
			}
		}
		must(t, history.Migrate(db, &Note{}))
		if err := plain.Exec("DELETE FROM whodunit_changes").Error; err == nil {
			t.Error("a migration without AppendOnly ended the protection")
		}
		must(t, history.Options{Exact: true}.Migrate(db, &Note{}))
		must(t, plain.Exec("DELETE FROM whodunit_changes").Error)
	})
}

// In the order of migrations.md, what others write while a column comes and goes is
// neither refused nor missing.
func TestColumnsComeAndGoBesideWriters(t *testing.T) {
	type without struct {
		ID    uint
		Title string
	}
	type with struct {
		ID    uint
		Title string
		Body  string
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t).Table("pages")
		must(t, history.Migrate(db, &without{}))
		textOf := func(tx *gorm.DB, model any) []string {
			_, create, err := history.SQL(tx.Table("pages"), model)
			must(t, err)
			return strings.Split(create, ";\n\n")
		}
		exec := func(tx *gorm.DB, statements ...string) {
			for _, statement := range statements {
				must(t, second(tx.Statement.ConnPool.ExecContext(t.Context(), statement)))
			}
		}
		// MariaDB commits after each statement that changes a table. On SQLite, a transaction
		// that does not lock at once fails if somebody writes.
		begin, end := "BEGIN IMMEDIATE", "COMMIT"
		if d.Kind == dbtest.Postgres {
			begin = "BEGIN"
		}
		if d.Kind == dbtest.MariaDB {
			begin, end = "DO 0", "DO 0"
		}
		migrate := func(run func(tx *gorm.DB)) {
			must(t, d.Open(t).Connection(func(tx *gorm.DB) error {
				exec(tx, begin)
				run(tx)
				exec(tx, end)
				return nil
			}))
		}
		var written atomic.Int64
		stop, done := make(chan struct{}), make(chan error, 1)
		plain := d.Open(t)
		go func() {
			for {
				select {
				case <-stop:
					done <- nil
					return
				default:
				}
				if err := plain.Exec("INSERT INTO pages (title) VALUES ('a')").Error; err != nil {
					done <- err
					return
				}
				written.Add(1)
			}
		}()
		for range 5 {
			migrate(func(tx *gorm.DB) {
				exec(tx, "ALTER TABLE pages ADD COLUMN body text")
				exec(tx, textOf(tx, &with{})...)
			})
			former := textOf(d.Open(t), &without{})
			migrate(func(tx *gorm.DB) {
				drop := "ALTER TABLE pages DROP COLUMN body"
				if d.Kind == dbtest.Postgres { // create first would be a deadlock with who writes
					exec(tx, append([]string{drop}, former...)...)
				} else {
					exec(tx, append(former, drop)...)
				}
			})
		}
		close(stop)
		if err := <-done; err != nil {
			t.Errorf("a write = %v", err)
		}
		must(t, history.Verify(db, &without{}))
		var recorded int64
		must(t, plain.Raw("SELECT count(*) FROM whodunit_changes WHERE table_name LIKE '%pages'").Scan(&recorded).Error)
		if want := written.Load(); want == 0 || recorded != want {
			t.Errorf("%d of %d writes are recorded", recorded, want)
		}
	})
}

// What Migrate asks the server grows with the models, and not with their square.
func TestMigrateOfManyModels(t *testing.T) {
	t.Parallel()
	type one struct{ ID, Stars int }
	type two one
	type three one
	type four one
	type five one
	type six one
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		models := []any{&one{}, &two{}, &three{}, &four{}, &five{}, &six{}}
		var asked [3]int64
		for i := range asked {
			db, trips := counting(t, dbtest.New(t, d.Kind))
			must(t, history.Migrate(db, models[:2+2*i]...))
			asked[i] = trips.Load()
		}
		if more, most := asked[1]-asked[0], asked[2]-asked[1]; most > more {
			t.Errorf("the third and fourth model take %d round trips, the next two %d, want no more", more, most)
		}
	})
}
