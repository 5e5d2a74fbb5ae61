package history

import (
	"strings"
	"time"

	"gorm.io/gorm"
)

// audited are the tables that have triggers, in whatever schema of the pool.
type audited struct {
	names   map[string]bool // without a schema
	homes   map[string]bool // MariaDB, MySQL: databases that have a history
	current string          // MariaDB, MySQL: the database that was asked
	unknown bool            // the account is not shown which tables they are
	partial bool            // some tables could not be looked at just now
	asked   time.Time
	lasting bool // not to be asked again: see known

	recorded bool // MariaDB: the current database has such tables
}

// auditor knows how to ask a kind of database which tables have triggers. Any
// account that may write is shown that.
type auditor interface {
	audited(db *gorm.DB) (*audited, error)
}

func (a *audited) any() bool { return a.unknown || len(a.names) > 0 || len(a.homes) > 0 }

// touches also takes an alias for a table with triggers, and a name in another
// case: rather set the actor too often.
func (a *audited) touches(stmt *gorm.Statement) bool {
	if a.unknown || stmt.TableExpr != nil && a.any() {
		return true
	}
	home, name, qualified := strings.Cut(stmt.Table, ".")
	if !qualified {
		home, name = "", stmt.Table
	}
	return a.names[name] || a.names[strings.ToLower(name)] || home != "" && home != a.current && a.homes[home]
}

// otherHomes are those, beside the current one, that a statement names.
func (a *audited) otherHomes(stmt *gorm.Statement) (homes []string) {
	if len(a.homes) == 0 || len(a.homes) == 1 && a.homes[a.current] {
		return nil
	}
	text := stmt.Table + " " + stmt.SQL.String()
	if stmt.TableExpr != nil {
		text += " " + stmt.TableExpr.SQL
	}
	for home := range a.homes {
		if home != a.current && strings.Contains(text, home) {
			homes = append(homes, home)
		}
	}
	return homes
}
