package writes

import (
	"errors"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

func (m *Model) sessionPaths() []Path {
	return slices.Concat(m.sessions(), m.skipHooks(), m.transactions(), m.unstamped())
}

func session(db *gorm.DB, config gorm.Session) *gorm.DB { return db.Session(&config) }

func (m *Model) sessions() []Path {
	return []Path{
		{Line: "sessions", Call: `db.Session(&gorm.Session{Context: ctx}).Create(&note)`, Want: created(), Run: func(db *gorm.DB) error {
			return wrote(session(m.asAuthor(db), gorm.Session{Context: m.Users.context(m.Users.Actor)}).Create(m.fresh()))
		}},
		{Line: "sessions", Call: `a DB made earlier for another user, db.WithContext(ctx).Create(&note)`, Want: created(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(m.asActor(m.asAuthor(db).Session(&gorm.Session{})).Create(m.fresh()))
		}},
		{Line: "sessions", Call: `db.Session(&gorm.Session{NewDB: true}).Create(&note)`, Want: created(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(session(db.Where("x = y"), gorm.Session{NewDB: true}).Create(m.fresh()))
		}},
		{Line: "PrepareStmt", Call: `db.Session(&gorm.Session{PrepareStmt: true}).Create(&note)`, Skip: m.needsColumn(), Want: join(map[string]string{
			"+1": isNew, "+2": "author author -", "1": isChanged,
		}, m.deleted("2")), Minor: true, Run: func(db *gorm.DB) error {
			db = session(db, gorm.Session{PrepareStmt: true})
			return errors.Join(
				wrote(db.Create(m.fresh())), wrote(m.asAuthor(db).Create(m.fresh())),
				wrote(m.asAuthor(db).Model(m.key(1)).Updates(m.values())), wrote(db.Model(m.key(1)).Updates(m.values())),
				wrote(db.Where(m.is(2)).Delete(m.zero())),
			)
		}},
		{Line: "sessions", Call: `db.Session(&gorm.Session{SkipDefaultTransaction: true}).Create(&note)`, Want: created(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(session(db, gorm.Session{SkipDefaultTransaction: true}).Create(m.fresh()))
		}},
	}
}

func (m *Model) skipHooks() []Path {
	return []Path{
		{Line: "SkipHooks", Call: `db.Session(&gorm.Session{SkipHooks: true}).Create(&note)`, Want: created(), Run: func(db *gorm.DB) error {
			return wrote(session(db, gorm.Session{SkipHooks: true}).Create(m.fresh()))
		}},
		{Line: "SkipHooks", Call: `db.Session(&gorm.Session{SkipHooks: true}).Model(&note).Updates(…)`, Skip: m.needsColumn(), Run: func(db *gorm.DB) error {
			return m.wrote(session(db, gorm.Session{SkipHooks: true}).Model(m.key(1)).Updates(m.values()))
		}},
		{Line: "SkipHooks", Call: `db.Session(&gorm.Session{SkipHooks: true}).Delete(&note)`, Want: m.deleted("1"), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(session(db, gorm.Session{SkipHooks: true}).Delete(m.key(1)))
		}},
		{Line: "DryRun", Call: `db.Session(&gorm.Session{DryRun: true}).Create(&note)`, Minor: true, Run: func(db *gorm.DB) error {
			return session(db, gorm.Session{DryRun: true}).Create(m.fresh()).Error
		}},
		{Line: "DryRun", Call: `db.ToSQL(…)`, Skip: m.needsColumn(), Minor: true, Run: func(db *gorm.DB) error {
			db.ToSQL(func(tx *gorm.DB) *gorm.DB { return tx.Model(m.key(1)).Updates(m.values()) })
			return nil
		}},
	}
}

var errUndo = errors.New("undo")

func (m *Model) transactions() []Path {
	return []Path{
		{Line: "transactions", Call: `db.Transaction(…)`, Want: created(), Minor: true, Run: func(db *gorm.DB) error {
			return db.Transaction(func(tx *gorm.DB) error { return wrote(tx.Create(m.fresh())) })
		}},
		{Line: "transactions", Call: `db.Begin(); tx.Create(&note); tx.Commit()`, Outside: true, Want: created(), Minor: true, Run: func(db *gorm.DB) error {
			tx := db.Begin()
			return errors.Join(wrote(tx.Create(m.fresh())), tx.Commit().Error)
		}},
		{Line: "transactions", Call: `a transaction rolled back`, Outside: true, Skip: m.needsColumn(), Minor: true, Run: func(db *gorm.DB) error {
			tx := db.Begin()
			return errors.Join(wrote(tx.Create(m.fresh())), wrote(tx.Model(m.key(1)).Updates(m.values())), tx.Rollback().Error)
		}},
		{Line: "transactions", Call: `a nested transaction rolled back`, Want: map[string]string{"+1": isNew, "+2": "author author -"}, Minor: true, Run: func(db *gorm.DB) error {
			return db.Transaction(func(tx *gorm.DB) error {
				err := wrote(tx.Create(m.fresh()))
				nested := tx.Transaction(func(tx *gorm.DB) error { return errors.Join(wrote(tx.Delete(m.key(1))), errUndo) })
				if errors.Is(nested, errUndo) {
					nested = nil
				}
				return errors.Join(err, nested, wrote(m.asAuthor(tx).Create(m.fresh())))
			})
		}},
		{Line: "transactions", Call: `tx.SavePoint("p"); …; tx.RollbackTo("p")`, Skip: m.needsColumn(), Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return db.Transaction(func(tx *gorm.DB) error {
				return errors.Join(
					wrote(tx.Model(m.key(1)).Updates(m.values())),
					tx.SavePoint("p").Error, wrote(tx.Create(m.fresh())), tx.RollbackTo("p").Error,
				)
			})
		}},
	}
}

// unstamped are writes that no plugin of GORM sees, and reads.
func (m *Model) unstamped() []Path {
	raw := func() (string, []any) {
		sql, vars := "UPDATE ? SET ? = ? WHERE 1 = 1", []any{clause.Table{Name: m.table()}, clause.Column{Name: m.column.DBName}, m.other()}
		for _, eq := range m.equals(1) {
			sql, vars = sql+" AND ? = ?", append(vars, eq.Column, eq.Value)
		}
		return sql, vars
	}
	return []Path{
		{Line: "raw SQL", Call: `db.Exec("UPDATE notes …")`, Skip: m.needsColumn(), Run: func(db *gorm.DB) error {
			sql, vars := raw()
			return m.wrote(db.Exec(sql, vars...))
		}},
		{Line: "raw SQL", Call: `gorm.G[Note](db).Exec(ctx, "UPDATE notes …")`, Skip: first(m.needsG(), m.needsColumn()), Minor: true, Run: func(db *gorm.DB) error {
			sql, vars := raw()
			return m.g.exec(m.Users.context(m.Users.Actor), db, sql, vars...)
		}},
		{Line: "reads", Call: `db.Find(&notes)`, Minor: true, Run: func(db *gorm.DB) error {
			rows, err := db.Model(m.zero()).Where(m.is(1)).Rows()
			if err == nil {
				err = errors.Join(rows.Close(), rows.Err())
			}
			return errors.Join(err, db.Where(m.is(1)).Find(pointerTo(m.slice())).Error)
		}},
	}
}
