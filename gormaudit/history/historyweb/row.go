package historyweb

import (
	"context"
	"database/sql/driver"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/internal/keyed"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/internal/tagged"
)

// rowRef is a row, to lead to.
type rowRef struct {
	Label string
	Key   string // all of it, where the label has it shortened
	Page  string // of its story, empty if it has none
	App   string // in the application, empty if it is not there
}

// refer leads to a row. table is nil for one that is not configured.
func (n titles) refer(table *Table, name string, key []string) rowRef {
	label := humanize(name)
	if table != nil {
		label = table.Label
	}
	short := make([]string, len(key))
	for i, part := range key {
		short[i] = shortKey(part)
	}
	ref := rowRef{Label: strings.TrimSpace(label + " " + table.keyLabel(short))}
	if !slices.Equal(short, key) {
		ref.Key = table.keyLabel(key)
	}
	if table == nil {
		return ref
	}
	if len(key) > 1 {
		ref.Label = label + " (" + table.keyLabel(short) + ")"
	}
	if title := n[rowID(name, key)]; title != "" {
		ref.Label += " “" + title + "”"
	}
	ref.Page = "row?" + url.Values{"table": {name}, "key": key}.Encode()
	if table.Link != nil {
		ref.App = table.Link(key)
	}
	return ref
}

// keyLabel is a key, with the labels of its columns if there are several. t may be nil.
func (t *Table) keyLabel(key []string) string {
	if t == nil || len(key) != len(t.keyCols) || len(key) == 1 {
		return strings.Join(key, ", ")
	}
	parts := make([]string, len(key))
	for i, part := range key {
		parts[i] = t.columnLabel(t.keyCols[i].DBName) + " " + part
	}
	return strings.Join(parts, ", ")
}

// longestKey is up to how many letters a part of a key is shown whole: a UUID is
// longer.
const longestKey = 24

// shortKey keeps both ends: those of a random UUID are random, one made of the time
// begins with it.
func shortKey(part string) string {
	if part == "" {
		return "(empty)"
	}
	letters := []rune(part)
	if len(letters) <= longestKey {
		return part
	}
	return string(letters[:8]) + "…" + string(letters[len(letters)-4:])
}

// titles are what rows are called by the columns that Table.Title names, by rowID.
type titles map[string]string

func rowID(table string, key []string) string {
	return table + "\x00" + strings.Join(key, "\x00")
}

// titles asks what the rows of changes are called: now, or last where they are
// gone.
func (h *handler) titles(v *visit, changes []history.Change) (titles, error) {
	found := titles{}
	for _, name := range h.names {
		t := h.tables[name]
		if t.title == nil {
			continue
		}
		rows := map[string]any{}
		for _, c := range changes {
			if row, ok := t.row(v.ctx, c.Key); ok && c.Table == name {
				rows[rowID(name, c.Key)] = row
			}
		}
		if err := h.titlesOf(v, t, rows, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// titlesOf adds the titles of rows, by rowID.
func (h *handler) titlesOf(v *visit, t *Table, rows map[string]any, found titles) error {
	if len(rows) == 0 {
		return nil
	}
	now, err := h.titlesNow(v, t, rows)
	if err != nil {
		return err
	}
	var gone []any
	var ids []string
	for id, row := range rows {
		if title, there := now[t.keyText(v.ctx, row)]; there {
			found[id] = title
		} else {
			gone, ids = append(gone, keyed.Row{Model: row}), append(ids, id)
		}
	}
	last, err := history.Last(v.db, gone)
	for i, c := range last {
		if f, ok := c.Field(t.title.DBName); ok && c.Action == history.ActionDelete {
			found[ids[i]] = shortTitle(h.text(f.Before))
		}
	}
	return err
}

// titlesNow are the titles of the rows that are there, by keyText.
func (h *handler) titlesNow(v *visit, t *Table, rows map[string]any) (titles, error) {
	conditions := make([]clause.Expression, 0, len(rows))
	for _, row := range rows {
		conditions = append(conditions, clause.And(t.only(v.ctx, row).Exprs...))
	}
	columns := []string{t.title.DBName}
	for _, f := range t.keyCols {
		columns = append(columns, f.DBName)
	}
	there := reflect.New(reflect.SliceOf(t.schema.ModelType))
	err := v.db.Session(&gorm.Session{SkipHooks: true}).Unscoped().Select(columns).Clauses(clause.Where{Exprs: []clause.Expression{clause.Or(conditions...)}}).
		Find(there.Interface()).Error
	found := titles{}
	for i := range there.Elem().Len() {
		row := there.Elem().Index(i)
		found[t.keyText(v.ctx, row.Addr().Interface())] = shortTitle(h.fieldText(v, t.title, row))
	}
	return found, err
}

// keyText is the key of a row that was made or read here, to compare it.
func (t *Table) keyText(ctx context.Context, row any) string {
	parts := make([]string, len(t.keyCols))
	for i, f := range t.keyCols {
		value, _ := f.ValueOf(ctx, reflect.ValueOf(row).Elem())
		if valuer, ok := value.(driver.Valuer); ok {
			value, _ = valuer.Value()
		}
		parts[i] = fmt.Sprint(value)
	}
	return strings.Join(parts, "\x00")
}

// shortTitle is a title in one line.
func shortTitle(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) <= 60 {
		return text
	}
	return strings.TrimSpace(string([]rune(text)[:59])) + "…"
}

// titleField is the column that Table.Title names, nil if none.
func (t *Table) titleField() (*schema.Field, error) {
	if t.Title == "" {
		return nil, nil
	}
	f := t.schema.LookUpField(t.Title)
	switch {
	case f == nil:
		return nil, fmt.Errorf("historyweb: table %q has no column %q, which its Title names", t.schema.Table, t.Title)
	case tagged.Of(f).Hides():
		return nil, fmt.Errorf("historyweb: table %q: the history hides column %q, which its Title names", t.schema.Table, t.Title)
	}
	return f, nil
}
