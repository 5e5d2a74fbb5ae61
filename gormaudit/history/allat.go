package history

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"reflect"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
)

// AllAt yields the rows of a table as they were at a time, soft-deleted ones too, in
// the order of their keys. Each row is what [At] returns. An error is yielded once,
// with the zero T, and ends the iteration: [ErrTruncated], for one, where the table
// was truncated since. A db with conditions is an error, because they would apply to
// what the rows hold now.
//
// It reads the table in pages, and holds no connection between two pages. Rows that
// have not changed since cost no more than that. Each row that has changed takes a
// few queries, and the memory for them is bounded. What is written while it reads
// is taken back like the rest, except by transactions that were under way when it
// began: where those matter, give it a transaction that sees one snapshot
// (REPEATABLE READ).
func AllAt[T any](db *gorm.DB, at time.Time) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		a, err := newAllAt(db, at, yield)
		if err == nil {
			err = a.collect(a.ended())
		}
		for more := true; more && err == nil; {
			var page []T
			if page, more, err = a.page(); err == nil {
				err = a.merge(page)
			}
		}
		for err == nil && len(a.gone) > 0 {
			err = a.yieldGone()
		}
		if err != nil && !errors.Is(err, errEnough) {
			var none T
			yield(none, err)
		}
	}
}

// errEnough ends AllAt where its caller does.
var errEnough = errors.New("enough")

// allAt is a table on its way back.
type allAt[T any] struct {
	past
	yield   func(T, error) bool
	keys    []*schema.Field // in the table's own order, by which it has an index: a recorded key is by names
	touched marks           // the recorded keys in changes since
	gone    []gone[T]       // the rows that were deleted or moved since, by their keys, but for what was yielded
	bound   []any           // the key up to which gone has them, nil if it has all
	last    []any           // the key of the page's last row
	done    []any           // the key of the last row that was looked at
	newest  int64           // the last change that collect has seen
}

// gone is a row that is no longer there under its key.
type gone[T any] struct {
	key []any
	row any // a pointer to one that has it
}

// mostGone is how many of them are kept. Where there are more, the changes are read
// again for the next ones.
const mostGone = 1_000

func newAllAt[T any](db *gorm.DB, at time.Time, yield func(T, error) bool) (*allAt[T], error) {
	r, fresh, err := newReader(db)
	if err != nil {
		return nil, err
	}
	t, err := r.describe(db, fresh, new(T))
	if err != nil {
		return nil, err
	}
	a := &allAt[T]{past: past{reader: r, db: fresh, rows: onePlace(db), table: t, at: at}, yield: yield, keys: t.schema.PrimaryFields, touched: newMarks()}
	return a, hintOfTables(fresh.Table(changesTable).Select("coalesce(max(id), 0)").Scan(&a.newest).Error)
}

// ended asks for the changes in transactions that ended since.
func (a *allAt[T]) ended() *gorm.DB {
	return a.db.Table(a.dialect.endedAfter(), instantOf(a.at))
}

// later asks for the changes that collect has not seen.
func (a *allAt[T]) later() *gorm.DB {
	return a.db.Table(changesTable+" AS changes").Where("changes.id > ?", a.newest)
}

