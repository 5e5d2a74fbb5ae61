package gormaudit

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
)

// registry holds the models, by schema and by table. Reading it takes no lock.
type registry struct {
	mu    sync.Mutex
	known atomic.Pointer[knowledge]
}

// knowledge is never changed: a new model makes a new one.
type knowledge struct {
	bySchema map[*schema.Schema]*model // nil for a model without by-columns
	byTable  map[string]*model         // by the table's name without schema, lower case
}

func newRegistry() *registry {
	r := &registry{}
	r.known.Store(&knowledge{bySchema: map[*schema.Schema]*model{}, byTable: map[string]*model{}})
	return r
}

// register learns the models that are known from the start.
func (r *registry) register(db *gorm.DB, models []any) error {
	for _, value := range models {
		stmt := &gorm.Statement{DB: db}
		if err := stmt.Parse(value); err != nil {
			return fmt.Errorf("gormaudit: Config.Models: %T: %w", value, err)
		}
		m := newModel(stmt.Schema, quoter(db.Dialector))
		if err := m.check(); err != nil {
			return err
		}
		for _, warning := range m.foreignKeys(db) {
			db.Logger.Warn(db.Statement.Context, warning)
		}
		for _, c := range m.all() {
			c.preferNativeUUID(db.Name())
		}
		r.learn(stmt)
	}
	return nil
}

// modelFor returns what is known modelFor the table that a statement writes to, nil when
// it has no by-columns or is not known.
func (r *registry) modelFor(stmt *gorm.Statement) *model {
	if stmt == nil {
		return nil // built by something else than a statement
	}
	var own *model
	if s := stmt.Schema; s != nil {
		own = r.forSchema(stmt)
		if writesTo(stmt, s.Table) {
			return own
		}
	}
	if known := r.known.Load(); len(known.byTable) > 0 {
		return known.named(stmt, own)
	}
	return own
}

// forSchema returns what is known of the type of a statement's model, which may not
// be what the statement writes to.
func (r *registry) forSchema(stmt *gorm.Statement) *model {
	if m, ok := r.known.Load().bySchema[stmt.Schema]; ok {
		return m
	}
	return r.learn(stmt)
}

// modelForInsert is of for an INSERT that has not been begun.
func (r *registry) modelForInsert(stmt *gorm.Statement) *model {
	m := r.modelFor(stmt)
	if insert, ok := stmt.Clauses["INSERT"].Expression.(clause.Insert); ok && insert.Table.Name != "" {
		return r.known.Load().among(insert.Table.Name, m)
	}
	return m
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

// named adds to own what is known of the tables that are named in what the
// statement has built so far, which holds them whatever way the caller gave
// them.
func (k *knowledge) named(stmt *gorm.Statement, own *model) *model {
	head, _, _ := strings.Cut(stmt.SQL.String(), "(")
	if head == "" && stmt.TableExpr != nil {
		head = stmt.TableExpr.SQL
	}
	return k.among(head, own)
}

// among adds to own what is known of the tables among the words of text: the
// head of a statement, or a table's name. Aliases are not tables.
func (k *knowledge) among(text string, own *model) *model {
	words := strings.FieldsFunc(strings.ReplaceAll(text, ",", " , "), func(r rune) bool { return strings.ContainsRune(" \t\r\n`\"[];", r) })
	table := true // the next word names one
	for n, word := range words {
		switch {
		case beforeTable[strings.ToUpper(word)]:
			table = true
			continue
		case !table || word == "." || n+1 < len(words) && words[n+1][0] == '.':
			continue // an alias, or a schema's name
		}
		table = false
		switch m := k.byTable[tableKey(word)]; {
		case m == nil:
		case own == nil:
			own = m
		case own.err == nil && !own.covers(m):
			own = join(own.schema, own, m)
		}
	}
	return own
}

// beforeTable are the words that can stand before a table's name.
var beforeTable = map[string]bool{
	"INSERT": true, "OR": true, "REPLACE": true, "INTO": true, "UPDATE": true, "DELAYED": true, "HIGH_PRIORITY": true,
	"LOW_PRIORITY": true, "IGNORE": true, "ABORT": true, "FAIL": true, "ROLLBACK": true, "ONLY": true,
	",": true, "FROM": true, "JOIN": true, "STRAIGHT_JOIN": true,
}

func tableKey(name string) string {
	return strings.ToLower(name[strings.LastIndexByte(name, '.')+1:])
}

// learn adds a statement's schema. Other types of the same table learn from it.
func (r *registry) learn(stmt *gorm.Statement) *model {
	s := stmt.Schema
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.known.Load()
	if m, ok := old.bySchema[s]; ok {
		return m
	}
	next := &knowledge{bySchema: maps.Clone(old.bySchema), byTable: maps.Clone(old.byTable)}
	own, key := newModel(s, quoter(stmt.Dialector)), tableKey(s.Table)
	next.bySchema[s] = own
	if own != nil && own.err == nil {
		if t := next.byTable[key]; t != nil {
			own = join(t.schema, t, own)
		}
		next.byTable[key] = own
	}
	for other := range next.bySchema {
		if t := next.byTable[key]; t != nil && t.schema != other && t.table == other.Table {
			next.bySchema[other] = join(other, next.bySchema[other], t)
		}
	}
	r.known.Store(next)
	return next.bySchema[s]
}
