package tests

import (
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// created are the rows of a path that made one note.
var created = map[string]string{"notes +1": "7 7 -"}

func createPaths[B bys]() []path {
	type dto struct {
		Title string
		By    B `gorm:"embedded"`
	}
	forged := said[B](66)
	fresh := func() *note[B] { return &note[B]{Title: "new", By: forged} }
	two := map[string]string{"notes +1": "7 7 -", "notes +2": "7 7 -"}
	return []path{
		{line: "create a struct", call: `db.Create(&note)`, want: created, run: func(db *gorm.DB) error {
			return wrote(db.Create(fresh()))
		}},
		{line: "create a struct", call: `db.Create(&pointer)`, want: created, minor: true, run: func(db *gorm.DB) error {
			n := fresh()
			return wrote(db.Create(&n))
		}},
		{line: "create a struct", call: `db.Create(&nilPointer)`, minor: true, fails: true, run: func(db *gorm.DB) error {
			var n *note[B]
			return db.Create(n).Error
		}},
		{line: "create by value", call: `db.Table("notes").Create(dto)`, want: created, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Table("notes").Create(dto{Title: "new", By: forged}))
		}},
		{line: "create a slice", call: `db.Create(&notes)`, want: two, run: func(db *gorm.DB) error {
			return wrote(db.Create(&[]note[B]{*fresh(), {Title: "unforged"}}))
		}},
		{line: "create a slice", call: `db.Create(notes)`, want: two, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Create([]note[B]{*fresh(), {Title: "unforged"}}))
		}},
		{line: "create a slice", call: `db.Create(pointers)`, want: two, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Create([]*note[B]{fresh(), {Title: "unforged"}}))
		}},
		{line: "create a slice", call: `db.Create(pointersWithNil)`, minor: true, fails: true, run: func(db *gorm.DB) error {
			return db.Create([]*note[B]{fresh(), nil}).Error
		}},
		{line: "create an array", call: `db.Create(&array)`, want: two, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Create(&[2]note[B]{*fresh(), {Title: "unforged"}}))
		}},
		{line: "create in batches", call: `db.CreateInBatches(&notes, 100)`, want: map[string]string{"notes +1": "7 7 -", "notes +2": "7 7 -", "notes +3": "7 7 -"}, run: func(db *gorm.DB) error {
			return wrote(db.CreateInBatches(&[]note[B]{*fresh(), *fresh(), *fresh()}, 2))
		}},
		{line: "create in batches", call: `db.Session(&gorm.Session{CreateBatchSize: 100}).Create(&notes)`, want: two, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Session(&gorm.Session{CreateBatchSize: 1}).Create(&[]note[B]{*fresh(), *fresh()}))
		}},
		{line: "create from a map", call: `db.Model(&Note{}).Create(map[string]any{…})`, want: created, run: func(db *gorm.DB) error {
			return wrote(db.Model(&note[B]{}).Create(with[B](map[string]any{"title": "new"})))
		}},
		{line: "create from a map", call: `db.Model(&Note{}).Create(&map[string]any{…})`, want: created, minor: true, run: func(db *gorm.DB) error {
			values := with[B](map[string]any{"title": "new"})
			return wrote(db.Model(&note[B]{}).Create(&values))
		}},
		{line: "create from maps", call: `db.Model(&Note{}).Create(&[]map[string]any{…})`, want: two, run: func(db *gorm.DB) error {
			return wrote(db.Model(&note[B]{}).Create(&[]map[string]any{with[B](map[string]any{"title": "new"}), {"title": "unforged"}}))
		}},
		{line: "create from maps", call: `db.Model(&Note{}).Create([]map[string]any{…})`, want: two, minor: true, not: withReturning("GORM fails after inserting: it would write the ids into the maps"), run: func(db *gorm.DB) error {
			return wrote(db.Model(&note[B]{}).Create([]map[string]any{{"title": "unforged"}, with[B](map[string]any{"title": "new"})}))
		}},
		{line: "create by table from a map", call: `db.Table("notes").Create(map[string]any{…})`, want: created, run: func(db *gorm.DB) error {
			return wrote(db.Table("notes").Create(with[B](map[string]any{"title": "new"})))
		}},
		{line: "create by table from a map", call: `db.Table("notes").Create([]map[string]any{…})`, want: two, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Table("notes").Create([]map[string]any{{"title": "unforged"}, with[B](map[string]any{"title": "new"})}))
		}},
		{line: "create by table from another struct", call: `db.Table("notes").Create(&dto)`, want: created, run: func(db *gorm.DB) error {
			return wrote(db.Table("notes").Create(&dto{Title: "new", By: forged}))
		}},
		{line: "create by table from another struct", call: `db.Table("notes").Create(&dtoWithoutBy)`, want: created, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Table("notes").Create(&struct{ Title string }{"new"}))
		}},
		{line: "create with Select or Omit", call: `db.Select("title").Create(&note)`, want: created, run: func(db *gorm.DB) error {
			return wrote(db.Select("title").Create(fresh()))
		}},
		{line: "create with Select or Omit", call: `db.Select("title", "created_by").Create(&note)`, want: created, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Select("title", "created_by", "updated_by", "deleted_by").Create(fresh()))
		}},
		{line: "create with Select or Omit", call: `db.Select("title").Create(map[string]any{…})`, want: created, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(&note[B]{}).Select("title").Create(with[B](map[string]any{"title": "new"})))
		}},
		{line: "create with Select or Omit", call: `db.Omit("*").Create(&note)`, want: created, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Omit("*").Create(fresh()))
		}},
		{line: "create with Select or Omit", call: `db.Omit(clause.Associations).Create(&note)`, want: created, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Omit(clause.Associations).Create(fresh()))
		}},
		{line: "create with Select or Omit", call: `db.Omit("created_by").Create(&note)`, want: map[string]string{"notes +1": "- 7 -"}, run: func(db *gorm.DB) error {
			return wrote(db.Omit("created_by").Create(fresh()))
		}},
		{line: "create with Select or Omit", call: `db.Omit("CreatedBy", "UpdatedBy").Create(&note)`, want: map[string]string{"notes +1": "- - -"}, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Omit("CreatedBy", "UpdatedBy").Create(fresh()))
		}},
		{line: "FirstOrCreate", call: `db.Attrs(note).FirstOrCreate(&note)`, want: created, run: func(db *gorm.DB) error {
			return wrote(db.Where("title = ?", "new").Attrs(*fresh()).FirstOrCreate(&note[B]{}))
		}},
		{line: "FirstOrCreate", call: `db.Attrs(map[string]any{…}).FirstOrCreate(&note)`, want: created, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Where("title = ?", "new").Attrs(with[B](map[string]any{"title": "new"})).FirstOrCreate(&note[B]{}))
		}},
		{line: "FirstOrCreate", call: `db.Assign(note).FirstOrCreate(&newNote)`, want: created, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Where("title = ?", "new").Assign(*fresh()).FirstOrCreate(&note[B]{}))
		}},
		{line: "FirstOrInit", call: `db.Attrs(note).FirstOrInit(&note)`, minor: true, run: func(db *gorm.DB) error {
			return db.Where("title = ?", "new").Attrs(*fresh()).FirstOrInit(&note[B]{}).Error
		}},
		{line: "FirstOrInit", call: `db.Attrs(note).FirstOrInit(&note); db.Create(&note)`, want: created, minor: true, run: func(db *gorm.DB) error {
			n := note[B]{}
			if err := db.Where("title = ?", "new").Attrs(*fresh()).FirstOrInit(&n).Error; err != nil {
				return err
			}
			return wrote(db.Create(&n))
		}},
	}
}
