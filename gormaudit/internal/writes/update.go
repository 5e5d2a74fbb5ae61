package writes

import (
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

func (m *Model) updatePaths() []Path {
	paths := slices.Concat(m.updateMaps(), m.updateStructs(), m.updateSelected(), m.updateByColumns(), m.updateColumns(), m.updateMany(), m.updateByTable(), m.updateSets())
	for n := range paths {
		if paths[n].Skip == "" {
			paths[n].Skip = m.needsColumn()
		}
	}
	return paths
}

func (m *Model) updateMaps() []Path {
	return []Path{
		{Line: "update with a map", Call: `db.Model(&note).Update("title", …)`, Want: changed(), Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.key(1)).Update(m.column.DBName, m.other()))
		}},
		{Line: "update with a map", Call: `db.Model(&forgedNote).Update("title", …)`, Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.forge(m.key(1))).Update(m.column.DBName, m.other()))
		}},
		{Line: "update with a map", Call: `db.Model(&note).Updates(map[string]any{…})`, Want: changed(), Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.key(1)).Updates(m.values()))
		}},
		{Line: "update with a map", Call: `db.Model(&note).Updates(&map[string]any{…})`, Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			values := m.values()
			return wrote(db.Model(m.key(1)).Updates(&values))
		}},
		{Line: "update with a map", Call: `db.Model(note).Updates(map[string]any{…})`, Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(value(m.key(1))).Updates(m.values()))
		}},
		{Line: "update with nothing", Call: `db.Model(&note).Updates(map[string]any{})`, Skip: m.needsUpdatedAt(), Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.key(1)).Updates(map[string]any{}))
		}},
	}
}

func (m *Model) updateStructs() []Path {
	return []Path{
		{Line: "update with a struct", Call: `db.Model(&note).Updates(Note{…})`, Want: changed(), Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.key(1)).Updates(value(m.part())))
		}},
		{Line: "update with a struct", Call: `db.Model(&note).Updates(&Note{…})`, Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.key(1)).Updates(m.part()))
		}},
		{Line: "update with a struct", Call: `db.Updates(&note)`, Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Updates(m.withKey(m.part(), 1)))
		}},
		{Line: "update with a struct", Call: `db.Model(&note).Updates(&note)`, Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			n := m.withKey(m.part(), 1)
			return wrote(db.Model(n).Updates(n))
		}},
		{Line: "update with another struct", Call: `db.Model(&note).Updates(dto)`, Want: changed(), Apart: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.key(1)).Updates(value(m.updateDTO(true))))
		}},
		{Line: "update with another struct", Call: `db.Model(&note).Updates(&dto)`, Want: changed(), Apart: true, Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.key(1)).Updates(m.updateDTO(true)))
		}},
		{Line: "update with another struct", Call: `db.Model(&note).Updates(dtoWithoutBy)`, Want: changed(), Apart: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.key(1)).Updates(value(m.updateDTO(false))))
		}},
		{Line: "update with another struct", Call: `db.Model(&note).Updates(dtoInOtherOrder)`, Want: changed(), Apart: true, Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.key(1)).Updates(m.reversedDTO()))
		}},
	}
}

func (m *Model) updateSelected() []Path {
	return []Path{
		{Line: "update with Select or Omit", Call: `db.Model(&note).Select("title").Updates(…)`, Want: changed(), Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.key(1)).Select(m.column.DBName).Updates(m.values()))
		}},
		{Line: "update with Select or Omit", Call: `db.Model(&note).Select("title").Updates(Note{…})`, Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.key(1)).Select(m.column.DBName).Updates(value(m.part())))
		}},
		{Line: "update with Select or Omit", Call: `db.Model(&note).Select("title", "created_by").Updates(…)`, Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.key(1)).Select(m.column.DBName, anys(m.byNames())...).Updates(m.values()))
		}},
		{Line: "update with Select or Omit", Call: `db.Model(&note).Select("title", "CreatedBy").Updates(…)`, Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.key(1)).Select(m.column.Name, anys(fieldNames(m.by.All()))...).Updates(m.values()))
		}},
		{Line: "update with Select or Omit", Call: `db.Model(&note).Select("*").Updates(note)`, Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.key(1)).Select("*").Updates(value(m.row(1))))
		}},
		{Line: "update with Select or Omit", Call: `db.Model(&note).Omit("title").Updates(…)`, Skip: m.needsUpdatedAt(), Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.key(1)).Omit(m.column.DBName).Updates(m.values()))
		}},
		{Line: "update with Select or Omit", Call: `db.Model(&note).Omit("updated_by").Updates(…)`, Skip: m.needs(m.by.Updated, "updated_by"), Apart: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.key(1)).Omit(dbNames(m.by.Updated)...).Updates(m.values()))
		}},
		{Line: "update with Select or Omit", Call: `db.Model(&note).Omit("UpdatedBy").Updates(…)`, Skip: m.needs(m.by.Updated, "updated_by"), Apart: true, Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.key(1)).Omit(fieldNames(m.by.Updated)...).Updates(value(m.part())))
		}},
		{Line: "update with Select or Omit", Call: `db.Model(&note).Omit("*").Updates(…)`, Minor: true, Want: changed(), Apart: true, Run: func(db *gorm.DB) error {
			set := clause.Set{{Column: clause.Column{Name: m.column.DBName}, Value: m.other()}}
			return db.Model(m.key(1)).Clauses(set).Where(m.is(1)).Omit("*").Updates(m.values()).Error
		}},
	}
}

