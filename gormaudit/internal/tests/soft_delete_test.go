package tests

import (
	"fmt"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// The flavours of soft delete. Row 1 of each is alive, row 2 deleted.
type (
	softTime struct {
		ID        uint
		DeletedAt gorm.DeletedAt
		gormaudit.SoftBy[string]
	}
	softPointer struct {
		ID        uint
		DeletedAt *gorm.DeletedAt
		gormaudit.SoftBy[string]
	}
	softZero struct {
		ID        uint
		DeletedAt gorm.DeletedAt `gorm:"zeroValue:1970-01-01 00:00:01;default:'1970-01-01 00:00:01'"`
		gormaudit.SoftBy[string]
	}
	softNamed struct {
		ID    uint
		Trash gorm.DeletedAt `gorm:"column:thrown_away"`
		gormaudit.SoftBy[string]
	}
	softFlag struct {
		ID      uint
		Deleted gone `gorm:"softDelete:flag"`
		gormaudit.SoftBy[string]
	}
	softUnix struct {
		ID        uint
		DeletedAt gone
		gormaudit.SoftBy[string]
	}
	softMixed struct {
		ID        uint
		DeletedAt *time.Time
		Deleted   gone `gorm:"softDelete:flag;deletedAtField:DeletedAt"`
		gormaudit.SoftBy[string]
	}
)

// flavour is one of them, and what to put where to do by hand what Delete
// does.
type flavour struct {
	table, column, field string
	row                  func(id uint) any
	live, dead           any
}

func softDeletes() []flavour {
	when := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	zero := "1970-01-01 00:00:01" // as GORM compares it, as text
	return []flavour{
		{"soft_times", "deleted_at", "DeletedAt", func(id uint) any { return &softTime{ID: id} }, nil, when},
		{"soft_pointers", "deleted_at", "DeletedAt", func(id uint) any { return &softPointer{ID: id} }, nil, when},
		{"soft_zeros", "deleted_at", "DeletedAt", func(id uint) any { return &softZero{ID: id} }, zero, when},
		{"soft_nameds", "thrown_away", "Trash", func(id uint) any { return &softNamed{ID: id} }, nil, when},
		{"soft_flags", "deleted", "Deleted", func(id uint) any { return &softFlag{ID: id} }, 0, 1},
		{"soft_unixes", "deleted_at", "DeletedAt", func(id uint) any { return &softUnix{ID: id} }, 0, 1234567},
		{"soft_mixeds", "deleted", "Deleted", func(id uint) any { return &softMixed{ID: id} }, 0, 1},
	}
}

// softDelete is something to do to rows 1 and 2, and what they hold after it.
type softDelete struct {
	name string
	do   func(db *gorm.DB, f flavour) error
	want [2]string
}

const liveRow, deletedRow, goneRow = "5 5 -", "5 5 5", "gone"

func softDeleteTests() []softDelete {
	onID := []clause.Column{{Name: "id"}}
	set := func(db *gorm.DB, f flavour, id uint, v any) *gorm.DB {
		return db.Unscoped().Model(f.row(id)).Update(f.column, v)
	}
	upsert := func(db *gorm.DB, f flavour, id uint, updates clause.Set, offered any) error {
		return wrote(db.Model(f.row(0)).Clauses(clause.OnConflict{Columns: onID, DoUpdates: updates}).Create(map[string]any{"id": id, f.column: offered}))
	}
	offered := func(f flavour) clause.Set { return clause.AssignmentColumns([]string{f.column, "deleted_by"}) }
	assigned := func(f flavour, v any) clause.Set {
		return clause.Assignments(map[string]any{f.column: v, "deleted_by": "66"})
	}
	return []softDelete{
		{"delete", func(db *gorm.DB, f flavour) error { return wrote(db.Delete(f.row(1))) }, [2]string{"5 5 7", deletedRow}},
		{"delete by condition", func(db *gorm.DB, f flavour) error { return wrote(db.Where("id > 0").Delete(f.row(0))) }, [2]string{"5 5 7", deletedRow}},
		{"delete what is deleted", func(db *gorm.DB, f flavour) error { return db.Delete(f.row(2)).Error }, [2]string{liveRow, deletedRow}},
		{"delete for good", func(db *gorm.DB, f flavour) error { return wrote(db.Unscoped().Delete(f.row(1))) }, [2]string{goneRow, deletedRow}},
		{"delete for good what is deleted", func(db *gorm.DB, f flavour) error { return wrote(db.Unscoped().Delete(f.row(2))) }, [2]string{liveRow, goneRow}},
		{"Update restores", func(db *gorm.DB, f flavour) error { return wrote(set(db, f, 2, f.live)) }, [2]string{liveRow, "5 7 -"}},
		{"Update by field name restores", func(db *gorm.DB, f flavour) error {
			return wrote(db.Unscoped().Model(f.row(2)).Update(f.field, f.live))
		}, [2]string{liveRow, "5 7 -"}},
		{"Updates restores", func(db *gorm.DB, f flavour) error {
			return wrote(db.Unscoped().Model(f.row(0)).Where("id > 0").Updates(map[string]any{f.column: f.live, "deleted_by": "66", "created_by": "66"}))
		}, [2]string{"5 7 -", "5 7 -"}},
		{"UpdateColumn restores", func(db *gorm.DB, f flavour) error {
			return wrote(db.Unscoped().Model(f.row(2)).UpdateColumn(f.column, f.live))
		}, [2]string{liveRow, "5 5 -"}},
		{"SkipHooks restores", func(db *gorm.DB, f flavour) error {
			return wrote(set(db.Session(&gorm.Session{SkipHooks: true}), f, 2, f.live))
		}, [2]string{liveRow, "5 5 -"}},
		{"clause.Set restores", func(db *gorm.DB, f flavour) error {
			return wrote(db.Unscoped().Model(f.row(0)).Where("id = 2").Clauses(assigned(f, f.live)).Updates(map[string]any{}))
		}, [2]string{liveRow, "5 7 -"}},
		{"Table restores", func(db *gorm.DB, f flavour) error {
			return wrote(db.Table(f.table).Where("id = 2").Updates(map[string]any{f.column: f.live, "deleted_by": "66"}))
		}, [2]string{liveRow, "5 7 -"}},
		{"an upsert restores with what it offers", func(db *gorm.DB, f flavour) error { return upsert(db, f, 2, offered(f), f.live) }, [2]string{liveRow, "5 7 -"}},
		{"an upsert restores with a value", func(db *gorm.DB, f flavour) error { return upsert(db, f, 2, assigned(f, f.live), f.dead) }, [2]string{liveRow, "5 7 -"}},
		{"an upsert leaves alone", func(db *gorm.DB, f flavour) error {
			return upsert(db, f, 2, clause.AssignmentColumns([]string{"created_by", "deleted_by"}), f.live)
		}, [2]string{liveRow, "5 7 5"}},
		{"an upsert deletes with what it offers", func(db *gorm.DB, f flavour) error { return upsert(db, f, 1, offered(f), f.dead) }, [2]string{"5 7 7", deletedRow}},
		{"an upsert deletes with a value", func(db *gorm.DB, f flavour) error { return upsert(db, f, 1, assigned(f, f.dead), f.live) }, [2]string{"5 7 7", deletedRow}},
		{"an upsert deletes what is deleted", func(db *gorm.DB, f flavour) error { return upsert(db, f, 2, offered(f), f.dead) }, [2]string{liveRow, "5 7 5"}},
		{"an upsert of many rows deletes one and restores the other", func(db *gorm.DB, f flavour) error {
			return wrote(db.Model(f.row(0)).Clauses(clause.OnConflict{Columns: onID, DoUpdates: offered(f)}).
				Create(&[]map[string]any{{"id": 1, f.column: f.dead}, {"id": 2, f.column: f.live}}))
		}, [2]string{"5 7 7", "5 7 -"}},
		{"Update deletes by hand", func(db *gorm.DB, f flavour) error { return wrote(set(db, f, 1, f.dead)) }, [2]string{"5 7 7", deletedRow}},
		{"Update deletes by hand what is deleted", func(db *gorm.DB, f flavour) error { return wrote(set(db, f, 2, f.dead)) }, [2]string{liveRow, "5 7 5"}},
		{"UpdateColumn deletes by hand", func(db *gorm.DB, f flavour) error {
			return wrote(db.Model(f.row(1)).UpdateColumn(f.column, f.dead))
		}, [2]string{liveRow, deletedRow}},
		{"an update that does not touch it", func(db *gorm.DB, f flavour) error {
			return wrote(db.Unscoped().Model(f.row(0)).Where("id > 0").Update("deleted_by", "66"))
		}, [2]string{"5 7 -", "5 7 5"}},
	}
}

func TestSoftDelete(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := d.Open(t), d.Open(t)
		var all []any
		for _, f := range softDeletes() {
			all = append(all, f.row(0))
		}
		if err := plain.AutoMigrate(all...); err != nil {
			t.Fatal(err)
		}
		if err := db.Use(gormaudit.NewWithConfig(gormaudit.Config{Models: all})); err != nil {
			t.Fatal(err)
		}
		for _, f := range softDeletes() {
			for _, test := range softDeleteTests() {
				t.Run(f.table+"/"+test.name, func(t *testing.T) {
					seedSoftDelete(t, plain, f)
					if err := test.do(db.WithContext(acting(7)), f); err != nil {
						t.Fatal(err)
					}
					for n, want := range test.want {
						if got := stamps(t, plain, f.table, n+1); got != want {
							t.Errorf("row %d of %s = %q, want %q", n+1, f.table, got, want)
						}
					}
				})
			}
		}
	})
}

