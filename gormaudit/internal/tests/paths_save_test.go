package tests

import (
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// changed are the rows of a path that changed the first note.
var changed = map[string]string{"notes 1": "5 7 -"}

func savePaths[B bys]() []path {
	forged := said[B](66)
	existing := func(id uint) *note[B] { return &note[B]{Model: gorm.Model{ID: id}, Title: "saved", By: forged} }
	return []path{
		{line: "save a new row", call: `db.Save(&newNote)`, want: created, run: func(db *gorm.DB) error {
			return wrote(db.Save(&note[B]{Title: "new", By: forged}))
		}},
		{line: "save a new row", call: `db.Save(&join) with half a key`, want: map[string]string{"post_tags +1": "7 7 -"}, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Save(&postTag[B]{PostID: 9, By: forged}))
		}},
		{line: "save a row", call: `db.Save(&note)`, want: changed, run: func(db *gorm.DB) error {
			return wrote(db.Save(existing(1)))
		}},
		{line: "save a row", call: `db.Save(&note) with zero by-fields`, want: changed, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Save(&note[B]{Model: gorm.Model{ID: 1}, Title: "saved"}))
		}},
		{line: "save a row", call: `db.First(&note); db.Save(&note)`, want: changed, minor: true, run: func(db *gorm.DB) error {
			var n note[B]
			if err := db.First(&n, 1).Error; err != nil {
				return err
			}
			return wrote(db.Save(&n))
		}},
		{line: "save a row", call: `db.Save(&join) with its key`, want: map[string]string{"post_tags 101": "5 7 -"}, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Save(&postTag[B]{PostID: 1, TagID: 1, By: forged}))
		}},
		{line: "save a row that is not there", call: `db.Save(&noteOfAnUnknownID)`, want: created, run: func(db *gorm.DB) error {
			return wrote(db.Save(existing(99)))
		}},
		{line: "save a row that is not there", call: `db.Where(…).Save(&note), not met`, want: changed, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Where("title = ?", "none").Save(existing(1)))
		}},
		{line: "save a slice", call: `db.Save(&notes)`, minor: true, want: map[string]string{"notes 1": "5 7 -", "notes 2": "5 7 -", "notes +1": "7 7 -"}, run: func(db *gorm.DB) error {
			return wrote(db.Save(&[]note[B]{*existing(1), *existing(2), *existing(99)}))
		}},
		{line: "save by value", call: `db.Save(note)`, want: changed, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Save(*existing(1)))
		}},
		{line: "save with Select", call: `db.Select("title").Save(&note)`, want: changed, run: func(db *gorm.DB) error {
			return wrote(db.Select("title").Save(existing(1)))
		}},
		{line: "save with Select", call: `db.Select("title", "created_by", "updated_by").Save(&note)`, want: changed, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Select("title", "created_by", "updated_by", "deleted_by").Save(existing(1)))
		}},
		{line: "save with Select", call: `db.Omit(clause.Associations).Save(&note)`, want: changed, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Omit(clause.Associations).Save(existing(1)))
		}},
		{line: "FirstOrCreate", call: `db.Assign(note).FirstOrCreate(&note)`, want: changed, run: func(db *gorm.DB) error {
			return wrote(db.Where("id = ?", 1).Assign(note[B]{Title: "new", By: forged}).FirstOrCreate(&note[B]{}))
		}},
		{line: "FirstOrCreate", call: `db.Assign(map[string]any{…}).FirstOrCreate(&note)`, want: changed, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Where("id = ?", 1).Assign(with[B](map[string]any{"title": "new"})).FirstOrCreate(&note[B]{}))
		}},
	}
}
