package history

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history/internal/damaged"
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

// At returns a row as it was at a time. key is the value of its only key column, or a
// T or *T with its key set. If the row did not exist then, the error is [ErrNotYet]
// or [ErrDeleted]. If the row is not there and the history has never seen it, the
// error is [gorm.ErrRecordNotFound]. A row that was soft-deleted by then is returned,
// with its deleted-at field set.
//
// A transaction counts as a whole or not at all. It counts from the time of its last
// change, shortly before its commit. So At returns what a SELECT could have read at
// that time, or would have read after a commit that was under way. Unattributed
// writes on MariaDB, MySQL and SQLite count by statement, see
// [ChangeSet.Transaction]. For the row as it was after a change, ask [Ends] for the
// time, because at [Change.At] the transaction may have gone on.
//
// At begins at the current row and takes back what was recorded since the time. It
// knows nothing of the time before the history began, or before what [Prune] left:
// for such a time it returns the row as it was at that beginning. Updates of
// updated_at and updated_by alone are not recorded, so these may be later than the
// time. Columns left out of the history have their current value. Redacted columns
// have the zero value once they have changed. If a column has another type since, and
// can't take what is recorded of it, the error names the table, the row and the
// column.
//
// key is the key that the row had at the time, as the database compares keys. If
// the key has changed since, the row is found where it is now.
func At[T any](db *gorm.DB, key any, at time.Time) (row T, err error) {
	r, fresh, err := newReader(db)
	if err != nil {
		return row, err
	}
	t, err := r.describe(db, fresh, &row)
	if err != nil {
		return row, err
	}
	return rowAt[T](past{reader: r, db: fresh, rows: onePlace(db), table: t, at: at}, key)
}

// rowAt is the row of a key in p's past.
func rowAt[T any](p past, key any) (T, error) {
	var row, none T
	p.model, p.then = &row, map[string]Value{}
	if err := p.find(key); err != nil {
		return none, err
	}
	err := p.scan(p.rows, p.dialect, &row)
	if p.damage != nil {
		if err == nil {
			p.damage.Row = &row
		}
		return none, p.damage
	}
	if err != nil {
		return none, err
	}
	return row, nil
}

// past finds a row as it was.
type past struct {
	reader
	db    *gorm.DB
	rows  *gorm.DB // reads the table as GORM does: a driver gives other values without prepared statements
	table table
	model any // a pointer to a zero T
	at    time.Time

	key     any              // the row's, as it is recorded
	columns []string         // that the table has
	now     []any            // the row's values as the driver gives them, nil where there is none
	since   []Change         // of the row, oldest first
	then    map[string]Value // by column, where they differ from now
	damage  *damaged.Error   // nil where all changes can be read
}

// find follows the row from the time to now, and takes back from there what was
// recorded. It reads a row before its changes: what was written in between is taken
// back from a row that does not have it, which does no harm.
func (p *past) find(key any) error {
	values, err := p.keyValues(key)
	if err != nil {
		return err
	}
	if err := p.read(values); err != nil {
		return err
	}
	recorded, err := p.recordedKey(p.db, p.table, values)
	if err != nil {
		return fmt.Errorf("history: table %q: %w", p.table.name, err)
	}
	p.key = recorded
	before, err := p.before(recorded)
	if err != nil {
		return err
	}
	end, err := p.follow(recorded, before)
	if err != nil {
		return err
	}
	if err := p.missing(end, recorded, before); err != nil {
		return err
	}
	p.undo()
	return nil
}

// missing says why there was no row, or why it is not known. A row that was deleted
// since is built from nothing.
func (p *past) missing(end end, key any, before Change) error {
	gone := before.Action == ActionDelete || p.leaves(before, key)
	switch {
	case end == endDeleted:
		p.now = nil
		return nil
	case end == endAbsent && before.ID == 0:
		return ErrNotYet
	case end == endAbsent, end == endTruncated && gone:
		return ErrDeleted
	case end == endTruncated:
		return ErrTruncated
	case p.now != nil:
		return nil
	case len(p.since) > 0 || before.ID != 0 && !gone && before.Action != ActionTruncate:
		return fmt.Errorf("history: table %q: the row is gone, which is not recorded: %w", p.table.name, gorm.ErrRecordNotFound)
	case before.ID != 0:
		return ErrDeleted
	}
	return gorm.ErrRecordNotFound
}

