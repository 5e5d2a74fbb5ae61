package tests

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// conflict is the columns of a ConflictError, or nothing and what the error is.
func conflict(t *testing.T, err error) []string {
	t.Helper()
	var c *history.ConflictError
	if !errors.As(err, &c) {
		t.Errorf("Revert = %v, want a ConflictError", err)
		return nil
	}
	return c.Columns
}

// An old change is not taken back over what others have written since.
func TestRevertLeavesWhatOthersWroteSince(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		me := db.WithContext(as(ann))
		must(t, me.Create(&Note{ID: 1, Title: "a"}).Error)
		created := last(t, plain, &Note{ID: 1})
		must(t, me.Model(&Note{ID: 1}).Updates(map[string]any{"title": "b", "stars": 1}).Error)
		first := last(t, plain, &Note{ID: 1})
		must(t, me.Model(&Note{ID: 1}).Updates(map[string]any{"title": "B", "body": "of bob"}).Error)
		n := count(t, plain, "whodunit_changes")
		if got := conflict(t, history.Revert(signing(t, me), first)); !slices.Equal(got, []string{"title"}) {
			t.Errorf("the conflict is in %v, want title", got)
		}
		if got := conflict(t, history.Revert(me, created)); !slices.Equal(got, []string{"title", "stars", "body"}) {
			t.Errorf("the creation's conflict is in %v, want title, stars, body", got)
		}
		if again := count(t, plain, "whodunit_changes"); again != n {
			t.Errorf("%d changes more, want none", again-n)
		}
		must(t, plain.Exec("UPDATE notes SET title = 'b' WHERE id = 1").Error)
		must(t, history.Revert(me, first))
		var now Note
		must(t, plain.First(&now, 1).Error)
		if now.Title != "a" || now.Stars != 0 || *now.Body != "of bob" {
			t.Errorf("the row is %+v, want title a, no stars, and the body of bob", now)
		}
		must(t, plain.Unscoped().Delete(&Note{ID: 1}).Error)
		for _, c := range []history.Change{created, first} {
			if err := history.Revert(me, c); len(conflict(t, err)) == 0 || !errors.Is(err, gorm.ErrRecordNotFound) {
				t.Errorf("Revert(%s) of a row that is gone = %v, want ErrRecordNotFound", c.Action, err)
			}
		}
		must(t, history.Migrate(plain, &Stamped{}))
		must(t, plain.Create(&Stamped{ID: 1}).Error)
		must(t, plain.Unscoped().Delete(&Stamped{ID: 1}).Error)
		deleted := last(t, plain, &Stamped{ID: 1})
		must(t, plain.Create(&Stamped{ID: 1, Title: "another"}).Error)
		if got := conflict(t, history.Revert(me, deleted)); !slices.Equal(got, []string{"id"}) {
			t.Errorf("the deletion's conflict is in %v, want id", got)
		}
	})
}

// guarded has columns that GORM may not write, or not always.
type guarded struct {
	ID      uint
	Title   string
	Once    string `gorm:"size:20;<-:create"`
	Never   string `gorm:"size:20;<-:false"`
	Shown   string `gorm:"size:20;->"`
	Hidden  string `gorm:"size:20;->:false;<-:create"`
	Twice   int    `gorm:"->;type:bigint GENERATED ALWAYS AS (stars * 2) STORED"`
	Stars   int    `gorm:"type:bigint"`
	Skipped string `gorm:"size:20;history:-"`
	gormaudit.SoftBy[string]
	CreatedAt time.Time
	UpdatedAt time.Time
	DeletedAt gorm.DeletedAt
}

