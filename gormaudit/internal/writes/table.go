package writes

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// table is a database's table and what its by-columns say.
type table struct {
	model *Model
	// said is, for each by-column, who its values name: author, actor, forged
	// or nobody, "-".
	said []map[string]string
}

// maxRows is how many rows a table may have, since each path reads all.
const maxRows = 1000

// contents are a table's rows by their keys: what each by-column says.
type contents map[string][]string

// read returns what a table holds.
func (t *table) read(plain *gorm.DB) (contents, error) {
	keys, by := t.model.keyNames(), t.model.byNames()
	raw, err := rawRows(plain.Table(t.model.table()), append(slices.Clone(keys), by...))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", t.model.table(), err)
	}
	if len(raw) > maxRows {
		return nil, fmt.Errorf("%s has %d rows, and every path reads all of them: run the tests on a database of their own", t.model.table(), len(raw))
	}
	found := contents{}
	for _, row := range raw {
		said := make([]string, 0, len(by))
		for n, held := range row[len(keys):] {
			if who, ok := t.said[n][held]; ok {
				held = who
			}
			said = append(said, held)
		}
		found[strings.Join(row[:len(keys)], ",")] = said
	}
	return found, nil
}

// rawRows returns columns as the driver returns them, as text.
func rawRows(query *gorm.DB, columns []string) (_ [][]string, err error) {
	quoted := make([]clause.Column, len(columns))
	for n, column := range columns {
		quoted[n] = clause.Column{Name: column}
	}
	rows, err := query.Clauses(clause.Select{Columns: quoted}).Rows()
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all [][]string
	for rows.Next() {
		held, into := make([]any, len(columns)), make([]any, len(columns))
		for n := range held {
			into[n] = &held[n]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		texts := make([]string, len(columns))
		for n, v := range held {
			texts[n] = asText(v)
		}
		all = append(all, texts)
	}
	return all, rows.Err()
}

func asText(held any) string {
	switch v := held.(type) {
	case nil:
		return "NULL"
	case []byte:
		return string(v)
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprint(held)
}

// calibrate learns how the by-columns of the row that where finds hold the
// users. Afterwards they name the author, and nobody as who deleted it.
func (t *table) calibrate(tx *transaction, where clause.Expression) error {
	m := t.model
	one := func() *gorm.DB { return tx.plain.Table(m.table()).Where(where) }
	t.said = make([]map[string]string, len(m.by.All()))
	for n := range t.said {
		t.said[n] = map[string]string{"NULL": "-"}
	}
	for _, who := range []struct{ token, id string }{
		{"-", ""},
		{"forged", m.Users.Forged},
		{"actor", m.Users.Actor},
		{"author", m.Users.Author},
	} {
		for n, field := range m.by.All() {
			err := tx.attempt(func() error {
				if err := t.write(one(), n, who.id); err != nil {
					return err
				}
				raw, err := rawRows(one(), []string{field.DBName})
				if err == nil && len(raw) == 1 {
					if _, taken := t.said[n][raw[0][0]]; !taken {
						t.said[n][raw[0][0]] = who.token
					}
				}
				return err
			})
			if err != nil && (who.token == "actor" || who.token == "author") {
				return fmt.Errorf("user %q can't stand in %s.%s: name users that are there with audittest.Users: %w", who.id, m.table(), field.DBName, err)
			}
		}
	}
	return t.authored(one(), false)
}

// write sets the n-th by-column to a user's id, "" for nobody.
func (t *table) write(row *gorm.DB, n int, id string) error {
	m := t.model
	field, holder := m.by.All()[n], m.zero()
	if id != "" {
		u := *m
		u.Users.Forged, u.honestly = id, false
		holder = u.forge(holder)
	}
	return row.UpdateColumns(map[string]any{field.DBName: m.get(holder, field)}).Error
}

// authored has a row's by-columns name the author, as who deleted it too where
// that is set.
func (t *table) authored(row *gorm.DB, deleted bool) error {
	for n := range t.model.by.All() {
		id := t.model.Users.Author
		if n >= len(t.model.by.Created)+len(t.model.by.Updated) && !deleted {
			id = ""
		}
		if err := t.write(row.Session(&gorm.Session{}), n, id); err != nil {
			return err
		}
	}
	return nil
}

// expand writes what a row shall hold, "author actor -", by by-columns.
func (t *table) expand(row string) []string {
	var said []string
	for n, who := range strings.Fields(row) {
		for range t.model.roles()[n].fields {
			said = append(said, who)
		}
	}
	return said
}
