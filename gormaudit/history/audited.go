package history

import (
	"strings"
	"time"

	"gorm.io/gorm"
)

// audited are the tables that have triggers, in whatever schema of the pool.
type audited struct {
	names   map[string]bool       // without a schema
	counts  map[qualifiedName]int // how many triggers they have, but for partitions and disabled triggers
	asked   map[string]bool       // MariaDB, MySQL: the databases that were asked, and whether each was seen whole
	homes   map[string]bool       // MariaDB, MySQL: databases that have a history
	current string                // MariaDB, MySQL: the database that was asked
	unknown bool                  // the account is not shown which tables they are
	at      time.Time
	lasting bool // not to be asked again: see known

	recorded bool // MariaDB: the current database has such tables
}

func newAudited() *audited {
	return &audited{names: map[string]bool{}, counts: map[qualifiedName]int{}}
}

// qualifiedName names a table and its schema: on MariaDB and MySQL its database.
type qualifiedName struct{ schema, table string }

func (p qualifiedName) String() string { return p.schema + "." + p.table }

// skipped reports whether some tables of a database could not be looked at just now.
func (a *audited) skipped(database string) bool {
	whole, asked := a.asked[database]
	return asked && !whole
}

// sharesName reports whether another home has triggers on a table of the same name.
func (a *audited) sharesName(p qualifiedName) bool {
	for other := range a.counts {
		if other.table == p.table && other.schema != p.schema {
			return true
		}
	}
	return false
}

// lost returns those of before that have fewer triggers now.
func (a *audited) lost(before map[qualifiedName]int) (lost []qualifiedName) {
	for p, n := range before {
		if a.counts[p] < n && (a.asked == nil || a.asked[p.schema]) {
			lost = append(lost, p)
		}
	}
	return lost
}

// read adds the tables of a query for schemas, names and numbers of triggers. It
// returns how many there are.
func (a *audited) read(db *gorm.DB, query string) (tables int, err error) {
	rows, err := poolOf(db).QueryContext(contextOf(db), query)
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var p qualifiedName
		var n int
		if err := rows.Scan(&p.schema, &p.table, &n); err != nil {
			return 0, err
		}
		tables++
		a.names[p.table] = true
		if n > 0 {
			a.counts[p] = n
		}
	}
	return tables, rows.Err()
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