func TestRevertWritesWhatTheModelMayNot(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := d.Open(t), d.Open(t)
		must(t, db.Use(gormaudit.New()))
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &guarded{}))
		me := db.WithContext(as(ann))
		must(t, me.Create(&guarded{ID: 1, Title: "a", Once: "o", Stars: 1}).Error)
		must(t, plain.Exec("UPDATE guardeds SET never = 'n', shown = 's', hidden = 'h'").Error)
		text := func() (row string) {
			t.Helper()
			var r map[string]any
			must(t, plain.Table("guardeds").Select("title, once, never, shown, hidden, twice, stars, created_by, deleted_by").Take(&r).Error)
			for _, name := range []string{"title", "once", "never", "shown", "hidden", "twice", "stars", "created_by", "deleted_by"} {
				if raw, ok := r[name].([]byte); ok {
					r[name] = string(raw)
				}
				row += fmt.Sprintf("%s=%v ", name, r[name])
			}
			return row
		}
		before := text()
		for _, statement := range []string{
			"UPDATE guardeds SET once = 'x'",
			"UPDATE guardeds SET title = 'x', once = 'x', never = NULL, shown = '', hidden = 'x', stars = 7",
			"UPDATE guardeds SET created_by = '666'",
			"UPDATE guardeds SET deleted_by = '666'",
			"DELETE FROM guardeds",
		} {
			must(t, plain.Exec(statement).Error)
			must(t, history.Revert(me, last(t, plain, &guarded{ID: 1})))
			if now := text(); now != before {
				t.Errorf("after Revert of %s the row is\n%s, want\n%s", statement, now, before)
			}
		}
		var row guarded
		must(t, plain.First(&row, 1).Error)
		if row.UpdatedBy == nil || *row.UpdatedBy != "42" {
			t.Errorf("updated_by = %v, want 42", row.UpdatedBy)
		}
		must(t, me.Delete(&guarded{ID: 1}).Error)
		must(t, history.Revert(me, last(t, plain, &guarded{ID: 1})))
		if now := text(); now != before {
			t.Errorf("after Revert of a soft delete the row is\n%s, want\n%s", now, before)
		}
		must(t, me.Delete(&guarded{ID: 1}).Error)
		deleted := text()
		must(t, db.WithContext(as(bob)).Unscoped().Model(&guarded{ID: 1}).Update("deleted_at", nil).Error)
		must(t, history.Revert(db.WithContext(as(bob)), last(t, plain, &guarded{ID: 1})))
		if now := text(); now != deleted || !strings.Contains(now, "deleted_by=42") {
			t.Errorf("after Revert of a restore the row is\n%s, want\n%s", now, deleted)
		}
	})
}

// What cannot be put back is an error, never nothing.
func TestRevertOfNothingIsAnError(t *testing.T) {
	type Sum struct {
		ID    uint
		Part  int `gorm:"type:bigint;history:-"`
		Twice int `gorm:"->;type:bigint GENERATED ALWAYS AS (part * 2) STORED"`
		Old   string
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, history.Migrate(db, &Sum{}))
		must(t, db.Exec("INSERT INTO sums (id, part, old) VALUES (1, 1, 'a')").Error)
		must(t, db.Exec("UPDATE sums SET part = 2").Error)
		if err := history.Revert(signing(t, db), last(t, db, &Sum{ID: 1})); !errors.Is(err, history.ErrNotReversible) {
			t.Errorf("Revert of a generated column = %v, want ErrNotReversible", err)
		}
		must(t, db.Exec("UPDATE sums SET old = 'b'").Error)
		c := last(t, db, &Sum{ID: 1})
		drop, _, err := history.SQL(db, &Sum{})
		must(t, err)
		runScript(t, db, drop)
		must(t, db.Exec("ALTER TABLE sums DROP COLUMN old").Error)
		if err := history.Revert(db, c); !errors.Is(err, history.ErrNotReversible) {
			t.Errorf("Revert of a column that is gone = %v, want ErrNotReversible", err)
		}
	})
}

