package history

import (
	"database/sql"
	"encoding/hex"
	"strconv"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// storedColumn is a column that a table has.
type storedColumn struct {
	name      string
	dbType    string // as the database spells it
	generated bool   // from others: it can't be written
	identity  bool   // it is written over the database's objection only
	notNull   bool
}

// restorer says how recorded values get back to where they came from.
type restorer interface {
	// stored are the columns of a table, none if it is gone.
	stored(db *gorm.DB, table string) ([]storedColumn, error)
	// asRead are recorded values as the driver gives those of a table's columns. A
	// column may come several times.
	asRead(db *gorm.DB, table string, columns []storedColumn, values []Value) ([]any, error)
	// written is a recorded value as it is written to a column. holds is the
	// condition that the column has it.
	written(c storedColumn, v Value) clause.Expr
	holds(table string, c storedColumn, v Value) clause.Expr
	// misfit reports whether the database refused a value for its type, its length or
	// for being NULL.
	misfit(err error) bool
}

// readStored runs a query for name, type, whether generated, identity, NOT NULL.
func readStored(db *gorm.DB, query string, args ...any) ([]storedColumn, error) {
	rows, err := poolOf(db).QueryContext(contextOf(db), query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var columns []storedColumn
	for rows.Next() {
		var c storedColumn
		if err := rows.Scan(&c.name, &c.dbType, &c.generated, &c.identity, &c.notNull); err != nil {
			return nil, err
		}
		columns = append(columns, c)
	}
	return columns, rows.Err()
}

// readExpr is the only row of a query, as the driver gives it. The query may have
// expressions for placeholders.
func readExpr(db *gorm.DB, query string, args []any) ([]any, error) {
	var values []any
	err := attributed(db, func(db *gorm.DB) error {
		rows, err := db.Session(&gorm.Session{NewDB: true}).Raw(query, args...).Rows()
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		_, values, err = nextRow(rows)
		return err
	})
	return values, err
}

// expressions are f of each column and its value.
func expressions(columns []storedColumn, values []Value, f func(storedColumn, Value) clause.Expr) []any {
	all := make([]any, len(values))
	for i, v := range values {
		all[i] = f(columns[i], v)
	}
	return all
}

// nextRow reads the next row, which is nil if there is none.
func nextRow(rows *sql.Rows) (columns []string, values []any, err error) {
	if columns, err = rows.Columns(); err != nil || !rows.Next() {
		if err == nil {
			err = rows.Err()
		}
		return columns, nil, err
	}
	values = make([]any, len(columns))
	dest := make([]any, len(columns))
	for i := range dest {
		dest[i] = &values[i]
	}
	return columns, values, rows.Scan(dest...)
}

// text is v as SQL's texts spell it.
func (v Value) text() string {
	switch raw := v.raw.(type) {
	case string:
		return raw
	case []byte:
		return hex.EncodeToString(raw)
	case int64:
		return strconv.FormatInt(raw, 10)
	case float64:
		return strconv.FormatFloat(raw, 'g', -1, 64)
	case bool:
		return strconv.FormatBool(raw)
	case time.Time:
		return raw.Format(time.RFC3339Nano)
	}
	return ""
}
