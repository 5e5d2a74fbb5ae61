package tests

import (
	"errors"

	"gorm.io/gorm"
)

func sessionPaths[B bys]() []path {
	forged := said[B](66)
	fresh := func() *note[B] { return &note[B]{Title: "new", By: forged} }
	first := func() *note[B] { return &note[B]{Model: gorm.Model{ID: 1}} }
	values := func() map[string]any { return with[B](map[string]any{"title": "changed"}) }
	session := func(db *gorm.DB, config gorm.Session) *gorm.DB { return db.Session(&config) }
	return []path{
		{line: "SkipHooks", call: `db.Session(&gorm.Session{SkipHooks: true}).Create(&note)`, want: created, run: func(db *gorm.DB) error {
			return wrote(session(db, gorm.Session{SkipHooks: true}).Create(fresh()))
		}},
		{line: "SkipHooks", call: `db.Session(&gorm.Session{SkipHooks: true}).Model(&note).Updates(…)`, run: func(db *gorm.DB) error {
			return wrote(session(db, gorm.Session{SkipHooks: true}).Model(first()).Updates(values()))
		}},
		{line: "SkipHooks", call: `db.Session(&gorm.Session{SkipHooks: true}).Delete(&note)`, want: map[string]string{"notes 1": "5 5 7"}, minor: true, run: func(db *gorm.DB) error {
			return wrote(session(db, gorm.Session{SkipHooks: true}).Delete(first()))
		}},
		{line: "DryRun", call: `db.Session(&gorm.Session{DryRun: true}).Create(&note)`, minor: true, run: func(db *gorm.DB) error {
			return session(db, gorm.Session{DryRun: true}).Create(fresh()).Error
		}},
		{line: "DryRun", call: `db.ToSQL(…)`, minor: true, run: func(db *gorm.DB) error {
			db.ToSQL(func(tx *gorm.DB) *gorm.DB { return tx.Model(first()).Updates(values()) })
			return nil
		}},
		{line: "sessions", call: `db.Session(&gorm.Session{Context: ctx}).Create(&note)`, want: created, run: func(db *gorm.DB) error {
			return wrote(session(db.WithContext(acting(9)), gorm.Session{Context: acting(7)}).Create(fresh()))
		}},
		{line: "sessions", call: `a DB made earlier for another user, db.WithContext(ctx).Create(&note)`, want: created, minor: true, run: func(db *gorm.DB) error {
			other := db.WithContext(acting(9)).Session(&gorm.Session{})
			return wrote(other.WithContext(acting(7)).Create(fresh()))
		}},
		{line: "sessions", call: `db.Session(&gorm.Session{NewDB: true}).Create(&note)`, want: created, minor: true, run: func(db *gorm.DB) error {
			return wrote(session(db.Where("x = y"), gorm.Session{NewDB: true}).Create(fresh()))
		}},
		{line: "PrepareStmt", call: `db.Session(&gorm.Session{PrepareStmt: true}).Create(&note)`, want: map[string]string{"notes +1": "7 7 -", "notes +2": "8 8 -", "notes 1": "5 8 -", "notes 2": "5 5 7"}, minor: true, run: func(db *gorm.DB) error {
			db = session(db, gorm.Session{PrepareStmt: true})
			return errors.Join(
				wrote(db.Create(fresh())),
				wrote(db.WithContext(acting(8)).Create(fresh())),
				wrote(db.Model(first()).Updates(values())),
				wrote(db.WithContext(acting(8)).Model(first()).Updates(values())),
				wrote(db.Delete(&note[B]{}, 2)),
			)
		}},
		{line: "transactions", call: `db.Transaction(…)`, want: created, minor: true, run: func(db *gorm.DB) error {
			return db.Transaction(func(tx *gorm.DB) error { return wrote(tx.Create(fresh())) })
		}},
		{line: "transactions", call: `db.Begin(); tx.Create(&note); tx.Commit()`, want: created, minor: true, run: func(db *gorm.DB) error {
			tx := db.Begin()
			return errors.Join(wrote(tx.Create(fresh())), tx.Commit().Error)
		}},
		{line: "transactions", call: `a transaction rolled back`, minor: true, run: func(db *gorm.DB) error {
			tx := db.Begin()
			return errors.Join(wrote(tx.Create(fresh())), wrote(tx.Model(first()).Updates(values())), tx.Rollback().Error)
		}},
		{line: "transactions", call: `a nested transaction rolled back`, want: map[string]string{"notes +1": "7 7 -", "notes +2": "8 8 -"}, minor: true, run: func(db *gorm.DB) error {
			undo := errors.New("undo")
			return db.Transaction(func(tx *gorm.DB) error {
				err := wrote(tx.Create(fresh()))
				nested := tx.Transaction(func(tx *gorm.DB) error { return errors.Join(wrote(tx.Delete(first())), undo) })
				if errors.Is(nested, undo) {
					nested = nil
				}
				return errors.Join(err, nested, wrote(tx.WithContext(acting(8)).Create(fresh())))
			})
		}},
		{line: "transactions", call: `tx.SavePoint("p"); …; tx.RollbackTo("p")`, want: changed, minor: true, run: func(db *gorm.DB) error {
			return db.Transaction(func(tx *gorm.DB) error {
				return errors.Join(
					wrote(tx.Model(first()).Updates(values())),
					tx.SavePoint("p").Error, wrote(tx.Create(fresh())), tx.RollbackTo("p").Error,
				)
			})
		}},
		{line: "transactions", call: `db.Session(&gorm.Session{SkipDefaultTransaction: true}).Create(&note)`, want: created, minor: true, run: func(db *gorm.DB) error {
			return wrote(session(db, gorm.Session{SkipDefaultTransaction: true}).Create(fresh()))
		}},
		{line: "raw SQL", call: `db.Exec("UPDATE notes …")`, run: func(db *gorm.DB) error {
			return wrote(db.Exec("UPDATE notes SET title = 'changed' WHERE id = 1"))
		}},
		{line: "raw SQL", call: `db.Raw("INSERT INTO notes …").Scan(&id)`, want: map[string]string{"notes +1": "- - -"}, minor: true, not: map[string]string{"mysql": "no RETURNING there"}, run: func(db *gorm.DB) error {
			var id int
			return db.Raw("INSERT INTO notes (title) VALUES ('new') RETURNING id").Scan(&id).Error
		}},
		{line: "raw SQL", call: `gorm.G[Note](db).Exec(ctx, "UPDATE notes …")`, minor: true, run: func(db *gorm.DB) error {
			return gorm.G[note[B]](db).Exec(acting(7), "UPDATE notes SET title = 'changed' WHERE id = 1")
		}},
		{line: "reads", call: `db.Find(&notes)`, minor: true, run: func(db *gorm.DB) error {
			var notes []note[B]
			var titles []string
			rows, err := db.Model(&note[B]{}).Rows()
			if err == nil {
				err = rows.Close()
			}
			return errors.Join(err, db.Preload("Comments").Find(&notes).Error, db.Model(&note[B]{}).Pluck("title", &titles).Error)
		}},
		{line: "migrations", call: `db.AutoMigrate(&Note{})`, minor: true, run: func(db *gorm.DB) error {
			return errors.Join(db.AutoMigrate(&writer[B]{}), db.Migrator().AlterColumn(&writer[B]{}, "Name"))
		}},
	}
}