// A deleted row gets the key that it had, whatever the database would give it.
func TestRevertKeepsTheKey(t *testing.T) {
	type Numbered struct {
		ID   int64 `gorm:"type:bigint GENERATED ALWAYS AS IDENTITY;primaryKey"`
		Name string
	}
	type Zeroth struct {
		ID   int64 `gorm:"primaryKey"`
		Name string
	}
	t.Run(dbtest.Postgres, func(t *testing.T) {
		db := dbtest.New(t, dbtest.Postgres).Open(t)
		must(t, history.Migrate(db, &Numbered{}))
		must(t, db.Exec("INSERT INTO numbereds (name) VALUES ('a'), ('b')").Error)
		must(t, db.Exec("DELETE FROM numbereds WHERE id = 1").Error)
		must(t, history.Revert(signing(t, db), last(t, db, &Numbered{ID: 1})))
		if now := (Numbered{}); db.First(&now, 1).Error != nil || now.Name != "a" {
			t.Errorf("the row is %+v, want a", now)
		}
	})
	t.Run(dbtest.MariaDB, func(t *testing.T) {
		db := dbtest.New(t, dbtest.MariaDB).Open(t)
		must(t, history.Migrate(db, &Zeroth{}))
		must(t, db.Exec("INSERT INTO zeroths VALUES (5, 'a')").Error)
		must(t, db.Exec("UPDATE zeroths SET id = 0").Error)
		must(t, db.Exec("DELETE FROM zeroths").Error)
		changes := must2(history.Find(db, history.Query{Tables: []any{&Zeroth{}}}))
		if err := history.Revert(signing(t, db.Model(&Zeroth{})), changes[0]); err == nil {
			t.Error("Revert gives the row another key, and no error")
		}
		if n := count(t, db, "zeroths"); n != 0 {
			t.Errorf("%d rows, want none", n)
		}
	})
}

// Nobody but a forger changes these columns alone.
func TestForgedStampsAreRecorded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := d.Open(t), d.Open(t)
		must(t, db.Use(gormaudit.New()))
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &guarded{}))
		must(t, db.WithContext(as(ann)).Create(&guarded{ID: 1}).Error)
		n := count(t, plain, "whodunit_changes")
		must(t, plain.Exec("UPDATE guardeds SET updated_by = '666', updated_at = '2020-01-01 00:00:00'").Error)
		var row guarded
		must(t, plain.First(&row, 1).Error)
		must(t, plain.Save(&row).Error)
		if again := count(t, plain, "whodunit_changes"); again != n {
			t.Errorf("updated_* alone made %d changes", again-n)
		}
		for statement, column := range map[string]string{
			"created_by = '666'": "created_by", "created_at = '2020-01-01 00:00:00'": "created_at", "deleted_by = '666'": "deleted_by",
		} {
			must(t, plain.Exec("UPDATE guardeds SET "+statement).Error)
			c := last(t, plain, &guarded{ID: 1})
			if f, ok := c.Field(column); c.Action != history.ActionUpdate || !ok || !f.Bookkeeping || len(c.Fields) != 1 {
				t.Errorf("after SET %s the last change is %s %+v", statement, c.Action, c.Fields)
			}
		}
	})
}

// GORM's reading of the tag decides which rows are deleted: a quoted one is none.
func TestAQuotedZeroValueIsNone(t *testing.T) {
	type Quoted struct {
		ID        uint
		DeletedAt gorm.DeletedAt `gorm:"zeroValue:'1970-01-01 00:00:01'"`
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, history.Migrate(db, &Quoted{}))
		must(t, db.Create(&Quoted{ID: 1}).Error)
		must(t, db.Delete(&Quoted{ID: 1}).Error)
		if c := last(t, db, &Quoted{ID: 1}); c.Action != history.ActionSoftDelete {
			t.Errorf("the action is %s, want soft_delete", c.Action)
		}
		must(t, history.Revert(signing(t, db), last(t, db, &Quoted{ID: 1})))
		if c := last(t, db, &Quoted{ID: 1}); c.Action != history.ActionRestore {
			t.Errorf("the action is %s, want restore", c.Action)
		}
	})
}

