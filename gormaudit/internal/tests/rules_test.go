package tests

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// created_by, updated_by and deleted_by are written where GORM writes the
// times beside them. Where they part is known, and no path parts unnoticed.
func TestRule1ByFollowsAt(t *testing.T) {
	known := []string{
		"update with clause.Set", "update by table", "G set and update", "G associations", "upsert", "restore", "spellings", // GORM forgets updated_at
		"update with another struct",           // so it does where a struct has no UpdatedAt
		"update with Select or Omit", "delete", // Omit names the column
		"delete by hand", // UpdateColumn moves neither
	}
	for _, section := range sections[texts]() {
		for _, p := range section.paths {
			if p.apart && !slices.Contains(known, p.line) {
				t.Errorf("%s: by and at part on a path of %q", p.call, p.line)
			}
		}
	}
	w := newWorld[texts](t, dbtest.SQLite, gormaudit.New())
	moves := func(what string, key string, by, at bool, write func(db *gorm.DB) *gorm.DB) {
		t.Helper()
		w.reset(t)
		must(t, wrote(write(w.db.WithContext(acting(7)))))
		if got := w.read(t)[key]; strings.Fields(got.by)[1] == "7" != by || got.moved != at {
			t.Errorf("%s: %s = %+v, want updated_by moved: %t, updated_at moved: %t", what, key, got, by, at)
		}
	}
	first := &note[texts]{Model: gorm.Model{ID: 1}}
	moves("Update", "notes 1", true, true, func(db *gorm.DB) *gorm.DB { return db.Model(first).Update("title", "x") })
	moves("UpdateColumn", "notes 1", false, false, func(db *gorm.DB) *gorm.DB { return db.Model(first).UpdateColumn("title", "x") })
	moves("soft delete", "notes 1", false, false, func(db *gorm.DB) *gorm.DB { return db.Delete(first) })
	moves("a child saved with its parent", "comments 1", false, false, func(db *gorm.DB) *gorm.DB {
		return db.Save(&note[texts]{Model: gorm.Model{ID: 1}, Comments: []comment[texts]{{Model: gorm.Model{ID: 1}}}})
	})
	moves("Table", "notes 1", true, false, func(db *gorm.DB) *gorm.DB { return db.Table("notes").Where("id = 1").Update("title", "x") })
}

// No GORM call changes created_by once the row is there.
func TestRule2CreatedByIsWrittenOnce(t *testing.T) {
	for _, section := range sections[texts]() {
		for _, p := range section.paths {
			for key, by := range p.want {
				if old, ok := before()[key]; ok && by != "gone" && strings.Fields(by)[0] != strings.Fields(old.by)[0] {
					t.Errorf("%s is expected to change created_by of %s to %s", p.call, key, by)
				}
			}
		}
	}
	each(t, func(t *testing.T, w *world, db *gorm.DB) {
		n := note[soft]{Model: gorm.Model{ID: 1}, By: said[soft](66)}
		for name, ctx := range map[string]context.Context{
			"an actor": acting(7), "nobody signed in": actor.NewContext(context.Background(), actor.Actor{}), "nobody said": context.Background(),
			"Preserve": gormaudit.Preserve(acting(7)), "Preserve alone": gormaudit.Preserve(context.Background()), "Skip": gormaudit.Skip(acting(7)),
		} {
			db := db.WithContext(ctx)
			for _, tx := range []*gorm.DB{
				db.Save(&n), db.Model(&n).Update("created_by", "66"), db.Model(&n).UpdateColumn("created_by", "66"),
				db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&n), db.Save(&[]note[soft]{n}),
				db.Table("notes").Where("id = 1").Updates(map[string]any{"CREATED_BY": "66", "title": name}),
			} {
				must(t, tx.Error)
				if got := strings.Fields(w.read(t)["notes 1"].by)[0]; got != "5" {
					t.Fatalf("with %s: created_by = %s after %s, want 5", name, got, tx.Statement.SQL.String())
				}
			}
		}
	})
}

// No caller's value reaches a by-column, whoever acts or doesn't.
func TestRule3CallersValuesNeverReachAByColumn(t *testing.T) {
	for name, ctx := range map[string]context.Context{
		"an actor": acting(7), "nobody signed in": actor.NewContext(context.Background(), actor.Actor{}),
		"nobody said": context.Background(), "Skip": gormaudit.Skip(acting(7)),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld[soft](t, dbtest.SQLite, gormaudit.NewWithConfig(gormaudit.Config{Models: known[soft]()}))
			for _, section := range sections[soft]() {
				for _, p := range section.paths {
					w.reset(t)
					_ = p.run(w.db.WithContext(ctx))
					for key, row := range w.read(t) {
						if strings.Contains(row.by, "66") {
							t.Errorf("%s: %s = %q", p.call, key, row.by)
						}
					}
				}
			}
		})
	}
}

