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
	write sync.Mutex
	known atomic.Pointer[knowledge]
}

// knowledge is never changed: a new model makes a new one.
type knowledge struct {
	models map[*schema.Schema]*model // nil for a model without by-columns
	tables map[string]*model         // by the table's name without schema, lower case
}

func newRegistry() *registry {
	r := &registry{}
	r.known.Store(&knowledge{models: map[*schema.Schema]*model{}, tables: map[string]*model{}})
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
		for _, c := range m.all() {
			c.preferNativeUUID(db.Name())
		}
		r.learn(stmt)
	}
	return nil
}

// of returns what is known of the table that a statement writes to, nil when
// it has no by-columns or is not known.
func (r *registry) of(stmt *gorm.Statement) *model {
	if stmt == nil {
		return nil // built by something else than a statement
	}
	var own *model
	if s := stmt.Schema; s != nil {
		own = r.own(stmt)
		if writesTo(stmt, s.Table) {
			return own
		}
	}
	if known := r.known.Load(); len(known.tables) > 0 {
		return known.named(stmt, own)
	}
	return own
}

// own returns what is known of the type of a statement's model, which may not
// be what the statement writes to.
func (r *registry) own(stmt *gorm.Statement) *model {
	if m, ok := r.known.Load().models[stmt.Schema]; ok {
		return m
	}
	return r.learn(stmt)
}

// ofInsert is of for an INSERT that has not been begun.
func (r *registry) ofInsert(stmt *gorm.Statement) *model {
	m := r.of(stmt)
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
		switch m := k.tables[tableKey(word)]; {
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
	r.write.Lock()
	defer r.write.Unlock()
	old := r.known.Load()
	if m, ok := old.models[s]; ok {
		return m
	}
	next := &knowledge{models: maps.Clone(old.models), tables: maps.Clone(old.tables)}
	own, key := newModel(s, quoter(stmt.Dialector)), tableKey(s.Table)
	next.models[s] = own
	if own != nil && own.err == nil {
		if t := next.tables[key]; t != nil {
			own = join(t.schema, t, own)
		}
		next.tables[key] = own
	}
	for other := range next.models {
		if t := next.tables[key]; t != nil && t.schema != other && t.table == other.Table {
			next.models[other] = join(other, next.models[other], t)
		}
	}
	r.known.Store(next)
	return next.models[s]
}
