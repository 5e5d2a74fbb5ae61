package tests

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"sync"
	"testing"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// soft are by-columns that are pointers, where sharing would show.
type soft = gormaudit.SoftBy[string]

// held is what by-fields hold, as a row is shown: "5 7 -".
func held(by soft) string {
	return who(by.CreatedBy) + " " + who(by.UpdatedBy) + " " + who(by.DeletedBy)
}

// each runs f on a fresh world of every kind.
func each(t *testing.T, f func(t *testing.T, w *world, db *gorm.DB)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		w := newWorld[soft](t, d.Kind, gormaudit.NewWithConfig(gormaudit.Config{Models: known[soft]()}))
		w.reset(t)
		f(t, w, w.db.WithContext(acting(7)))
	})
}

// want fails the test when a model in memory does not hold what it should.
func want(t *testing.T, what string, by soft, want string) {
	t.Helper()
	if got := held(by); got != want {
		t.Errorf("%s holds %q in memory, want %q", what, got, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestMemoryAfterCreate(t *testing.T) {
	each(t, func(t *testing.T, _ *world, db *gorm.DB) {
		forged := said[soft](66)
		n := note[soft]{By: said[soft](66), Writer: &writer[soft]{}, Comments: []comment[soft]{{}, {By: said[soft](66)}}}
		must(t, wrote(db.Create(&n)))
		want(t, "a created note", n.By, "7 7 -")
		want(t, "its writer", n.Writer.By, "7 7 -")
		want(t, "its first comment", n.Comments[0].By, "7 7 -")
		// GORM saves associations by upserts, which may meet an older row. There
		// the caller's value stays in memory, as CreatedAt does.
		want(t, "its second comment", n.Comments[1].By, "66 66 66")

		slice := []note[soft]{{By: forged}, {}}
		must(t, wrote(db.Create(&slice)))
		pointers := []*note[soft]{{By: forged}, {}}
		must(t, wrote(db.Create(pointers)))
		array := [2]note[soft]{{By: forged}, {}}
		must(t, wrote(db.Create(&array)))
		batches := []note[soft]{{By: forged}, {}, {}}
		must(t, wrote(db.CreateInBatches(&batches, 2)))
		for _, n := range slices.Concat(slice, []note[soft]{*pointers[0], *pointers[1]}, array[:], batches) {
			want(t, "a note of many", n.By, "7 7 -")
		}
		must(t, wrote(db.Create(&note[soft]{By: forged})))
		if *forged.CreatedBy != "66" || *forged.UpdatedBy != "66" || *forged.DeletedBy != "66" {
			t.Errorf("the caller's strings = %q, %q, %q, want 66", *forged.CreatedBy, *forged.UpdatedBy, *forged.DeletedBy)
		}
	})
}

func TestMemoryAfterUpsert(t *testing.T) {
	each(t, func(t *testing.T, w *world, db *gorm.DB) {
		all := clause.OnConflict{UpdateAll: true}
		zero := note[soft]{Model: gorm.Model{ID: 1}}
		must(t, wrote(db.Clauses(all).Create(&zero)))
		filled := note[soft]{Model: gorm.Model{ID: 1}, By: said[soft](66)}
		must(t, db.Clauses(all).Create(&filled).Error)
		want(t, "an upserted note", zero.By, "7 7 -")
		want(t, "an upserted note with values", filled.By, "66 66 66")
		if w.kind == dbtest.MySQL {
			return // there is no RETURNING to tell what the row holds
		}
		told := note[soft]{Model: gorm.Model{ID: 1}, By: said[soft](66)}
		must(t, wrote(db.Clauses(all, clause.Returning{}).Create(&told)))
		want(t, "an upserted note with Returning", told.By, "5 7 -")
	})
}

// updates are the ways to update a note, which all leave it the same.
func updates() map[string]func(db *gorm.DB, n *note[soft]) error {
	forged := func() map[string]any {
		return map[string]any{"title": "changed", "created_by": "66", "UpdatedBy": pointer("66"), "deleted_by": "66"}
	}
	return map[string]func(db *gorm.DB, n *note[soft]) error{
		"Update":               func(db *gorm.DB, n *note[soft]) error { return wrote(db.Model(n).Update("title", "x")) },
		"Update of created_by": func(db *gorm.DB, n *note[soft]) error { return wrote(db.Model(n).Update("created_by", "66")) },
		"Updates of a map":     func(db *gorm.DB, n *note[soft]) error { return wrote(db.Model(n).Updates(forged())) },
		"Updates of a pointer to a map": func(db *gorm.DB, n *note[soft]) error {
			values := forged()
			return wrote(db.Model(n).Updates(&values))
		},
		"Updates of a struct": func(db *gorm.DB, n *note[soft]) error {
			return wrote(db.Model(n).Updates(note[soft]{Title: "x", By: said[soft](66)}))
		},
		"Updates of a pointer to a struct": func(db *gorm.DB, n *note[soft]) error {
			return wrote(db.Model(n).Updates(&note[soft]{Title: "x", By: said[soft](66)}))
		},
		"Updates of another struct": func(db *gorm.DB, n *note[soft]) error {
			return wrote(db.Model(n).Updates(struct {
				Title     string
				CreatedBy string
				UpdatedBy *string
			}{"x", "66", pointer("66")}))
		},
		"Select(*)": func(db *gorm.DB, n *note[soft]) error {
			return wrote(db.Model(n).Select("*").Omit("id").Updates(note[soft]{Title: "x", By: said[soft](66)}))
		},
	}
}

func TestMemoryAfterUpdate(t *testing.T) {
	each(t, func(t *testing.T, w *world, db *gorm.DB) {
		for name, update := range updates() {
			t.Run(name, func(t *testing.T) {
				w.reset(t)
				var n note[soft]
				must(t, w.plain.First(&n, 1).Error)
				creator, updater := n.By.CreatedBy, n.By.UpdatedBy
				must(t, update(db, &n))
				want(t, "the note", n.By, "5 7 -")
				if n.By.CreatedBy != creator || *creator != "5" {
					t.Errorf("CreatedBy points elsewhere, or to %q", *creator)
				}
				if *updater != "5" {
					t.Errorf("the caller's copy of UpdatedBy = %q, want 5", *updater)
				}
			})
		}
		t.Run("of columns", func(t *testing.T) {
			w.reset(t)
			var n note[soft]
			must(t, w.plain.First(&n, 1).Error)
			must(t, wrote(db.Model(&n).UpdateColumns(with[soft](map[string]any{"title": "x"}))))
			want(t, "the note after UpdateColumns", n.By, "5 5 -")
		})
		t.Run("of a slice", func(t *testing.T) {
			w.reset(t)
			var notes []note[soft]
			must(t, w.plain.Find(&notes).Error)
			must(t, wrote(db.Model(&notes).Updates(with[soft](map[string]any{"title": "x"}))))
			for _, n := range notes {
				want(t, "a note of many", n.By, "5 7 -")
			}
		})
		t.Run("with Returning", func(t *testing.T) {
			if w.kind == dbtest.MariaDB || w.kind == dbtest.MySQL {
				t.Skip("there is no UPDATE … RETURNING")
			}
			w.reset(t)
			n := note[soft]{Model: gorm.Model{ID: 1}, By: said[soft](66)}
			must(t, wrote(db.Model(&n).Clauses(clause.Returning{}).Update("title", "x")))
			want(t, "the note", n.By, "5 7 -")
		})
	})
}

// Save writes the caller's own struct: updated_by is filled in, and what the
// caller had put into CreatedBy is the caller's.
func TestMemoryAfterSave(t *testing.T) {
	each(t, func(t *testing.T, w *world, db *gorm.DB) {
		var n note[soft]
		must(t, w.plain.First(&n, 1).Error)
		must(t, wrote(db.Save(&n)))
		want(t, "a saved note", n.By, "5 7 -")
		n.By.CreatedBy = pointer("66")
		must(t, db.Save(&n).Error)
		want(t, "a saved note with a forged CreatedBy", n.By, "66 7 -")
		missing := note[soft]{Model: gorm.Model{ID: 99}}
		must(t, wrote(db.Save(&missing)))
		want(t, "a saved note that was not there", missing.By, "7 7 -")
	})
}

func TestMemoryAfterDelete(t *testing.T) {
	each(t, func(t *testing.T, w *world, db *gorm.DB) {
		var n note[soft]
		must(t, w.plain.First(&n, 1).Error)
		must(t, wrote(db.Delete(&n)))
		want(t, "a deleted note", n.By, "5 5 7")
		must(t, wrote(db.Unscoped().Model(&n).Update("deleted_at", nil)))
		want(t, "a restored note", n.By, "5 7 -")
		var notes []note[soft]
		must(t, w.plain.Order("id").Find(&notes).Error)
		must(t, wrote(db.Delete(&notes)))
		want(t, "the first of many deleted", notes[0].By, "5 7 7")
		want(t, "the second of many deleted", notes[1].By, "5 5 7")
	})
}

// Stamps in memory survive a rollback, as ids and timestamps do. The row does
// not.
func TestMemoryAfterRollback(t *testing.T) {
	each(t, func(t *testing.T, w *world, db *gorm.DB) {
		created, deleted := note[soft]{}, note[soft]{Model: gorm.Model{ID: 1}}
		undo := errors.New("undo")
		err := db.Transaction(func(tx *gorm.DB) error {
			must(t, wrote(tx.Create(&created)))
			must(t, wrote(tx.Delete(&deleted)))
			return undo
		})
		if !errors.Is(err, undo) {
			t.Fatalf("Transaction = %v, want %v", err, undo)
		}
		want(t, "a note that was rolled back", created.By, "7 7 -")
		want(t, "a note whose deletion was rolled back", deleted.By, "- - 7")
		rows := w.read(t)
		if maps.DeleteFunc(rows, func(key string, r row) bool { return r == before()[key] }); len(rows) != 0 {
			t.Errorf("rows changed all the same: %v", rows)
		}
	})
}

// The caller's maps, slices, clauses and sources of values are as before.
func TestCallersDataIsLeftAlone(t *testing.T) {
	each(t, func(t *testing.T, _ *world, db *gorm.DB) {
		same := func(what string, got, want any) {
			t.Helper()
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s = %v, want %v", what, got, want)
			}
		}
		values := with[soft](map[string]any{"title": "changed"})
		old := maps.Clone(values)
		must(t, wrote(db.Model(&note[soft]{Model: gorm.Model{ID: 1}}).Updates(values)))
		must(t, db.Table("notes").Where("id = 1").Updates(&values).Error)
		must(t, db.Model(&note[soft]{}).Where("id = 1").UpdateColumns(values).Error)
		same("the map of Updates", values, old)

		must(t, wrote(db.Table("notes").Create(values)))
		delete(values, "@id") // GORM's own
		same("the map of Create", values, old)
		many := []map[string]any{with[soft](nil), {"title": "x"}}
		must(t, wrote(db.Table("notes").Create(many)))
		for _, m := range many {
			delete(m, "@id")
		}
		same("the maps of Create", many, []map[string]any{with[soft](nil), {"title": "x"}})

		dto := struct{ Title, CreatedBy string }{"x", "66"}
		must(t, wrote(db.Model(&note[soft]{Model: gorm.Model{ID: 1}}).Updates(&dto)))
		same("the DTO", dto, struct{ Title, CreatedBy string }{"x", "66"})
		source := note[soft]{Title: "x", By: said[soft](66)}
		must(t, db.Model(&note[soft]{Model: gorm.Model{ID: 1}}).Updates(&source).Error)
		want(t, "the struct of Updates", source.By, "66 66 66")

		set := clause.Assignments(with[soft](map[string]any{"title": "x", "CREATED_BY": "66"}))
		kept := slices.Clone(set)
		must(t, db.Model(&note[soft]{}).Where("id = 1").Clauses(set).Updates(map[string]any{}).Error)
		upsert := clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, DoUpdates: set}
		must(t, db.Clauses(upsert).Create(&note[soft]{Model: gorm.Model{ID: 1}}).Error)
		same("the clause.Set", set, kept)
		session := db.Model(&note[soft]{}).Where("id = 1").Clauses(set).Session(&gorm.Session{})
		must(t, session.Updates(map[string]any{}).Error)
		same("the statement's clause.Set", session.Statement.Clauses["SET"].Expression, kept)
	})
}

// A Select or Omit with spare capacity would show an append to it.
func TestSelectAndOmitAreLeftAlone(t *testing.T) {
	each(t, func(t *testing.T, _ *world, db *gorm.DB) {
		for name, use := range map[string]func(db *gorm.DB, columns []string) *gorm.DB{
			"Select": func(db *gorm.DB, columns []string) *gorm.DB { return db.Select(columns) },
			"Omit":   func(db *gorm.DB, columns []string) *gorm.DB { return db.Omit(columns...) },
		} {
			columns := append(make([]string, 0, 8), "title", "size")
			for _, write := range []func(db *gorm.DB) *gorm.DB{
				func(db *gorm.DB) *gorm.DB { return db.Create(&note[soft]{}) },
				func(db *gorm.DB) *gorm.DB {
					return db.Model(&note[soft]{}).Where("id = 1").Updates(with[soft](map[string]any{"title": "x", "writer_id": 2}))
				},
				func(db *gorm.DB) *gorm.DB { return db.Save(&note[soft]{Model: gorm.Model{ID: 1}}) },
				func(db *gorm.DB) *gorm.DB {
					return db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&note[soft]{})
				},
			} {
				must(t, write(use(db, columns)).Error)
			}
			if spare := columns[2:8]; !slices.Equal(columns, []string{"title", "size"}) || slices.ContainsFunc(spare, func(s string) bool { return s != "" }) {
				t.Errorf("the slice of %s = %q, and behind it %q", name, columns, spare)
			}
		}
	})
}

