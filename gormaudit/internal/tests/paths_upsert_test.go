package tests

import (
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

func upsertPaths[B bys]() []path {
	forged := said[B](66)
	existing := func(id uint) *note[B] {
		return &note[B]{Model: gorm.Model{ID: id}, Title: "offered", Size: 2, By: forged}
	}
	onID := []clause.Column{{Name: "id"}}
	all := clause.OnConflict{UpdateAll: true}
	columns := func(names ...string) clause.OnConflict {
		return clause.OnConflict{Columns: onID, DoUpdates: clause.AssignmentColumns(names)}
	}
	where := func(operator string) clause.OnConflict {
		c := columns("title", "created_by", "updated_by")
		c.Where = clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "? " + operator + " ?", Vars: []any{
			clause.Column{Table: "notes", Name: "size"}, clause.Column{Table: "excluded", Name: "size"},
		}}}}
		return c
	}
	noWhere := map[string]string{"mariadb": "it has no WHERE in an upsert", "mysql": "it has no WHERE in an upsert"}
	return []path{
		{line: "upsert that does nothing", call: `db.Clauses(clause.OnConflict{DoNothing: true}).Create(&note), the row is there`, run: func(db *gorm.DB) error {
			return db.Clauses(clause.OnConflict{DoNothing: true}).Create(existing(1)).Error
		}},
		{line: "upsert that does nothing", call: `db.Clauses(clause.OnConflict{DoNothing: true}).Create(&note), it is not`, want: created, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Clauses(clause.OnConflict{DoNothing: true}).Create(existing(99)))
		}},
		{line: "upsert", call: `db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&note), the row is there`, want: changed, run: func(db *gorm.DB) error {
			return wrote(db.Clauses(all).Create(existing(1)))
		}},
		{line: "upsert", call: `db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&note), it is not`, want: created, run: func(db *gorm.DB) error {
			return wrote(db.Clauses(all).Create(existing(99)))
		}},
		{line: "upsert", call: `db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&notes)`, want: map[string]string{"notes 1": "5 7 -", "notes 2": "5 7 -", "notes +1": "7 7 -"}, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Clauses(all).Create(&[]*note[B]{existing(1), existing(2), existing(99)}))
		}},
		{line: "upsert", call: `db.Clauses(clause.OnConflict{UpdateAll: true}).CreateInBatches(&notes, 1)`, want: map[string]string{"notes 1": "5 7 -", "notes +1": "7 7 -"}, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Clauses(all).CreateInBatches(&[]*note[B]{existing(1), existing(99)}, 1))
		}},
		{line: "upsert", call: `db.Clauses(clause.OnConflict{UpdateAll: true}).Select("id", "title").Create(&note)`, want: changed, apart: true, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Clauses(all).Select("id", "title").Create(existing(1)))
		}},
		{line: "upsert", call: `db.Model(&Note{}).Clauses(clause.OnConflict{UpdateAll: true}).Create(map[string]any{…})`, want: changed, apart: true, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(&note[B]{}).Clauses(all).Create(with[B](map[string]any{"id": 1, "title": "offered"})))
		}},
		{line: "upsert", call: `db.Clauses(clause.OnConflict{DoUpdates: clause.AssignmentColumns(…)}).Create(&note)`, want: changed, apart: true, run: func(db *gorm.DB) error {
			return wrote(db.Clauses(columns("title", "created_by", "updated_by", "deleted_by")).Create(existing(1)))
		}},
		{line: "upsert", call: `db.Clauses(clause.OnConflict{DoUpdates: clause.AssignmentColumns([]string{"title"})}).Create(&note)`, want: changed, apart: true, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Clauses(columns("title")).Create(existing(1)))
		}},
		{line: "upsert", call: `db.Clauses(clause.OnConflict{DoUpdates: clause.AssignmentColumns([]string{"created_by"})}).Create(&note)`, want: changed, apart: true, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Clauses(columns("created_by")).Create(existing(1)))
		}},
		{line: "upsert", call: `db.Clauses(clause.OnConflict{DoUpdates: clause.Assignments(map[string]any{…})}).Create(&note)`, want: changed, apart: true, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Clauses(clause.OnConflict{Columns: onID, DoUpdates: clause.Assignments(with[B](map[string]any{"title": "assigned"}))}).Create(existing(1)))
		}},
		{line: "upsert", call: `db.Clauses(clause.OnConflict{DoUpdates: …}).Omit("updated_by").Create(&note)`, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Clauses(columns("title")).Omit("updated_by").Create(existing(1)))
		}},
		{line: "upsert", call: `db.Clauses(clause.OnConflict{DoUpdates: …, Where: …}).Create(&note), met`, want: changed, apart: true, minor: true, not: noWhere, run: func(db *gorm.DB) error {
			return wrote(db.Clauses(where("<")).Create(existing(1)))
		}},
		{line: "upsert", call: `db.Clauses(clause.OnConflict{DoUpdates: …, Where: …}).Create(&note), not met`, minor: true, not: noWhere, run: func(db *gorm.DB) error {
			return db.Clauses(where(">")).Create(existing(1)).Error
		}},
		{line: "upsert", call: `db.Table("notes").Clauses(clause.OnConflict{DoUpdates: …}).Create(map[string]any{…})`, want: changed, apart: true, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Table("notes").Clauses(columns("title", "created_by", "updated_by", "deleted_by")).Create(with[B](map[string]any{"id": 1, "title": "offered"})))
		}},
		{line: "INSERT OR REPLACE", call: `db.Clauses(clause.Insert{Modifier: "OR REPLACE"}).Create(&note)`, fails: true, run: func(db *gorm.DB) error {
			return db.Clauses(clause.Insert{Modifier: "OR REPLACE"}).Create(existing(1)).Error
		}},
		{line: "Returning", call: `db.Clauses(clause.Returning{}, clause.OnConflict{UpdateAll: true}).Create(&note)`, want: changed, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Clauses(clause.Returning{}, all).Create(existing(1)))
		}},
		{line: "Returning", call: `db.Model(&note).Clauses(clause.Returning{}).Updates(…)`, want: changed, minor: true, not: map[string]string{"mariadb": "it has no UPDATE … RETURNING"}, run: func(db *gorm.DB) error {
			return wrote(db.Model(&note[B]{Model: gorm.Model{ID: 1}}).Clauses(clause.Returning{}).Updates(with[B](map[string]any{"title": "changed"})))
		}},
		{line: "Returning", call: `db.Clauses(clause.Returning{}).Delete(&note)`, want: map[string]string{"notes 1": "5 5 7"}, minor: true, not: map[string]string{"mariadb": "it has no UPDATE … RETURNING"}, run: func(db *gorm.DB) error {
			return wrote(db.Clauses(clause.Returning{}).Delete(existing(1)))
		}},
	}
}
