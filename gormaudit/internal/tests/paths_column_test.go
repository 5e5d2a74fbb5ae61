package tests

import (
	"errors"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

func columnPaths[B bys]() []path {
	forged := said[B](66)
	one := gorm.Model{ID: 1}
	values := func() map[string]any { return with[texts](map[string]any{"name": "changed"}) }
	upsert := clause.OnConflict{UpdateAll: true}
	all := func(table string) map[string]string {
		return map[string]string{table + " +1": "7 7 -", table + " 1": "5 7 7"}
	}
	return []path{
		{line: "embedded fields", call: `embedded with a prefix: Create, Updates, Save, Delete`, want: all("prefixed"), minor: true, run: func(db *gorm.DB) error {
			p := prefixed[B]{}
			p.Row.By = forged
			old := prefixed[B]{Model: one}
			old.Row.By = forged
			return errors.Join(
				wrote(db.Create(&p)),
				wrote(db.Model(&prefixed[B]{Model: one}).Updates(map[string]any{"row_created_by": value[B](66), "row_updated_by": value[B](66)})),
				wrote(db.Save(&old)), wrote(db.Delete(&old)),
			)
		}},
		{line: "embedded fields", call: `embedded by a nil pointer: Create, Updates, Save, Delete`, want: map[string]string{
			"boxed +1": "7 7 -", "boxed +2": "7 7 -", "boxed 1": "5 7 7",
		}, minor: true, run: func(db *gorm.DB) error {
			return errors.Join(
				wrote(db.Create(&boxed[B]{Name: "new"})), wrote(db.Create(&boxed[B]{By: &forged})),
				wrote(db.Model(&boxed[B]{Model: one}).Updates(with[B](map[string]any{"name": "changed"}))),
				wrote(db.Model(&boxed[B]{Model: one}).Updates(boxed[B]{Name: "x", By: &forged})),
				wrote(db.Save(&boxed[B]{Model: one})), wrote(db.Delete(&boxed[B]{Model: one})),
			)
		}},
		{line: "serializer", call: `gorm:"serializer:json"`, want: all("packed"), minor: true, run: func(db *gorm.DB) error {
			forged := packed{Model: one, CreatedBy: "66", UpdatedBy: "66", DeletedBy: "66"}
			return errors.Join(
				wrote(db.Create(&packed{CreatedBy: "66", UpdatedBy: "66", DeletedBy: "66"})),
				wrote(db.Model(&packed{Model: one}).Updates(values())), wrote(db.Clauses(upsert).Create(&forged)), wrote(db.Save(&forged)), wrote(db.Delete(&forged)),
			)
		}},
		{line: "permissions", call: `gorm:"<-:create" and gorm:"->"`, want: all("guarded"), minor: true, run: func(db *gorm.DB) error {
			forged := guarded{Model: one, CreatedBy: "66", UpdatedBy: "66", DeletedBy: "66"}
			return errors.Join(
				wrote(db.Create(&guarded{CreatedBy: "66", UpdatedBy: "66", DeletedBy: "66"})),
				wrote(db.Model(&guarded{Model: one}).Updates(values())), wrote(db.Clauses(upsert).Create(&forged)), wrote(db.Save(&forged)), wrote(db.Delete(&forged)),
			)
		}},
		{line: "defaults", call: `gorm:"default:…"`, want: all("defaulted"), minor: true, run: func(db *gorm.DB) error {
			forged := defaulted{Model: one, CreatedBy: "66", UpdatedBy: "66", DeletedBy: "66"}
			return errors.Join(
				wrote(db.Create(&defaulted{Name: "new"})),
				wrote(db.Clauses(upsert).Create(&defaulted{Model: one, Name: "up"})),
				wrote(db.Model(&defaulted{Model: one}).Updates(values())), wrote(db.Clauses(upsert).Create(&forged)), wrote(db.Save(&forged)), wrote(db.Delete(&forged)),
			)
		}},
		{line: "defaults", call: `gorm:"default:…", an upsert alone`, want: map[string]string{"defaulted 1": "5 7 -"}, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Clauses(upsert).Create(&defaulted{Model: one, Name: "up"}))
		}},
	}
}
