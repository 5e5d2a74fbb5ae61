package gormaudit

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit/internal/bycolumn"
)

// model is what the plugin knows of a model with by-columns: decided once per
// schema, read by every statement.
type model struct {
	schema  *schema.Schema
	table   string
	columns []*column
	// quote quotes a name for the database.
	quote func(name string) string
	// shortest is the length of the shortest spelling of a by-column, others
	// are the schema's other columns. ambiguous says that one of them is a
	// by-column by another spelling.
	shortest     int
	otherColumns map[string]otherColumn
	ambiguous    bool
	// insertColumns are the columns of an INSERT of the whole model, in GORM's order.
	insertColumns []quotedColumn
	// deletedAt are the soft-delete fields that deleted_by follows.
	deletedAt []deletedAt
	// parts are the tables of an UPDATE of several.
	parts []*part
	// err is why no statement on the model can be right.
	err error
}

// otherColumn is one that is no by-column.
type otherColumn struct {
	// assignment is the quoted name and "=".
	assignment string
	// unrelated says that no by-column follows it.
	unrelated bool
}

type quotedColumn struct {
	column clause.Column
	quoted string
}

// newModel returns nil for a model without by-columns.
func newModel(s *schema.Schema, quote func(name string) string) *model {
	found, err := bycolumn.Find(s)
	if err == nil && found.None() {
		return nil
	}
	m := &model{schema: s, table: s.Table, quote: quote, err: err}
	for r, fields := range [...][]*schema.Field{created: found.Created, updated: found.Updated, deleted: found.Deleted} {
		for _, field := range fields {
			c, err := newColumn(field, role(r))
			if err != nil && m.err == nil {
				m.err = err
			}
			m.columns = append(m.columns, c)
		}
	}
	m.deletedAt = findDeletedAt(s)
	m.index()
	return m
}

// check returns what is wrong with a model that is named in Config.Models.
func (m *model) check() error {
	if m == nil {
		return nil
	}
	if m.err != nil {
		return m.err
	}
	for n, c := range m.columns {
		if mistake := m.mistake(n); mistake != "" {
			return fmt.Errorf("gormaudit: %s.%s %s", m.table, c.name, mistake)
		}
	}
	return nil
}

// mistake returns what can't be meant by the n-th by-column, or "".
func (m *model) mistake(n int) string {
	c := m.columns[n]
	for _, other := range m.columns[:n] {
		if other.name == c.name {
			return fmt.Sprintf("is both %s and %s: one column can't be both (autoUpdateBy alone is written on create, too)", other.role.tag(), c.role.tag())
		}
	}
	switch {
	case c.role == deleted && len(m.deletedAt) == 0:
		return fmt.Sprintf("says who deleted a row softly, but %s has no soft-delete field such as gorm.DeletedAt", m.schema.Name)
	case c.field.AutoCreateTime != 0 || c.field.AutoUpdateTime != 0:
		return fmt.Sprintf("says who, but GORM writes the time into it: remove the tag for the time, or turn the by-column off with the tag gorm:\"%s:false\"", c.role.tag())
	case c.field.AutoIncrement:
		return "is an auto-increment key: where nobody acts, it would get the next number, which is somebody's id (tag autoIncrement:false?)"
	case c.field.PrimaryKey && c.role != created:
		return "is part of the primary key: the row would get another key when another person writes it"
	}
	return ""
}

// foreignKeys returns what to say of by-columns that can't hold nobody once
// AutoMigrate has made the foreign key of their relation. It works as long as
// somebody is signed in, so that it is no mistake.
func (m *model) foreignKeys(db *gorm.DB) (warnings []string) {
	if m == nil || db.DisableForeignKeyConstraintWhenMigrating || db.IgnoreRelationshipsWhenMigrating {
		return nil
	}
	for _, relation := range m.schema.Relationships.BelongsTo {
		if relation.Field.IgnoreMigration || relation.ParseConstraint() == nil {
			continue
		}
		for _, reference := range relation.References {
			for _, c := range m.columns {
				if zero, hasNull := c.nobody(); c.field == reference.ForeignKey && !hasNull {
					warnings = append(warnings, fmt.Sprintf("gormaudit: %s.%s is of type %s and holds %s where nobody acts, which a foreign key to %s refuses: "+
						"make the field a pointer, or tag the relation %s gorm:\"constraint:-\"",
						m.table, c.name, c.field.FieldType, zero, relation.FieldSchema.Table, relation.Name))
				}
			}
		}
	}
	return warnings
}

// column returns the by-column that name addresses, or nil.
func (m *model) column(name string) *column {
	if name == clause.PrimaryKey {
		name = m.primaryKey()
	}
	if m.parts != nil {
		return m.columnOfPart(name)
	}
	for _, c := range m.columns {
		if c.name == name {
			return c
		}
	}
	if len(name) < m.shortest || m.otherColumns[name].assignment != "" {
		return nil
	}
	for _, c := range m.columns {
		if c.spelled(name) && (name == c.field.Name || !m.spellsOther(name)) {
			return c
		}
	}
	return nil
}

// spellsOther reports whether a database takes name for another column. It can
// be a by-column's field name in another case.
func (m *model) spellsOther(name string) bool {
	name = bare(name)
	for other := range m.otherColumns {
		if sameFold(name, other) {
			return true
		}
	}
	return false
}

// columnFor returns the by-column that an assignment is to, or nil.
func (m *model) columnFor(c clause.Column) *column {
	if m.parts != nil && c.Table != "" {
		return m.columnOfPart(c.Table + "." + c.Name)
	}
	return m.column(c.Name)
}

