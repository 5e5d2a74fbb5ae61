package history

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/internal/keyed"
)

// Query says which changes are asked for. The zero Query asks for all changes, newest
// first. Each field that is set narrows the result, with two exceptions: Rows adds to
// Tables, and Unattributed adds to Actors.
type Query struct {
	// Tables are models: the changes of every row of their tables are asked for.
	Tables []any
	// Rows are rows with their keys set, or pointers to them. Truncations of their
	// tables are among their changes. A row whose key is not set is
	// [gorm.ErrPrimaryKeyRequired], unless the key has several columns.
	Rows []any
	// Actors are those who acted, in their own name or, as the impersonator, in
	// another's. A change is found if one of them acted. Their names don't matter.
	// The zero Identity is anonymous.
	Actors []actor.Identity
	// Unattributed asks for changes that no program attributed: writes from psql,
	// by migrations, or without an actor in their context.
	Unattributed bool
	// Since is the time of the oldest change that is asked for. By default there is
	// no oldest.
	Since time.Time
	// Until is the time of the first change that is too new. By default there is
	// none.
	Until time.Time
	// Actions are the actions asked for: a change has one of them. By default all.
	Actions []Action
	// Columns are names of columns in the database: at least one of them is among the
	// Fields of the change. By default any. They have no index: all changes that the
	// other fields ask for are looked at, the newest first, until there are enough.
	Columns []string
	// Metadata are words that the change set must have in its [ChangeSet.Metadata],
	// all of them. By default any. They have no index either.
	Metadata map[string]string
	// RequestID is the id of the request in which the change happened. By default
	// any.
	RequestID string
	// Before asks for the changes whose ID is lower. For the next page, set it to the
	// ID of the last change of this page. By default the changes begin with the
	// newest.
	Before int64
	// Limit is how many changes are returned at most. By default [Find] returns 100,
	// and [All] all.
	Limit int
}

// defaultLimit is how many changes Find returns where the query does not say.
const defaultLimit = 100

// Find returns one page of the changes that a query asks for, newest first, by
// descending ID:
//
//	page, err := history.Find(db, history.Query{Tables: []any{&Order{}, &Line{}}, Since: yesterday})
//
// For the next page, set Query.Before. While others write, no page repeats a change,
// and none misses one that was committed before the first page was read. A
// transaction that was still running then may add changes with lower IDs, which
// appear on a later page or on none.
//
// For the changes of one row, the order by ID is the order in time. For those of
// different rows it is the order in which they were written, not that of commits.
//
// A db with conditions, an order or a limit of its own is an error: put them into the
// Query. Changes found by Tables and Rows know their models, so you need not name the
// model for [Revert].
func Find(db *gorm.DB, q Query) ([]Change, error) {
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	f, err := newFinder(db, q)
	if err != nil {
		return nil, err
	}
	var found []Change
	for {
		page, more, err := f.page(q.Limit - len(found))
		if err != nil {
			return nil, err
		}
		if found = append(found, page...); !more || len(found) >= q.Limit {
			return found, nil
		}
	}
}

// allPage is how many changes All reads at a time.
const allPage = 500

// All yields the changes that a query asks for, newest first, see [Find]. It
// reads them in pages, as far as they are asked for, and holds no connection
// between two pages: the loop over it may write. An error is yielded once, with the
// zero Change, and ends the iteration.
func All(db *gorm.DB, q Query) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		f, err := newFinder(db, q)
		for more := true; more && err == nil; {
			size := allPage
			if q.Limit > 0 {
				size = min(size, q.Limit)
			}
			var page []Change
			page, more, err = f.page(size)
			for _, c := range page {
				if !yield(c, nil) {
					return
				}
			}
			if q.Limit > 0 {
				q.Limit -= len(page)
				more = more && q.Limit > 0
			}
		}
		if err != nil {
			yield(Change{}, err)
		}
	}
}

// Of returns the newest 100 changes of one row, newest first, as [Find] does for a
// Query with this row alone. row is the row or a pointer to it, with its primary key
// set.
func Of(db *gorm.DB, row any) ([]Change, error) {
	return Find(db, Query{Rows: []any{row}})
}

// finder reads a query's changes page by page.
type finder struct {
	reader
	db       *gorm.DB
	query    Query
	subjects []subject
	tables   map[string]table // of Tables and Rows
	busy     bool             // the actors have many change sets
	walk     bool             // the next page is looked for among the newest changes
	top      int64            // the id that is too new for it, unless it is the first
	above    int64            // the highest id that is too old for it
	columns  *gorm.DB         // the condition that a change may have one of the query's, nil if any may
}

