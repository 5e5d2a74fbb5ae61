package writes

import (
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// upsertAll updates every column of a row that is there.
func upsertAll() clause.OnConflict { return clause.OnConflict{UpdateAll: true} }

// upsert updates the named columns of a row that is there.
func (m *Model) upsert(names ...string) clause.OnConflict {
	return clause.OnConflict{Columns: m.keyColumns(), DoUpdates: clause.AssignmentColumns(names)}
}

func (m *Model) upsertPaths() []Path {
	return slices.Concat(m.upsertDefault(), m.upsertChosen(), m.upsertReturning())
}

func (m *Model) upsertDefault() []Path {
	return []Path{
		{Line: "upsert that does nothing", Call: `db.Clauses(clause.OnConflict{DoNothing: true}).Create(&note), the row is there`, Run: func(db *gorm.DB) error {
			return db.Clauses(clause.OnConflict{DoNothing: true}).Create(m.row(1)).Error
		}},
		{Line: "upsert that does nothing", Call: `db.Clauses(clause.OnConflict{DoNothing: true}).Create(&note), it is not`, Skip: m.needsAbsent(), Want: created(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Clauses(clause.OnConflict{DoNothing: true}).Create(m.absent()))
		}},
		{Line: "upsert", Call: `db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&note), the row is there`, Want: changed(), Run: func(db *gorm.DB) error {
			return wrote(db.Clauses(upsertAll()).Create(m.row(1)))
		}},
		{Line: "upsert", Call: `db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&note), it is not`, Skip: m.needsAbsent(), Want: created(), Run: func(db *gorm.DB) error {
			return wrote(db.Clauses(upsertAll()).Create(m.absent()))
		}},
		{Line: "upsert", Call: `db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&notes)`, Skip: m.needsAbsent(), Want: map[string]string{"1": isChanged, "2": isChanged, "+1": isNew}, Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Clauses(upsertAll()).Create(pointerTo(m.pointers(m.row(1), m.row(2), m.absent()))))
		}},
		{Line: "upsert", Call: `db.Clauses(clause.OnConflict{UpdateAll: true}).CreateInBatches(&notes, 1)`, Skip: m.needsAbsent(), Want: map[string]string{"1": isChanged, "+1": isNew}, Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Clauses(upsertAll()).CreateInBatches(pointerTo(m.pointers(m.row(1), m.absent())), 1))
		}},
		{Line: "upsert", Call: `db.Clauses(clause.OnConflict{UpdateAll: true}).Select("id", "title").Create(&note)`, Skip: m.needsPlain(), Want: changed(), Apart: true, Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Clauses(upsertAll()).Select(m.keyNames(), anys(m.plain)...).Create(m.row(1)))
		}},
		{Line: "upsert", Call: `db.Model(&Note{}).Clauses(clause.OnConflict{UpdateAll: true}).Create(map[string]any{…})`, Skip: m.needsColumn(), Want: changed(), Apart: true, Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.zero()).Clauses(upsertAll()).Create(m.mapOf(m.row(1), true)))
		}},
	}
}

func (m *Model) upsertChosen() []Path {
	column := m.columnName()
	names := append([]string{column}, m.byNames()...)
	chosen := func(call string, minor bool, c func() clause.OnConflict) Path {
		return Path{Line: "upsert", Call: call, Skip: m.needsColumn(), Want: changed(), Apart: true, Minor: minor, Run: func(db *gorm.DB) error {
			return wrote(db.Clauses(c()).Create(m.row(1)))
		}}
	}
	var paths []Path
	for _, name := range m.byNames() {
		paths = append(paths, chosen(`db.Clauses(clause.OnConflict{DoUpdates: clause.AssignmentColumns([]string{"`+name+`"})}).Create(&note)`, true, func() clause.OnConflict { return m.upsert(name) }))
	}
	return append(paths,
		chosen(`db.Clauses(clause.OnConflict{DoUpdates: clause.AssignmentColumns(…)}).Create(&note)`, false, func() clause.OnConflict { return m.upsert(names...) }),
		chosen(`db.Clauses(clause.OnConflict{DoUpdates: clause.AssignmentColumns([]string{"title"})}).Create(&note)`, true, func() clause.OnConflict { return m.upsert(column) }),
		chosen(`db.Clauses(clause.OnConflict{DoUpdates: clause.Assignments(map[string]any{…})}).Create(&note)`, true, func() clause.OnConflict {
			return clause.OnConflict{Columns: m.keyColumns(), DoUpdates: clause.Assignments(m.values())}
		}),
		Path{Line: "upsert", Call: `db.Clauses(clause.OnConflict{DoUpdates: …}).Omit("updated_by").Create(&note)`, Skip: first(m.needsColumn(), m.needs(m.by.Updated, "updated_by"), m.needsOmittable(m.by.Updated)), Minor: true, Run: func(db *gorm.DB) error {
			return m.wrote(db.Clauses(m.upsert(column)).Omit(dbNames(m.by.Updated)...).Create(m.row(1)))
		}},
		Path{Line: "upsert", Call: `db.Table("notes").Clauses(clause.OnConflict{DoUpdates: …}).Create(map[string]any{…})`, Skip: m.needsColumn(), Want: changed(), Apart: true, Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Table(m.table()).Clauses(m.upsert(names...)).Create(m.mapOf(m.row(1), true)))
		}},
	)
}

func (m *Model) upsertReturning() []Path {
	return []Path{
		{Line: "INSERT OR REPLACE", Call: `db.Clauses(clause.Insert{Modifier: "OR REPLACE"}).Create(&note)`, Fails: true, Run: func(db *gorm.DB) error {
			return db.Clauses(clause.Insert{Modifier: "OR REPLACE"}).Create(m.row(1)).Error
		}},
		{Line: "Returning", Call: `db.Clauses(clause.Returning{}, clause.OnConflict{UpdateAll: true}).Create(&note)`, Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Clauses(clause.Returning{}, upsertAll()).Create(m.row(1)))
		}},
		{Line: "Returning", Call: `db.Model(&note).Clauses(clause.Returning{}).Updates(…)`, Skip: m.needsColumn(), Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.key(1)).Clauses(clause.Returning{}).Updates(m.values()))
		}},
		{Line: "Returning", Call: `db.Clauses(clause.Returning{}).Delete(&note)`, Want: m.deleted("1"), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Clauses(clause.Returning{}).Delete(m.key(1)))
		}},
	}
}