// collect marks the rows of changes, and keeps the first of those that are gone.
func (a *allAt[T]) collect(changes *gorm.DB) error {
	condition, args := a.ofTable(a.table)
	rows, err := changes.Select("changes.id, changes.row_key, changes.moved_to, changes.action").Where(condition, args).Rows()
	if err != nil {
		return hintOfTables(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id int64
		var key, movedTo any
		var action Action
		if err := rows.Scan(&id, &key, &movedTo, &action); err != nil {
			return err
		}
		if action == ActionTruncate {
			return ErrTruncated
		}
		a.newest = max(a.newest, id)
		a.touched.set(storedKey(key, a.table.native))
		if movedTo != nil {
			a.touched.set(storedKey(movedTo, a.table.native))
		}
		if action == ActionDelete || movedTo != nil {
			if err := a.keep(storedKey(key, a.table.native)); err != nil {
				return err
			}
		}
	}
	a.cut()
	return rows.Err()
}

// keep keeps a row that is gone, unless it has been passed or is beyond the bound.
func (a *allAt[T]) keep(key string) error {
	row, err := a.table.withKey(contextOf(a.db), key)
	if err != nil {
		return fmt.Errorf("history: table %q: the key %s, of a row that is gone, does not fit: %w", a.table.name, key, err)
	}
	g := gone[T]{a.keyOf(row), row.Interface()}
	if a.done != nil && a.compare(g.key, a.done) <= 0 || a.bound != nil && a.compare(g.key, a.bound) > 0 {
		return nil
	}
	if a.gone = append(a.gone, g); len(a.gone) > 2*mostGone {
		a.cut()
	}
	return nil
}

// cut sorts what is gone and keeps the first of it.
func (a *allAt[T]) cut() {
	order := func(x, y gone[T]) int { return a.compare(x.key, y.key) }
	slices.SortFunc(a.gone, order)
	a.gone = slices.CompactFunc(a.gone, func(x, y gone[T]) bool { return order(x, y) == 0 })
	if len(a.gone) > mostGone {
		clear(a.gone[mostGone:])
		a.gone = a.gone[:mostGone]
		a.bound = a.gone[mostGone-1].key
	}
}

// page reads the next rows as they are now, and says whether there may be more.
func (a *allAt[T]) page() (page []T, more bool, err error) {
	query := a.rows.Session(&gorm.Session{NewDB: true}).Table(a.table.name).Unscoped().Limit(allPage)
	for _, f := range a.keys {
		query = query.Order(clause.OrderByColumn{Column: clause.Column{Name: f.DBName}})
	}
	if a.last != nil {
		query = query.Where(a.after())
	}
	if err := query.Find(&page).Error; err != nil {
		return nil, false, err
	}
	if len(page) > 0 {
		a.last = a.keyOf(reflect.ValueOf(page[len(page)-1]))
	}
	return page, len(page) == allPage, a.collect(a.later())
}

// after is the condition on the rows behind the last one.
func (a *allAt[T]) after() clause.Expression {
	var either []clause.Expression
	for i, f := range a.keys {
		var all []clause.Expression
		for j := range i {
			all = append(all, clause.Eq{Column: clause.Column{Name: a.keys[j].DBName}, Value: a.last[j]})
		}
		all = append(all, clause.Gt{Column: clause.Column{Name: f.DBName}, Value: a.last[i]})
		either = append(either, clause.And(all...))
	}
	return clause.Or(either...)
}

// merge yields the rows of a page as they were, and those that are gone where they
// belong.
func (a *allAt[T]) merge(page []T) error {
	for _, row := range page {
		key := a.keyOf(reflect.ValueOf(row))
		for len(a.gone) > 0 && a.compare(a.gone[0].key, key) < 0 {
			if err := a.yieldGone(); err != nil {
				return err
			}
		}
		recorded, err := a.table.keyIn(contextOf(a.db), reflect.ValueOf(row))
		if err != nil {
			return err
		}
		a.done = key
		switch {
		case a.touched.has(recorded):
			err = a.yieldThen(&row)
		case !a.yield(row, nil):
			err = errEnough
		}
		if err != nil {
			return err
		}
		if len(a.gone) > 0 && a.compare(a.gone[0].key, key) == 0 { // there again
			if err := a.next(); err != nil {
				return err
			}
		}
	}
	return nil
}

// yieldGone yields the first row that is gone. Texts are in another order in the
// database, which may have the row again and give it later.
func (a *allAt[T]) yieldGone() error {
	g := a.gone[0]
	a.done = g.key
	if err := a.next(); err != nil {
		return err
	}
	if a.table.spelled() {
		var there int64
		values, _ := a.table.valuesIn(contextOf(a.db), reflect.ValueOf(g.row).Elem())
		err := a.rows.Session(&gorm.Session{NewDB: true}).Table(a.table.name).Where(whereKey(a.table.schema, values)).Count(&there).Error
		if there > 0 || err != nil {
			return err
		}
	}
	return a.yieldThen(g.row)
}

// next goes on to the next row that is gone.
func (a *allAt[T]) next() error {
	a.gone = a.gone[1:]
	if len(a.gone) > 0 || a.bound == nil {
		return nil
	}
	a.bound = nil
	return a.collect(a.ended())
}

// yieldThen yields the row of a key as it was, if there was one.
func (a *allAt[T]) yieldThen(key any) error {
	row, err := rowAt[T](a.past, key)
	switch {
	case errors.Is(err, ErrNotYet), errors.Is(err, ErrDeleted):
		return nil
	case err == nil && !a.yield(row, nil):
		return errEnough
	}
	return err
}

func (a *allAt[T]) keyOf(row reflect.Value) []any {
	values := make([]any, len(a.keys))
	for i, f := range a.keys {
		values[i], _ = f.ValueOf(contextOf(a.db), reflect.Indirect(row))
	}
	return values
}

// compare orders keys: numbers by their size, texts by their bytes.
func (a *allAt[T]) compare(x, y []any) int {
	for i := range x {
		if order := compareKeys(reflect.ValueOf(x[i]), reflect.ValueOf(y[i])); order != 0 {
			return order
		}
	}
	return 0
}

func compareKeys(x, y reflect.Value) int {
	switch {
	case x.CanInt():
		return cmp.Compare(x.Int(), y.Int())
	case x.CanUint():
		return cmp.Compare(x.Uint(), y.Uint())
	}
	text := func(v reflect.Value) string { return Value{raw: v.Interface()}.String() }
	return cmp.Compare(text(x), text(y))
}

// marks are texts by their hashes: has may be true of one that was not set, which is
// rare, and set takes no memory.
type marks struct {
	seed maphash.Seed
	bits []uint64
}

func newMarks() marks { return marks{maphash.MakeSeed(), make([]uint64, 1<<16)} }

func (m marks) set(text string) {
	word, bit := m.place(text)
	*word |= bit
}

func (m marks) has(text string) bool {
	word, bit := m.place(text)
	return *word&bit != 0
}

func (m marks) place(text string) (word *uint64, bit uint64) {
	hash := maphash.String(m.seed, strings.ReplaceAll(text, " ", "")) // PostgreSQL pads a char as it reads it, and not as it is recorded
	return &m.bits[hash>>6%uint64(len(m.bits))], 1 << (hash & 63)
}
