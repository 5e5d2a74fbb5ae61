package history_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

type parent struct {
	ID       uint
	Children []child `gorm:"foreignKey:ParentID;constraint:OnDelete:CASCADE"`
}
type child struct {
	ID       uint
	ParentID uint
}

func (parent) TableName() string { return "parents" }
func (child) TableName() string  { return "children" }

func TestCascades(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		config, warnings := logged()
		db := d.Open(t, config)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &parent{}, &child{}))
		p := parent{Children: []child{{}}}
		must(t, db.WithContext(as(ann)).Create(&p).Error)
		must(t, db.WithContext(as(ann)).Delete(&p).Error)
		changes := must2(history.Of(db, &p.Children[0]))
		hidden := d.Kind == dbtest.MariaDB || d.Kind == dbtest.MySQL
		if deleted := changes[0].Action == history.ActionDelete; deleted == hidden {
			t.Errorf("the cascade was recorded: %t, want %t", deleted, !hidden)
		}
		if !hidden && changes[0].ChangeSet.Actor != ann {
			t.Errorf("the cascade is by %v, want %v", changes[0].ChangeSet.Actor, ann)
		}
		if warned := strings.Contains(warnings.String(), "cascades"); warned != hidden {
			t.Errorf("Migrate warned of cascades: %t, want %t", warned, hidden)
		}
	})
}

func TestSettingNullIsACascade(t *testing.T) {
	type Orphan struct {
		ID       uint
		ParentID *uint
		Parent   *parent `gorm:"constraint:OnDelete:SET NULL"`
	}
	config, warnings := logged()
	db := dbtest.New(t, dbtest.MariaDB).Open(t, config)
	must(t, history.Migrate(db, &parent{}, &Orphan{}))
	if want := "ON DELETE SET NULL"; !strings.Contains(warnings.String(), want) {
		t.Errorf("warnings are %q, want %q", warnings, want)
	}
}

func TestReplaceOnSQLite(t *testing.T) {
	for _, recursive := range []bool{false, true} {
		d := dbtest.New(t, dbtest.SQLite)
		db, _ := open(t, d)
		must2(db.DB()).SetMaxOpenConns(1)
		if recursive {
			must(t, db.Exec("PRAGMA recursive_triggers = ON").Error)
		}
		note := Note{Title: "a"}
		must(t, db.Create(&note).Error)
		must(t, db.Exec("INSERT OR REPLACE INTO notes (id, title) VALUES (?, 'b')", note.ID).Error)
		var actions []string
		for _, c := range must2(history.Of(db, &note)) {
			actions = append(actions, string(c.Action))
		}
		want := "create create"
		if recursive {
			want = "create delete create"
		}
		if got := strings.Join(actions, " "); got != want {
			t.Errorf("recursive_triggers %t: REPLACE recorded %q, want %q", recursive, got, want)
		}
	}
}

func TestInsertOrIgnoreLosesNoRecord(t *testing.T) {
	d := dbtest.New(t, dbtest.SQLite)
	db, _ := open(t, d)
	must(t, db.Exec("INSERT OR IGNORE INTO notes (id, title) VALUES (1, 'a'), (1, 'b'), (2, 'c')").Error)
	must(t, db.Exec("UPDATE OR IGNORE notes SET id = 2, title = 'x' WHERE id = 1").Error)
	must(t, db.Exec("UPDATE OR REPLACE notes SET title = 'y' WHERE id = 1").Error)
	if n := count(t, db, "changes"); n != 3 {
		t.Errorf("%d changes, want 3", n)
	}
}

func TestTruncate(t *testing.T) {
	for _, kind := range []string{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			db, plain := open(t, dbtest.New(t, kind))
			note := Note{Title: "a"}
			must(t, db.Create(&note).Error)
			time.Sleep(2 * time.Millisecond)
			created := last(t, db, &note).ChangeSet.At
			must(t, plain.Exec("TRUNCATE TABLE notes").Error)
			c := last(t, db, &note)
			want := history.ActionTruncate
			if kind == dbtest.MariaDB {
				want = history.ActionCreate // MariaDB hides it from triggers
			}
			if c.Action != want {
				t.Errorf("after TRUNCATE the last change is %q, want %q", c.Action, want)
			}
			if kind != dbtest.Postgres {
				return
			}
			if _, err := history.At[Note](db, note.ID, created); !errors.Is(err, history.ErrTruncated) {
				t.Errorf("At(before TRUNCATE) = %v, want ErrTruncated", err)
			}
			if _, err := history.At[Note](db, note.ID, created.Add(-time.Hour)); !errors.Is(err, history.ErrNotYet) {
				t.Errorf("At(before create) = %v, want ErrNotYet", err)
			}
			if err := history.Revert(db, c); !errors.Is(err, history.ErrNotReversible) {
				t.Errorf("Revert(truncate) = %v, want ErrNotReversible", err)
			}
		})
	}
}

// Triggers for statements are those of the table that a statement names.
func TestPartitionedTables(t *testing.T) {
	d := dbtest.New(t, dbtest.Postgres)
	for _, statement := range []string{
		"CREATE TABLE notes (id bigint PRIMARY KEY, title text) PARTITION BY RANGE (id)",
		"CREATE TABLE notes_low PARTITION OF notes FOR VALUES FROM (0) TO (100)",
		"CREATE TABLE notes_high PARTITION OF notes FOR VALUES FROM (100) TO (200)",
	} {
		must(t, d.Open(t).Exec(statement).Error)
	}
	db, plain := open(t, d)
	me := db.WithContext(as(ann))
	must(t, me.Create(&[]Note{{ID: 1, Title: "a"}, {ID: 2, Title: "b"}}).Error)
	must(t, me.Model(&Note{}).Where("id < 100").Updates(map[string]any{"id": gorm.Expr("id + 100"), "title": gorm.Expr("title || '!'")}).Error)
	for id, title := range map[int]string{1: "a", 2: "b"} {
		sameLines(t, "trail", trail(t, plain, &Note{ID: uint(id)})[1:],
			fmt.Sprintf(`update; user:42; id "%d">"%d"; title "%s">"%[3]s!"`, id, id+100, title))
	}
	must(t, plain.Exec("UPDATE notes_high SET title = 'past the trigger'").Error)
	if n := count(t, plain, "changes"); n != 4 {
		t.Errorf("%d changes, want 4: a write to a partition by its own name is a gap", n)
	}
}

// PostgreSQL keeps a trigger's plan: one for a row must do for many.
func TestManyRowsAfterOne(t *testing.T) {
	const rows = 20_000
	db, plain := open(t, dbtest.New(t, dbtest.Postgres))
	must2(db.DB()).SetMaxOpenConns(1)
	note := Note{Title: "a"}
	ctx, cancel := context.WithTimeout(as(ann), 30*time.Second) // a nested loop takes minutes
	defer cancel()
	me := db.WithContext(ctx)
	must(t, me.Create(&note).Error)
	must(t, me.Model(&note).Update("title", "b").Error)
	must(t, me.Exec("INSERT INTO notes (title) SELECT 'a' FROM generate_series(1, ?)", rows-1).Error)
	must(t, me.Model(&Note{}).Where("id > 0").Update("title", gorm.Expr("title || id")).Error)
	if n := len(must2(history.Of(plain, &Note{ID: rows}))); n != 2 {
		t.Errorf("the last row has %d changes, want 2", n)
	}
	if n := count(t, plain, "changes"); n != 2*rows+1 {
		t.Errorf("%d changes, want %d", n, 2*rows+1)
	}
}