func seedSoftDelete(t *testing.T, plain *gorm.DB, f flavour) {
	t.Helper()
	for _, err := range []error{
		plain.Exec("DELETE FROM " + f.table).Error,
		plain.Table(f.table).Create(map[string]any{"id": 1, f.column: f.live, "created_by": "5", "updated_by": "5"}).Error,
		plain.Table(f.table).Create(map[string]any{"id": 2, f.column: f.dead, "created_by": "5", "updated_by": "5", "deleted_by": "5"}).Error,
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// stamps reads the by-columns of one row, which may be gone.
func stamps(t *testing.T, plain *gorm.DB, table string, id any) string {
	t.Helper()
	var rows []struct{ CreatedBy, UpdatedBy, DeletedBy *string }
	if err := plain.Raw("SELECT * FROM "+table+" WHERE id = ?", id).Scan(&rows).Error; err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 {
		return goneRow
	}
	return fmt.Sprintf("%s %s %s", who(rows[0].CreatedBy), who(rows[0].UpdatedBy), who(rows[0].DeletedBy))
}

// deleted_by follows the soft-delete column however the caller spells it.
func TestSoftDeleteColumnSpellings(t *testing.T) {
	now := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		spelled := []string{"DELETED_AT", "Deleted_At"}
		switch d.Kind {
		case dbtest.Postgres:
			spelled = []string{`"deleted_at"`} // a quoted DELETED_AT is another column
		case dbtest.MariaDB, dbtest.MySQL:
			spelled = append(spelled, "`deleted_at`", "soft_times.deleted_at", "soft_times.DELETED_AT")
		default:
			spelled = append(spelled, "`deleted_at`")
		}
		db, plain := d.Open(t), d.Open(t)
		if err := plain.AutoMigrate(&softTime{}); err != nil {
			t.Fatal(err)
		}
		if err := db.Use(gormaudit.NewWithConfig(gormaudit.Config{Models: []any{&softTime{}}})); err != nil {
			t.Fatal(err)
		}
		f := softDeletes()[0]
		try := func(name string, id int, want string, run func(db *gorm.DB) error) {
			t.Run(name, func(t *testing.T) {
				seedSoftDelete(t, plain, f)
				if err := run(db.WithContext(acting(7)).Unscoped()); err != nil {
					t.Fatal(err)
				}
				var deleted bool
				if err := plain.Raw("SELECT deleted_at IS NOT NULL FROM soft_times WHERE id = ?", id).Scan(&deleted).Error; err != nil || deleted != (id == 1) {
					t.Fatalf("deleted = %t, %v, want %t", deleted, err, id == 1)
				}
				if got := stamps(t, plain, f.table, id); got != want {
					t.Errorf("row %d = %q, want %q", id, got, want)
				}
			})
		}
		for _, name := range spelled {
			for id, v := range map[int]any{1: now, 2: nil} {
				want := map[int]string{1: "5 7 7", 2: "5 7 -"}[id]
				row := &softTime{ID: uint(id)}
				set := map[string]any{name: v}
				try(fmt.Sprintf("Model.Updates/%s/%d", name, id), id, want, func(db *gorm.DB) error { return wrote(db.Model(row).Updates(set)) })
				try(fmt.Sprintf("Table.Updates/%s/%d", name, id), id, want, func(db *gorm.DB) error {
					return wrote(db.Table("soft_times").Where("id = ?", id).Updates(set))
				})
				try(fmt.Sprintf("clause.Set/%s/%d", name, id), id, want, func(db *gorm.DB) error {
					return wrote(db.Model(row).Where("id = ?", id).Clauses(clause.Assignments(set)).Updates(map[string]any{}))
				})
				try(fmt.Sprintf("DoUpdates/%s/%d", name, id), id, want, func(db *gorm.DB) error {
					return wrote(db.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, DoUpdates: clause.Assignments(set)}).Create(row))
				})
			}
		}
	})
}

