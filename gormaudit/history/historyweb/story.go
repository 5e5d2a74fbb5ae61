package historyweb

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

// storyPage is what happened to one row.
type storyPage struct {
	Filter filter
	Row    rowRef
	Now    moment
	Days   []day
	Older  string
	Newest string
}

// rowOf is the row that an address names, if it may be read.
func (h *handler) rowOf(v *visit) (t *Table, row any, f filter, err error) {
	f = readFilter(v.r.URL.Query())
	if f.Table == "" {
		f = readFilter(v.r.PostForm)
	}
	t = h.tables[f.Table]
	if t == nil {
		return nil, nil, f, errNotFound
	}
	row, ok := t.row(v.ctx, f.Key)
	if !ok {
		return nil, nil, f, errNotFound
	}
	_, err = h.mayRead(v, history.Query{Rows: []any{row}})
	return t, row, f, err
}

func (h *handler) story(v *visit) error {
	t, row, f, err := h.rowOf(v)
	if err != nil {
		return err
	}
	changes, err := history.Find(v.db, history.Query{Rows: []any{row}, Before: f.Before, Limit: pageSize + 1})
	if err != nil {
		return err
	}
	if len(changes) == 0 {
		return errNotFound
	}
	page := storyPage{Filter: f, Row: refer(t, f.Table, f.Key), Now: h.at(time.Now())}
	if len(changes) > pageSize {
		changes = changes[:pageSize]
		page.Older = f.Older("row", changes[pageSize-1].ID)
	}
	if page.Days, err = h.days(v.ctx, changes); err != nil {
		return err
	}
	for _, day := range page.Days {
		for _, set := range day.Sets {
			for i := range set.Changes {
				set.Changes[i].Then = f.Moment(set.At.Machine())
			}
		}
	}
	if f.Before > 0 {
		page.Newest = f.Address("row")
	}
	return h.render(v, "story", page.Row.Label, page)
}

// momentPage is a row as it was.
type momentPage struct {
	Filter  filter
	Row     rowRef
	At      moment
	Absence string // why there is no row
	Values  []value
	Differs bool // from now
	Problem string
}

// value is a column as it was, beside now.
type value struct {
	Label    string
	Then     string
	Segments []segment // from then to now, nil if it is the same
	Hidden   bool
}

func (h *handler) moment(v *visit) error {
	t, row, f, err := h.rowOf(v)
	if err != nil {
		return err
	}
	at := h.readTime(f, "at", v.r.URL.Query().Get("at"))
	page := momentPage{Filter: f, Row: refer(t, f.Table, f.Key), Problem: f.Problems["at"]}
	if at.IsZero() {
		at = time.Now()
	}
	page.At = h.at(at)
	then, err := t.at(v.db, row, at)
	if page.Absence = absence(err); err != nil && page.Absence == "" {
		return err
	}
	if page.Absence == "" {
		if page.Values, page.Differs, err = h.values(v, t, row, then); err != nil {
			return err
		}
	}
	return h.render(v, "moment", page.Row.Label+" as it was", page)
}

// absence says why there was no row, "" if there is another reason.
func absence(err error) string {
	switch {
	case errors.Is(err, history.ErrNotYet):
		return "It did not exist yet."
	case errors.Is(err, history.ErrDeleted):
		return "It had been deleted for good."
	case errors.Is(err, history.ErrTruncated):
		return "Its table was emptied since, which leaves nothing behind."
	}
	return ""
}

// values are the columns of a row as it was, beside the row of now.
func (h *handler) values(v *visit, t *Table, row, then any) (values []value, differs bool, err error) {
	now := reflect.New(t.schema.ModelType)
	now.Elem().Set(reflect.ValueOf(row).Elem())
	found := v.db.Session(&gorm.Session{}).Unscoped().Limit(1).Find(now.Interface())
	if found.Error != nil {
		return nil, false, found.Error
	}
	for _, name := range t.schema.DBNames {
		f := t.schema.FieldsByDBName[name]
		if f.TagSettings["HISTORY"] == "-" && !f.PrimaryKey {
			continue // the value of now, whenever
		}
		shown := value{Label: t.columnLabel(name)}
		if f.TagSettings["HISTORY"] != "" {
			shown.Hidden = true
			values = append(values, shown)
			continue
		}
		shown.Then = h.fieldText(v, f, reflect.ValueOf(then).Elem())
		if found.RowsAffected > 0 {
			if is := h.fieldText(v, f, now.Elem()); is != shown.Then {
				shown.Segments, differs = diff(shown.Then, is), true
			}
		}
		values = append(values, shown)
	}
	return values, differs || found.RowsAffected == 0, nil
}

// fieldText is a field of a model for people to read.
func (h *handler) fieldText(v *visit, f *schema.Field, row reflect.Value) string {
	value, _ := f.ValueOf(v.ctx, row)
	if valuer, ok := value.(driver.Valuer); ok {
		if raw, err := valuer.Value(); err == nil {
			value = raw
		}
	}
	of := reflect.ValueOf(value)
	for of.Kind() == reflect.Pointer {
		if of.IsNil() {
			return ""
		}
		of = of.Elem()
	}
	if !of.IsValid() {
		return ""
	}
	switch raw := of.Interface().(type) {
	case time.Time:
		return h.timeText(raw)
	case []byte:
		return bytesText(raw)
	case bool:
		return truthText(fmt.Sprint(raw))
	case fmt.Stringer:
		return raw.String()
	default:
		return fmt.Sprint(raw)
	}
}
