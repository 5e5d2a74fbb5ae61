package history

import (
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// ChangeSetOf returns a change set and its changes, in the order they happened.
// An unknown id is [gorm.ErrRecordNotFound].
func ChangeSetOf(db *gorm.DB, id int64) (ChangeSet, []Change, error) {
	r, db, err := newReader(db)
	if err != nil {
		return ChangeSet{}, nil, err
	}
	changes, err := r.read(r.query(db).Where(r.dialect.inSet(id), id).Order("changes.id"))
	if err != nil {
		return ChangeSet{}, nil, err
	}
	if len(changes) == 0 {
		return ChangeSet{}, nil, gorm.ErrRecordNotFound
	}
	return changes[0].ChangeSet, changes, nil
}

// reader reads the history's tables through a caller's db.
type reader struct{ dialect recordReader }

// newReader also returns a db for its queries. Of the caller's it has the pool or
// transaction and the context, nothing else: what was meant for the caller's table
// is not for the history's.
func newReader(db *gorm.DB) (reader, *gorm.DB, error) {
	for _, name := range []string{"WHERE", "LIMIT", "ORDER BY", "GROUP BY"} {
		if _, has := db.Statement.Clauses[name]; has {
			return reader{}, nil, fmt.Errorf("history: db must not have a %s of its own (history.Query?)", name)
		}
	}
	d, err := dialectOf(db)
	db = uncached(onePlace(db))
	if fixed, ok := db.Statement.ConnPool.(fixedPool); ok {
		fixed.own = true
		db.Statement.ConnPool = fixed
	}
	return reader{dialect: d}, db, err
}

// onePlace makes all queries of a db go to one pool: not one half of an answer to
// a replica and the other to the primary. That is the primary's, unless the caller
// chose.
func onePlace(db *gorm.DB) *gorm.DB {
	db = db.Session(&gorm.Session{NewDB: true, Context: contextOf(db)})
	if !inTransaction(db) {
		db.Statement.ConnPool = fixedPool{ConnPool: db.Statement.ConnPool}
	}
	return db
}

// fixedPool is a pool that dbresolver leaves in its place, as it does
// transactions.
type fixedPool struct {
	gorm.ConnPool
	own bool // it is for the history's tables, on which there are no policies
}

var _ gorm.TxCommitter = fixedPool{}

func unfixed(pool gorm.ConnPool) gorm.ConnPool {
	if fixed, ok := pool.(fixedPool); ok {
		return fixed.ConnPool
	}
	return pool
}

// Commit implements [gorm.TxCommitter].
func (fixedPool) Commit() error { return nil }

// Rollback implements [gorm.TxCommitter].
func (fixedPool) Rollback() error { return nil }

// GetDBConn implements [gorm.GetDBConnector].
func (p fixedPool) GetDBConn() (*sql.DB, error) {
	if pool, ok := p.ConnPool.(*sql.DB); ok {
		return pool, nil
	}
	if pool, ok := p.ConnPool.(gorm.GetDBConnector); ok {
		return pool.GetDBConn()
	}
	return nil, gorm.ErrInvalidDB
}

func (r reader) query(db *gorm.DB) *gorm.DB {
	who := "change_sets." + strings.Join(attributionColumns[:], ", change_sets.")
	return db.Table(changesTable + " AS changes").
		Select("changes.id, " + r.dialect.set() + ", changes.table_name, changes.row_key, changes.composite, changes.action, " +
			r.dialect.packed() + ", " + r.dialect.zone() + ", changes.moved_to, " + r.dialect.transaction() + ", " + r.dialect.asText(r.dialect.recordedAt()) + ", " + r.dialect.setAt() + ", " + r.dialect.user() + ", " + r.dialect.role() + ", " + who).
		Joins("LEFT JOIN whodunit_change_sets AS change_sets ON " + r.dialect.join())
}

// row asks for one row's changes that narrow leaves, by its key or by one that it
// was moved to, and for truncations of its table, which have an empty key. narrow
// may ask for some of them only, in an order of its own.
func (r reader) row(db *gorm.DB, t table, key any, narrow func(changes *gorm.DB) *gorm.DB) *gorm.DB {
	ways, args := r.waysTo(t, key)
	parts := make([]*gorm.DB, len(ways))
	for i, way := range ways {
		parts[i] = narrow(r.keys(db, r.dialect.setsOfChanges()).Where(way, args))
	}
	return r.among(db, parts)
}

// keys asks for the keys of changes, which are joined to their sets in from.
func (r reader) keys(db *gorm.DB, from string) *gorm.DB {
	return db.Session(&gorm.Session{NewDB: true}).Table(from).Select(r.dialect.changeKey())
}

// among asks for the changes whose keys any of some queries finds. Each of these can
// follow an index, which a condition with OR in it could not.
func (r reader) among(db *gorm.DB, parts []*gorm.DB) *gorm.DB {
	args := make([]any, len(parts))
	for i, part := range parts {
		args[i] = part
	}
	union := strings.Repeat(" UNION SELECT * FROM (?) AS part", len(parts))
	return r.query(db).Where("("+r.dialect.changeKey()+") IN (SELECT * FROM ("+strings.TrimPrefix(union, " UNION ")+") AS page)", args...)
}

// waysTo are the conditions that row asks for, each of which an index serves.
func (r reader) waysTo(t table, key any) (ways []string, args map[string]any) {
	condition, args := r.ofTable(t)
	args["key"], args["truncate"] = key, ActionTruncate
	return []string{
		condition + " AND " + r.dialect.isRow("@key"),
		condition + " AND " + r.dialect.isKey("changes.moved_to"),
		condition + " AND " + r.dialect.isRow("''") + " AND changes.action = @truncate",
	}, args
}

// ofTable is the condition that a change is of a table, under any of its names.
func (r reader) ofTable(t table) (condition string, args map[string]any) {
	args = map[string]any{}
	parts := make([]string, len(t.names))
	for i, n := range t.names {
		name := fmt.Sprint("table", i)
		args[name] = n.name
		parts[i] = "changes.table_name = @" + name
		if n.after != 0 {
			parts[i] += fmt.Sprint(" AND changes.id > ", n.after)
		}
		if n.until != 0 {
			parts[i] += fmt.Sprint(" AND changes.id <= ", n.until)
		}
	}
	if len(parts) == 1 {
		return parts[0], args
	}
	return "(" + strings.Join(parts, " OR ") + ")", args
}

// describe describes a model for those who read: with the names that its table
// had. It may have been renamed and not migrated since.
func (r reader) describe(db, fresh *gorm.DB, model any) (table, error) {
	t, err := describe(db, r.dialect, model)
	if err != nil {
		return t, err
	}
	n, next, err := r.named(fresh, t, named{name: t.name})
	for err == nil {
		if n.name != "" {
			t.names = append(t.names, n)
		}
		if next.name == "" {
			return t, nil
		}
		n, next, err = r.named(fresh, t, next)
	}
	return t, fmt.Errorf("history: table %q: looking for its names: %w", t.name, hintOfTables(err))
}

// named looks for the change that took a name from a table last, and, after that,
// for the one that gave it, and from which name next. It is a name that the table
// does not have yet if its triggers have another, which is next then.
func (r reader) named(db *gorm.DB, t table, n named) (is, next named, err error) {
	name := r.dialect.literal(n.name)
	query := "SELECT id, table_name, moved_to FROM whodunit_changes AS changes WHERE action = 'rename' AND (table_name = " + name + " AND " + r.dialect.isRow("''") + " OR moved_to = " + name + ")"
	if n.until != 0 {
		query += fmt.Sprint(" AND id < ", n.until)
	} else {
		query += " UNION ALL SELECT 0, text, '' FROM (" + r.dialect.triggerText(t) + ") AS shown"
	}
	rows, err := db.Statement.ConnPool.QueryContext(contextOf(db), query+" ORDER BY id DESC")
	if err != nil {
		return n, next, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id int64
		var text, to sql.NullString
		if err := rows.Scan(&id, &text, &to); err != nil {
			return n, next, err
		}
		as := markIn(text.String).Table
		switch {
		case id == 0 && as != "" && !sameTable(as, n.name) && sameTable(t.name, n.name):
			return named{}, named{name: as}, rows.Err()
		case id > n.since && n.next != "" && text.String == n.name && to.String == n.next:
			// The same renaming again: nobody recorded that the name came back meanwhile.
		case id != 0 && n.after == 0 && text.String == n.name:
			n.after = id
		case id != 0 && n.after == 0 && next.name == "":
			next = named{name: text.String, until: id, next: n.name}
		}
	}
	next.since = n.after
	return n, next, rows.Err()
}

// keyOfRow is the recorded key of a row that a caller has. isSet is true if its key
// may be zero.
func (r reader) keyOfRow(db *gorm.DB, t table, row any, isSet bool) (any, error) {
	values, err := t.valuesOf(contextOf(db), reflect.Indirect(reflect.ValueOf(row)), isSet)
	if err != nil {
		return nil, err
	}
	return r.recordedKey(db, t, values)
}

// recordedKey is a key as the database spells it, which may differ from how it is
// given: that of the row that is there, or that which a row had last.
func (r reader) recordedKey(db *gorm.DB, t table, values []any) (any, error) {
	given, err := t.key(values)
	if err != nil || !t.spelled() {
		return given, err
	}
	var key any
	if err := attributed(db, func(db *gorm.DB) (err error) {
		key, err = r.firstKey(db.Table("? AS kept", clause.Table{Name: t.name}).
			Select(r.dialect.key(t, "kept")).Where(whereKey(t.schema, values)))
		return err
	}); key != nil || err != nil {
		return key, err
	}
	condition, err := r.dialect.alike(db, t)
	if err != nil || condition == "" {
		return given, err
	}
	named, args := r.ofTable(t)
	key, err = r.firstKey(db.Table(changesTable+" AS changes").Select("changes.row_key").
		Where(named, args).Where("changes.row_key <> '' AND "+condition, map[string]any{"key": given}).
		Order("changes.id DESC"))
	if key == nil || err != nil {
		return given, hintOfTables(err)
	}
	return key, nil
}

// firstKey is the first key that a query finds, nil if it finds none.
func (r reader) firstKey(query *gorm.DB) (key any, err error) {
	rows, err := query.Limit(1).Rows()
	if err != nil {
		return nil, fmt.Errorf("looking for a row's key: %w", err)
	}
	defer func() { _ = rows.Close() }()
	if rows.Next() {
		err = rows.Scan(&key)
	}
	if text, ok := key.([]byte); ok && !r.dialect.nativeKeys() {
		key = string(text)
	}
	return key, errors.Join(err, rows.Err())
}

func (r reader) read(query *gorm.DB) ([]Change, error) {
	records, err := r.records(query)
	if err != nil {
		return nil, fmt.Errorf("history: reading changes: %w", hintOfTables(err))
	}
	fields, err := r.dialect.fields(query.Session(&gorm.Session{NewDB: true}), records)
	if err != nil {
		return nil, fmt.Errorf("history: reading changes: %w", err)
	}
	changes := make([]Change, len(records))
	for i, rec := range records {
		changes[i] = rec.Change
		changes[i].Fields = fields[rec.ID]
	}
	return changes, nil
}

func (r reader) records(query *gorm.DB) ([]record, error) {
	rows, err := query.Rows()
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	native := r.dialect.nativeKeys()
	var records []record
	for rows.Next() {
		rec, err := scanRecord(rows, native)
		if err != nil {
			return nil, err
		}
		records = append(records, rec)
	}
	return records, rows.Err()
}

func scanRecord(rows *sql.Rows, native bool) (record, error) {
	var rec record
	var key, zone any
	var transaction sql.NullInt64
	var composite sql.NullBool
	var at, setAt, user, role sql.NullString
	var who [len(attributionColumns)]sql.NullString
	dest := []any{&rec.ID, &rec.ChangeSet.ID, &rec.Table, &key, &composite, &rec.Action, &rec.packed, &zone, &rec.movedTo, &transaction, &at, &setAt, &user, &role}
	for i := range who {
		dest = append(dest, &who[i])
	}
	if err := rows.Scan(dest...); err != nil {
		return record{}, err
	}
	if t, ok := zone.(time.Time); ok {
		rec.zone = t.Location()
	}
	rec.rowKey = storedKey(key, native)
	if text, ok := rec.movedTo.([]byte); ok && !native {
		rec.movedTo = string(text)
	}
	switch rec.Action {
	case ActionTruncate:
	case ActionRename:
		if rec.movedTo != nil {
			rec.Key = []string{storedKey(rec.movedTo, native)}
		}
	default:
		rec.Key = splitKey(rec.rowKey, composite.Bool)
	}
	rec.ChangeSet.Transaction = transaction.Int64
	rec.At, _ = parseTime(at.String, time.UTC)
	rec.ChangeSet.At, _ = parseTime(setAt.String, time.UTC)
	rec.ChangeSet.DatabaseUser, rec.ChangeSet.DatabaseRole = user.String, role.String
	fillAttribution(&rec.ChangeSet, who)
	return rec, nil
}

func fillAttribution(set *ChangeSet, who [len(attributionColumns)]sql.NullString) {
	set.Attributed = who[0].Valid
	set.Actor = actor.Actor{
		Identity:     actor.Identity{Kind: kindNamed(who[0].String), ID: who[1].String, Name: who[2].String},
		Impersonator: actor.Identity{Kind: kindNamed(who[3].String), ID: who[4].String, Name: who[5].String},
	}
	set.Request = actor.Request{
		ID: who[6].String, IP: who[7].String, UserAgent: who[8].String, Method: who[9].String, Route: who[10].String,
	}
	set.Metadata = parseMetadata(who[11].String)
}

func kindNamed(name string) (k actor.Kind) {
	_ = k.UnmarshalText([]byte(name)) // anything else is anonymous
	return k
}