// wideRow is a pointer to the row 1 of 300 columns, of which every third is NULL and
// the others hold their number.
func wideRow() reflect.Value {
	fields := []reflect.StructField{{Name: "ID", Type: reflect.TypeFor[uint]()}}
	for i := range 300 {
		fields = append(fields, reflect.StructField{Name: fmt.Sprint("C", i), Type: reflect.TypeFor[*string](), Tag: `gorm:"size:5"`})
	}
	row := reflect.New(reflect.StructOf(fields))
	row.Elem().Field(0).SetUint(1)
	for i := range 300 {
		if i%3 > 0 {
			row.Elem().Field(i + 1).Set(reflect.ValueOf(ptr(fmt.Sprint(i))))
		}
	}
	return row
}

// A table may have more columns than a function takes arguments, or a query
// placeholders of old.
func TestAWideTable(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t).Table("wides").Session(&gorm.Session{})
		row := wideRow()
		must(t, history.Migrate(db, row.Interface()))
		must(t, db.Create(row.Interface()).Error)
		changed := reflect.New(row.Type().Elem())
		changed.Elem().Field(0).SetUint(1)
		must(t, db.Save(changed.Interface()).Error)
		must(t, db.Delete(changed.Interface()).Error)
		changes := must2(history.Of(db, row.Interface()))
		must(t, history.Revert(signing(t, db), changes[0]))
		must(t, history.Revert(db, changes[1]))
		now := reflect.New(row.Type().Elem())
		must(t, db.First(now.Interface(), 1).Error)
		if !reflect.DeepEqual(now.Interface(), row.Interface()) {
			t.Errorf("the row is %+v, want %+v", now.Elem(), row.Elem())
		}
	})
}

// Revert reads before it writes. On SQLite, others who write in between would make
// it fail at once.
func TestRevertWaitsForItsTurn(t *testing.T) {
	eachSQLite(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		must(t, db.Create(&Note{ID: 1, Title: "a"}).Error)
		must(t, db.Create(&Note{ID: 2}).Error)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			var err error
			for i := 0; err == nil && ctx.Err() == nil; i++ {
				err = plain.Exec("UPDATE notes SET stars = ? WHERE id = 2", i).Error
			}
			done <- err
		}()
		for range 30 {
			if err := db.Model(&Note{ID: 1}).Update("title", "b").Error; err != nil {
				t.Errorf("Update = %v", err)
			}
			if err := history.Revert(signing(t, db), last(t, db, &Note{ID: 1})); err != nil {
				t.Errorf("Revert = %v", err)
				break
			}
		}
		stop()
		must(t, <-done)
	})
}

// A table of another schema is recorded, read and put back there, whatever this one
// has of that name.
func TestATableOfAnotherSchema(t *testing.T) {
	_, plain := open(t, dbtest.New(t, dbtest.Postgres))
	table := homeOf(t, dbtest.New(t, dbtest.Postgres).Open(t)) + ".notes"
	there := plain.Table(table).Session(&gorm.Session{})
	must(t, history.Migrate(there, &Stamped{}))
	must(t, there.Create(&Stamped{ID: 1, Title: "a"}).Error)
	newest := func() history.Change { return must2(history.Of(there, &Stamped{ID: 1}))[0] }
	created := newest()
	must(t, there.Where("id = 1").Update("title", "b").Error)
	if then, err := history.At[Stamped](there, 1, created.At); err != nil || then.Title != "a" {
		t.Errorf("At = %+v, %v, want title a", then, err)
	}
	must(t, history.Revert(signing(t, plain), newest()))
	must(t, there.Unscoped().Where("id = 1").Delete(&Stamped{}).Error)
	must(t, history.Revert(plain, newest()))
	var now Stamped
	must(t, there.First(&now, 1).Error)
	if now.Title != "a" {
		t.Errorf("title = %q, want a", now.Title)
	}
}