func (m *Model) updateByColumns() []Path {
	var paths []Path
	for _, role := range m.roles() {
		for _, field := range role.fields {
			name := field.DBName
			paths = append(paths, Path{
				Line: "update created_by only", Call: `db.Model(&note).Update("` + name + `", …)`, Skip: m.needsUpdatedAt(), Want: changed(), Minor: role.name != "created_by",
				Run: func(db *gorm.DB) error { return wrote(db.Model(m.key(1)).Update(name, m.forged(field))) },
			}, Path{
				Line: "UpdateColumn", Call: `db.Model(&note).UpdateColumn("` + name + `", …)`, Minor: true,
				Run: func(db *gorm.DB) error { return db.Model(m.key(1)).UpdateColumn(name, m.forged(field)).Error },
			}, Path{
				Line: "UpdateColumn", Call: `db.Table("notes").Where(…).UpdateColumn("` + name + `", …)`, Minor: true,
				Run: func(db *gorm.DB) error {
					return db.Table(m.table()).Where(m.is(1)).UpdateColumn(name, m.forged(field)).Error
				},
			})
		}
	}
	return paths
}

func (m *Model) updateColumns() []Path {
	return []Path{
		{Line: "UpdateColumn", Call: `db.Model(&note).UpdateColumn("title", …)`, Run: func(db *gorm.DB) error {
			return m.wrote(db.Model(m.key(1)).UpdateColumn(m.column.DBName, m.other()))
		}},
		{Line: "UpdateColumn", Call: `db.Model(&note).UpdateColumns(…)`, Run: func(db *gorm.DB) error {
			return m.wrote(db.Model(m.key(1)).UpdateColumns(m.values()))
		}},
		{Line: "UpdateColumn", Call: `db.Model(&note).UpdateColumns(Note{…})`, Minor: true, Run: func(db *gorm.DB) error {
			return m.wrote(db.Model(m.key(1)).UpdateColumns(value(m.part())))
		}},
	}
}

func (m *Model) updateMany() []Path {
	return []Path{
		{Line: "update a slice", Call: `db.Model(&notes).Updates(…)`, Want: changedTwo(), Run: func(db *gorm.DB) error {
			return wrote(db.Model(pointerTo(m.slice(m.key(1), m.key(2)))).Updates(m.forgery()))
		}},
		{Line: "update a slice", Call: `db.Model(pointers).Updates(…)`, Want: changedTwo(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.pointers(m.key(1), m.key(2))).Updates(m.forgery()))
		}},
		{Line: "update by condition", Call: `db.Model(&Note{}).Where(…).Updates(…)`, Want: changed(), Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.zero()).Where(m.is(1)).Updates(m.values()))
		}},
		{Line: "update by condition", Call: `db.Model(Note{}).Where(…).Update(…)`, Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(value(m.zero())).Where(m.is(1)).Update(m.column.DBName, m.other()))
		}},
		{Line: "update by condition", Call: `db.Where(…).Updates(Note{…})`, Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Where(m.is(1)).Updates(value(m.part())))
		}},
		{Line: "update by condition", Call: `db.Session(&gorm.Session{AllowGlobalUpdate: true}).Model(&Note{}).Updates(…)`, Want: m.allChanged(), Any: true, Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Session(&gorm.Session{AllowGlobalUpdate: true}).Model(m.zero()).Updates(m.forgery()))
		}},
	}
}

func (m *Model) updateByTable() []Path {
	return []Path{
		{Line: "update by table", Call: `db.Table("notes").Where(…).Updates(…)`, Want: changed(), Apart: true, Run: func(db *gorm.DB) error {
			return wrote(db.Table(m.table()).Where(m.is(1)).Updates(m.values()))
		}},
		{Line: "update by table", Call: `db.Table("notes").Where(…).Updates(dto)`, Want: changed(), Apart: true, Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Table(m.table()).Where(m.is(1)).Updates(value(m.updateDTO(true))))
		}},
		{Line: "update by table", Call: `db.Table("notes").Where(…).UpdateColumn(…)`, Minor: true, Run: func(db *gorm.DB) error {
			return m.wrote(db.Table(m.table()).Where(m.is(1)).UpdateColumns(m.values()))
		}},
		{Line: "update by table", Call: `db.Table("notes").Model(&note).Updates(…)`, Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Table(m.table()).Model(m.key(1)).Updates(m.values()))
		}},
	}
}

func (m *Model) updateSets() []Path {
	return []Path{
		{Line: "update with clause.Set", Call: `db.Model(&Note{}).Where(…).Clauses(clause.Set{…}).Updates(map[string]any{})`, Want: changed(), Apart: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.zero()).Where(m.is(1)).Clauses(clause.Assignments(m.values())).Updates(map[string]any{}))
		}},
		{Line: "update with clause.Set", Call: `db.Model(&Note{}).Where(…).Omit("*").Clauses(clause.Set{…}).Updates(map[string]any{})`, Want: changed(), Apart: true, Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.zero()).Where(m.is(1)).Omit("*").Clauses(clause.Assignments(m.values())).Updates(map[string]any{}))
		}},
		{Line: "update with clause.Set", Call: `db.Model(&Note{}).Where(…).Clauses(clause.Set{…}).UpdateColumns(map[string]any{})`, Minor: true, Run: func(db *gorm.DB) error {
			return m.wrote(db.Model(m.zero()).Where(m.is(1)).Clauses(clause.Assignments(m.values())).UpdateColumns(map[string]any{}))
		}},
	}
}
