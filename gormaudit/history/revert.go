package history

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
)

// ErrNotReversible says that [Revert] can't put back what was not recorded: a
// redacted column, a truncated table, an recordAnonymization.
var ErrNotReversible = errors.New("history: the change can't be reverted: its values are not recorded")

// Revert takes one change back: the columns it changed get the values they had
// before, a created row is deleted, a deleted row is inserted again as it was.
// It is a write like any other, with the actor of db's context in the history
// and, where gormaudit is in use, in updated_by. By- and at-columns of an updated
// row are stamped, not put back.
//
// Changes since are not looked at: what they made of other columns stays. A row
// that is not there is [gorm.ErrRecordNotFound]. A created row is deleted as
// its model deletes, softly where it can.
//
// A column left out of the history (history:-) gets its default when a deleted
// row is inserted. One that is NOT NULL and has none makes Revert an error.
//
// The model is known for a change from [Of]. Otherwise say it, as in
// history.Revert(db.Model(&Note{}), change), or name it in [Config].
func Revert(db *gorm.DB, change Change) error {
	s, err := change.schemaOf(db)
	if err != nil {
		return err
	}
	for _, f := range change.Fields {
		if f.Err != nil {
			return fmt.Errorf("%w: table %q, column %q: %w", ErrNotReversible, change.Table, f.Column, f.Err)
		}
		if f.Redacted && change.Action != ActionCreate {
			return fmt.Errorf("%w: table %q, column %q", ErrNotReversible, change.Table, f.Column)
		}
	}
	return db.Session(&gorm.Session{NewDB: true}).Transaction(func(tx *gorm.DB) error {
		switch change.Action {
		case ActionUpdate, ActionSoftDelete, ActionRestore:
			return revertUpdate(tx, s, change)
		case ActionCreate:
			return revertCreate(tx, s, change)
		case ActionDelete:
			return revertDelete(tx, s, change)
		}
		return fmt.Errorf("%w: %s of table %q", ErrNotReversible, change.Action, change.Table)
	})
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

func revertUpdate(tx *gorm.DB, s *schema.Schema, change Change) error {
	values := map[string]any{}
	key, err := change.whereNow(s)
	if err != nil {
		return err
	}
	for _, f := range change.Fields {
		if !f.Bookkeeping {
			values[f.Column] = f.Before
		}
	}
	updated := tx.Model(newModel(s)).Unscoped().Where(key).Updates(values)
	if updated.Error != nil || updated.RowsAffected > 0 {
		return updated.Error
	}
	return mustExist(tx, s, key)
}

// mustExist tells a row that is missing from one that MySQL counts as not
// affected, because it already is what it should be.
func mustExist(tx *gorm.DB, s *schema.Schema, key clause.Expression) error {
	var n int64
	if err := tx.Model(newModel(s)).Unscoped().Where(key).Count(&n).Error; err != nil {
		return err
	}
	if n == 0 {
		return gorm.ErrRecordNotFound
	}
	return nil
}

func revertCreate(tx *gorm.DB, s *schema.Schema, change Change) error {
	key, err := change.where(s)
	if err != nil {
		return err
	}
	deleted := tx.Where(key).Delete(newModel(s))
	if deleted.Error == nil && deleted.RowsAffected == 0 {
		return gorm.ErrRecordNotFound
	}
	return deleted.Error
}

// revertDelete inserts past GORM's model, so that created_by and the like stay
// what they were.
func revertDelete(tx *gorm.DB, s *schema.Schema, change Change) error {
	var columns, values []any
	for _, f := range change.Fields {
		columns, values = append(columns, clause.Column{Name: f.Column}), append(values, f.Before)
	}
	for _, name := range change.nulls(s) {
		columns, values = append(columns, clause.Column{Name: name}), append(values, nil)
	}
	placeholders := strings.TrimSuffix(strings.Repeat("?, ", len(columns)), ", ")
	args := append([]any{clause.Table{Name: change.Table}}, append(columns, values...)...)
	return tx.Exec("INSERT INTO ? ("+placeholders+") VALUES ("+placeholders+")", args...).Error
}

// nulls are the columns of a deleted row that must be inserted as the NULL they
// were, because the database would put their default there.
func (c Change) nulls(s *schema.Schema) (names []string) {
	for _, name := range s.DBNames {
		f := s.FieldsByDBName[name]
		if _, set := c.Field(name); !set && f.HasDefaultValue && !f.NotNull && isRecorded(f) {
			names = append(names, name)
		}
	}
	return names
}

func newModel(s *schema.Schema) any { return reflect.New(s.ModelType).Interface() }
