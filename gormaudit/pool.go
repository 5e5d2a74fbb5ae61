package gormaudit

import (
	"database/sql"
	"reflect"

	"gorm.io/gorm"
)

// databaseOf returns the database that a connection pool, a connection or a
// transaction belongs to, nil where it does not tell.
func databaseOf(pool gorm.ConnPool) *sql.DB {
	switch p := pool.(type) {
	case *sql.DB:
		return p
	case *sql.Tx:
		return fieldDB(reflect.ValueOf(p))
	case *sql.Conn:
		return fieldDB(reflect.ValueOf(p))
	case *gorm.PreparedStmtDB:
		return databaseOf(p.ConnPool)
	case *gorm.PreparedStmtTX:
		return databaseOf(p.Tx)
	case gorm.GetDBConnector:
		db, _ := p.GetDBConn()
		return db
	}
	return nil
}

// fieldDB reads the database out of one of its transactions or connections, as
// [gorm.DB.DB] does.
func fieldDB(v reflect.Value) *sql.DB {
	if v.IsNil() {
		return nil
	}
	db := v.Elem().FieldByName("db")
	if !db.IsValid() || db.Type() != reflect.TypeFor[*sql.DB]() {
		return nil
	}
	return (*sql.DB)(db.UnsafePointer())
}
