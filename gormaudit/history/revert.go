package history

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit/internal/plugins"
)

// ErrNotReversible says that [Revert] can't put back what a change did, because it
// was not recorded (a redacted column, a truncated table, a person that [Anonymize]
// removed) or can't be read or written.
var ErrNotReversible = errors.New("history: the change can't be reverted")

// ConflictError says that a row is no longer as a change left it. [Revert] has then
// written nothing, because it would overwrite what others have written since.
type ConflictError struct {
	// Columns are those that hold something else now, in the order of the change. If
	// the row is gone, they are all columns that the change changed. If a deleted row
	// is there again, they are the key.
	Columns []string

	table string
	gone  bool
}

// Error names the table and the columns.
func (e *ConflictError) Error() string {
	what := "has changed since in " + strings.Join(e.Columns, ", ")
	if e.gone {
		what = "is not there any more"
	}
	return fmt.Sprintf("history: the row of table %q %s", e.table, what)
}

// Unwrap returns [gorm.ErrRecordNotFound] if the row is gone.
func (e *ConflictError) Unwrap() error {
	if e.gone {
		return gorm.ErrRecordNotFound
	}
	return nil
}

// Revert takes one change back: the columns it changed get the values they had
// before, a created row is deleted, a deleted row is inserted again as it was. Revert
// is a write like any other, with the actor of db's context in the history and, if the
// model has it, in updated_by. So db needs the [Plugin], and gormaudit's plugin for a
// model with updated_by or deleted_by: without them Revert returns an error.
//
// Where a column no longer holds what the change wrote, Revert writes nothing and
// returns a [*ConflictError]. Later changes of other columns stay. If the row is
// gone, the error is a [*ConflictError] too, which wraps [gorm.ErrRecordNotFound]. A
// created row is deleted as its model deletes: softly, if it can.
//
// The updated_* columns of an updated row are stamped, not put back. Columns that the
// database generates and those that are gone are left out. If nothing else is left,
// Revert returns [ErrNotReversible]. Columns that the model may not write (<-:create,
// <-:false, ->), created_* and deleted_* are put back past the model, in a statement
// of their own.
//
// A column left out of the history (history:-) gets its default when a deleted row is
// inserted. If such a column is NOT NULL and has no default, Revert returns an error.
//
// A change from [Of] knows its model. For other changes name the model, as in
// history.Revert(db.Model(&Note{}), change), or name it in [Config].
func Revert(db *gorm.DB, change Change) error {
	s, err := change.schemaOf(db)
	if err != nil {
		return err
	}
	if err := change.reversible(); err != nil {
		return err
	}
	return db.Session(&gorm.Session{NewDB: true}).Transaction(func(tx *gorm.DB) error {
		r, err := newReversal(tx, s, change)
		if err != nil {
			return err
		}
		switch change.Action {
		case ActionCreate:
			return r.create()
		case ActionDelete:
			return r.delete()
		default:
			return r.update()
		}
	})
}

// reversible is an error for a change whose values are not recorded.
func (c Change) reversible() error {
	switch c.Action {
	case ActionUpdate, ActionSoftDelete, ActionRestore, ActionCreate, ActionDelete:
	default:
		return fmt.Errorf("%w: %s of table %q: the values are not recorded", ErrNotReversible, c.Action, c.Table)
	}
	for _, f := range c.Fields {
		if f.Err != nil {
			return fmt.Errorf("%w: table %q, column %q: %s", ErrNotReversible, c.Table, f.Column, strings.TrimPrefix(f.Err.Error(), "history: "))
		}
		if f.Redacted && c.Action != ActionCreate {
			return fmt.Errorf("%w: table %q, column %q: its values are not recorded", ErrNotReversible, c.Table, f.Column)
		}
	}
	return nil
}

// schemaOf finds the model of a change's table.
func (c Change) schemaOf(db *gorm.DB) (*schema.Schema, error) {
	if c.schema != nil {
		return c.schema, nil
	}
	models := []any{db.Statement.Model}
	if p := pluginOf(db); p != nil {
		models = append(models, p.config.Models...)
	}
	for _, model := range models {
		stmt := &gorm.Statement{DB: db}
		if model != nil && stmt.Parse(model) == nil && stmt.Schema.Table == c.Table {
			return stmt.Schema, nil
		}
	}
	return nil, fmt.Errorf("history: table %q: its model is not known (db.Model(&T{})? Config.Models?)", c.Table)
}

// reversal takes one change back in a transaction.
type reversal struct {
	tx      *gorm.DB
	dialect restorer
	schema  *schema.Schema
	change  Change
	stored  []storedColumn
	stamps  map[*schema.Field]bool // see stampsOf
	moved   bool                   // the key is what it was before the change again

	overwrites bool // what others have written since
}

