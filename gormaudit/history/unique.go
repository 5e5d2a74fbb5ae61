package history

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"
)

// storedKeys is what a table has for keys.
type storedKeys struct {
	exists      bool // as a table, not as a view
	partitioned bool // so that a unique index must have the columns of the partitions
	columns     []string
	unique      map[string][]string // the columns of each unique index, "" for one that may be NULL
}

// readKeys runs a query for kinds of rows: the table and whether it is partitioned, a
// column, a unique index and one of its columns.
func readKeys(db *gorm.DB, query string, args ...any) (storedKeys, error) {
	k := storedKeys{unique: map[string][]string{}}
	rows, err := poolOf(db).QueryContext(contextOf(db), query, args...)
	if err != nil {
		return k, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var kind string
		var detail, column *string
		if err := rows.Scan(&kind, &detail, &column); err != nil {
			return k, err
		}
		switch kind {
		case "table":
			k.exists, k.partitioned = true, strings.Contains(textOf(detail), "partitioned")
		case "column":
			k.columns = append(k.columns, textOf(column))
		case "index":
			k.unique[textOf(detail)] = append(k.unique[textOf(detail)], textOf(column))
		}
	}
	return k, rows.Err()
}

// unknown reports whether the table is not there, lacks a column of the key of t, or is
// not shown to the account.
func (k storedKeys) unknown(t table) bool {
	return !k.exists || slices.ContainsFunc(t.keys, func(key column) bool {
		return !slices.ContainsFunc(k.columns, func(name string) bool { return strings.EqualFold(name, key.name) })
	})
}

// keeps reports whether two rows can't have the same key of t: not the same values even
// in some columns of it.
func (k storedKeys) keeps(t table) bool {
	for _, columns := range k.unique {
		if !slices.ContainsFunc(columns, func(name string) bool {
			return !slices.ContainsFunc(t.keys, func(key column) bool { return strings.EqualFold(name, key.name) })
		}) {
			return true
		}
	}
	return false
}

// checkUnique is an error for each table of which two rows can have the model's key: they
// would share one history. It is a warning where the database can't keep it unique.
func checkUnique(db *gorm.DB, d generator, tables []table) error {
	var errs []error
	for _, t := range tables {
		k, err := d.storedKeys(uncached(db), t.name)
		if err != nil {
			return fmt.Errorf("history: table %q: looking for keys: %w", t.name, err)
		}
		key := mapColumns(t.keys, ", ", func(c column) string { return c.name })
		switch {
		case k.unknown(t) || k.keeps(t):
		case k.partitioned:
			db.Logger.Warn(contextOf(db), "history: table %q: the database does not keep the model's key (%s) unique across its partitions: rows with the same key share one history", t.name, key)
		default:
			errs = append(errs, &TableError{Table: t.name, Err: fmt.Errorf("%w: %s (tag all columns of the table's key primaryKey, or make these NOT NULL and add a unique index)", ErrNotUnique, key)})
		}
	}
	return errors.Join(errs...)
}
