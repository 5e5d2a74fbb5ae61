package tests

import (
	"testing"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// An Omit that names a by-column drops every spelling of it, those too that
// GORM does not know, wherever it is in the list, with its values.
func TestOmitDropsEverySpelling(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		w := newWorld[texts](t, d.Kind, gormaudit.New())
		w.reset(t)
		must(t, wrote(w.db.WithContext(acting(7)).Model(&note[texts]{}).Omit("CreatedBy", "updated_by").Create(map[string]any{
			"notes.created_by": "66", "notes.CREATED_BY": "66", "title": "x", "updated_by ": "66",
		})))
		if got := w.read(t)["notes +1"].by; got != "- - -" {
			t.Errorf("notes +1 = %q, want nobody", got)
		}
	})
}
