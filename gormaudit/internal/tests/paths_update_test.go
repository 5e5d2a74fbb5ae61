package tests

import (
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

func updatePaths[B bys]() []path {
	type dto struct {
		Title string
		By    B `gorm:"embedded"`
	}
	forged := said[B](66)
	first := func() *note[B] { return &note[B]{Model: gorm.Model{ID: 1}} }
	values := func() map[string]any { return with[B](map[string]any{"title": "changed"}) }
	both := map[string]string{"notes 1": "5 7 -", "notes 2": "5 7 -"}
	return []path{
		{line: "update with a map", call: `db.Model(&note).Update("title", …)`, want: changed, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).Update("title", "changed"))
		}},
		{line: "update with a map", call: `db.Model(&forgedNote).Update("title", …)`, want: changed, minor: true, run: func(db *gorm.DB) error {
			n := first()
			n.By = forged
			return wrote(db.Model(n).Update("title", "changed"))
		}},
		{line: "update with a map", call: `db.Model(&note).Updates(map[string]any{…})`, want: changed, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).Updates(values()))
		}},
		{line: "update with a map", call: `db.Model(&note).Updates(&map[string]any{…})`, want: changed, minor: true, run: func(db *gorm.DB) error {
			v := values()
			return wrote(db.Model(first()).Updates(&v))
		}},
		{line: "update with a map", call: `db.Model(note).Updates(map[string]any{…})`, want: changed, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(*first()).Updates(values()))
		}},
		{line: "update with a struct", call: `db.Model(&note).Updates(Note{…})`, want: changed, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).Updates(note[B]{Title: "changed", By: forged}))
		}},
		{line: "update with a struct", call: `db.Model(&note).Updates(&Note{…})`, want: changed, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).Updates(&note[B]{Title: "changed", By: forged}))
		}},
		{line: "update with a struct", call: `db.Updates(&note)`, want: changed, minor: true, run: func(db *gorm.DB) error {
			n := first()
			n.Title, n.By = "changed", forged
			return wrote(db.Updates(n))
		}},
		{line: "update with a struct", call: `db.Model(&note).Updates(&note)`, want: changed, minor: true, run: func(db *gorm.DB) error {
			n := first()
			n.Title, n.By = "changed", forged
			return wrote(db.Model(n).Updates(n))
		}},
		{line: "update with another struct", call: `db.Model(&note).Updates(dto)`, want: changed, apart: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).Updates(dto{Title: "changed", By: forged}))
		}},
		{line: "update with another struct", call: `db.Model(&note).Updates(&dto)`, want: changed, apart: true, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).Updates(&dto{Title: "changed", By: forged}))
		}},
		{line: "update with another struct", call: `db.Model(&note).Updates(dtoWithoutBy)`, want: changed, apart: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).Updates(struct{ Title string }{"changed"}))
		}},
		{line: "update with another struct", call: `db.Model(&note).Updates(dtoInOtherOrder)`, want: changed, apart: true, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).Updates(&struct {
				By    B `gorm:"embedded"`
				Size  int
				Title string
			}{forged, 3, "changed"}))
		}},
		{line: "update with Select or Omit", call: `db.Model(&note).Select("title").Updates(…)`, want: changed, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).Select("title").Updates(values()))
		}},
		{line: "update with Select or Omit", call: `db.Model(&note).Select("title").Updates(Note{…})`, want: changed, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).Select("title").Updates(note[B]{Title: "changed", By: forged}))
		}},
		{line: "update with Select or Omit", call: `db.Model(&note).Select("title", "created_by").Updates(…)`, want: changed, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).Select("title", "created_by", "UpdatedBy", "deleted_by").Updates(values()))
		}},
		{line: "update with Select or Omit", call: `db.Model(&note).Select("*").Updates(note)`, want: changed, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).Select("*").Updates(note[B]{Model: gorm.Model{ID: 1}, Title: "changed", By: forged}))
		}},
		{line: "update with Select or Omit", call: `db.Model(&note).Omit("title").Updates(…)`, want: changed, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).Omit("title").Updates(with[B](map[string]any{"title": "x", "size": 3})))
		}},
		{line: "update with Select or Omit", call: `db.Model(&note).Omit("updated_by").Updates(…)`, apart: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).Omit("updated_by").Updates(values()))
		}},
		{line: "update with Select or Omit", call: `db.Model(&note).Omit("UpdatedBy").Updates(…)`, apart: true, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).Omit("UpdatedBy").Updates(note[B]{Title: "changed", By: forged}))
		}},
		{line: "update with Select or Omit", call: `db.Model(&note).Omit("*").Updates(…)`, minor: true, want: changed, apart: true, run: func(db *gorm.DB) error {
			return db.Model(first()).Clauses(clause.Set{{Column: clause.Column{Name: "title"}, Value: "x"}}).Where("id = 1").Omit("*").Updates(values()).Error
		}},
		{line: "update with nothing", call: `db.Model(&note).Updates(map[string]any{})`, want: changed, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).Updates(map[string]any{}))
		}},
		{line: "update created_by only", call: `db.Model(&note).Update("created_by", …)`, want: changed, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).Update("created_by", value[B](66)))
		}},
		{line: "update created_by only", call: `db.Model(&note).Update("updated_by", …)`, want: changed, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).Update("updated_by", value[B](66)))
		}},
		{line: "update created_by only", call: `db.Model(&note).Update("deleted_by", …)`, want: changed, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).Update("deleted_by", value[B](66)))
		}},
		{line: "UpdateColumn", call: `db.Model(&note).UpdateColumn("title", …)`, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).UpdateColumn("title", "changed"))
		}},
		{line: "UpdateColumn", call: `db.Model(&note).UpdateColumns(…)`, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).UpdateColumns(values()))
		}},
		{line: "UpdateColumn", call: `db.Model(&note).UpdateColumns(Note{…})`, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).UpdateColumns(note[B]{Title: "changed", By: forged}))
		}},
		{line: "UpdateColumn", call: `db.Model(&note).UpdateColumn("created_by", …)`, minor: true, run: func(db *gorm.DB) error {
			return db.Model(first()).UpdateColumn("created_by", value[B](66)).Error
		}},
		{line: "UpdateColumn", call: `db.Table("notes").Where(…).UpdateColumn("created_by", …)`, minor: true, run: func(db *gorm.DB) error {
			return db.Table("notes").Where("id = ?", 1).UpdateColumn("created_by", value[B](66)).Error
		}},
		{line: "update a slice", call: `db.Model(&notes).Updates(…)`, want: both, run: func(db *gorm.DB) error {
			return wrote(db.Model(&[]note[B]{*first(), {Model: gorm.Model{ID: 2}}}).Updates(values()))
		}},
		{line: "update a slice", call: `db.Model(pointers).Updates(…)`, want: both, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model([]*note[B]{first(), {Model: gorm.Model{ID: 2}}}).Updates(values()))
		}},
		{line: "update by condition", call: `db.Model(&Note{}).Where(…).Updates(…)`, want: changed, run: func(db *gorm.DB) error {
			return wrote(db.Model(&note[B]{}).Where("title = ?", "one").Updates(values()))
		}},
		{line: "update by condition", call: `db.Model(Note{}).Where(…).Update(…)`, want: changed, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(note[B]{}).Where("title = ?", "one").Update("title", "changed"))
		}},
		{line: "update by condition", call: `db.Where(…).Updates(Note{…})`, want: changed, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Where("title = ?", "one").Updates(note[B]{Title: "changed", By: forged}))
		}},
		{line: "update by condition", call: `db.Session(&gorm.Session{AllowGlobalUpdate: true}).Model(&Note{}).Update(…)`, want: both, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Session(&gorm.Session{AllowGlobalUpdate: true}).Model(&note[B]{}).Update("title", "changed"))
		}},
		{line: "update by table", call: `db.Table("notes").Where(…).Updates(…)`, want: changed, apart: true, run: func(db *gorm.DB) error {
			return wrote(db.Table("notes").Where("id = ?", 1).Updates(values()))
		}},
		{line: "update by table", call: `db.Table("notes").Where(…).Updates(dto)`, want: changed, apart: true, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Table("notes").Where("id = ?", 1).Updates(dto{Title: "changed", By: forged}))
		}},
		{line: "update by table", call: `db.Table("notes").Where(…).UpdateColumn(…)`, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Table("notes").Where("id = ?", 1).UpdateColumns(values()))
		}},
		{line: "update by table", call: `db.Table("notes").Model(&note).Updates(…)`, want: changed, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Table("notes").Model(first()).Updates(values()))
		}},
		{line: "update by table", call: "db.Table(\"`notes` AS n\").Where(…).Updates(…)", want: changed, apart: true, minor: true, not: map[string]string{"postgres": "PostgreSQL has no backquotes"}, run: func(db *gorm.DB) error {
			return wrote(db.Table("`notes` AS n").Where("n.id = ?", 1).Updates(values()))
		}},
		{line: "update by table", call: `db.Table("notes AS n").Where(…).Updates(…)`, want: changed, apart: true, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Table("notes AS n").Where("n.id = ?", 1).Updates(values()))
		}},
		{line: "update by table", call: `db.Table("NOTES").Where(…).Updates(…)`, want: changed, apart: true, minor: true, not: map[string]string{
			"postgres": "there a quoted NOTES is another table", "mariadb": "there NOTES is another table", "mysql": "there NOTES is another table",
		}, run: func(db *gorm.DB) error {
			return wrote(db.Table("NOTES").Where("id = ?", 1).Updates(values()))
		}},
		{line: "update with clause.Set", call: `db.Model(&Note{}).Where(…).Clauses(clause.Set{…}).Updates(map[string]any{})`, want: changed, apart: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(&note[B]{}).Where("id = ?", 1).Clauses(clause.Assignments(values())).Updates(map[string]any{}))
		}},
		{line: "update with clause.Set", call: `db.Model(&Note{}).Where(…).Omit("*").Clauses(clause.Set{…}).Updates(map[string]any{})`, want: changed, apart: true, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(&note[B]{}).Where("id = ?", 1).Omit("*").Clauses(clause.Assignments(values())).Updates(map[string]any{}))
		}},
		{line: "update with clause.Set", call: `db.Model(&Note{}).Where(…).Clauses(clause.Set{…}).UpdateColumns(map[string]any{})`, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(&note[B]{}).Where("id = ?", 1).Clauses(clause.Assignments(values())).UpdateColumns(map[string]any{}))
		}},
		{line: "optimistic lock", call: `db.Model(&locked).Updates(map[string]any{…})`, want: map[string]string{"papers 1": "5 7 -"}, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(&paper[B]{ID: 1, Version: 1}).Updates(with[B](map[string]any{"name": "changed"})))
		}},
		{line: "optimistic lock", call: `db.Model(&locked).Updates(Paper{…})`, want: map[string]string{"papers 1": "5 7 -"}, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(&paper[B]{ID: 1, Version: 1}).Updates(paper[B]{Name: "changed", By: forged}))
		}},
		{line: "optimistic lock", call: `db.Save(&locked)`, want: map[string]string{"papers 1": "5 7 -"}, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Save(&paper[B]{ID: 1, Version: 1, Name: "changed", By: forged}))
		}},
	}
}