// A change through one field's pointer must not show in another.
func TestNoTwoFieldsShareAPointer(t *testing.T) {
	each(t, func(t *testing.T, w *world, db *gorm.DB) {
		seen := map[*string]string{}
		look := func(where string, bys ...soft) {
			t.Helper()
			for _, by := range bys {
				for name, p := range map[string]*string{"CreatedBy": by.CreatedBy, "UpdatedBy": by.UpdatedBy, "DeletedBy": by.DeletedBy} {
					if other, ok := seen[p]; p != nil && ok {
						t.Errorf("%s of %s shares its pointer with %s", name, where, other)
					}
					seen[p] = name + " of " + where
				}
			}
		}
		batch := make([]note[soft], 5)
		for n := range batch {
			batch[n].Comments = make([]comment[soft], 2)
		}
		must(t, wrote(db.Create(&batch)))
		for _, n := range batch {
			look("a created note", n.By)
			look("its comments", n.Comments[0].By, n.Comments[1].By)
		}
		one, two := note[soft]{}, note[soft]{}
		must(t, errors.Join(wrote(db.Create(&one)), wrote(db.Create(&two))))
		look("a single note", one.By, two.By)
		for n := range batch {
			batch[n].By = soft{}
		}
		must(t, wrote(db.Model(&batch).Update("title", "x")))
		must(t, wrote(db.Delete(&batch)))
		for _, n := range batch {
			look("an updated and deleted note", n.By)
		}
		*batch[0].By.UpdatedBy = "changed"
		want(t, "the note beside the one changed", batch[1].By, "- 7 7")
	})
}