func newReversal(tx *gorm.DB, s *schema.Schema, change Change) (*reversal, error) {
	r := &reversal{tx: tx, schema: s, change: change}
	if err := plugins.SayWho(tx, s); err != nil {
		return r, err
	}
	d, err := dialectOf(tx)
	if err != nil {
		return r, err
	}
	if err := d.lockForWrite(contextOf(tx), poolOf(tx)); err != nil { // it reads first
		return r, fmt.Errorf("history: Revert: %w", err)
	}
	r.dialect = d
	if r.stamps, err = stampsOf(s); err != nil {
		return r, err
	}
	r.stored, err = d.stored(tx, s.Table)
	return r, err
}

// place is a column and the value that it has or is to get.
type place struct {
	column storedColumn
	field  *schema.Field // nil if the model has lost it
	value  Value
}

// places are the change's columns that the table has, with the values that value
// chooses.
func (r *reversal) places(value func(f Field) Value) (places []place) {
	for _, f := range r.change.Fields {
		at := slices.IndexFunc(r.stored, func(c storedColumn) bool { return c.name == f.Column })
		if at < 0 {
			at = slices.IndexFunc(r.stored, func(c storedColumn) bool { return strings.EqualFold(c.name, f.Column) })
		}
		if at >= 0 && !f.Redacted {
			places = append(places, place{column: r.stored[at], field: r.schema.FieldsByDBName[f.Column], value: value(f)})
		}
	}
	return places
}

func before(f Field) Value { return f.Before }
func after(f Field) Value  { return f.After }

// update puts the columns of a row back.
func (r *reversal) update() error {
	key, err := r.key()
	if err != nil {
		return err
	}
	expected := r.places(after)
	if r.overwrites {
		expected = nil
	}
	if err := r.check(key, expected); err != nil {
		return err
	}
	through, past := r.split()
	if err := r.fits(slices.Concat(through, past)); err != nil {
		return err
	}
	if len(through)+len(past) == 0 {
		return fmt.Errorf("%w: table %q: the database generates what it changed, or the columns are gone", ErrNotReversible, r.schema.Table)
	}
	if len(through) > 0 {
		values := map[string]any{}
		for _, p := range through {
			if values[p.field.DBName] = nil; !p.value.IsNull() { // gormaudit looks whether deleted_at is cleared
				values[p.field.DBName] = r.dialect.written(p.column, p.value)
			}
			if p.field.PrimaryKey {
				r.moved = true
			}
		}
		if err := r.wrote(r.model().Unscoped().Where(key).Updates(values), through); err != nil {
			return err
		}
	}
	return r.updatePast(past)
}

// split parts the columns that are put back into those that the model may write,
// and the others.
func (r *reversal) split() (through, past []place) {
	for _, p := range r.places(before) {
		updated, stamp := r.stamps[p.field]
		switch {
		case p.column.generated, updated:
		case p.field == nil, !p.field.Updatable, stamp:
			past = append(past, p)
		default:
			through = append(through, p)
		}
	}
	return through, past
}

// updatePast writes columns past the model, where writing the others has not put
// them back: gormaudit clears a deleted_by.
func (r *reversal) updatePast(places []place) error {
	if len(places) == 0 {
		return nil
	}
	key, err := r.key()
	if err != nil {
		return err
	}
	var conflict *ConflictError
	if err := r.check(key, places); !errors.As(err, &conflict) || conflict.gone {
		return err
	}
	args := []any{clause.Table{Name: r.schema.Table}}
	for _, p := range places {
		args = append(args, clause.Column{Name: p.column.name}, r.dialect.written(p.column, p.value))
	}
	statement := "UPDATE ? SET ? = ?" + strings.Repeat(", ? = ?", len(places)-1) + " WHERE ?"
	return r.wrote(r.tx.Table(r.schema.Table).Exec(statement, append(args, key)...), places)
}

// key is the condition on the row as it is.
func (r *reversal) key() (clause.Expression, error) {
	if r.moved {
		return r.change.where(r.schema)
	}
	return r.change.whereNow(r.schema)
}

// model is a query of the model, in the table that it was asked for.
func (r *reversal) model() *gorm.DB { return r.tx.Model(newModel(r.schema)).Table(r.schema.Table) }

// wrote is an error for a statement that left the places as they were. MySQL counts
// no row that already is what it should be.
func (r *reversal) wrote(result *gorm.DB, places []place) error {
	if result.Error != nil || result.RowsAffected > 0 {
		return r.failed(result.Error, places)
	}
	key, err := r.key()
	if err == nil && len(places) > 0 {
		err = r.check(key, places)
	}
	if err != nil || len(places) == 0 {
		return fmt.Errorf("%w: the database kept the row of table %q as it is", ErrNotReversible, r.schema.Table)
	}
	return nil
}