// subject is a table, or a row of it.
type subject struct {
	table table
	key   any // nil for the whole table
}

func newFinder(db *gorm.DB, q Query) (*finder, error) {
	r, fresh, err := newReader(db)
	if err != nil {
		return nil, err
	}
	f := &finder{reader: r, db: fresh, query: q, tables: map[string]table{}}
	for _, model := range q.Tables {
		t, err := f.describe(db, model)
		if err != nil {
			return nil, err
		}
		f.add(t, nil)
	}
	for _, row := range q.Rows {
		set, isSet := row.(keyed.Row)
		if isSet {
			row = set.Model
		}
		t, err := f.describe(db, row)
		if err != nil {
			return nil, err
		}
		key, err := r.keyOfRow(fresh, t, row, isSet)
		if err != nil {
			return nil, fmt.Errorf("history: table %q: %w", t.name, err)
		}
		f.add(t, key)
	}
	if err := f.findColumns(); err != nil {
		return nil, err
	}
	f.busy, err = f.manySets()
	f.walk = f.busy
	return f, err
}

// describe asks for the names of each table once.
func (f *finder) describe(db *gorm.DB, model any) (table, error) {
	t, err := describe(db, f.dialect, model)
	if err != nil {
		return t, err
	}
	if known, ok := f.tables[t.name]; ok && known.schema == t.schema {
		return known, nil
	}
	t, err = f.reader.describe(db, f.db, model)
	f.tables[t.name] = t
	return t, err
}

// add leaves out what is asked for already.
func (f *finder) add(t table, key any) {
	whole := func(s subject) bool { return s.table.name == t.name && s.key == nil }
	if slices.ContainsFunc(f.subjects, whole) {
		return
	}
	f.subjects = append(f.subjects, subject{t, key})
}

