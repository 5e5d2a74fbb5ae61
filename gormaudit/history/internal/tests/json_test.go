package tests

import (
	"testing"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// MariaDB embeds a JSON column's text as JSON, unless it is told that it is text.
func TestJSONColumnsAreRecordedAsText(t *testing.T) {
	type Doc struct {
		ID      uint
		Data    *string `gorm:"type:json"`
		Checked *string `gorm:"type:text"`
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, history.Migrate(db, &Doc{}))
		if d.Kind == dbtest.MariaDB || d.Kind == dbtest.MySQL {
			must(t, db.Exec("ALTER TABLE docs ADD CHECK (json_valid(checked))").Error)
		}
		row := Doc{ID: 1, Data: ptr(`{"b":1,"a":[1.0,"é"]}`), Checked: ptr(`{"b":1}`)}
		must(t, db.Create(&row).Error)
		for _, text := range []string{`"text"`, `null`, `{}`, `[]`, `true`, `"\u0000\\\""`} {
			must(t, db.Model(&row).Updates(map[string]any{"data": text, "checked": text}).Error)
			for _, column := range []string{"data", "checked"} {
				if f, _ := last(t, db, &row).Field(column); f.After.IsNull() || f.After.String() != text {
					t.Errorf("%s is recorded as %q (NULL: %t), want %s", column, f.After, f.After.IsNull(), text)
				}
			}
		}
		must(t, db.Model(&row).Updates(map[string]any{"data": nil, "checked": nil}).Error)
		if f, _ := last(t, db, &row).Field("data"); !f.After.IsNull() {
			t.Errorf("NULL is recorded as %q", f.After)
		}
		for _, c := range must2(history.Of(db, &row)) {
			if c.Action == history.ActionUpdate {
				must(t, history.Revert(db, c))
			}
		}
		var now Doc
		must(t, db.First(&now, 1).Error)
		if *now.Checked != `{"b":1}` || *now.Data != `{"b":1,"a":[1.0,"é"]}` {
			t.Errorf("after the Reverts, data = %s and checked = %s", *now.Data, *now.Checked)
		}
	})
}
