package history

import (
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
)

// Restore writes a row as it was at a time, and returns the change that it made. It
// returns the zero Change if the row is like that already. key and at are as for
// [At], whose errors Restore returns if there was no row.
//
// It overwrites what others have written since, in the columns that have changed. It
// inserts a row that was deleted. If another row has the key by now, Restore
// overwrites that row. It is a write like any other, with the actor of db's context
// in the history and, if the model has it, in updated_by. So db needs the plugins that
// [Revert] needs. created_* and deleted_* are what they were. Columns left out of the
// history (history:-) stay as they are.
//
// A column that counts versions for an optimistic lock must not go back, or somebody
// who has an old version of the row open overwrites what was restored. Leave the
// column out (history:-), and count it up in a BeforeUpdate hook, which Restore runs,
// as the notes of the example do.
//
// [ErrNotReversible] says that something is not recorded: a redacted column that has
// changed since, or any column of a deleted row that is redacted or left out. It also
// says that a column can't take what is recorded of it any more, and names the
// column. Restore then writes nothing.
func Restore[T any](db *gorm.DB, key any, at time.Time) (Change, error) {
	r, fresh, err := newReader(db)
	if err != nil {
		return Change{}, err
	}
	t, err := r.describe(db, fresh, new(T))
	if err != nil {
		return Change{}, err
	}
	var made Change
	err = db.Session(&gorm.Session{NewDB: true}).Transaction(func(tx *gorm.DB) error {
		p := past{reader: r, db: uncached(tx), rows: tx, table: t, model: new(T), at: at, then: map[string]Value{}}
		if err := p.find(key); err != nil || len(p.since) == 0 {
			return err
		}
		if p.damage != nil {
			return p.damage
		}
		if err := p.restore(tx); err != nil {
			return err
		}
		made, err = p.newest()
		return err
	})
	if err != nil {
		return Change{}, err
	}
	return made, nil
}

// restore takes back in one what was recorded since.
func (p *past) restore(tx *gorm.DB) error {
	whole := p.whole()
	if whole.Action == ActionDelete && len(p.table.leftOut) > 0 {
		return fmt.Errorf("%w: table %q leaves out column %q", ErrNotReversible, p.table.name, p.table.leftOut[0])
	}
	if err := whole.reversible(); err != nil {
		return err
	}
	back, err := newReversal(tx, p.table.schema, whole)
	if err != nil {
		return err
	}
	back.overwrites = true
	if whole.Action == ActionUpdate {
		return back.update()
	}
	key, err := whole.where(p.table.schema)
	if err != nil {
		return err
	}
	if back.check(key, nil) == nil { // its key is in use again
		return back.replace()
	}
	if err := back.delete(); err != nil {
		return err
	}
	return back.touch()
}

// replace writes a deleted row over the one that has its key.
func (r *reversal) replace() error {
	for _, null := range r.nulls() {
		r.change.Fields = append(r.change.Fields, Field{Column: null.field.DBName})
	}
	r.change.Fields = slices.DeleteFunc(r.change.Fields, func(f Field) bool {
		return slices.Contains(keyNames(r.schema), f.Column)
	})
	return r.update()
}

// whole is all that was recorded since as one change.
func (p *past) whole() Change {
	last := p.since[len(p.since)-1]
	whole := Change{Table: p.table.name, Key: p.since[0].Key, Action: ActionUpdate, schema: p.table.schema}
	if last.Action == ActionDelete {
		whole.Action = ActionDelete
	}
	places := map[string]int{}
	for _, c := range p.since {
		for _, f := range c.Fields {
			i, known := places[f.Column]
			if !known {
				places[f.Column] = len(whole.Fields)
				whole.Fields = append(whole.Fields, f)
				continue
			}
			whole.Fields[i].After = f.After
			whole.Fields[i].Redacted = whole.Fields[i].Redacted || f.Redacted
		}
	}
	return whole
}

// newest is the last change of the row, if it came after the others.
func (p *past) newest() (Change, error) {
	last := p.since[len(p.since)-1]
	found, err := p.reader.read(p.reader.row(p.db, p.table, p.key, func(changes *gorm.DB) *gorm.DB {
		return changes.Where("changes.id > ?", last.ID)
	}).Order("changes.id DESC").Limit(1))
	if err != nil || len(found) == 0 {
		return Change{}, err
	}
	found[0].schema = p.table.schema
	return found[0], nil
}

// touch stamps a row that was inserted as it was: that is what updated_* say.
func (r *reversal) touch() error {
	column := r.touchable()
	if column == "" {
		return nil
	}
	key, err := r.change.where(r.schema)
	if err != nil {
		return err
	}
	itself := map[string]any{column: gorm.Expr("?", clause.Column{Name: column})}
	return r.model().Unscoped().Where(key).Updates(itself).Error
}

// touchable is a column that can be set to itself, empty if nothing is stamped.
func (r *reversal) touchable() string {
	for _, updated := range r.stamps {
		if !updated {
			continue
		}
		for _, c := range r.stored {
			if f := r.schema.LookUpField(c.name); r.mayTouch(c, f) {
				return c.name
			}
		}
	}
	return ""
}

func (r *reversal) mayTouch(c storedColumn, f *schema.Field) bool {
	if f == nil || f.PrimaryKey || !f.Updatable || c.generated || c.identity {
		return false
	}
	_, stamp := r.stamps[f]
	return !stamp
}
