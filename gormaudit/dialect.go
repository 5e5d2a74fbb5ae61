package gormaudit

import (
	"reflect"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
)

// buildsClauses reports whether an INSERT of db's dialect asks db's builder of
// the named clause. It builds one, which is never sent.
func buildsClauses(db *gorm.DB, name string) bool {
	builders := db.ClauseBuilders
	next, wrapped := builders[name]
	asked := false
	builders[name] = func(c clause.Clause, b clause.Builder) {
		asked = true
		if wrapped {
			next(c, b)
		} else {
			c.Build(b)
		}
	}
	defer func() {
		if wrapped {
			builders[name] = next
		} else {
			delete(builders, name)
		}
	}()

	type gormauditProbe struct{ ID uint }
	row := &gormauditProbe{ID: 1}
	tx := db.Session(&gorm.Session{NewDB: true, DryRun: true, Logger: logger.Discard}).Model(row)
	stmt := tx.Statement
	stmt.Dest, stmt.ReflectValue = row, reflect.ValueOf(row).Elem()
	create := tx.Callback().Create()
	stmt.BuildClauses = create.Clauses
	if insert := create.Get("gorm:create"); insert != nil && stmt.Parse(row) == nil {
		insert(tx)
	}
	return asked
}
