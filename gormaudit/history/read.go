package history

import (
	"database/sql"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

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

// newReader also returns db for its queries.
func newReader(db *gorm.DB) (reader, *gorm.DB, error) {
	d, err := dialectOf(db)
	return reader{dialect: d}, onePlace(db), err
}

// onePlace makes all queries of a db go to one pool: not one half of an answer to
// a replica and the other to the primary. That is the primary's, unless the caller
// chose.
func onePlace(db *gorm.DB) *gorm.DB {
	db = db.Session(&gorm.Session{Context: contextOf(db)})
	if !inTransaction(db) {
		db.Statement.ConnPool = fixedPool{db.Statement.ConnPool}
	}
	return db
}

// fixedPool is a pool that dbresolver leaves in its place, as it does
// transactions.
type fixedPool struct{ gorm.ConnPool }

var _ gorm.TxCommitter = fixedPool{}

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
			r.dialect.packed() + ", " + r.dialect.zone() + ", " + r.dialect.at() + ", " + r.dialect.user() + ", " + r.dialect.role() + ", " + who).
		Joins("LEFT JOIN whodunit_change_sets AS change_sets ON " + r.dialect.join())
}

// row asks for one row's changes, and for truncations of its table, which have
// an empty key.
func (r reader) row(db *gorm.DB, t table, key any) *gorm.DB {
	condition, args := r.rowOf(t, key)
	return r.query(db).Where(condition, args)
}

func (r reader) rowOf(t table, key any) (condition string, args map[string]any) {
	return "changes.table_name = @table AND (" + r.dialect.rowKey() + " OR changes.row_key = '' AND changes.action = @truncate)",
		map[string]any{"table": t.name, "key": key, "truncate": ActionTruncate}
}

func (r reader) by(i actor.Identity) (condition string, args []any) {
	if i.IsAnonymous() {
		return r.dialect.within("actor_kind = ? AND actor_id IS NULL"), []any{actor.KindAnonymous.String()}
	}
	kind := i.Kind.String()
	return r.dialect.within("(actor_kind = ? AND " + r.dialect.actorID("actor_id") + ") OR (impersonator_kind = ? AND " +
		r.dialect.actorID("impersonator_id") + ")"), []any{kind, i.ID, i.ID, kind, i.ID, i.ID}
}

func (r reader) read(query *gorm.DB) ([]Change, error) {
	records, err := r.records(query)
	if err != nil {
		return nil, fmt.Errorf("history: reading changes: %w", hintOfTables(err))
	}
	fields, err := r.dialect.fields(query.Session(&gorm.Session{NewDB: true}), records)
	if err != nil {
		return nil, err
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
	var composite sql.NullBool
	var at, user, role sql.NullString
	var who [len(attributionColumns)]sql.NullString
	dest := []any{&rec.ID, &rec.ChangeSet.ID, &rec.Table, &key, &composite, &rec.Action, &rec.packed, &zone, &at, &user, &role}
	for i := range who {
		dest = append(dest, &who[i])
	}
	if err := rows.Scan(dest...); err != nil {
		return record{}, err
	}
	if t, ok := zone.(time.Time); ok {
		rec.zone = t.Location()
	}
	if rec.Action != ActionTruncate {
		rec.Key = splitKey(storedKey(key, native), composite.Bool)
	}
	rec.ChangeSet.At, _ = parseTime(at.String, time.UTC)
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