// findColumns makes the database leave out changes that can't have one of the query's
// columns. Which of the others do is seen when they are read.
func (f *finder) findColumns() error {
	names := slices.Clone(f.query.Columns)
	for _, t := range f.tables {
		for old, name := range t.was {
			if slices.Contains(f.query.Columns, name) {
				names = append(names, old)
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	condition, args, err := f.dialect.mayHave(f.db, names)
	if condition != "" {
		f.columns = f.condition("("+condition+")", args...)
	}
	return hintOfTables(err)
}

// page reads the next changes, at most as many as limit, and says whether there
// may be more.
func (f *finder) page(limit int) (page []Change, more bool, err error) {
	read := limit
	if len(f.query.Columns) > 0 || len(f.query.Metadata) > 0 {
		read = max(limit, defaultLimit) // few of them may match
	}
	walked := f.walk
	if f.query.Before > 0 {
		f.top = f.query.Before
	}
	f.above = max(f.top-1-walkedChanges, 0)
	changes, err := f.read(f.sql(read).Order("changes.id DESC").Limit(read))
	if err != nil {
		return nil, false, err
	}
	f.walk = f.busy && (!walked || len(changes) > read/10) // as long as it finds some
	for _, c := range changes {
		if len(page) == limit {
			return page, true, nil
		}
		f.query.Before = c.ID
		f.own(&c)
		if !f.query.changed(c) || !f.query.says(c.ChangeSet) {
			continue
		}
		page = append(page, c)
	}
	if walked && len(changes) < read {
		f.query.Before = f.above + 1
		return page, f.above > 0, nil
	}
	return page, len(changes) == read, nil
}

// own makes a change one of its table, if that is among those that are asked for.
func (f *finder) own(c *Change) {
	for _, t := range f.tables {
		if t.had(*c) {
			c.schema = t.schema
			t.present(c)
			return
		}
	}
}

// changed reports whether one of the query's columns did.
func (q Query) changed(c Change) bool {
	return len(q.Columns) == 0 || slices.ContainsFunc(q.Columns, func(name string) bool {
		_, ok := c.Field(name)
		return ok
	})
}

// says reports whether a change set has the query's metadata.
func (q Query) says(s ChangeSet) bool {
	for name, want := range q.Metadata {
		if is, ok := s.Metadata[name]; !ok || is != want {
			return false
		}
	}
	return true
}

// manySubjects is up to how many tables and rows are asked for one by one, each by
// its index. SQLite takes 500 parts, and a row has three.
const manySubjects = 150

// fewSets is up to how many change sets of the actors are read to find the newest
// changes among theirs. walkedChanges is how many of the newest changes are looked
// at before that where there are more: such people are mostly among these.
const (
	fewSets       = 50
	walkedChanges = 10_000
)

// bySets reports whether the change sets of those who acted lead to the changes.
// Nothing else does then but a table.
func (f *finder) bySets() bool {
	q := f.query
	return len(q.Actors) > 0 && !q.Unattributed && q.RequestID == "" && !f.walk && !slices.ContainsFunc(f.subjects, func(s subject) bool { return s.key != nil })
}

// manySets reports whether the actors' change sets are more than are read for a
// page, and finds the newest change. Where change sets come one after the other, the
// newest of them will do.
func (f *finder) manySets() (bool, error) {
	if !f.bySets() || f.dialect.setsInOrder() {
		return false, nil
	}
	acted := f.acted("change_sets.%s")
	parts := make([]any, len(acted))
	for i, condition := range acted {
		parts[i] = f.db.Session(&gorm.Session{NewDB: true}).Table(changeSetsTable + " AS change_sets").Select("1 AS one").Where(condition).Limit(fewSets)
	}
	union := strings.Repeat(" UNION ALL SELECT * FROM (?) AS part", len(parts))
	var found struct{ Sets, Newest int64 }
	err := f.db.Raw("SELECT count(*) AS sets, (SELECT coalesce(max(id), 0) FROM whodunit_changes) AS newest FROM ("+
		strings.TrimPrefix(union, " UNION ALL ")+") AS own", parts...).Scan(&found).Error
	f.top = found.Newest + 1
	return found.Sets >= fewSets, hintOfTables(err)
}

// sql asks for the newest changes, on each way to them for as many as there may be
// of all.
func (f *finder) sql(limit int) *gorm.DB {
	var ways, parts []*gorm.DB
	for _, s := range f.subjects {
		ways = append(ways, f.waysToSubject(s)...)
	}
	switch {
	case f.bySets():
		for _, acted := range f.acted("change_sets.%s") {
			parts = append(parts, f.narrow(f.keys(f.db, f.dialect.changesOfSets()).Where(acted), ways...).Order(f.newestOfSets()))
		}
	case len(ways) > 1 && len(f.subjects) <= manySubjects:
		for _, way := range ways {
			parts = append(parts, f.narrow(f.keys(f.db, f.from(f.dialect.setsOfChanges(), way)), way).Order("changes.id DESC"))
		}
	case len(f.query.Actors) > 0 || f.query.Unattributed:
		parts = append(parts, f.narrow(f.keys(f.db, f.from(f.dialect.setsOfChanges(), ways...)), ways...).Order("changes.id DESC"))
	default:
		return f.narrow(f.reader.query(f.db).Table(f.from(changesTable+" AS changes", ways...)), ways...)
	}
	for i := range parts {
		parts[i] = parts[i].Limit(limit)
	}
	return f.among(f.db, parts)
}

// from is a FROM of changes that are looked for on some ways. An index has them in
// order where there is one way, to a table with one name.
func (f *finder) from(changes string, ways ...*gorm.DB) string {
	if len(ways) != 1 || slices.ContainsFunc(f.subjects, func(s subject) bool { return len(s.table.names) > 1 }) {
		return changes
	}
	return f.dialect.onWay(changes)
}

// newestOfSets is the order in which changes are found by their sets.
func (f *finder) newestOfSets() string {
	if f.dialect.setsInOrder() {
		return "change_sets.id DESC, changes.id DESC"
	}
	return "changes.id DESC"
}

// narrow adds the query's conditions, with ways in place of its tables and rows.
func (f *finder) narrow(db *gorm.DB, ways ...*gorm.DB) *gorm.DB {
	q := f.query
	if len(ways) > 0 {
		db = db.Where(f.either(len(ways), func(i int) *gorm.DB { return ways[i] }))
	}
	if who := f.who(); len(who) > 0 && !f.bySets() {
		db = db.Where(f.either(len(who), func(i int) *gorm.DB { return who[i] }))
	}
	if !q.Since.IsZero() {
		db = db.Where(f.dialect.recordedAt()+" >= "+f.dialect.recordedInstant(), instantOf(q.Since))
	}
	if !q.Until.IsZero() {
		db = db.Where(f.dialect.recordedAt()+" < "+f.dialect.recordedInstant(), instantOf(q.Until))
	}
	if f.columns != nil {
		db = db.Where(f.columns)
	}
	if len(q.Actions) > 0 {
		db = db.Where("changes.action IN ?", q.Actions)
	}
	if q.RequestID != "" {
		db = db.Where(f.dialect.within("request_id = ?"), q.RequestID)
	}
	if len(q.Metadata) > 0 {
		db = db.Where("change_sets.metadata IS NOT NULL")
	}
	if q.Before > 0 {
		db = db.Where("changes.id < ?", q.Before)
		if f.bySets() && f.dialect.setsInOrder() {
			db = db.Where("change_sets.id < ?", q.Before)
		}
	}
	if f.walk {
		db = db.Where("changes.id > ?", f.above)
	}
	return db
}

// who are the conditions on those who acted, any of which may hold.
func (f *finder) who() []*gorm.DB {
	conditions := f.acted(f.dialect.setColumn())
	if f.query.Unattributed {
		conditions = append(conditions, f.condition("change_sets.actor_kind IS NULL"))
	}
	return conditions
}

// acted are the conditions on a change set that one of the query's actors acted.
// column is a format for the name of a column.
func (f *finder) acted(column string) (conditions []*gorm.DB) {
	for _, a := range f.query.Actors {
		if a.IsAnonymous() {
			conditions = append(conditions, f.condition(fmt.Sprintf(column, "actor_kind")+" = ? AND change_sets.actor_id IS NULL", actor.KindAnonymous.String()))
			continue
		}
		for _, role := range []string{"actor", "impersonator"} {
			kind := fmt.Sprintf(column, role+"_kind") + " = ? AND "
			conditions = append(conditions, f.condition(kind+f.dialect.actorID(fmt.Sprintf(column, role+"_id")), a.Kind.String(), a.ID, a.ID))
		}
	}
	return conditions
}

func (f *finder) waysToSubject(s subject) (ways []*gorm.DB) {
	if s.key == nil {
		condition, args := f.ofTable(s.table)
		return []*gorm.DB{f.condition(condition, args)}
	}
	conditions, args := f.waysTo(s.table, s.key)
	for _, condition := range conditions {
		ways = append(ways, f.condition(condition, args))
	}
	return ways
}

func (f *finder) condition(sql string, args ...any) *gorm.DB {
	return f.db.Session(&gorm.Session{NewDB: true}).Where(sql, args...)
}

// either joins conditions by OR.
func (f *finder) either(n int, condition func(i int) *gorm.DB) *gorm.DB {
	all := f.db.Session(&gorm.Session{NewDB: true}).Where(condition(0))
	for i := 1; i < n; i++ {
		all = all.Or(condition(i))
	}
	return all
}

// Last returns the last change of each of some rows: result[i] is the last change of
// rows[i], or the zero Change if there is none. T is a model, or a pointer to one.
// Last takes one query for the names that the table had, and one query for the rows,
// however long their histories are. A row whose key is not set is
// [gorm.ErrPrimaryKeyRequired].
func Last[T any](db *gorm.DB, rows []T) ([]Change, error) {
	models := make([]any, len(rows))
	for i := range rows {
		models[i] = rows[i]
	}
	last := make([]Change, len(rows))
	for done := 0; done < len(rows); {
		n := min(len(rows)-done, manySubjects)
		if err := lastOf(db, models[done:done+n], last[done:]); err != nil {
			return nil, err
		}
		done += n
	}
	return last, nil
}

func lastOf(db *gorm.DB, rows []any, last []Change) error {
	f, err := newFinder(db, Query{Rows: rows})
	if err != nil {
		return err
	}
	changes, err := f.read(f.sql(1).Order("changes.id DESC"))
	if err != nil {
		return err
	}
	for i, s := range f.subjects {
		for _, c := range changes {
			if c.concerns(s) {
				last[i] = c
				f.own(&last[i])
				break
			}
		}
	}
	return nil
}

// concerns reports whether c is a change of the row s.
func (c Change) concerns(s subject) bool {
	if !s.table.had(c) {
		return false
	}
	key := storedKey(s.key, s.table.native)
	return c.Action == ActionTruncate || c.rowKey == key || c.movedTo != nil && storedKey(c.movedTo, s.table.native) == key
}

// Users returns the ids of the users who made changes, each once, ready for WHERE id
// IN ?. The ids of impersonators are among them, those of programs and anonymous
// people are not.
func Users(changes []Change) []string {
	var ids []string
	for _, c := range changes {
		for _, who := range []actor.Identity{c.ChangeSet.Actor.Identity, c.ChangeSet.Actor.Impersonator} {
			if who.Kind == actor.KindUser && who.ID != "" && !slices.Contains(ids, who.ID) {
				ids = append(ids, who.ID)
			}
		}
	}
	return ids
}