// columnOfPart is column where several tables have by-columns.
func (m *model) columnOfPart(name string) *column {
	p := m.partOf(clause.Column{Name: name})
	for _, c := range m.columns {
		if c.part == p && c.spelled(name) {
			return c
		}
	}
	return nil
}

// primaryKey is the column that GORM writes for clause.PrimaryKey: the first
// of all where a model has none.
func (m *model) primaryKey() string {
	if pk := m.schema.PrioritizedPrimaryField; pk != nil {
		return pk.DBName
	}
	if len(m.schema.DBNames) > 0 {
		return m.schema.DBNames[0]
	}
	return m.columns[0].name
}

// index works out what column and insert look up.
func (m *model) index() {
	m.shortest, m.ambiguous = math.MaxInt, false
	m.otherColumns, m.insertColumns = map[string]otherColumn{}, nil
	for _, c := range m.columns {
		c.assignment = m.quote(c.name) + "="
		if c.part != nil {
			c.assignment = m.quote(c.part.qualifier) + "." + c.assignment
		}
		m.shortest = min(m.shortest, utf8.RuneCountInString(c.name)-strings.Count(c.name, "_"), utf8.RuneCountInString(c.field.Name))
	}
	for _, name := range m.schema.DBNames {
		if n := slices.IndexFunc(m.columns, func(c *column) bool { return sameFold(name, c.name) }); n < 0 {
			m.otherColumns[name] = otherColumn{assignment: m.quote(name) + "=", unrelated: m.follows(name) == nil}
		} else if m.columns[n].name == name {
			m.columns[n].position = len(m.insertColumns)
		} else {
			m.ambiguous = true
		}
		if field := m.schema.FieldsByDBName[name]; !field.HasDefaultValue || field.DefaultValueInterface != nil {
			m.insertColumns = append(m.insertColumns, quotedColumn{clause.Column{Name: name}, m.quote(name)})
		}
	}
}

// join returns the model of s with its own by-columns and those that other
// has and s lacks: other is the same table through another type.
func join(s *schema.Schema, own, other *model) *model {
	joined := &model{schema: s, table: s.Table, quote: other.quote}
	if own != nil {
		*joined = *own
		joined.columns = nil
		for _, c := range own.columns {
			same := *c
			joined.columns = append(joined.columns, &same)
		}
	}
	for _, c := range other.columns {
		if !joined.has(c.name) {
			foreign := *c
			foreign.declared = false
			joined.columns = append(joined.columns, &foreign)
		}
	}
	if len(joined.deletedAt) == 0 {
		joined.deletedAt = other.deletedAt
	}
	joined.index()
	return joined
}

func (m *model) has(name string) bool {
	for _, c := range m.columns {
		if c.name == name {
			return true
		}
	}
	return false
}

// writesOnDelete reports whether a delete is an UPDATE that says who.
func (m *model) writesOnDelete(stmt *gorm.Statement) bool {
	return m != nil && !stmt.Unscoped && len(m.deletedAt) > 0 && slices.ContainsFunc(m.columns, func(c *column) bool { return c.role == deleted })
}

// covers reports whether m has all of other's by-columns.
func (m *model) covers(other *model) bool {
	for _, c := range other.columns {
		if !m.has(c.name) {
			return false
		}
	}
	return true
}

// all returns the columns, none of a model that is nil.
func (m *model) all() []*column {
	if m == nil {
		return nil
	}
	return m.columns
}

// assigns adds to assigned how each of a caller's assignments begins, "" where
// that is not known. ok is false if one is to a by-column, or to a column that
// one follows.
func (m *model) assigns(set clause.Set, assigned []string) (_ []string, ok bool) {
	for n := range set {
		c := &set[n].Column
		other := m.otherColumns[c.Name]
		if !other.unrelated && (m.column(c.Name) != nil || m.follows(c.Name) != nil) {
			return nil, false
		}
		if c.Table != "" || c.Alias != "" || c.Raw {
			other.assignment = ""
		}
		assigned = append(assigned, other.assignment)
	}
	return assigned, true
}

// follows returns the soft-delete field that a name addresses and deleted_by
// follows, or nil.
func (m *model) follows(name string) *deletedAt {
	for n := range m.deletedAt {
		if d := &m.deletedAt[n]; d.name == name || len(name) >= len(d.name) && sameFold(bare(name), d.name) {
			return d
		}
	}
	return nil
}

// itself is an assignment that changes nothing, for a statement that has
// nothing else left to do but still has to be one.
func (m *model) itself() clause.Assignment {
	name := m.primaryKey()
	if m.parts != nil {
		c := clause.Column{Table: m.parts[0].qualifier, Name: name}
		return clause.Assignment{Column: c, Value: c}
	}
	return clause.Assignment{Column: clause.Column{Name: name}, Value: clause.Column{Table: clause.CurrentTable, Name: name}}
}

// inMap reports whether a map has a by-column under a name that GORM resolves:
// the column's or the field's.
func (m *model) inMap(values map[string]any) bool {
	for _, c := range m.columns {
		_, byColumn := values[c.name]
		_, byField := values[c.field.Name]
		if c.declared && (byColumn || byField) {
			return true
		}
	}
	return false
}

// refuse is for clauses put together by hand, whose columns can't be read.
func (m *model) refuse(stmt *gorm.Statement, name string, c clause.Clause) {
	by := fmt.Sprintf("%T", c.Expression)
	if c.Builder != nil {
		by = "a builder of its own"
	}
	_ = stmt.AddError(fmt.Errorf("gormaudit: by-columns of %q can't be protected in a %s clause made by %s", m.table, name, by))
}
