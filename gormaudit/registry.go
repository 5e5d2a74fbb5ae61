package gormaudit

import (
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
)

// registry holds what is known of types and tables. Reading it takes no lock.
type registry struct {
	db *gorm.DB
	// pool is db's own, schema the one that unqualified names are in, "" where
	// that is not known: then a table's schema does not count.
	pool   *sql.DB
	schema string
	// named are the models of Config.Models that have by-columns.
	named []any

	mu    sync.Mutex
	known atomic.Pointer[knowledge]
	// tables are the by-columns of a table, a *model, whatever type writes to
	// it. They are as many as a program has tenants, too many to be copied with
	// the knowledge for each new one.
	tables sync.Map
}

// knowledge is never changed: a new model makes a new one.
type knowledge struct {
	// declared are the by-columns that a type has, nil for none.
	declared map[*schema.Schema]*model
	// own are those of the table that a type is mapped to, in one database.
	own map[ownTable]*model
	// pools are those in which Config.Models were looked for.
	pools map[*sql.DB]bool
}

type ownTable struct {
	schema *schema.Schema
	pool   *sql.DB
}

func newRegistry(db *gorm.DB) *registry {
	r := &registry{db: db, pool: databaseOf(db.ConnPool), schema: defaultSchema(db)}
	r.known.Store(&knowledge{
		declared: map[*schema.Schema]*model{}, own: map[ownTable]*model{}, pools: map[*sql.DB]bool{r.pool: true},
	})
	return r
}

// register learns the models that are known from the start.
func (r *registry) register(models []any) error {
	for _, value := range models {
		stmt := &gorm.Statement{DB: r.db, ConnPool: r.db.ConnPool}
		if err := stmt.Parse(value); err != nil {
			return fmt.Errorf("gormaudit: Config.Models: %T: %w", value, err)
		}
		m := newModel(stmt.Schema, quoter(r.db.Dialector))
		if err := m.check(); err != nil {
			return err
		}
		for _, warning := range m.foreignKeys(r.db) {
			r.db.Logger.Warn(r.db.Statement.Context, warning)
		}
		for _, c := range m.all() {
			c.preferNativeUUID(r.db.Name())
		}
		if m != nil {
			r.named = append(r.named, value)
		}
		r.learn(stmt.Schema, r.pool)
	}
	return nil
}

// modelFor returns what is known of the table that a statement writes to, nil when
// it has no by-columns or is not known.
func (r *registry) modelFor(stmt *gorm.Statement) *model {
	switch {
	case stmt == nil:
		return nil // built by something else than a statement
	case stmt.Schema != nil && writesTo(stmt, stmt.Schema.Table):
		return r.ofOwnTable(stmt)
	}
	return r.ofTables(stmt, tablesIn(head(stmt)))
}

// modelForInsert is modelFor an INSERT that has not been begun.
func (r *registry) modelForInsert(stmt *gorm.Statement) *model {
	insert, _ := stmt.Clauses["INSERT"].Expression.(clause.Insert)
	return r.modelForClause(stmt, insert.Table)
}

// modelForUpdate is modelFor an UPDATE that has not been begun.
func (r *registry) modelForUpdate(stmt *gorm.Statement) *model {
	update, _ := stmt.Clauses["UPDATE"].Expression.(clause.Update)
	return r.modelForClause(stmt, update.Table)
}

func (r *registry) modelForClause(stmt *gorm.Statement, t clause.Table) *model {
	if t.Name == "" || t.Name == clause.CurrentTable {
		return r.modelFor(stmt)
	}
	return r.ofTables(stmt, tablesIn(t.Name))
}

// ofOwnTable is for a statement that writes to the table of its model.
func (r *registry) ofOwnTable(stmt *gorm.Statement) *model {
	pool := r.poolOf(stmt)
	if m, ok := r.known.Load().own[ownTable{stmt.Schema, pool}]; ok {
		return m
	}
	r.meet(pool)
	return r.learn(stmt.Schema, pool)
}

// ofTables is for a statement that names its tables itself: the by-columns
// that its type declares and those of the tables.
func (r *registry) ofTables(stmt *gorm.Statement, names []tableName) *model {
	declared, pool := r.declaredBy(stmt), r.poolOf(stmt)
	r.meet(pool)
	if len(names) > 1 && stmt.Name() == "mysql" {
		return r.ofSeveral(declared, pool, names)
	}
	m := declared
	for _, name := range names {
		id := r.table(pool, name)
		t := r.ofTable(id)
		if declared != nil && declared.err == nil && sameFold(name.name, bare(declared.table)) && (t == nil || !t.covers(declared)) {
			t = r.learnTable(id, declared) // the same table in another schema
		}
		switch {
		case t == nil:
		case m == nil:
			m = t
		case m.err == nil && !m.covers(t):
			m = join(m.schema, m, t)
		}
	}
	return m
}

// ofSeveral is for MySQL's UPDATE of several tables.
func (r *registry) ofSeveral(declared *model, pool *sql.DB, names []tableName) *model {
	var parts []*part
	for _, name := range names {
		t := r.ofTable(r.table(pool, name))
		p := &part{qualifier: name.qualifier, model: t}
		if declared != nil && sameFold(name.name, bare(declared.table)) {
			p.model = declared
			if t != nil && declared.err == nil && !declared.covers(t) {
				p.model = join(declared.schema, declared, t)
			}
			parts = slices.Insert(parts, 0, p)
		} else if p.model != nil {
			parts = append(parts, p)
		}
	}
	return joinParts(declared, parts)
}

// ofTable returns the by-columns of one table, nil where it is not known.
func (r *registry) ofTable(id table) *model {
	known, _ := r.tables.Load(id)
	m, _ := known.(*model)
	return m
}