// create deletes the row, if it still is what was created.
func (r *reversal) create() error {
	key, err := r.change.where(r.schema)
	if err != nil {
		return err
	}
	if err := r.check(key, append(r.places(after), r.nulls()...)); err != nil {
		return err
	}
	return r.wrote(r.model().Where(key).Delete(newModel(r.schema)), nil)
}

// delete inserts past GORM's model, so that created_by and the like stay what they
// were.
func (r *reversal) delete() error {
	key, err := r.change.where(r.schema)
	if err != nil {
		return err
	}
	switch err := r.check(key, nil); {
	case err == nil:
		return &ConflictError{Columns: keyNames(r.schema), table: r.schema.Table}
	case !errors.Is(err, gorm.ErrRecordNotFound):
		return err
	}
	places := append(r.places(before), r.nulls()...)
	if err := r.fits(places); err != nil {
		return err
	}
	var columns, values []any
	override := ""
	for _, p := range places {
		if !p.column.generated {
			columns, values = append(columns, clause.Column{Name: p.column.name}), append(values, r.dialect.written(p.column, p.value))
		}
		if p.column.identity {
			override = " OVERRIDING SYSTEM VALUE"
		}
	}
	list := "(?" + strings.Repeat(", ?", len(columns)-1) + ")"
	args := append([]any{clause.Table{Name: r.schema.Table}}, append(columns, values...)...)
	if err := r.tx.Exec("INSERT INTO ? "+list+override+" VALUES "+list, args...).Error; err != nil {
		return r.failed(err, places)
	}
	return r.check(key, nil) // MySQL gives a key of 0 a number of its own
}

// nulls are the recorded columns that were NULL in a row that was created or
// deleted: they have no field.
func (r *reversal) nulls() (places []place) {
	for _, c := range r.stored {
		field := r.schema.LookUpField(c.name)
		if field == nil || !isRecorded(field) || c.notNull || c.generated {
			continue
		}
		if _, set := r.change.Field(field.DBName); !set {
			places = append(places, place{column: c, field: field})
		}
	}
	return places
}

// check locks the row, and returns a [ConflictError] unless it is there and its
// columns hold what they should. What is stamped moves with each write.
func (r *reversal) check(key clause.Expression, places []place) error {
	places = slices.DeleteFunc(slices.Clone(places), func(p place) bool { return r.stamps[p.field] })
	conditions := []any{gorm.Expr("1")}
	for _, p := range places {
		conditions = append(conditions, r.dialect.holds(r.schema.Table, p.column, p.value))
	}
	rows, err := r.tx.Table(r.schema.Table).Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Where(key).
		Select("?"+strings.Repeat(", ?", len(places)), conditions...).Rows()
	if err != nil {
		return r.failed(err, places)
	}
	defer func() { _ = rows.Close() }()
	_, held, err := nextRow(rows)
	if err != nil {
		return r.failed(err, places)
	}
	conflict := &ConflictError{table: r.schema.Table, gone: held == nil}
	for i, p := range places {
		if conflict.gone || fmt.Sprint(held[i+1]) != "1" && held[i+1] != true {
			conflict.Columns = append(conflict.Columns, p.column.name)
		}
	}
	if conflict.gone || len(conflict.Columns) > 0 {
		return conflict
	}
	return nil
}

// fits is an error for values that their columns can't take any more. SQLite, and MariaDB
// where it is not strict, would write them.
func (r *reversal) fits(places []place) error {
	var columns []storedColumn
	var values []Value
	for _, p := range places {
		if !p.value.IsNull() && !p.column.generated {
			columns, values = append(columns, p.column), append(values, p.value)
		}
	}
	unfit, err := misfits(r.tx, r.dialect, r.schema, columns, values)
	if err != nil || len(unfit) == 0 {
		return err
	}
	return fmt.Errorf("%w: %s", ErrNotReversible, misfitText(r.schema.Table, r.change.Key, columns[unfit[0]]))
}

// failed says of which row an error is, if the database refused a value.
func (r *reversal) failed(err error, places []place) error {
	if !r.dialect.misfit(err) {
		return err
	}
	var names []string
	for _, p := range places {
		names = append(names, p.column.name)
	}
	return fmt.Errorf("%w: table %q, row %s, of columns %s: %w", ErrNotReversible, r.schema.Table, strings.Join(r.change.Key, ", "), strings.Join(names, ", "), err)
}

func newModel(s *schema.Schema) any { return reflect.New(s.ModelType).Interface() }
