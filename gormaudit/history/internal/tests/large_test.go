package tests

import (
	"strings"
	"testing"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// A change that no packet holds is refused, and says which column is to blame.
func TestAChangeLargerThanAPacket(t *testing.T) {
	type page struct {
		ID    uint
		Title string `gorm:"size:100"`
		Body  string
		Extra []byte
	}
	db := dbtest.New(t, dbtest.MariaDB).Open(t)
	must(t, db.Use(history.New()))
	must(t, history.Migrate(db, &page{}))
	db = db.WithContext(as(ann))
	large := strings.Repeat("x", 9<<20)
	must(t, db.Create(&page{ID: 1, Title: "a", Body: large}).Error)
	must(t, db.Model(&page{ID: 1}).Update("title", "b").Error)
	err := db.Model(&page{ID: 1}).Update("body", large+"y").Error
	if err == nil || !strings.Contains(err.Error(), "body") {
		t.Errorf("an update of 18 MB = %v, want an error that names the column", err)
	}
	if n := len(must2(history.Of(db, &page{ID: 1}))); n != 2 {
		t.Errorf("%d changes are recorded, want 2", n)
	}
}
