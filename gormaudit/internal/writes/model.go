package writes

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit/internal/bycolumn"
)

// Model is a model that paths are tried on, and three rows of it that are
// there.
type Model struct {
	Schema *schema.Schema
	Users  Users

	zeroRow     any
	make        func(i int) any
	g           generic // nil if gorm.G is not tried
	by          bycolumn.Columns
	softDeletes []*schema.Field
	updatedAt   []*schema.Field
	// column is one that callers change; its values vary from one new row to
	// another if varies is set. plain are the columns of an INSERT that are
	// not GORM's or the plugin's.
	column *schema.Field
	varies bool
	plain  []string

	relations []*Relation
	rows      map[int]any
	names     *strings.Replacer
	count     *counter
	// absentKey is a numeric key that no row has.
	absentKey int64
	// honestly leaves by-columns out of what callers write.
	honestly bool
}

// counter numbers the rows that a factory makes.
type counter struct{ next, base int }

// NewModel returns a model whose new rows row makes: the i-th one, valid and
// different from all others in its unique columns.
func NewModel[T any](row func(i int) *T) *Model {
	m := NewModelWithoutG(row)
	m.g = genericOf[T]{}
	return m
}

// NewModelWithoutG returns a model that gorm.G does not write. GORM's generics
// take the compiler a second for each type, and treat all types alike.
func NewModelWithoutG[T any](row func(i int) *T) *Model {
	return &Model{
		zeroRow: new(T), make: func(i int) any { return row(i) },
		rows: map[int]any{}, count: &counter{base: 1},
	}
}

// Zero returns a new, empty row.
func (m *Model) Zero() any { return m.zero() }

// Learn reads the model's schema.
func (m *Model) Learn(s *schema.Schema) error {
	found, err := bycolumn.Find(s)
	if err != nil {
		return err
	}
	m.Schema, m.by, m.softDeletes = s, found, bycolumn.SoftDeletes(s)
	if len(s.PrimaryFields) == 0 {
		return fmt.Errorf("%s has no primary key: its rows can't be told apart", s.Table)
	}
	one, two := m.make(1), m.make(2)
	if reflect.ValueOf(one).IsNil() || reflect.ValueOf(two).IsNil() {
		return fmt.Errorf("%s: the function of audittest.Model returned nil", s.Table)
	}
	for _, name := range s.DBNames {
		field := s.FieldsByDBName[name]
		if field.AutoUpdateTime > 0 {
			m.updatedAt = append(m.updatedAt, field)
		}
		m.classify(field, one, two)
	}
	m.nameCalls()
	return nil
}

// classify looks at a column that may be a caller's.
func (m *Model) classify(field *schema.Field, one, two any) {
	kept := field.AutoCreateTime > 0 || field.AutoUpdateTime > 0 || slices.Contains(m.by.All(), field) || bycolumn.IsSoftDelete(field)
	if kept || !field.Creatable || field.PrimaryKey && m.isZero(one, field) {
		return
	}
	m.plain = append(m.plain, field.DBName)
	if field.PrimaryKey || !field.Updatable || m.isForeignKey(field) {
		return
	}
	varies := m.Schema.ModelType != nil && !reflect.DeepEqual(m.get(one, field), m.get(two, field))
	if _, special := reflect.New(field.IndirectFieldType).Interface().(schema.UpdateClausesInterface); special {
		return // an optimistic lock, for one
	}
	if m.column == nil || varies && !m.varies {
		m.column, m.varies = field, varies
	}
}

func (m *Model) isForeignKey(field *schema.Field) bool {
	for _, r := range m.Schema.Relationships.BelongsTo {
		for _, ref := range r.References {
			if ref.ForeignKey == field {
				return true
			}
		}
	}
	return false
}

// nameCalls has paths' calls speak of the model instead of a Note.
func (m *Model) nameCalls() {
	name, _, _ := strings.Cut(m.Schema.Name, "[")
	lower := strings.ToLower(name[:1]) + name[1:]
	upper := strings.ToUpper(name[:1]) + name[1:]
	pairs := []string{
		`"notes"`, `"` + m.Schema.Table + `"`, "UPDATE notes", "UPDATE " + m.Schema.Table,
		"&notes", "&" + lower + "s", "(notes", "(" + lower + "s", "&note", "&" + lower, "(note", "(" + lower, "Note{", upper + "{", "[Note]", "[" + upper + "]",
		"&newNote", "&new" + upper, "&deletedNote", "&deleted" + upper, "&forgedNote", "&forged" + upper,
	}
	for _, role := range m.roles() {
		if len(role.fields) > 0 {
			pairs = append(pairs, `"`+role.name+`"`, `"`+role.fields[0].DBName+`"`)
		}
	}
	if m.column != nil {
		pairs = append(pairs, `"title"`, `"`+m.column.DBName+`"`)
	}
	if len(m.softDeletes) > 0 {
		pairs = append(pairs, `"deleted_at"`, `"`+m.deletedAtName()+`"`)
	}
	m.names = strings.NewReplacer(pairs...)
}

// Stamped reports whether the model has by-columns.
func (m *Model) Stamped() bool { return !m.by.None() }

// Put says that a row, 1, 2 or 3, is there.
func (m *Model) Put(n int, row any) { m.rows[n] = row }

// SetAbsentKey names a numeric key that no row has.
func (m *Model) SetAbsentKey(key int64) { m.absentKey = key }

