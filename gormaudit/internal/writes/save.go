package writes

import (
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

func (m *Model) savePaths() []Path {
	return append(m.saveRows(),
		Path{Line: "save a slice", Call: `db.Save(&notes)`, Skip: m.needsAbsent(), Want: map[string]string{"1": isChanged, "2": isChanged, "+1": isNew}, Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Save(pointerTo(m.slice(m.row(1), m.row(2), m.absent()))))
		}},
		Path{Line: "save by value", Call: `db.Save(note)`, Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Save(value(m.row(1))))
		}},
		Path{Line: "save with Select", Call: `db.Select("title").Save(&note)`, Skip: m.needsColumn(), Want: changed(), Run: func(db *gorm.DB) error {
			return wrote(db.Select(m.column.DBName).Save(m.row(1)))
		}},
		Path{Line: "save with Select", Call: `db.Select("title", "created_by", "updated_by").Save(&note)`, Skip: m.needsColumn(), Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Select(m.column.DBName, anys(m.byNames())...).Save(m.row(1)))
		}},
		Path{Line: "save with Select", Call: `db.Omit(clause.Associations).Save(&note)`, Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Omit(clause.Associations).Save(m.row(1)))
		}},
		Path{Line: "FirstOrCreate", Call: `db.Assign(note).FirstOrCreate(&note)`, Skip: m.needsColumn(), Want: changed(), Run: func(db *gorm.DB) error {
			return wrote(db.Where(m.is(1)).Assign(value(m.part())).FirstOrCreate(m.zero()))
		}},
		Path{Line: "FirstOrCreate", Call: `db.Assign(map[string]any{…}).FirstOrCreate(&note)`, Skip: m.needsColumn(), Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Where(m.is(1)).Assign(m.values()).FirstOrCreate(m.zero()))
		}},
	)
}

func (m *Model) saveRows() []Path {
	return []Path{
		{Line: "save a new row", Call: `db.Save(&newNote)`, Want: created(), Run: func(db *gorm.DB) error {
			return wrote(db.Save(m.fresh()))
		}},
		{Line: "save a row", Call: `db.Save(&note)`, Want: changed(), Run: func(db *gorm.DB) error {
			return wrote(db.Save(m.row(1)))
		}},
		{Line: "save a row", Call: `db.Save(&note) with zero by-fields`, Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Save(m.wipe(m.row(1))))
		}},
		{Line: "save a row", Call: `db.First(&note); db.Save(&note)`, Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			n := m.zero()
			if err := db.Where(m.is(1)).First(n).Error; err != nil {
				return err
			}
			return wrote(db.Save(n))
		}},
		{Line: "save a row that is not there", Call: `db.Save(&note), no row has its id`, Skip: m.needsAbsent(), Want: created(), Run: func(db *gorm.DB) error {
			return wrote(db.Save(m.absent()))
		}},
		{Line: "save a row that is not there", Call: `db.Where(…).Save(&note), not met`, Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Where(never).Save(m.row(1)))
		}},
	}
}
