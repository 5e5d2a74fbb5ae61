package tests

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// otherDatabase is one that has no triggers here.
type otherDatabase struct{ gorm.Dialector }

func (otherDatabase) Name() string { return "other" }

func TestOtherDatabasesAreRefused(t *testing.T) {
	db := dbtest.New(t, dbtest.SQLite).Open(t)
	db, err := gorm.Open(otherDatabase{db.Dialector}, &gorm.Config{Logger: logger.Discard})
	must(t, err)
	t.Cleanup(func() { _ = must2(db.DB()).Close() })
	for name, err := range map[string]error{
		"Use":         db.Use(history.New()),
		"Migrate":     history.Migrate(db, &Note{}),
		"SQL":         third(history.SQL(db, &Note{})),
		"Verify":      history.Verify(db, &Note{}),
		"Drop":        history.Drop(db, &Note{}),
		"Of":          second(history.Of(db, &Note{ID: 1})),
		"Find":        second(history.Find(db, history.Query{})),
		"ChangeSetOf": third(history.ChangeSetOf(db, 1)),
		"At":          second(history.At[Note](db, 1, time.Now())),
		"Prune":       second(history.Prune(db, time.Now())),
		"Erase":       second(history.Anonymize(db, ann)),
	} {
		if err == nil || err.Error() != `history: database "other" is not supported: only SQLite, PostgreSQL, MariaDB and MySQL are` {
			t.Errorf("%s = %v, want no triggers for it", name, err)
		}
	}
}

func second[T any](_ T, err error) error        { return err }
func third[T, U any](_ T, _ U, err error) error { return err }

// What is no model, and what is no key of one.
func TestBadModelsAndKeysAreErrors(t *testing.T) {
	type SecretKey struct {
		ID string `gorm:"primaryKey;history:redact"`
	}
	type Ambiguous struct {
		ID                     uint
		CreatedBy, CreatedByID string
	}
	type Pair struct {
		A, B string `gorm:"primaryKey"`
	}
	db, _ := open(t, dbtest.New(t, dbtest.SQLite))
	must(t, history.Migrate(db, &Pair{}))
	for name, err := range map[string]error{
		"a redacted key":              history.Verify(db, &SecretKey{}),
		"ambiguous by-columns":        history.Verify(db, &Ambiguous{}),
		"Of no model":                 second(history.Of(db, 7)),
		"At of no model":              second(history.At[int](db, 7, time.Now())),
		"At with half a key":          second(history.At[Pair](db, "a", time.Now())),
		"At with a key of no type":    second(history.At[Note](db, struct{}{}, time.Now())),
		"At with a fraction":          second(history.At[Note](db, 1.5, time.Now())),
		"At with a text":              second(history.At[Note](db, "x'", time.Now())),
		"Revert with half a key":      history.Revert(signing(t, db.Model(&Pair{})), history.Change{Table: "pairs", Action: history.ActionUpdate, Key: []string{"a"}}),
		"Revert of half a creation":   history.Revert(signing(t, db.Model(&Pair{})), history.Change{Table: "pairs", Action: history.ActionCreate, Key: []string{"a"}}),
		"Revert with a key of no hex": history.Revert(signing(t, db.Model(&bytesKey{})), history.Change{Table: "bytes_keys", Action: history.ActionCreate, Key: []string{"x"}}),
		"Revert of a truncation":      history.Revert(signing(t, db.Model(&Note{})), history.Change{Table: "notes", Action: history.ActionTruncate}),
	} {
		if err == nil {
			t.Errorf("%s is no error", name)
		}
	}
	if _, err := history.At[Pair](db, []any{"a", "b"}, time.Now()); err == nil || !strings.Contains(err.Error(), "its key has 2 columns: pass a tests.Pair with its key set") {
		t.Errorf("At with the parts of a key = %v, want it to say what to pass", err)
	}
}

// A change that is taken back already is not what the row holds any more.
func TestAChangeIsTakenBackOnce(t *testing.T) {
	type Plain struct {
		ID    uint
		Title string
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, history.Migrate(db, &Plain{}))
		must(t, db.Create(&Plain{ID: 1, Title: "a"}).Error)
		must(t, db.Model(&Plain{ID: 1}).Update("title", "b").Error)
		change := last(t, db, &Plain{ID: 1})
		must(t, history.Revert(signing(t, db), change))
		if got := conflict(t, history.Revert(db, change)); !slices.Equal(got, []string{"title"}) {
			t.Errorf("the second time the conflict is in %v, want title", got)
		}
		var now Plain
		must(t, db.First(&now, 1).Error)
		if now.Title != "a" {
			t.Errorf("title = %q, want a", now.Title)
		}
	})
}