// One map and one model passed by value serve many goroutines. The race
// detector sees a write to either.
func TestSharedValuesAreRaceFree(t *testing.T) {
	each(t, func(t *testing.T, w *world, _ *gorm.DB) {
		values := with[soft](map[string]any{"title": "changed"})
		model, source := note[soft]{}, note[soft]{Title: "x", By: said[soft](66)}
		must(t, wrote(w.db.WithContext(acting(7)).Model(model).Where("id = ?", 2).Updates(values)))
		var wg sync.WaitGroup
		for user := range 20 {
			wg.Go(func() {
				db := w.quiet(acting(user + 100))
				if err := errors.Join(
					db.Model(model).Where("id = ?", 1).Updates(values).Error,
					db.Model(model).Where("id = ?", 1).Updates(source).Error,
					db.Model(&note[soft]{Model: gorm.Model{ID: 1}}).Updates(&source).Error,
				); err != nil {
					t.Errorf("user %d: %v", user, err)
				}
			})
		}
		wg.Wait()
		if !reflect.DeepEqual(values, with[soft](map[string]any{"title": "changed"})) {
			t.Errorf("the shared map = %v", values)
		}
		want(t, "the shared model", model.By, "- - -")
		want(t, "the shared source", source.By, "66 66 66")
	})
}

