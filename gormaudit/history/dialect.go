package history

import (
	"fmt"

	"gorm.io/gorm"
)

// dialect is one kind of database, with all that the parts of this package ask
// of it.
type dialect interface {
	auditor
	attributor
	generator
	recordReader
	upkeep
}

// dialectOf returns the dialect of a database.
func dialectOf(db *gorm.DB) (dialect, error) { return dialectNamed(db.Name()) }

// dialectNamed returns the dialect that GORM, as [Dialect] does, calls name.
func dialectNamed(name string) (dialect, error) {
	switch name {
	case "sqlite":
		return sqliteDialect{}, nil
	case "postgres":
		return postgresDialect{}, nil
	case "mysql":
		return mysqlDialect{}, nil
	default:
		return nil, fmt.Errorf("history: database %q is not supported: only SQLite, PostgreSQL, MariaDB and MySQL are", name)
	}
}

// attributorOf is that of a database which Initialize has accepted.
func attributorOf(db *gorm.DB) attributor {
	d, _ := dialectOf(db)
	return d
}
