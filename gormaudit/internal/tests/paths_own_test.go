package tests

import (
	"errors"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// ownPaths are, by section, paths that need a certain database, column or
// table and so are not tried on users' models.
func ownPaths[B bys]() map[string][]path {
	return map[string][]path{
		"Save": ownSaves[B](), "Update": ownUpdates[B](), "Upsert": ownUpserts[B](), "Delete and restore": ownDeletes[B](),
		"Sessions and transactions": ownSessions[B](),
	}
}

var (
	created = map[string]string{"notes +1": "7 7 -"}
	changed = map[string]string{"notes 1": "5 7 -"}
)

func ownSaves[B bys]() []path {
	forged := said[B](66)
	return []path{
		{line: "save a new row", call: `db.Save(&join) with half a key`, want: map[string]string{"post_tags +1": "7 7 -"}, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Save(&postTag[B]{PostID: 9, By: forged}))
		}},
		{line: "save a row", call: `db.Save(&join) with its key`, want: map[string]string{"post_tags 101": "5 7 -"}, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Save(&postTag[B]{PostID: 1, TagID: 1, By: forged}))
		}},
	}
}

func ownUpdates[B bys]() []path {
	forged := said[B](66)
	values := func() map[string]any { return with[B](map[string]any{"title": "changed"}) }
	return []path{
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

func ownUpserts[B bys]() []path {
	existing := func() *note[B] {
		return &note[B]{Model: gorm.Model{ID: 1}, Title: "offered", Size: 2, By: said[B](66)}
	}
	where := func(operator string) clause.OnConflict {
		return clause.OnConflict{
			Columns: []clause.Column{{Name: "id"}}, DoUpdates: clause.AssignmentColumns([]string{"title", "created_by", "updated_by"}),
			Where: clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "? " + operator + " ?", Vars: []any{
				clause.Column{Table: "notes", Name: "size"}, clause.Column{Table: "excluded", Name: "size"},
			}}}},
		}
	}
	noWhere := map[string]string{"mariadb": "it has no WHERE in an upsert", "mysql": "it has no WHERE in an upsert"}
	return []path{
		{line: "upsert", call: `db.Clauses(clause.OnConflict{DoUpdates: …, Where: …}).Create(&note), met`, want: changed, apart: true, minor: true, not: noWhere, run: func(db *gorm.DB) error {
			return wrote(db.Clauses(where("<")).Create(existing()))
		}},
		{line: "upsert", call: `db.Clauses(clause.OnConflict{DoUpdates: …, Where: …}).Create(&note), not met`, minor: true, not: noWhere, run: func(db *gorm.DB) error {
			return db.Clauses(where(">")).Create(existing()).Error
		}},
	}
}

func ownDeletes[B bys]() []path {
	return []path{
		{line: "delete by a flag", call: `db.Delete(&paper) with a flag of gorm.io/plugin/soft_delete`, want: map[string]string{"papers 1": "5 5 7"}, run: func(db *gorm.DB) error {
			return wrote(db.Delete(&paper[B]{ID: 1}))
		}},
		{line: "delete by a flag", call: `db.Delete(&deletedPaper)`, minor: true, run: func(db *gorm.DB) error {
			return db.Delete(&paper[B]{ID: 2}).Error
		}},
		{line: "delete for good", call: `db.Delete(&writer) without soft delete`, want: map[string]string{"writers 1": "gone"}, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Delete(&writer[B]{ID: 1}))
		}},
		{line: "restore", call: `db.Unscoped().Model(&paper).Update("deleted", 0)`, want: map[string]string{"papers 2": "5 7 -"}, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Unscoped().Model(&paper[B]{ID: 2}).Update("deleted", 0))
		}},
	}
}

func ownSessions[B bys]() []path {
	return []path{
		{line: "raw SQL", call: `db.Raw("INSERT INTO notes …").Scan(&id)`, want: map[string]string{"notes +1": "- - -"}, minor: true, not: map[string]string{"mysql": "no RETURNING there"}, run: func(db *gorm.DB) error {
			var id int
			return db.Raw("INSERT INTO notes (title) VALUES ('new') RETURNING id").Scan(&id).Error
		}},
		{line: "reads", call: `db.Preload("Comments").Order("id").Find(&notes)`, minor: true, run: func(db *gorm.DB) error {
			var notes []note[B]
			var titles []string
			return errors.Join(db.Preload("Comments").Order("id").Find(&notes).Error, db.Model(&note[B]{}).Pluck("title", &titles).Error)
		}},
		{line: "migrations", call: `db.AutoMigrate(&Note{})`, minor: true, run: func(db *gorm.DB) error {
			return errors.Join(db.AutoMigrate(&writer[B]{}), db.Migrator().AlterColumn(&writer[B]{}, "Name"))
		}},
	}
}