// lostTitle is Note without most of its columns.
type lostTitle struct {
	ID    uint
	Stars int
}

func (lostTitle) TableName() string { return "notes" }

func TestAtSkipsColumnsThatTheModelHasLost(t *testing.T) {
	db, plain := open(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.Create(&Note{ID: 1, Title: "a", Stars: 1}).Error)
	before := last(t, plain, &Note{ID: 1}).At
	time.Sleep(3 * time.Millisecond)
	must(t, db.Model(&Note{ID: 1}).Updates(map[string]any{"title": "b", "stars": 2}).Error)
	if got, err := history.At[lostTitle](plain, 1, before); err != nil || got.Stars != 1 {
		t.Errorf("At = %+v, %v, want 1 star", got, err)
	}
	if _, ok := last(t, plain, &Note{ID: 1}).Field("body"); ok {
		t.Error("Field(body) of a change of the title was found")
	}
}

func TestStatementsOfOtherFormsAreTold(t *testing.T) {
	db, plain := open(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.Create(&Note{ID: 1, Title: "a"}).Error)
	must(t, db.WithContext(as(ann)).Transaction(func(tx *gorm.DB) error {
		return errors.Join(tx.Exec("-- why\n/* and how */ UPDATE notes SET title = 'b'").Error, tx.Exec("ANALYZE").Error,
			tx.Exec("WITH x AS (SELECT 'c' AS title) UPDATE notes SET title = (SELECT title FROM x)").Error)
	}))
	sameLines(t, "trail", trail(t, plain, &Note{ID: 1})[1:], `update; user:42; title "a">"b"`, `update; user:42; title "b">"c"`)
}

// Erase needs no plugin: then nobody said who did it, or the default does.
// appHistory is an application's own plugin, with callbacks of its own.
type appHistory struct{ saw *any }

func (appHistory) Name() string { return "history" }

func (h appHistory) Initialize(db *gorm.DB) error {
	return db.Callback().Create().Before("gorm:create").Register("history:tell", func(db *gorm.DB) {
		db.Set("history:told", "the application's")
		*h.saw = db.Statement.Schema.Name
	})
}

func TestAnApplicationMayHaveAHistoryOfItsOwn(t *testing.T) {
	db, plain := open(t, dbtest.New(t, dbtest.SQLite))
	var saw any
	must(t, db.Use(appHistory{&saw}))
	must(t, db.WithContext(as(ann)).Create(&Note{ID: 1}).Error)
	if c := last(t, plain, &Note{ID: 1}); c.ChangeSet.Actor != ann || saw != "Note" {
		t.Errorf("the creation is by %v, and the other plugin saw %v, want %v and Note", c.ChangeSet.Actor, saw, ann)
	}
	if name := history.New().Name(); db.Plugins[name] == nil {
		t.Errorf("no plugin is called %q", name)
	}
}

// An application's table of that name stays as it is.
func TestNamesOfTheHistorysTablesMustBeFree(t *testing.T) {
	tables := map[string][]string{
		dbtest.SQLite:   {"whodunit_changes", "whodunit_change_sets", "Whodunit_Layouts"},
		dbtest.Postgres: {"whodunit_changes", "whodunit_change_sets"},
		dbtest.MariaDB:  {"whodunit_changes", "whodunit_change_sets", "whodunit_context"},
	}
	for kind, names := range tables {
		for _, name := range names {
			t.Run(kind+"/"+name, func(t *testing.T) {
				db := dbtest.New(t, kind).Open(t)
				must(t, db.Exec("CREATE TABLE "+name+" (id integer, at integer)").Error)
				want := fmt.Sprintf(`history: the table %q is not the history's`, strings.ToLower(name))
				_, _, err := history.SQL(db, &Note{})
				for call, err := range map[string]error{"SQL": err, "Migrate": history.Options{AppendOnly: true}.Migrate(db, &Note{})} {
					if err == nil || !strings.HasPrefix(err.Error(), want) {
						t.Errorf("%s = %v, want %s", call, err, want)
					}
				}
				must(t, db.Exec("INSERT INTO "+name+" VALUES (1, 2)").Error)
				must(t, db.Exec("DELETE FROM "+name).Error)
			})
		}
	}
}

