package writes

import (
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

func (m *Model) createPaths() []Path {
	return slices.Concat(m.createStructs(), m.createSlices(), m.createMaps(), m.createSelected(), m.firstOrCreate())
}

func (m *Model) createStructs() []Path {
	return []Path{
		{Line: "create a struct", Call: `db.Create(&note)`, Want: created(), Run: func(db *gorm.DB) error {
			return wrote(db.Create(m.fresh()))
		}},
		{Line: "create a struct", Call: `db.Create(&pointer)`, Want: created(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Create(pointerTo(m.fresh())))
		}},
		{Line: "create a struct", Call: `db.Create(&nilPointer)`, Minor: true, Fails: true, Run: func(db *gorm.DB) error {
			return db.Create(m.null()).Error
		}},
		{Line: "create by value", Call: `db.Table("notes").Create(dto)`, Want: created(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Table(m.table()).Create(value(m.insertDTO(true))))
		}},
		{Line: "create by table from another struct", Call: `db.Table("notes").Create(&dto)`, Want: created(), Run: func(db *gorm.DB) error {
			return wrote(db.Table(m.table()).Create(m.insertDTO(true)))
		}},
		{Line: "create by table from another struct", Call: `db.Table("notes").Create(&dtoWithoutBy)`, Want: created(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Table(m.table()).Create(m.insertDTO(false)))
		}},
	}
}

func (m *Model) createSlices() []Path {
	return []Path{
		{Line: "create a slice", Call: `db.Create(&notes)`, Want: createdTwo(), Run: func(db *gorm.DB) error {
			return wrote(db.Create(pointerTo(m.slice(m.fresh(), m.honest()))))
		}},
		{Line: "create a slice", Call: `db.Create(notes)`, Want: createdTwo(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Create(m.slice(m.fresh(), m.honest())))
		}},
		{Line: "create a slice", Call: `db.Create(pointers)`, Want: createdTwo(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Create(m.pointers(m.fresh(), m.honest())))
		}},
		{Line: "create a slice", Call: `db.Create(pointersWithNil)`, Minor: true, Fails: true, Run: func(db *gorm.DB) error {
			return db.Create(m.pointers(m.fresh(), m.null())).Error
		}},
		{Line: "create an array", Call: `db.Create(&array)`, Want: createdTwo(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Create(m.array(m.fresh(), m.honest())))
		}},
		{Line: "create in batches", Call: `db.CreateInBatches(&notes, 100)`, Want: map[string]string{"+1": isNew, "+2": isNew, "+3": isNew}, Run: func(db *gorm.DB) error {
			return wrote(db.CreateInBatches(pointerTo(m.slice(m.fresh(), m.fresh(), m.fresh())), 2))
		}},
		{Line: "create in batches", Call: `db.Session(&gorm.Session{CreateBatchSize: 100}).Create(&notes)`, Want: createdTwo(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Session(&gorm.Session{CreateBatchSize: 1}).Create(pointerTo(m.slice(m.fresh(), m.fresh()))))
		}},
	}
}

func (m *Model) createMaps() []Path {
	return []Path{
		{Line: "create from a map", Call: `db.Model(&Note{}).Create(map[string]any{…})`, Want: created(), Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.zero()).Create(m.insertMap(true)))
		}},
		{Line: "create from a map", Call: `db.Model(&Note{}).Create(&map[string]any{…})`, Want: created(), Minor: true, Run: func(db *gorm.DB) error {
			values := m.insertMap(true)
			return wrote(db.Model(m.zero()).Create(&values))
		}},
		{Line: "create from maps", Call: `db.Model(&Note{}).Create(&[]map[string]any{…})`, Want: createdTwo(), Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.zero()).Create(&[]map[string]any{m.insertMap(true), m.insertMap(false)}))
		}},
		{Line: "create from maps", Call: `db.Model(&Note{}).Create([]map[string]any{…})`, Want: createdTwo(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.zero()).Create([]map[string]any{m.insertMap(false), m.insertMap(true)}))
		}},
		{Line: "create by table from a map", Call: `db.Table("notes").Create(map[string]any{…})`, Want: created(), Run: func(db *gorm.DB) error {
			return wrote(db.Table(m.table()).Create(m.insertMap(true)))
		}},
		{Line: "create by table from a map", Call: `db.Table("notes").Create([]map[string]any{…})`, Want: createdTwo(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Table(m.table()).Create([]map[string]any{m.insertMap(false), m.insertMap(true)}))
		}},
	}
}

