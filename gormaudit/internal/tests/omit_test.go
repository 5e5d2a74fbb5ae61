package tests

import (
	"testing"

	"gorm.io/gorm/clause"

	"github.com/seed-3826ef92/whodunit/gormaudit"
)

// Omit("Parts.CreatedBy") is GORM's way to omit a column of the association
// (saveAssociations passes it on to the children). It takes the parent's.
func TestOmitOfAnAssociationsColumn(t *testing.T) {
	eachStage(t, gormaudit.Config{}, attackModels, func(t *testing.T, s *stage) {
		ok(t, s.user(7).Omit("Parts.CreatedBy").Create(&target{ID: 2, Title: "x", CreatedBy: "66", Parts: []part{{ID: 5}}}))
		if got := s.by(t, "targets", 2); got != "7 7" {
			t.Errorf("created_by updated_by = %q, want 7 7", got)
		}
		ok(t, s.user(8).Model(&target{ID: 2}).Omit("Parts.UpdatedBy").Updates(target{Title: "y"}))
		if got := s.by(t, "targets", 2); got != "7 8" {
			t.Errorf("after update: %q, want 7 8", got)
		}
		// and with a table: GORM compares it with the statement's
		ok(t, s.user(9).Model(&target{ID: 2}).Omit("parts.updated_by").Updates(target{Title: "z"}))
		if got := s.by(t, "targets", 2); got != "7 9" {
			t.Errorf("after update omitting parts.updated_by: %q, want 7 9", got)
		}
	})
}

// The by-column's field has the name of another column.
type painting struct {
	ID        uint
	Owner     string `gorm:"column:owner_id;autoCreateBy"`
	OwnerName string `gorm:"column:owner"`
	Title     string
}

func TestFieldNamedAsAnotherColumn(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{}, &painting{})
	ok(t, s.user(7).Omit("owner").Create(&painting{ID: 1, OwnerName: "x"}))
	if got := s.cells(t, "paintings", 1, "owner_id"); got != "7" {
		t.Errorf("Omit(\"owner\") of the other column: owner_id = %s, want 7", got)
	}
	ok(t, s.user(7).Create(&painting{ID: 2}))
	ok(t, s.user(7).Model(&painting{ID: 2}).Updates(map[string]any{"OWNER": "Ann", "title": "t"}))
	if got := s.cell(t, "paintings", "owner", 2); got != "Ann" {
		t.Errorf("Updates of column owner as OWNER: %q, want Ann (GORM alone writes it)", got)
	}
	upsert := clause.OnConflict{DoUpdates: clause.Assignments(map[string]any{"OWNER": "Bea"})}
	ok(t, s.user(7).Clauses(upsert).Create(&painting{ID: 2}))
	if got := s.cell(t, "paintings", "owner", 2); got != "Bea" {
		t.Errorf("upsert of column owner as OWNER: %q, want Bea (GORM alone writes it)", got)
	}
}
