package tests

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// Customer has its by-columns under names of its own.
type Customer struct {
	ID        uint
	City      string
	CreatorID *uint `gorm:"autoCreateBy"`
	UpdaterID *uint `gorm:"autoUpdateBy"`
	RemoverID *uint `gorm:"autoDeleteBy"`
	CreatedAt time.Time
	UpdatedAt time.Time
	DeletedAt gorm.DeletedAt
}

// A by-column that does not hold who acted is shown, whatever changes with it.
func TestAForgedColumnIsShownBesideOthers(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := d.Open(t), d.Open(t)
		must(t, db.Use(gormaudit.New()))
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Customer{}))
		h := historyweb.Handler(plain, historyweb.Config{Names: names, Tables: []historyweb.Table{historyweb.For[Customer](historyweb.Table{})}})
		newest := func() string {
			t.Helper()
			page, _, _ := strings.Cut(text(get(h, alice, "/row?table=customers&key=1")), " As it was after this")
			return page
		}
		raw := func(sql string) func() error {
			return func() error {
				return db.WithContext(as(alice)).Transaction(func(tx *gorm.DB) error { return tx.Exec(sql).Error })
			}
		}
		by := func(a actor.Actor, write func(db *gorm.DB) *gorm.DB) func() error {
			return func() error { return write(db.WithContext(as(a))).Error }
		}
		city := func(db *gorm.DB) *gorm.DB { return db.Model(&Customer{ID: 1}).Update("city", rand.Text()) }
		for _, step := range []struct {
			name        string
			write       func() error
			shown, hide []string
		}{
			{"a create", by(alice, func(db *gorm.DB) *gorm.DB { return db.Create(&Customer{ID: 1, City: "Bonn"}) }), []string{"City"}, []string{"Creator", "Updater", "Created at"}},
			{"an update", by(bob, city), []string{"City"}, []string{"Creator", "Updater", "Updated at"}},
			{"an update as somebody", by(alice.As(carol), city), []string{"City"}, []string{"Updater"}},
			{"a program's update", by(actor.System("job"), city), []string{"City"}, []string{"Updater"}},
			{"a forged creator", raw("UPDATE customers SET creator_id = 2, city = 'x'"), []string{"City", "Creator id changed from alice → to bob"}, []string{"Updater"}},
			{"a forged updater", raw("UPDATE customers SET updater_id = 3, city = 'y'"), []string{"City", "Updater id set to carol"}, []string{"Creator"}},
			{"another time", raw("UPDATE customers SET created_at = '2001-02-03 04:05:06', city = 'z'"), []string{"City", "Created at"}, []string{"Updater"}},
			{"a forged remover", raw("UPDATE customers SET remover_id = 2, city = 'a'"), []string{"City", "Remover id set to bob"}, nil},
			{"no remover", raw("UPDATE customers SET remover_id = NULL, city = 'b'"), []string{"City", "Remover id cleared"}, nil},
			{"a delete", by(bob, func(db *gorm.DB) *gorm.DB { return db.Delete(&Customer{ID: 1}) }), []string{"in the trash"}, []string{"Remover", "Deleted at"}},
			{"a way back", by(bob, func(db *gorm.DB) *gorm.DB { return db.Unscoped().Model(&Customer{ID: 1}).Update("deleted_at", nil) }), []string{"out of the trash"}, []string{"Remover", "Updater"}},
			{"a forged delete", raw("UPDATE customers SET remover_id = 3, deleted_at = '2026-01-02 03:04:05'"), []string{"in the trash", "Remover id set to carol"}, []string{"Deleted at"}},
		} {
			must(t, step.write())
			page := newest()
			expect(t, step.name, page, step.shown...)
			for _, hidden := range step.hide {
				if strings.Contains(page, hidden) {
					t.Errorf("%s shows %q:\n%s", step.name, hidden, page)
				}
			}
		}
	})
}

// Where the pages know no model, a column's name tells what it is.
func TestAForgedColumnOfAnUnknownTableIsShown(t *testing.T) {
	t.Parallel()
	type Memo struct {
		ID   uint
		Text string
		gormaudit.By[uint]
		CreatedAt, UpdatedAt time.Time
	}
	db := dbtest.New(t, dbtest.SQLite).Open(t)
	must(t, db.Use(gormaudit.New()))
	must(t, db.Use(history.New()))
	must(t, history.Migrate(db, &Memo{}))
	must(t, db.WithContext(as(alice)).Create(&Memo{ID: 1, Text: "a"}).Error)
	must(t, db.WithContext(as(bob)).Model(&Memo{ID: 1}).Update("text", "b").Error)
	h := historyweb.Handler(db, historyweb.Config{})
	if page := text(get(h, alice, "/")); strings.Contains(page, "Created") || strings.Contains(page, "Updated") {
		t.Errorf("the page shows what each change writes:\n%s", page)
	}
	must(t, db.Exec("UPDATE memos SET created_by = 3, text = 'c'").Error)
	expect(t, "the page", text(get(h, alice, "/")), "Created by changed from 1 → to 3")
}