func (m *Model) createSelected() []Path {
	selected := func(names []string) []any { return anys(names)[1:] }
	return []Path{
		{Line: "create with Select or Omit", Call: `db.Select("title").Create(&note)`, Skip: m.needsPlain(), Want: created(), Run: func(db *gorm.DB) error {
			return wrote(db.Select(m.plain[0], selected(m.plain)...).Create(m.fresh()))
		}},
		{Line: "create with Select or Omit", Call: `db.Select("title", "created_by").Create(&note)`, Skip: m.needsPlain(), Want: created(), Minor: true, Run: func(db *gorm.DB) error {
			names := append(slices.Clone(m.plain), m.byNames()...)
			return wrote(db.Select(names[0], selected(names)...).Create(m.fresh()))
		}},
		{Line: "create with Select or Omit", Call: `db.Select("title").Create(map[string]any{…})`, Skip: m.needsPlain(), Want: created(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.zero()).Select(m.plain[0], selected(m.plain)...).Create(m.insertMap(true)))
		}},
		{Line: "create with Select or Omit", Call: `db.Omit("*").Create(&note)`, Want: created(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Omit("*").Create(m.fresh()))
		}},
		{Line: "create with Select or Omit", Call: `db.Omit(clause.Associations).Create(&note)`, Want: created(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Omit(clause.Associations).Create(m.fresh()))
		}},
		{Line: "create with Select or Omit", Call: `db.Omit("created_by").Create(&note)`, Skip: m.needsOmittable(m.by.Created), Want: map[string]string{"+1": "- actor -"}, Run: func(db *gorm.DB) error {
			return wrote(db.Omit(dbNames(m.by.Created)...).Create(m.fresh()))
		}},
		{Line: "create with Select or Omit", Call: `db.Omit("CreatedBy", "UpdatedBy").Create(&note)`, Skip: m.needsOmittable(slices.Concat(m.by.Created, m.by.Updated)), Want: map[string]string{"+1": "- - -"}, Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Omit(fieldNames(slices.Concat(m.by.Created, m.by.Updated))...).Create(m.fresh()))
		}},
	}
}

// never is a condition that no row meets.
const never = "1 = 0"

func (m *Model) firstOrCreate() []Path {
	return []Path{
		{Line: "FirstOrCreate", Call: `db.Attrs(note).FirstOrCreate(&note)`, Want: created(), Run: func(db *gorm.DB) error {
			return wrote(db.Where(never).Attrs(value(m.fresh())).FirstOrCreate(m.zero()))
		}},
		{Line: "FirstOrCreate", Call: `db.Attrs(map[string]any{…}).FirstOrCreate(&note)`, Want: created(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Where(never).Attrs(m.insertMap(true)).FirstOrCreate(m.zero()))
		}},
		{Line: "FirstOrCreate", Call: `db.Assign(note).FirstOrCreate(&newNote)`, Want: created(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Where(never).Assign(value(m.fresh())).FirstOrCreate(m.zero()))
		}},
		{Line: "FirstOrInit", Call: `db.Attrs(note).FirstOrInit(&note)`, Minor: true, Run: func(db *gorm.DB) error {
			return db.Where(never).Attrs(value(m.fresh())).FirstOrInit(m.zero()).Error
		}},
		{Line: "FirstOrInit", Call: `db.Attrs(note).FirstOrInit(&note); db.Create(&note)`, Want: created(), Minor: true, Run: func(db *gorm.DB) error {
			n := m.zero()
			if err := db.Where(never).Attrs(value(m.fresh())).FirstOrInit(n).Error; err != nil {
				return err
			}
			return wrote(db.Create(n))
		}},
	}
}