// rewind has the next new row be the same as at the start of every path.
func (m *Model) rewind() {
	m.count.next = m.count.base
	for _, r := range m.relations {
		if r.Child != nil {
			r.Child.count.next = r.Child.count.base
		}
	}
}

func (m *Model) table() string { return m.Schema.Table }

// role is a kind of by-column.
type role struct {
	name   string
	fields []*schema.Field
}

func (m *Model) roles() []role {
	return []role{{"created_by", m.by.Created}, {"updated_by", m.by.Updated}, {"deleted_by", m.by.Deleted}}
}

func (m *Model) byNames() []string { return dbNames(m.by.All()) }

func (m *Model) columnName() string {
	if m.column == nil {
		return ""
	}
	return m.column.DBName
}

func (m *Model) deletedAtName() string {
	if len(m.softDeletes) == 0 {
		return ""
	}
	return m.softDeletes[0].DBName
}

func (m *Model) keyNames() []string { return dbNames(m.Schema.PrimaryFields) }

func (m *Model) keyColumns() []clause.Column {
	var columns []clause.Column
	for _, name := range m.keyNames() {
		columns = append(columns, clause.Column{Name: name})
	}
	return columns
}

// equals are the conditions that a row is the n-th.
func (m *Model) equals(n int) []clause.Eq {
	var conditions []clause.Eq
	for _, field := range m.Schema.PrimaryFields {
		conditions = append(conditions, clause.Eq{Column: clause.Column{Name: field.DBName}, Value: m.get(m.rows[n], field)})
	}
	return conditions
}

// is is the condition that a row is the n-th.
func (m *Model) is(n int) clause.Expression {
	var conditions []clause.Expression
	for _, eq := range m.equals(n) {
		conditions = append(conditions, eq)
	}
	if len(conditions) == 1 {
		return conditions[0]
	}
	return clause.And(conditions...)
}

// deleted are the rows of a path that deletes some.
func (m *Model) deleted(rows ...string) map[string]string {
	want := map[string]string{}
	for _, row := range rows {
		want[row] = m.deletedRow()
	}
	return want
}

func (m *Model) deletedRow() string {
	if len(m.softDeletes) == 0 {
		return isGone
	}
	return isDeleted
}

// allChanged are the rows of a path that changes all of them.
func (m *Model) allChanged() map[string]string {
	want := changedTwo()
	if len(m.softDeletes) == 0 {
		want["3"] = isChanged
	}
	return want
}

func (m *Model) asAuthor(db *gorm.DB) *gorm.DB {
	return db.WithContext(m.Users.context(m.Users.Author))
}

func (m *Model) asActor(db *gorm.DB) *gorm.DB {
	return db.WithContext(m.Users.context(m.Users.Actor))
}

// wrote is wrote for a statement that changes a row only if the values of
// new rows vary.
func (m *Model) wrote(tx *gorm.DB) error {
	if m.varies {
		return wrote(tx)
	}
	return tx.Error
}

// Why a model can't take a path; empty where it can.

func (m *Model) needsColumn() string {
	if m.column == nil {
		return "it has no column for callers to change"
	}
	return ""
}

func (m *Model) needsPlain() string {
	if len(m.plain) == 0 {
		return "it has no column for callers to set"
	}
	return ""
}

func (m *Model) needsG() string {
	if m.g == nil {
		return "gorm.G is tried on other models"
	}
	return ""
}

func (m *Model) needsUpdatedAt() string {
	if len(m.updatedAt) == 0 {
		return "it has no updated_at"
	}
	return ""
}

func (m *Model) needsSoftDelete() string {
	if len(m.softDeletes) == 0 {
		return "it has no soft delete"
	}
	return ""
}

func (m *Model) needsOneKey() string {
	if len(m.Schema.PrimaryFields) > 1 {
		return "its primary key has several columns"
	}
	return ""
}

// needsAbsent asks for a key that is not there.
func (m *Model) needsAbsent() string {
	if _, ok := m.withAbsentKey(m.make(1)); !ok {
		return "callers don't choose its keys"
	}
	return ""
}

func (m *Model) needs(fields []*schema.Field, name string) string {
	if len(fields) == 0 {
		return "it has no " + name
	}
	return ""
}

// needsOmittable asks for columns that are NULL where an INSERT omits them.
func (m *Model) needsOmittable(fields []*schema.Field) string {
	for _, field := range fields {
		if field.HasDefaultValue {
			return field.DBName + " has a default"
		}
	}
	return m.needs(fields, "such by-column")
}

func needsNames(names []any) string {
	if len(names) == 0 {
		return "GORM deletes none of its associations"
	}
	return ""
}

// first returns the first reason.
func first(reasons ...string) string {
	for _, reason := range reasons {
		if reason != "" {
			return reason
		}
	}
	return ""
}

// Suite is what is tried together: models, and the users who write them.
type Suite struct {
	Models []*Model
	Users  Users
}

// LearnAll reads the schemas of models as db sees them, and gives them users.
func LearnAll(db *gorm.DB, models []*Model, users Users) error {
	var fields []*schema.Field
	for _, m := range models {
		stmt := &gorm.Statement{DB: db, Context: context.Background()}
		if err := stmt.Parse(m.zeroRow); err != nil {
			return fmt.Errorf("%T: %w", m.zeroRow, err)
		}
		if err := m.Learn(stmt.Schema); err != nil {
			return err
		}
		fields = append(fields, m.by.All()...)
	}
	fit, err := users.fit(fields)
	for _, m := range models {
		m.Users = fit
	}
	return err
}
