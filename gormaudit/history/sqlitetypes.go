package history

import (
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

func (d sqliteDialect) stored(db *gorm.DB, table string) ([]storedColumn, error) {
	return readStored(db, `SELECT name, lower(type), hidden > 1, 0, "notnull" FROM pragma_table_xinfo(?)`, table)
}

// sqliteTargets is how many columns a query may have, less than 2,000 and less
// placeholders than 999.
const sqliteTargets = 500

// asRead asks for the values as rows of the table: the drivers make of a value what
// its column's declared type says.
func (d sqliteDialect) asRead(db *gorm.DB, table string, columns []storedColumn, values []Value) (read []any, err error) {
	for len(values) > 0 {
		n := min(len(values), sqliteTargets)
		names := make([]any, n)
		for i, c := range columns[:n] {
			names[i] = clause.Column{Name: c.name}
		}
		list := "?" + strings.Repeat(", ?", n-1)
		args := append(append(names, clause.Table{Name: table}), expressions(columns[:n], values[:n], d.written)...)
		some, err := readExpr(db, "SELECT "+list+" FROM ? WHERE 0 UNION ALL SELECT "+list, args)
		if err != nil {
			return nil, err
		}
		for i, v := range values[:n] {
			some[i] = sqliteTime(some[i], v)
		}
		read, columns, values = append(read, some...), columns[n:], values[n:]
	}
	return read, nil
}

// sqliteTime is what was read. It is the text where that was recorded of a column of
// texts, and is not a time: mattn/go-sqlite3 makes the zero time of it.
func sqliteTime(read any, v Value) any {
	text, isText := v.raw.(string)
	if t, isTime := read.(time.Time); isText && isTime && t.IsZero() && v.kind == kindText {
		if _, ok := parseTime(text, nil); !ok {
			return text
		}
	}
	return read
}

func (d sqliteDialect) written(_ storedColumn, v Value) clause.Expr {
	if raw, ok := v.raw.([]byte); ok && len(raw) == 0 {
		return gorm.Expr("x''") // the drivers bind NULL
	}
	return gorm.Expr("?", v.raw)
}

func (d sqliteDialect) misfit(err error) bool {
	return containsAny(err, "NOT NULL constraint failed", "cannot store") // what a STRICT table says
}

func (d sqliteDialect) holds(table string, c storedColumn, v Value) clause.Expr {
	return gorm.Expr("(? COLLATE BINARY IS ?)", clause.Column{Table: table, Name: c.name}, d.written(c, v))
}
