package history

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"reflect"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
)

// AllAt yields the rows of a table as they were at a time, soft-deleted ones too, by
// their keys: each is what [At] returns. An error is yielded once, with the zero T,
// and ends it; [ErrTruncated] is one, where the table was truncated since. A db
// with conditions is an error: they would judge what the rows hold now.
//
// It reads the table in pages, and holds no connection between two. Rows that have
// not changed since cost no more than that. Those that have are each asked for, and
// kept until they are yielded: what it takes grows with the changes since. What is
// written while it reads is taken back like the rest, but for transactions that
// were under way when it began: where those matter, give it a transaction that
// sees one snapshot (REPEATABLE READ).
func AllAt[T any](db *gorm.DB, at time.Time) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		a, err := newAllAt[T](db, at)
		if err == nil {
			err = a.collect(a.dialect.endsAfter())
		}
		for more := true; more && err == nil; {
			var page []T
			if page, more, err = a.page(); err == nil && !a.merge(page, yield) {
				return
			}
		}
		if err != nil {
			var none T
			yield(none, err)
			return
		}
		for _, row := range a.changed {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// allAt is a table on its way back.
type allAt[T any] struct {
	reader
	db      *gorm.DB
	rows    *gorm.DB // as GORM reads them
	table   table
	at      time.Time
	keys    []*schema.Field
	moved   map[string]bool // the recorded keys of rows that changed since
	changed []T             // these rows as they were, by their keys, but for what was yielded
	last    []any           // the key of the page's last row
	done    []any           // the key of the last row that was yielded
	newest  int64           // the last change that collect has seen
}

func newAllAt[T any](db *gorm.DB, at time.Time) (*allAt[T], error) {
	r, fresh, err := newReader(db)
	if err != nil {
		return nil, err
	}
	t, err := r.describe(db, fresh, new(T))
	if err != nil {
		return nil, err
	}
	a := &allAt[T]{reader: r, db: fresh, rows: onePlace(db), table: t, at: at, keys: t.schema.PrimaryFields, moved: map[string]bool{}}
	return a, hintOfTables(fresh.Table(changesTable).Select("coalesce(max(id), 0)").Scan(&a.newest).Error)
}

// collect finds rows that have changed since, and what they were.
func (a *allAt[T]) collect(since string) error {
	keys, err := a.changedKeys(since)
	for _, key := range keys {
		if err == nil && !a.moved[key] {
			a.moved[key] = true
			err = a.find(key)
		}
	}
	slices.SortFunc(a.changed, func(x, y T) int { return a.compare(a.keyOf(x), a.keyOf(y)) })
	return err
}

// changedKeys are the recorded keys in the table's changes that meet a condition.
func (a *allAt[T]) changedKeys(since string) (keys []string, err error) {
	condition, args := a.ofTable(a.table)
	args["at"], args["newest"] = instantOf(a.at), a.newest
	rows, err := a.db.Table(changesTable+" AS changes").Select("changes.row_key, changes.moved_to, changes.action, max(changes.id)").
		Joins("LEFT JOIN whodunit_change_sets AS change_sets ON "+a.dialect.join()).
		Where(condition+" AND "+since, args).Group("changes.row_key, changes.moved_to, changes.action").Rows()
	if err != nil {
		return nil, hintOfTables(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var key, movedTo any
		var action Action
		var id int64
		if err := rows.Scan(&key, &movedTo, &action, &id); err != nil {
			return nil, err
		}
		if action == ActionTruncate {
			return nil, ErrTruncated
		}
		a.newest = max(a.newest, id)
		for _, k := range []any{key, movedTo} {
			if k != nil {
				keys = append(keys, storedKey(k, a.table.native))
			}
		}
	}
	return keys, rows.Err()
}

// find adds what the row of a key was, if there was one.
func (a *allAt[T]) find(key string) error {
	values, err := keyValues(a.table.schema, splitKey(key, len(a.table.keys) > 1))
	if err != nil {
		return err
	}
	row := reflect.New(a.table.schema.ModelType)
	for i, name := range keyNames(a.table.schema) {
		if err := a.table.schema.FieldsByDBName[name].Set(contextOf(a.db), row.Elem(), values[i]); err != nil {
			return err
		}
	}
	then, err := At[T](a.rows.Table(a.table.name), row.Interface(), a.at)
	switch {
	case errors.Is(err, ErrNotYet), errors.Is(err, ErrDeleted):
		return nil
	case err != nil:
		return err
	}
	if a.done == nil || a.compare(a.keyOf(then), a.done) > 0 {
		a.changed = append(a.changed, then)
	}
	return nil
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
		a.last = a.keyOf(page[len(page)-1])
	}
	return page, len(page) == allPage, a.collect("changes.id > @newest")
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

// merge yields the rows of a page that have not changed, and those that have where
// they belong.
func (a *allAt[T]) merge(page []T, yield func(T, error) bool) bool {
	for _, row := range page {
		key := a.keyOf(row)
		for len(a.changed) > 0 && a.compare(a.keyOf(a.changed[0]), key) <= 0 {
			next := a.changed[0]
			a.changed, a.done = a.changed[1:], a.keyOf(next)
			if !yield(next, nil) {
				return false
			}
		}
		if a.moved[a.recorded(row)] {
			continue
		}
		if a.done = key; !yield(row, nil) {
			return false
		}
	}
	return true
}

func (a *allAt[T]) keyOf(row T) []any {
	values := make([]any, len(a.keys))
	for i, f := range a.keys {
		values[i], _ = f.ValueOf(context.Background(), reflect.ValueOf(row))
	}
	return values
}

// recorded is a row's key as it is recorded.
func (a *allAt[T]) recorded(row T) string {
	values := make([]any, len(a.table.keys))
	for i, c := range a.table.keys {
		values[i], _ = a.table.schema.FieldsByDBName[c.name].ValueOf(context.Background(), reflect.ValueOf(row))
	}
	key, err := a.table.key(values)
	if err != nil {
		return ""
	}
	return storedKey(key, a.table.native)
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
