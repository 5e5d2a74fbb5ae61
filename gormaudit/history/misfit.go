package history

import (
	"fmt"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"
)

// misfits are those of recorded values, by their places, that their columns or the
// model's fields can't take: a text, where a column has become a number since.
func misfits(db *gorm.DB, d restorer, s *schema.Schema, columns []storedColumn, values []Value) (unfit []int, err error) {
	if fits, err := fit(db, d, s, columns, values); fits || err != nil {
		return nil, err
	}
	for i := range values {
		fits, err := fit(db, d, s, columns[i:i+1], values[i:i+1])
		if err != nil {
			return nil, err
		}
		if !fits {
			unfit = append(unfit, i)
		}
	}
	return unfit, nil
}

// fit reports whether all of the values fit.
func fit(db *gorm.DB, d restorer, s *schema.Schema, columns []storedColumn, values []Value) (bool, error) {
	read, err := d.asRead(db, s.Table, columns, values)
	if err != nil {
		if d.misfit(err) || containsAny(err, postgresCheck) { // a domain's
			err = nil
		}
		return false, err
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	quiet := db.Session(&gorm.Session{SkipHooks: true})
	return driverRows{columns: names, rows: [][]any{read}}.scan(quiet, newModel(s)) == nil, nil
}

// misfitText says which value does not fit, without the value.
func misfitText(table string, key []string, c storedColumn) string {
	return fmt.Sprintf("table %q, row %s: what is recorded of column %q does not fit it any more (its type is %s)", table, strings.Join(key, ", "), c.name, c.dbType)
}