// Two spellings of one column, and a map that GORM can't put into the model:
// the model holds what it held.
func TestForgedValuesInMemoryArePutBack(t *testing.T) {
	each(t, func(t *testing.T, w *world, db *gorm.DB) {
		var n note[soft]
		must(t, w.plain.First(&n, 1).Error)
		must(t, wrote(db.Model(&n).Updates(map[string]any{"created_by": "66", "CreatedBy": "67", "CREATED_BY": 68, "deleted_by": []byte("66")})))
		want(t, "the note", n.By, "5 7 -")

		n = note[soft]{Model: gorm.Model{ID: 1}}
		must(t, wrote(db.Model(&n).Omit("updated_by").Updates(with[soft](map[string]any{"title": "x"}))))
		want(t, "the note with updated_by omitted", n.By, "- - -")

		n = note[soft]{Model: gorm.Model{ID: 1}}
		must(t, wrote(db.WithContext(gormaudit.Skip(context.Background())).Model(&n).Updates(with[soft](map[string]any{"title": "y"}))))
		want(t, "the note under Skip", n.By, "- - -")

		n = note[soft]{Model: gorm.Model{ID: 1}}
		must(t, wrote(w.db.Model(&n).Updates(with[soft](map[string]any{"title": "x"}))))
		want(t, "the note when nobody said who", n.By, "- - -")

		ctx := gormaudit.Preserve(acting(7))
		n = note[soft]{Model: gorm.Model{ID: 1}}
		must(t, wrote(db.WithContext(ctx).Model(&n).Updates(with[soft](map[string]any{"title": "x"}))))
		want(t, "the note under Preserve", n.By, "- 66 66")
		if got := w.read(t)["notes 1"].by; got != "5 66 66" {
			t.Errorf("the row under Preserve = %q, want %q", got, "5 66 66")
		}
	})
}