// deleted_by is cleared with deleted_at by these values too.
func TestRestoreValues(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := d.Open(t), d.Open(t)
		if err := plain.AutoMigrate(&softTime{}); err != nil {
			t.Fatal(err)
		}
		if err := db.Use(gormaudit.New()); err != nil {
			t.Fatal(err)
		}
		var never *time.Time
		for name, v := range map[string]any{
			"nil": nil, "a nil pointer": never, "gorm.DeletedAt{}": gorm.DeletedAt{}, "a pointer to gorm.DeletedAt{}": &gorm.DeletedAt{},
			"gorm.Expr": gorm.Expr("NULL"), "gorm.Expr in lower case": gorm.Expr(" null "),
		} {
			t.Run(name, func(t *testing.T) {
				seedSoftDelete(t, plain, softDeletes()[0])
				if err := wrote(db.WithContext(acting(7)).Unscoped().Model(&softTime{ID: 2}).Update("deleted_at", v)); err != nil {
					t.Fatal(err)
				}
				if got, want := stamps(t, plain, "soft_times", 2), "5 7 -"; got != want {
					t.Errorf("restored with %s: %q, want %q", name, got, want)
				}
			})
		}
		t.Run("Save", func(t *testing.T) {
			seedSoftDelete(t, plain, softDeletes()[0])
			if err := wrote(db.WithContext(acting(7)).Save(&softTime{ID: 2})); err != nil {
				t.Fatal(err)
			}
			if got, want := stamps(t, plain, "soft_times", 2), "5 7 -"; got != want {
				t.Errorf("restored with Save: %q, want %q", got, want)
			}
		})
	})
}

// A join row that was deleted and is added again stays deleted: GORM inserts
// it with DO NOTHING.
func TestSoftDeletedJoinRowStaysDeleted(t *testing.T) {
	w := newWorld[texts](t, dbtest.SQLite, gormaudit.New())
	w.reset(t)
	db, p := w.db.WithContext(acting(7)), &post{Model: gorm.Model{ID: 1}}
	if err := db.Model(p).Association("Tags").Delete(&tag{Model: gorm.Model{ID: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := w.db.WithContext(acting(8)).Model(p).Association("Tags").Append(&tag{Model: gorm.Model{ID: 1}}); err != nil {
		t.Fatal(err)
	}
	if got, want := w.read(t)["post_tags 101"], (row{by: "5 5 7", deleted: true}); got.by != want.by || got.deleted != want.deleted {
		t.Errorf("post_tags 101 = %+v, want %+v", got, want)
	}
}
