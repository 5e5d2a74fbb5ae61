package tests

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

type (
	plainKeyed struct {
		ID    uint
		Owner int64
		Title string
	}
	uuidKeyed struct {
		ID    uuid.UUID `gorm:"type:uuid;primaryKey"`
		Owner int64
		Title string
	}
	charKeyed struct {
		ID    string `gorm:"type:char(5);primaryKey"`
		Owner int64
		Title string
	}
	twiceKeyed struct {
		ID    uuid.UUID `gorm:"type:uuid;primaryKey"`
		No    int       `gorm:"primaryKey;autoIncrement:false"`
		Owner int64
		Title string
	}
)

// Under AttributeAll all of the history works outside a transaction, whatever the
// keys, and reads rows as whoever acts.
func TestTheHistoryUnderAttributeAll(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t, dbtest.Postgres)
	owner := d.Open(t)
	must(t, history.Migrate(owner, &plainKeyed{}, &uuidKeyed{}, &charKeyed{}, &twiceKeyed{}))
	for _, table := range []string{"plain_keyeds", "uuid_keyeds", "char_keyeds", "twice_keyeds"} {
		must(t, owner.Exec("ALTER TABLE "+table+" ENABLE ROW LEVEL SECURITY").Error)
		must(t, owner.Exec("CREATE POLICY own ON "+table+" USING (owner = (SELECT whodunit_user_id()::bigint))").Error)
	}
	db := must2(gorm.Open(postgres.Open(asAccount(t, owner, d.DSN)), &gorm.Config{Logger: logger.Discard}))
	t.Cleanup(func() { _ = must2(db.DB()).Close() })
	must(t, db.Use(history.NewWithConfig(history.Config{AttributeAll: true})))
	must(t, db.Use(gormaudit.New()))
	must2(db.DB()).SetMaxOpenConns(1)
	id := uuid.New()
	askAll(t, "uint", db, plainKeyed{ID: 3, Owner: 42, Title: "a"}, plainKeyed{ID: 3})
	askAll(t, "UUID", db, uuidKeyed{ID: id, Owner: 42, Title: "a"}, uuidKeyed{ID: id})
	askAll(t, "char", db, charKeyed{ID: "ab", Owner: 42, Title: "a"}, charKeyed{ID: "ab  "})
	askAll(t, "composite", db, twiceKeyed{ID: id, No: 2, Owner: 42, Title: "a"}, twiceKeyed{ID: id, No: 2})
	must(t, history.Verify(db, &plainKeyed{}, &uuidKeyed{}, &charKeyed{}, &twiceKeyed{}))
	must2(history.Anonymize(db, ann))
	must2(history.Prune(db, time.Now().Add(time.Hour)))
	if n := must2(db.DB()).Stats().InUse; n != 0 {
		t.Errorf("%d connections are in use, want none", n)
	}
}

// askAll makes a row with a history, and asks for it by its key.
func askAll[T any](t *testing.T, keys string, db *gorm.DB, row, key T) {
	t.Helper()
	me := db.WithContext(as(ann))
	must(t, me.Create(&row).Error)
	must(t, me.Model(&key).Update("title", "b").Error)
	expect := func(what string, got, want int, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Errorf("%s with a key of %s = %d, %v, want %d", what, keys, got, err, want)
		}
	}
	changes, err := history.Of(me, &key)
	if expect("Of", len(changes), 2, err); len(changes) != 2 {
		return
	}
	then := must2(history.Ends(me, changes))[1]
	found, err := history.Last(me, []T{key})
	expect("Last", len(found), 1, err)
	for what, q := range map[string]history.Query{
		"Find of the row": {Rows: []any{&key}}, "Find of the table": {Tables: []any{&key}},
		"Find by actors": {Tables: []any{&key}, Actors: []actor.Identity{ann.Identity, bob.Identity}},
		"Find in a time": {Tables: []any{&key}, Since: then.Add(-time.Hour)},
		"Find a column":  {Tables: []any{&key}, Columns: []string{"id", "title"}},
	} {
		found, err := history.Find(me, q)
		expect(what, len(found), 2, err)
		expect(what+" by All", len(all(t, me, q)), 2, nil)
	}
	_, found, err = history.ChangeSetOf(me, changes[0].ChangeSet.ID)
	expect("ChangeSetOf", len(found), 1, err)
	askThen(t, keys, db, key, then)
	must(t, history.Revert(me, changes[0]))
	must2(history.Restore[T](me, key, time.Now()))
	must(t, me.Delete(&key).Error)
	must2(history.Restore[T](me, key, then))
	found, err = history.Of(me, &key)
	expect("Of after all", len(found), 5, err)
}

// askThen reads what ann's row was. Bob may not read it.
func askThen[T any](t *testing.T, keys string, db *gorm.DB, key T, then time.Time) {
	t.Helper()
	was := func(row T) bool { return strings.Contains(fmt.Sprintf("%+v", row), "Title:a") }
	me := db.WithContext(as(ann))
	if row, err := history.At[T](me, key, then); err != nil || !was(row) {
		t.Errorf("At with a key of %s = %+v, %v, want the title a", keys, row, err)
	}
	if row, err := history.At[T](db.WithContext(as(bob)), key, then); err == nil {
		t.Errorf("At with a key of %s shows bob %+v, want an error", keys, row)
	}
	n := 0
	for row, err := range history.AllAt[T](me, then) {
		if n++; err != nil || !was(row) {
			t.Errorf("AllAt with a key of %s = %+v, %v, want the title a", keys, row, err)
		}
	}
	if n != 1 {
		t.Errorf("AllAt with a key of %s found %d rows, want 1", keys, n)
	}
}