// before is the last change that counts at the time, the zero Change if there is
// none. It is looked for from the newest, so that a clock which was set back makes
// no change count without those before it.
func (p *past) before(key any) (Change, error) {
	found, err := p.reader.read(p.reader.row(p.db, p.table, key, func(changes *gorm.DB) *gorm.DB {
		return changes.Where("NOT "+endsAfter(p.dialect), map[string]any{"at": instantOf(p.at)}).Order("changes.id DESC").Limit(1)
	}).Order("changes.id DESC").Limit(1))
	if err != nil || len(found) == 0 {
		return Change{}, err
	}
	return found[0], nil
}

// end is how the path of a row ends.
type end int

const (
	endNow       end = iota // the row is there
	endAbsent               // it was not there at the time
	endDeleted              // it was deleted since
	endTruncated            // its table was
)

// follow gathers the changes of the row that had a key after a change.
func (p *past) follow(key any, after Change) (end, error) {
	for {
		changes, err := p.reader.read(p.reader.row(p.db, p.table, key, func(changes *gorm.DB) *gorm.DB {
			return changes.Where("changes.id > ?", after.ID)
		}).Order("changes.id"))
		if err != nil {
			return 0, err
		}
		moved := false
		for _, c := range changes {
			switch {
			case c.Action == ActionCreate, c.movedTo != nil && !p.leaves(c, key):
				if len(p.since) == 0 {
					return endAbsent, nil
				}
				p.now = nil // another one has its key
				return endNow, nil
			case c.Action == ActionTruncate:
				return endTruncated, nil
			}
			p.since = append(p.since, c)
			if c.Action == ActionDelete {
				return endDeleted, nil
			}
			if moved = c.movedTo != nil; moved {
				key, after = c.movedTo, c
				break
			}
		}
		if !moved {
			return endNow, nil
		}
		if err := p.readMoved(key, after); err != nil {
			return 0, err
		}
	}
}

// readMoved reads the row where a change has moved it.
func (p *past) readMoved(key any, by Change) error {
	values, err := keyValues(p.table.schema, splitKey(storedKey(key, p.dialect.nativeKeys()), len(p.table.keys) > 1))
	if err != nil {
		return fmt.Errorf("history: table %q: change %d: %w", p.table.name, by.ID, err)
	}
	return p.read(values)
}

// read reads the row as it is now.
func (p *past) read(values []any) error {
	return attributed(p.rows, func(db *gorm.DB) error {
		rows, err := db.Session(&gorm.Session{NewDB: true}).Unscoped().Model(p.model).Table(p.table.name).
			Where(whereKey(p.table.schema, values)).Limit(1).Rows()
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		p.columns, p.now, err = nextRow(rows)
		return err
	})
}

func (p *past) keyValues(key any) ([]any, error) {
	given := reflect.Indirect(reflect.ValueOf(key))
	if own := reflect.TypeOf(p.model).Elem(); !given.IsValid() || given.Type() != own {
		if len(p.table.keys) != 1 {
			return nil, fmt.Errorf("history: table %q: its key has %d columns: pass a %s with its key set", p.table.name, len(p.table.keys), own)
		}
		return []any{key}, nil
	}
	values, _ := p.table.valuesIn(contextOf(p.db), given)
	return values, nil
}

// leaves reports whether a change moved the row away from a key.
func (p *past) leaves(c Change, key any) bool {
	return c.movedTo != nil && c.rowKey == storedKey(key, p.dialect.nativeKeys())
}

