package history

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"gorm.io/gorm"
)

// What [At] returns where there was no row.
var (
	// ErrNotYet says that the row was created later.
	ErrNotYet = errors.New("history: the row did not exist yet")
	// ErrDeleted says that the row was deleted before.
	ErrDeleted = errors.New("history: the row was deleted")
	// ErrTruncated says that the table was truncated since, which leaves no
	// values behind.
	ErrTruncated = errors.New("history: the table was truncated, what its rows held is not recorded")
)

// At returns a row as it was at a time. key is the value of its only key
// column, or a T or *T with its key set. A row that did not exist is [ErrNotYet]
// or [ErrDeleted], one that the history has never seen and that is not there is
// [gorm.ErrRecordNotFound]. A row that was soft-deleted by then is returned,
// with its deleted-at field set.
//
// It begins at the row of now and takes back what was recorded since, so a row
// older than its history is what it was when that began. Columns left out of the
// history have the value of now, redacted ones the zero value once they changed.
func At[T any](db *gorm.DB, key any, at time.Time) (T, error) {
	var row T
	r, db, err := newReader(db)
	if err != nil {
		return row, err
	}
	t, err := describe(db, r.dialect, &row)
	if err != nil {
		return row, err
	}
	past := rewind{ctx: contextOf(db), table: t, then: map[string]Value{}}
	recorded, err := past.find(db, &row, key)
	if err != nil {
		return row, err
	}
	// The row was read first: what was written in between is taken back twice,
	// which does no harm.
	since, err := r.read(r.row(db, t, recorded).Where(r.dialect.time()+" > "+r.dialect.instant(), instantOf(at)).Order("changes.id DESC"))
	if err != nil {
		return row, err
	}
	for _, c := range since {
		if err := past.undo(c); err != nil {
			return row, err
		}
	}
	switch {
	case past.truncated:
		err = ErrTruncated
	case !past.exists:
		err = past.absence(db, r, recorded, at)
	default:
		err = past.scan(db, r.dialect, &row)
	}
	if err != nil {
		return *new(T), err
	}
	return row, nil
}

// rewind takes a row back in time.
type rewind struct {
	ctx       context.Context
	table     table
	columns   []string         // that the table has
	now       []any            // the row's values as the driver gives them, nil where there is no row
	then      map[string]Value // by column, where they differ from now
	exists    bool
	truncated bool
	seen      bool // the history knows the row
}

// find reads the row as it is now and returns its recorded key. model is a pointer
// to a zero one.
func (w *rewind) find(db *gorm.DB, model, key any) (any, error) {
	values, err := w.keyValues(model, key)
	if err != nil {
		return nil, err
	}
	recorded, err := w.table.key(values)
	if err != nil {
		return nil, err
	}
	rows, err := db.Session(&gorm.Session{NewDB: true}).Unscoped().Model(model).Table(w.table.name).
		Where(whereKey(w.table.schema, values)).Limit(1).Rows()
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	w.columns, w.now, err = nextRow(rows)
	w.exists = w.now != nil
	return recorded, err
}

func (w *rewind) keyValues(model, key any) ([]any, error) {
	given := reflect.Indirect(reflect.ValueOf(key))
	if own := reflect.TypeOf(model).Elem(); !given.IsValid() || given.Type() != own {
		if len(w.table.keys) != 1 {
			return nil, fmt.Errorf("history: table %q: a key of %d columns is given as a %s", w.table.name, len(w.table.keys), own)
		}
		return []any{key}, nil
	}
	values := make([]any, len(w.table.keys))
	for i, c := range w.table.keys {
		values[i], _ = w.table.schema.FieldsByDBName[c.name].ValueOf(w.ctx, given)
	}
	return values, nil
}

// undo takes back one change.
func (w *rewind) undo(c Change) error {
	w.seen = true
	switch c.Action {
	case ActionCreate:
		w.exists, w.truncated = false, false
		return nil
	case ActionTruncate:
		w.truncated = !w.exists
		return nil
	case ActionDelete:
		w.now, w.then = nil, map[string]Value{}
		w.exists, w.truncated = true, false
	}
	for _, f := range c.Fields {
		switch {
		case f.Err != nil:
			return fmt.Errorf("history: change %d: column %q: %w", c.ID, f.Column, f.Err)
		case f.Redacted:
			w.then[f.Column] = Value{}
		default:
			w.then[f.Column] = f.Before
		}
	}
	return nil
}

// scan reads the row as it was by the road that GORM reads rows.
func (w *rewind) scan(db *gorm.DB, d restorer, dest any) error {
	row := make([]any, len(w.columns))
	copy(row, w.now)
	stored, err := d.stored(db, w.table.name)
	if err != nil {
		return err
	}
	var places []int
	var columns []storedColumn
	var values []Value
	for i, name := range w.columns {
		field := w.table.schema.LookUpField(name)
		if field == nil {
			continue
		}
		at := slices.IndexFunc(stored, func(c storedColumn) bool { return c.name == name })
		if v, differs := w.then[field.DBName]; differs && at >= 0 {
			places, columns, values = append(places, i), append(columns, stored[at]), append(values, v)
		}
	}
	read, err := d.asRead(db, w.table.name, columns, values)
	if err != nil {
		return fmt.Errorf("history: table %q: %w", w.table.name, err)
	}
	for i, place := range places {
		row[place] = read[i]
	}
	return driverRows{columns: w.columns, rows: [][]any{row}}.scan(db, dest)
}

// absence says why there was no row: the last change until then knows.
func (w *rewind) absence(db *gorm.DB, r reader, key any, at time.Time) error {
	last, err := r.read(r.row(db, w.table, key).Where(r.dialect.time()+" <= "+r.dialect.instant(), instantOf(at)).Order("changes.id DESC").Limit(1))
	switch {
	case err != nil:
		return err
	case len(last) > 0:
		return ErrDeleted
	case w.seen:
		return ErrNotYet
	}
	return gorm.ErrRecordNotFound
}
