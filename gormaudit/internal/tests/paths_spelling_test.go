package tests

import (
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// spellings are what a database or GORM may take for created_by.
var spellings = []string{
	"CreatedBy", "createdBy", "Created_By", "created_By", "CREATED_BY", "`created_by`", `"created_by"`, "[created_by]",
	"notes.created_by", "notes.CREATED_BY", "`notes`.`created_by`", `"notes"."created_by"`, " created_by", "created_by ", "\tcreated_by", "created_by\x00",
}

// spellingPaths try each spelling of created_by, alone and beside its plain
// name, wherever a map or a column name can bring it. GORM alone would send
// some of them to the row, and the rest would be errors of the database.
func spellingPaths[B bys]() []path {
	forged := func(spelling string) map[string]any {
		return map[string]any{"title": "changed", spelling: value[B](66), "created_by": value[B](66), "updated_by": value[B](66), "UPDATED_BY": value[B](66)}
	}
	var paths []path
	for _, spelling := range spellings {
		create := func(db *gorm.DB) error { return wrote(db.Create(forged(spelling))) }
		update := func(db *gorm.DB) error { return wrote(db.Where("id = ?", 1).Updates(forged(spelling))) }
		add := func(call string, want map[string]string, apart bool, run func(db *gorm.DB) error) {
			paths = append(paths, path{line: "spellings", call: fmt.Sprintf("%s of %q", call, spelling), want: want, apart: apart, minor: true, run: run})
		}
		add("Model.Create", created, true, func(db *gorm.DB) error { return create(db.Model(&note[B]{})) })
		add("Table.Create", created, true, func(db *gorm.DB) error { return create(db.Table("notes")) })
		add("Model.Updates", changed, false, func(db *gorm.DB) error { return update(db.Model(&note[B]{})) })
		add("Table.Updates", changed, true, func(db *gorm.DB) error { return update(db.Table("notes")) })
		add("Model.Update", changed, false, func(db *gorm.DB) error {
			return wrote(db.Model(&note[B]{}).Where("id = ?", 1).Update(spelling, value[B](66)))
		})
		add("clause.Set", changed, true, func(db *gorm.DB) error {
			return wrote(db.Model(&note[B]{}).Where("id = ?", 1).Clauses(clause.Assignments(forged(spelling))).Updates(map[string]any{}))
		})
		add("DoUpdates", changed, true, func(db *gorm.DB) error {
			upsert := clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, DoUpdates: clause.Assignments(forged(spelling))}
			return wrote(db.Clauses(upsert).Create(&note[B]{Model: gorm.Model{ID: 1}}))
		})
	}
	paths = append(paths, path{line: "spellings", call: `db.Model(&note).Updates(map[string]any{"CREATED_BY": …})`, want: changed, run: func(db *gorm.DB) error {
		return wrote(db.Model(&note[B]{}).Where("id = ?", 1).Updates(forged("CREATED_BY")))
	}})
	return paths
}