// Someone is stamped, nobody is NULL, and when nobody said who, what is stored
// stays.
func TestRule4ThreeAnswersToWho(t *testing.T) {
	nobody := actor.NewContext(context.Background(), actor.Actor{})
	answers := []struct {
		name                               string
		ctx                                context.Context
		create, update, upsert, softDelete string
	}{
		{"someone", acting(7), "7 7 -", "5 7 -", "5 7 -", "5 5 7"},
		{"nobody is signed in", nobody, "- - -", "5 - -", "5 - -", "5 5 -"},
		{"nobody said", context.Background(), "- - -", "5 5 -", "5 5 -", "5 5 -"},
	}
	each(t, func(t *testing.T, w *world, _ *gorm.DB) {
		for _, answer := range answers {
			db := w.db.WithContext(answer.ctx)
			one := func() *note[soft] { return &note[soft]{Model: gorm.Model{ID: 1}, Title: "x", By: said[soft](66)} }
			check := func(what, key, want string, write func() *gorm.DB) {
				t.Helper()
				w.reset(t)
				must(t, wrote(write()))
				if got := w.read(t)[key].by; got != want {
					t.Errorf("%s, %s: %s = %q, want %q", answer.name, what, key, got, want)
				}
			}
			check("Create", "notes +1", answer.create, func() *gorm.DB { return db.Create(&note[soft]{By: said[soft](66)}) })
			check("Updates", "notes 1", answer.update, func() *gorm.DB { return db.Model(one()).Updates(with[soft](map[string]any{"title": "x"})) })
			check("upsert", "notes 1", answer.upsert, func() *gorm.DB { return db.Clauses(clause.OnConflict{UpdateAll: true}).Create(one()) })
			check("Delete", "notes 1", answer.softDelete, func() *gorm.DB { return db.Delete(one()) })
		}
	})
}

// Stamping sends nothing of its own: no path sends more statements than GORM
// alone, and a pool of one connection is enough inside a transaction.
func TestRule6StampingDoesNoIO(t *testing.T) {
	each(t, func(t *testing.T, w *world, db *gorm.DB) {
		pool, err := w.db.DB()
		must(t, err)
		pool.SetMaxOpenConns(1)
		must(t, db.Transaction(func(tx *gorm.DB) error {
			n := note[soft]{By: said[soft](66), Comments: []comment[soft]{{}}}
			return errors.Join(wrote(tx.Create(&n)), wrote(tx.Model(&n).Update("title", "x")), tx.Save(&n).Error, wrote(tx.Delete(&n)))
		}))
		w.log.take()
		must(t, wrote(db.Session(&gorm.Session{SkipDefaultTransaction: true}).Create(&note[soft]{})))
		if sent := w.log.take(); len(sent) != 1 {
			t.Errorf("one Create sent %d statements: %v", len(sent), sent)
		}
	})
}

// The caller's data is the caller's. memory_test.go has the whole of it.
func TestRule7CallersDataIsTheCallers(t *testing.T) {
	each(t, func(t *testing.T, _ *world, db *gorm.DB) {
		values := with[soft](map[string]any{"title": "x"})
		kept := maps.Clone(values)
		n := note[soft]{Model: gorm.Model{ID: 1}}
		must(t, wrote(db.Model(&n).Updates(values)))
		if !maps.Equal(values, kept) {
			t.Errorf("the map = %v, want %v", values, kept)
		}
		want(t, "the model", n.By, "- 7 -")
	})
}

// An id that does not fit is an error, and nothing is written.
func TestRule8RightOrAnError(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		w := newWorld[numbers](t, d.Kind, gormaudit.New())
		w.reset(t)
		for _, id := range []string{"abc", "010", "-1", "18446744073709551616"} {
			db := w.db.WithContext(actor.NewContext(context.Background(), actor.User(id)))
			n := note[numbers]{Model: gorm.Model{ID: 1}, Title: "x"}
			for _, tx := range []*gorm.DB{
				db.Create(&note[numbers]{}), db.Model(&n).Update("title", "x"), db.Save(&n), db.Delete(&n),
				db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&n), db.Clauses(clause.Insert{Modifier: "OR REPLACE"}).Create(&n),
				db.Unscoped().Model(&note[numbers]{Model: gorm.Model{ID: 1}}).Update("deleted_at", longAgo),
			} {
				var wrong *gormaudit.ColumnError
				replaces := tx.Error != nil && strings.Contains(tx.Error.Error(), "REPLACE")
				if !replaces && (!errors.As(tx.Error, &wrong) || wrong.Table != "notes" || wrong.ID != id) {
					t.Errorf("user %s: %v, want a ColumnError of notes", id, tx.Error)
				}
			}
		}
		if rows := w.read(t); !maps.Equal(rows, before()) {
			t.Errorf("rows = %v, want them unchanged", rows)
		}
		pool, err := w.db.DB()
		must(t, err)
		if inUse := pool.Stats().InUse; inUse != 0 {
			t.Errorf("%d connections are in use, want 0", inUse)
		}
	})
}