// undo takes back what was recorded since, the newest first.
func (p *past) undo() {
	for _, c := range slices.Backward(p.since) {
		p.table.present(&c)
		for _, f := range c.Fields {
			if f.Err != nil {
				p.lose(c, f)
				continue
			}
			if p.damage != nil {
				delete(p.damage.Lost, f.Column)
			}
			if p.then[f.Column] = f.Before; f.Redacted {
				p.then[f.Column] = Value{}
			}
		}
	}
}

// lose notes that a field of a change can't be read. Where it has no column, any
// column may have changed, except a key that the row kept.
func (p *past) lose(c Change, f Field) {
	if p.damage == nil {
		p.damage = &damaged.Error{Lost: map[string]bool{}, Cause: fmt.Errorf("%w: change %d, column %q", f.Err, c.ID, f.Column)}
	}
	if d := p.damage; !slices.Contains(d.Changes, c.ID) {
		d.Changes = append(d.Changes, c.ID)
	}
	keyGoes := c.Action == ActionDelete || c.movedTo != nil
	for _, column := range p.table.columns {
		if column.name == f.Column || f.Column == "" && (keyGoes || !column.key) {
			p.damage.Lost[column.name] = true
		}
	}
}

// loseMisfit notes that a recorded value does not fit its column any more.
func (p *past) loseMisfit(c storedColumn) {
	if p.damage == nil {
		p.damage = &damaged.Error{Lost: map[string]bool{}, Cause: errors.New("history: " + misfitText(p.table.name, p.since[0].Key, c))}
	}
	p.damage.Misfit = true
	p.damage.Lost[p.table.schema.LookUpField(c.name).DBName] = true
}

// scan reads the row as it was by the road that GORM reads rows. A value that does not
// fit its column is damage.
func (p *past) scan(db *gorm.DB, d restorer, dest any) error {
	then, err := p.differing(db, d)
	if err != nil {
		return err
	}
	if err = p.scanWith(db, d, then, dest); err == nil || len(then.values) == 0 {
		return err
	}
	unfit, failed := misfits(db, d, p.table.schema, then.columns, then.values)
	if failed != nil || len(unfit) == 0 {
		return err
	}
	for _, i := range slices.Backward(unfit) {
		p.loseMisfit(then.columns[i])
		then = then.without(i)
	}
	reflect.ValueOf(dest).Elem().SetZero()
	return p.scanWith(db, d, then, dest)
}

// differing are the values of a row that it does not have now.
type differing struct {
	row     []any // the others
	places  []int // in row
	columns []storedColumn
	values  []Value
}

func (d differing) without(i int) differing {
	d.places, d.columns, d.values = slices.Delete(d.places, i, i+1), slices.Delete(d.columns, i, i+1), slices.Delete(d.values, i, i+1)
	return d
}

func (p *past) differing(db *gorm.DB, d restorer) (then differing, err error) {
	then.row = make([]any, len(p.columns))
	copy(then.row, p.now)
	if len(p.then) == 0 {
		return then, nil
	}
	stored, err := d.stored(db, p.table.name)
	if err != nil {
		return then, err
	}
	for i, name := range p.columns {
		field := p.table.schema.LookUpField(name)
		if field == nil {
			continue
		}
		at := slices.IndexFunc(stored, func(c storedColumn) bool { return c.name == name })
		v, differs := p.then[field.DBName]
		if differs {
			then.row[i] = nil
		}
		switch {
		case !differs, v.IsNull(): // a domain may refuse it
		case at < 0:
			return then, fmt.Errorf("history: table %q: the database does not say what column %q is", p.table.name, name)
		default:
			then.places, then.columns, then.values = append(then.places, i), append(then.columns, stored[at]), append(then.values, v)
		}
	}
	return then, nil
}

func (p *past) scanWith(db *gorm.DB, d restorer, then differing, dest any) error {
	read, err := d.asRead(db, p.table.name, then.columns, then.values)
	if err != nil {
		return fmt.Errorf("history: table %q: %w", p.table.name, err)
	}
	row := slices.Clone(then.row)
	for i, place := range then.places {
		row[place] = read[i]
	}
	return driverRows{columns: p.columns, rows: [][]any{row}}.scan(db, dest)
}