func TestEraseWithoutThePlugin(t *testing.T) {
	db, plain := open(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.WithContext(as(ann)).Create(&Note{ID: 1}).Error)
	if n, err := history.Anonymize(plain.WithContext(as(bob)), ann); n != 1 || err != nil {
		t.Errorf("Erase = %d, %v, want 1", n, err)
	}
	if c := by(t, plain, bob); len(c) != 1 || c[0].Action != history.ActionAnonymize {
		t.Errorf("By(bob) = %+v, want the erasure", c)
	}
}

// gormaudit's own columns beside a trigger of another release.
func TestTriggersOfTwoReleasesAreOutdated(t *testing.T) {
	type Newer struct {
		ID    uint
		Title string
		gormaudit.By[string]
	}
	db := dbtest.New(t, dbtest.SQLite).Open(t)
	must(t, history.Migrate(db, &Newer{}))
	must(t, db.Exec("DROP TRIGGER whodunit_record_newers_update").Error)
	must(t, db.Exec("CREATE TRIGGER whodunit_record_newers_update AFTER UPDATE ON newers BEGIN /* whodunit:0123456789abcdef */ SELECT 1; END").Error)
	if err := history.Verify(db, &Newer{}); !errors.Is(err, history.ErrOutdated) {
		t.Errorf("Verify = %v, want ErrOutdated", err)
	}
}

// Every error says once whose it is, also one that passes through several hands.
func TestErrorsSayOnceWhoseTheyAre(t *testing.T) {
	t.Parallel()
	type Doc struct {
		ID    uint
		Title string
		Score float64
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Doc{}))
		must(t, db.WithContext(as(ann)).Create(&Doc{ID: 1, Title: "a"}).Error)
		time.Sleep(5 * time.Millisecond)
		must(t, db.WithContext(as(ann)).Model(&Doc{ID: 1}).Update("score", 2).Error)
		damage := `UPDATE whodunit_changes SET fields = '[["score","f","a","b"]]' WHERE action = 'update'`
		if strings.HasPrefix(d.Kind, dbtest.SQLite) {
			must(t, db.Exec("INSERT INTO whodunit_layouts VALUES (1, 'x')").Error)
			damage = "UPDATE whodunit_changes SET layout = 1 WHERE action = 'update'"
		}
		must(t, db.Exec(damage).Error)
		changes := must2(history.Of(db, &Doc{ID: 1}))
		long := db.WithContext(actor.NewMetadataContext(as(ann), map[string]string{"k": strings.Repeat("x", 5000)}))
		odd := db.WithContext(as(actor.User("a\x00")))
		text := must2(json.Marshal(changes[0]))
		var valueless, back history.Change
		must(t, json.Unmarshal(text, &back))
		whole := must2(json.Marshal(changes[1]))
		errs := map[string]error{
			"a record that can't be read":    changes[0].Fields[0].Err,
			"At before it":                   errorOf(history.At[Doc](db, 1, changes[1].At)),
			"Revert of it":                   history.Revert(db, changes[0]),
			"a write with too much metadata": long.Create(&Doc{ID: 2}).Error,
			"a write by an odd id":           odd.Create(&Doc{ID: 2}).Error,
			"Anonymize with too much":        errorOf(history.Anonymize(long, ann)),
			"Tell with too much":             history.Dialect("sqlite").Tell(long.Statement.Context, nil, nil),
			"Of a row without key":           errorOf(history.Of(db, &Doc{})),
			"Of several":                     errorOf(history.Of(db, &[]Doc{})),
			"JSON without values":            json.Unmarshal([]byte(strings.NewReplacer(`"before":null,`, "", `"after":`, `"then":`).Replace(string(whole))), &valueless),
		}
		for what, err := range errs {
			if err == nil || !strings.HasPrefix(err.Error(), "history: ") || strings.Count(err.Error(), "history: ") != 1 {
				t.Errorf("%s = %v, want an error that says once that it is history's", what, err)
			}
		}
	})
}

func errorOf[T any](_ T, err error) error { return err }