// declaredBy returns the by-columns that the type of a statement's model has, whatever
// the statement writes to.
func (r *registry) declaredBy(stmt *gorm.Statement) *model {
	if stmt.Schema == nil {
		return nil
	}
	m, ok := r.known.Load().declared[stmt.Schema]
	if !ok {
		r.change(func(k *knowledge) { m = r.declare(k, stmt.Schema) })
	}
	return m
}

func (r *registry) declare(k *knowledge, s *schema.Schema) *model {
	m, ok := k.declared[s]
	if !ok {
		m = newModel(s, quoter(r.db.Dialector))
		k.declared[s] = m
	}
	return m
}

// poolOf returns the database that a statement is sent to. A connection that
// does not tell counts as the one that db was opened with, and so does every
// one if that does not tell.
func (r *registry) poolOf(stmt *gorm.Statement) *sql.DB {
	if r.pool == nil {
		return nil
	}
	if pool := databaseOf(stmt.ConnPool); pool != nil {
		return pool
	}
	return r.pool
}

func (r *registry) table(pool *sql.DB, name tableName) table {
	t := table{pool: pool, name: strings.ToLower(name.name)}
	if schema := strings.ToLower(name.schema); r.schema != "" && schema != r.schema {
		t.schema = schema
	}
	return t
}

// meet looks where the plugin dbresolver would send the models of
// Config.Models, once for each of its databases, so that they are known there
// from the start too.
func (r *registry) meet(pool *sql.DB) {
	if r.known.Load().pools[pool] {
		return
	}
	for _, value := range r.named {
		if s := r.sentTo(pool, value); s != nil {
			r.learn(s, pool)
		}
	}
	r.change(func(k *knowledge) { k.pools[pool] = true }) // last: others must not go on before
}

// sentTo returns the schema of a model if dbresolver sends its writes to a
// database, perhaps among others between which it chooses anew each time.
func (r *registry) sentTo(pool *sql.DB, value any) *schema.Schema {
	resolve := r.db.Callback().Create().Get("gorm:db_resolver")
	if resolve == nil {
		return nil
	}
	for range 32 * r.sources() {
		tx := r.db.Session(&gorm.Session{NewDB: true}).Model(value)
		if resolve(tx); databaseOf(tx.Statement.ConnPool) == pool && tx.Statement.Parse(value) == nil {
			return tx.Statement.Schema
		}
	}
	return nil
}

// sources counts the databases that dbresolver knows, replicas too.
func (r *registry) sources() int {
	resolver, ok := r.db.Plugins["gorm:db_resolver"].(interface {
		Call(f func(gorm.ConnPool) error) error
	})
	n := 1
	if ok {
		_ = resolver.Call(func(gorm.ConnPool) error { n++; return nil })
	}
	return n
}

// writesTo reports whether a statement, as far as it has come, is plainly on
// the table of its own model: a clause.Insert or clause.Update can name another
// one, as db.Table can.
func writesTo(stmt *gorm.Statement, table string) bool {
	quotes := 2
	if stmt.TableExpr != nil {
		// So it is for a model whose table's name has a schema before it.
		if strings.IndexByte(table, '.') < 0 || stmt.TableExpr.SQL != stmt.Quote(table) {
			return false
		}
		table, quotes = stmt.TableExpr.SQL, 0
	} else if stmt.Table != table {
		return false
	}
	sql := stmt.SQL.String()
	if sql == "" {
		return true
	}
	rest, ok := strings.CutPrefix(sql, "INSERT INTO ")
	if !ok {
		rest, ok = strings.CutPrefix(sql, "UPDATE ")
	}
	if end := quotes/2 + len(table); ok && len(rest) > end+quotes/2 {
		return rest[quotes/2:end] == table && rest[0] == rest[end+quotes/2-1] && rest[end+quotes/2] == ' '
	}
	return false
}

// head is what a statement has built so far, which names its tables whatever
// way the caller gave them, or what it will.
func head(stmt *gorm.Statement) string {
	switch {
	case stmt.SQL.Len() > 0:
		return stmt.SQL.String()
	case stmt.TableExpr != nil:
		return stmt.TableExpr.SQL
	}
	return stmt.Table
}

// learn adds a type in one database. Other types of the same table learn from it.
func (r *registry) learn(s *schema.Schema, pool *sql.DB) (own *model) {
	r.change(func(k *knowledge) {
		declared := r.declare(k, s)
		own = r.add(k, r.table(pool, parseName(s.Table)), declared)
		if own != nil && own.schema != s {
			own = join(s, declared, own)
		}
		k.own[ownTable{s, pool}] = own
	})
	return own
}

// learnTable adds what a type declares to what is known of a table.
func (r *registry) learnTable(id table, declared *model) (known *model) {
	r.change(func(k *knowledge) { known = r.add(k, id, declared) })
	return known
}

func (r *registry) add(k *knowledge, id table, declared *model) *model {
	known := r.ofTable(id)
	switch {
	case declared == nil:
		return known
	case declared.err != nil:
		return declared
	case known == nil:
		known = declared
	case known.covers(declared):
		return known
	default:
		known = join(known.schema, known, declared)
	}
	r.tables.Store(id, known)
	maps.DeleteFunc(k.own, func(other ownTable, _ *model) bool { // it is found anew
		return other.pool == id.pool && r.table(id.pool, parseName(other.schema.Table)) == id
	})
	return known
}

// change makes new knowledge of the old.
func (r *registry) change(f func(k *knowledge)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.known.Load()
	next := &knowledge{
		declared: maps.Clone(old.declared), own: maps.Clone(old.own), pools: maps.Clone(old.pools),
	}
	f(next)
	r.known.Store(next)
}
