package historyweb

import (
	"cmp"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/internal/damaged"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/internal/keyed"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/internal/tagged"
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
	f = readFilter(v.r.Form)
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

// refer leads to the row of a page.
func (h *handler) refer(v *visit, t *Table, row any, f filter) (rowRef, error) {
	found := titles{}
	if t.title != nil {
		if err := h.titlesOf(v, t, map[string]any{rowID(f.Table, f.Key): row}, found); err != nil {
			return rowRef{}, err
		}
	}
	return found.refer(t, f.Table, f.Key), nil
}

func (h *handler) story(v *visit) error {
	t, row, f, err := h.rowOf(v)
	if err != nil {
		return err
	}
	found, err := h.part(v, history.Query{Rows: []any{keyed.Row{Model: row}}, Before: f.Before})
	if err != nil {
		return err
	}
	if len(found.changes) == 0 {
		if _, there, err := h.now(v, t, row); err != nil || !there {
			return errNotFound // what can't be asked for is no key of the table's
		}
	}
	page := storyPage{Filter: f, Now: h.at(time.Now())}
	if page.Row, err = h.refer(v, t, row, f); err != nil {
		return err
	}
	if older := found.olderThan(); older > 0 {
		page.Older = f.Older("row", older)
	}
	if page.Days, err = h.days(v, found); err != nil {
		return err
	}
	if err := h.leadToMoments(v, page.Days, f, found.changes); err != nil {
		return err
	}
	if f.Before > 0 {
		page.Newest = f.Address("row")
	}
	return h.render(v, "story", page.Row.Label, page)
}

// leadToMoments gives each change the address of the row as it was after it: when its
// transaction had ended, for the row was never seen in the middle of one.
func (h *handler) leadToMoments(v *visit, days []day, f filter, changes []history.Change) error {
	asked := append([]history.Change{{ID: f.Before}}, changes...) // the next newer one is on the page before
	ends, err := history.Ends(v.db, asked)
	if err != nil {
		return err
	}
	n := 0
	for _, day := range days {
		for _, set := range day.Sets {
			for i := range set.Changes {
				next, end := ends[n], ends[n+1]
				set.Changes[i].Then, set.Changes[i].With = f.Moment(h.at(end).Machine()), next.Equal(end)
				n++
			}
		}
	}
	return nil
}

// momentPage is a row as it was.
type momentPage struct {
	Filter  filter
	Row     rowRef
	At      moment
	Unknown bool   // nothing is recorded from before then
	Absence string // why there is no row
	Damage  string // which changes can't be read
	Values  []value
	Restore string // the address that writes it so, empty if that may not be
	Problem string
}

// Stamped reports whether the row says who updated it, or when: an update of these
// columns alone is not recorded.
func (p momentPage) Stamped() bool {
	return slices.ContainsFunc(p.Values, func(v value) bool { return v.stamped })
}

// value is a column as it was, beside now.
type value struct {
	Label    string
	Then     string
	Segments []segment // from then to now, nil if it is the same
	Back     []segment // from now to then
	Hidden   bool
	Lost     bool // nobody knows how it was
	stamped  bool // whoever writes stamps it
}

// differs reports whether restoring would change it.
func (v value) differs() bool { return len(v.Back) > 0 && !v.stamped }

func (h *handler) moment(v *visit) error {
	t, row, f, err := h.rowOf(v)
	if err != nil {
		return err
	}
	asked := h.readTime(f, "at", v.r.Form.Get("at"))
	at := cmp.Or(asked, time.Now())
	page := momentPage{Filter: f, At: h.at(at), Problem: f.Problems["at"]}
	then, err := h.then(v, t, row, at)
	damage := damageIn(err)
	if page.Absence = absence(err); err != nil && page.Absence == "" && damage == nil {
		return err
	}
	if page.Row, err = h.refer(v, t, row, f); err != nil {
		return err
	}
	if page.Unknown, err = h.unknown(v, t, row, asked); err != nil {
		return err
	}
	switch {
	case damage != nil:
		page.Damage, page.Values, err = cantRead(damage), nil, nil
		if damage.Row != nil {
			page.Values, err = h.values(v, t, row, damage.Row, damage.Lost)
		}
	case page.Absence == "":
		if page.Values, err = h.values(v, t, row, then, nil); err == nil {
			page.Restore, err = h.restoring(v, row, page)
		}
	case page.Unknown && page.Absence == absence(history.ErrNotYet):
		page.Absence = "It did not exist yet, as far as is recorded."
	}
	if err != nil {
		return err
	}
	return h.render(v, "moment", page.Row.Label+" as it was", page)
}

// unknown reports whether the history does not go back to a time: it has just begun, or
// [history.Prune] has deleted what came before. It goes back to the oldest change that it
// has of the row's table, and is whole from there on.
func (h *handler) unknown(v *visit, t *Table, row any, at time.Time) (bool, error) {
	if at.IsZero() || !at.Before(time.Now()) { // it asks for now
		return false, nil
	}
	reaches, err := h.reaches(v, history.Query{Rows: []any{keyed.Row{Model: row}}}, at) // which costs less
	if err != nil || reaches {
		return false, err
	}
	next, err := h.firstAfter(v, at)
	if err == nil {
		reaches, err = h.reaches(v, history.Query{Tables: []any{t.model}, Before: next}, at)
	}
	return !reaches, err
}

// reaches reports whether a query finds a change that counts at a time: one whose
// transaction had ended.
func (h *handler) reaches(v *visit, q history.Query, at time.Time) (bool, error) {
	q.Limit, q.Until = 1, at.Add(time.Millisecond) // SQLite keeps milliseconds
	for {
		found, err := history.Find(v.db, q)
		if err != nil || len(found) == 0 {
			return false, err
		}
		ends, err := history.Ends(v.db, found)
		if err != nil || !ends[0].After(at) {
			return err == nil, err
		}
		q.Before = found[0].ID
		if began := found[0].ChangeSet.At; !began.IsZero() && began.Before(q.Until) {
			q.Until = began // past all of that change set
		}
	}
}

// firstAfter is the id from which on changes of whatever table came after a time. Ids go
// up with time, so it halves what is left of them: times have no index.
func (h *handler) firstAfter(v *visit, at time.Time) (int64, error) {
	newest, err := history.Find(v.db, history.Query{Limit: 1})
	if err != nil || len(newest) == 0 {
		return 1, err
	}
	low, high := int64(1), newest[0].ID+1
	for low < high {
		middle := low + (high-low)/2
		found, err := history.Find(v.db, history.Query{Before: middle + 1, Limit: 1})
		if err != nil {
			return 0, err
		}
		if len(found) > 0 && found[0].At.After(at) {
			high = found[0].ID
		} else {
			low = middle + 1
		}
	}
	return low, nil
}

// restoring is the address that writes a row as a page shows it, "" where that may
// not be or changes nothing.
func (h *handler) restoring(v *visit, row any, page momentPage) (string, error) {
	may, err := h.config.MayRestore(v.ctx, v.actor, row)
	if err != nil || !may || !slices.ContainsFunc(page.Values, value.differs) {
		return "", err
	}
	return page.Filter.Restore(page.At.Machine()), nil
}

// damageIn is what err says of records that can't be read, nil if it says something
// else.
func damageIn(err error) *damaged.Error {
	var damage *damaged.Error
	errors.As(err, &damage)
	return damage
}

// cantRead says which changes can't be read, and which values.
func cantRead(damage *damaged.Error) string {
	misfit := ""
	if damage.Misfit {
		misfit = "What is recorded of a column does not fit it any more, because the column's type has changed."
	}
	ids := make([]string, len(damage.Changes))
	for i, id := range damage.Changes {
		ids[i] = strconv.FormatInt(id, 10)
	}
	switch len(ids) {
	case 0:
		return misfit
	case 1:
		return strings.TrimSpace("Change " + ids[0] + " can't be read: its record is damaged. " + misfit)
	}
	return strings.TrimSpace("Changes " + strings.Join(ids, ", ") + " can't be read: their records are damaged. " + misfit)
}

// then is a row as it was. What the database refuses to look for, as a number that is
// too large for the column, is no key of the table's.
func (h *handler) then(v *visit, t *Table, row any, at time.Time) (any, error) {
	then, err := t.at(v.db, row, at)
	if err == nil || absence(err) != "" || damageIn(err) != nil {
		return then, err
	}
	changes, failed := history.Find(v.db, history.Query{Rows: []any{keyed.Row{Model: row}}, Limit: 1})
	if failed == nil && len(changes) == 0 {
		return nil, errNotFound
	}
	return nil, err
}

// absence says why there was no row, "" if there is another reason.
func absence(err error) string {
	switch {
	case errors.Is(err, history.ErrNotYet):
		return "It did not exist yet."
	case errors.Is(err, history.ErrDeleted):
		return "It had been deleted for good."
	case errors.Is(err, history.ErrTruncated):
		return "Its table was emptied since, and what was in it is not recorded."
	}
	return ""
}

// now is a row as it is, also in the trash.
func (h *handler) now(v *visit, t *Table, row any) (now reflect.Value, there bool, err error) {
	is := reflect.New(t.schema.ModelType)
	found := v.db.Session(&gorm.Session{}).Unscoped().Clauses(t.only(v.ctx, row)).Limit(1).Find(is.Interface())
	return is.Elem(), found.RowsAffected > 0, found.Error
}

// values are the columns of a row as it was, beside the row of now. Of those that are
// lost nobody knows how they were.
func (h *handler) values(v *visit, t *Table, row, then any, lost map[string]bool) (values []value, err error) {
	now, there, err := h.now(v, t, row)
	if err != nil {
		return nil, err
	}
	var known map[string]bool
	if !there {
		if known, err = h.known(v, row); err != nil {
			return nil, err
		}
	}
	people := h.people(v, h.idsOf(v, t, reflect.ValueOf(then).Elem(), now))
	text := func(f *schema.Field, row reflect.Value) string {
		if t.by[f] {
			return people.named(h.idOf(v, f, row))
		}
		return h.fieldText(v, f, row)
	}
	for _, name := range t.schema.DBNames {
		f := t.schema.FieldsByDBName[name]
		tag := tagged.Of(f)
		if tag.LeftOut && !f.PrimaryKey {
			continue // the value of now, whenever
		}
		shown := value{Label: t.columnLabel(name), stamped: t.stamped[f], Lost: lost[name], Hidden: tag.Hides()}
		// What no change of a row that is gone knows was NULL, or was no column yet.
		if shown.Hidden || shown.Lost || !there && !known[name] {
			values = append(values, shown)
			continue
		}
		shown.Then = text(f, reflect.ValueOf(then).Elem())
		if !there {
			shown.Back = excerpt("ins", shown.Then)
		} else if is := text(f, now); is != shown.Then {
			shown.Segments, shown.Back = diff(shown.Then, is), diff(is, shown.Then)
		}
		values = append(values, shown)
	}
	return values, nil
}

// known are the columns that the changes of a row know of.
func (h *handler) known(v *visit, row any) (map[string]bool, error) {
	known := map[string]bool{}
	for c, err := range history.All(v.db, history.Query{Rows: []any{keyed.Row{Model: row}}}) {
		if err != nil {
			return nil, err
		}
		for _, f := range c.Fields {
			known[f.Column] = true
		}
	}
	return known, nil
}

// idsOf are the ids that the by-columns of rows hold.
func (h *handler) idsOf(v *visit, t *Table, rows ...reflect.Value) (ids []string) {
	for f := range t.by {
		for _, row := range rows {
			ids = append(ids, h.idOf(v, f, row))
		}
	}
	slices.Sort(ids)
	return ids
}

// idOf is the id that a by-column holds, "" for nobody's.
func (h *handler) idOf(v *visit, f *schema.Field, row reflect.Value) string {
	value, zero := f.ValueOf(v.ctx, row)
	if zero {
		return ""
	}
	if valuer, ok := value.(driver.Valuer); ok {
		value, _ = valuer.Value()
	}
	return idText(value, h.fieldText(v, f, row))
}

// fieldText is a field of a model for people to read.
func (h *handler) fieldText(v *visit, f *schema.Field, row reflect.Value) string {
	value, _ := f.ValueOf(v.ctx, row)
	if of := reflect.ValueOf(value); of.Kind() == reflect.Pointer && of.IsNil() {
		return "" // of a Valuer, too, whose method may want a value
	}
	if valuer, ok := value.(driver.Valuer); ok {
		if raw, err := valuer.Value(); err == nil {
			value = raw
		}
	}
	of := reflect.Indirect(reflect.ValueOf(value))
	if !of.IsValid() {
		return ""
	}
	if of.Kind() == reflect.Slice && of.IsNil() {
		return ""
	}
	switch raw := of.Interface().(type) {
	case time.Time:
		return h.timeText(raw)
	case bool:
		return truthText(fmt.Sprint(raw))
	case fmt.Stringer:
		return raw.String()
	}
	if isBytes := of.Kind() == reflect.Slice && of.Type().Elem().Kind() == reflect.Uint8; isBytes {
		return bytesText(of.Bytes())
	}
	return fmt.Sprint(of.Interface())
}