// A nil pointer to embedded by-columns that nothing is written to stays nil.
func TestEmbeddedPointersAreLeftNil(t *testing.T) {
	type dto struct{ Title string }
	updates := map[string]func(db *gorm.DB, n *pointerEmbedRow) *gorm.DB{
		"another struct": func(db *gorm.DB, n *pointerEmbedRow) *gorm.DB { return db.Model(n).Updates(dto{"x"}) },
		"a selection": func(db *gorm.DB, n *pointerEmbedRow) *gorm.DB {
			return db.Model(n).Select("title").Updates(pointerEmbedRow{Title: "x"})
		},
	}
	for _, dryRun := range []bool{false, true} {
		s := newSQLiteStage(t, gormaudit.Config{DryRun: dryRun}, &pointerEmbedRow{})
		ok(t, s.plain.Create(&pointerEmbedRow{ID: 1}))
		for what, update := range updates {
			for how, db := range map[string]*gorm.DB{
				"someone acting":      s.user(7),
				"updated_by omitted":  s.user(7).Omit("updated_by"),
				"Skip":                s.WithContext(gormaudit.Skip(context.Background())),
				"nobody said who":     s.DB,
				"hooks being skipped": s.user(7).Session(&gorm.Session{SkipHooks: true}),
			} {
				n := pointerEmbedRow{ID: 1}
				ok(t, update(db, &n))
				if stamped := how == "someone acting" && !dryRun; stamped != (n.Stamp != nil) {
					t.Errorf("%s with %s, DryRun %t: struct holds %+v", what, how, dryRun, n.Stamp)
				}
			}
		}
	}
}

// GORM writes nothing into a slice that is passed by value, so neither do we.
func TestSliceByValueIsLeftAlone(t *testing.T) {
	w := newWorld[texts](t, dbtest.SQLite, gormaudit.New())
	w.reset(t)
	notes := []note[texts]{{Model: gorm.Model{ID: 1}}}
	must(t, wrote(w.db.WithContext(acting(7)).Model(notes).Updates(map[string]any{"title": "x"})))
	if got := w.read(t)["notes 1"].by; got != "5 7 -" || notes[0].By != (texts{}) || notes[0].UpdatedAt.Equal(now()) {
		t.Errorf("notes 1 = %q, and in memory %+v, want 5 7 - and nothing", got, notes[0])
	}
}
