package history

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"
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
	past := rewind{ctx: contextOf(db), table: t, row: reflect.ValueOf(&row).Elem()}
	recorded, err := past.find(db, key)
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
		return row, nil
	}
	var none T
	return none, err
}

// rewind takes a row back in time.
type rewind struct {
	ctx       context.Context
	table     table
	row       reflect.Value // a settable T
	exists    bool
	truncated bool
	seen      bool // the history knows the row
}

// find reads the row as it is now and returns its recorded key.
func (w *rewind) find(db *gorm.DB, key any) (any, error) {
	values, err := w.keyValues(key)
	if err != nil {
		return nil, err
	}
	recorded, err := w.table.key(values)
	if err != nil {
		return nil, err
	}
	found := db.Session(&gorm.Session{NewDB: true}).Unscoped().
		Where(whereKey(w.table.schema, values)).Limit(1).Find(w.row.Addr().Interface())
	w.exists = found.RowsAffected > 0
	return recorded, found.Error
}

func (w *rewind) keyValues(key any) ([]any, error) {
	given := reflect.Indirect(reflect.ValueOf(key))
	if !given.IsValid() || given.Type() != w.row.Type() {
		if len(w.table.keys) != 1 {
			return nil, fmt.Errorf("history: table %q: a key of %d columns is given as a %s", w.table.name, len(w.table.keys), w.row.Type())
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
		w.row.SetZero()
		w.exists, w.truncated = true, false
	}
	for _, f := range c.Fields {
		field := w.table.schema.FieldsByDBName[f.Column]
		if field == nil {
			continue // the model has lost it since
		}
		if err := w.set(field, f); err != nil {
			return fmt.Errorf("history: change %d: column %q: %w", c.ID, f.Column, err)
		}
	}
	return nil
}

func (w *rewind) set(field *schema.Field, f Field) error {
	if f.Redacted {
		return field.Set(w.ctx, w.row, nil)
	}
	if field.Serializer != nil {
		return field.Serializer.Scan(w.ctx, field, w.row, f.Before.raw)
	}
	value := f.Before.source()
	if _, isReal := value.(float64); isReal && field.IndirectFieldType.Kind() == reflect.String {
		value = f.Before.String() // GORM would round it
	}
	return field.Set(w.ctx, w.row, value)
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
