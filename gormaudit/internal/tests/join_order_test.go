package tests

import (
	"fmt"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

type shelf struct {
	ID    uint
	Books []book `gorm:"many2many:shelf_books"`
}

type book struct{ ID uint }

type shelfBook struct {
	ShelfID   uint `gorm:"primaryKey"`
	BookID    uint `gorm:"primaryKey"`
	CreatedAt *time.Time
	gormaudit.By[uint]
}

// TestJoinTableSetUpBeforeOrAfterThePlugin holds what writes.md says of the order.
func TestJoinTableSetUpBeforeOrAfterThePlugin(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		setUp := func(db *gorm.DB) error { return db.SetupJoinTable(&shelf{}, "Books", &shelfBook{}) }
		use := func(db *gorm.DB) error {
			return db.Use(gormaudit.NewWithConfig(gormaudit.Config{Models: []any{&shelf{}, &shelfBook{}}}))
		}
		migrate := func(db *gorm.DB) error { return db.AutoMigrate(&shelf{}, &book{}, &shelfBook{}) }
		for n, test := range []struct {
			name  string
			steps []func(*gorm.DB) error
			want  string
		}{
			{"before", []func(*gorm.DB) error{setUp, use, migrate}, "created_by 7, created_at set true"},
			{"after", []func(*gorm.DB) error{use, setUp, migrate}, "created_by 7, created_at set true"},
			{"not at all", []func(*gorm.DB) error{use, migrate}, "created_by 7, created_at set false"},
		} {
			t.Run(test.name, func(t *testing.T) {
				db := d.Open(t)
				for _, step := range test.steps {
					must(t, step(db))
				}
				id := uint(n + 1)
				must(t, db.WithContext(actor.NewContext(t.Context(), actor.User(7))).Create(&shelf{ID: id, Books: []book{{ID: id}}}).Error)
				var row struct {
					CreatedBy uint
					CreatedAt *time.Time
				}
				must(t, d.Open(t).Table("shelf_books").Where("shelf_id = ?", id).Take(&row).Error)
				if got := fmt.Sprintf("created_by %d, created_at set %v", row.CreatedBy, row.CreatedAt != nil); got != test.want {
					t.Errorf("the join row has %s, want %s", got, test.want)
				}
			})
		}
	})
}
