package tests

import (
	"maps"
	"reflect"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
)

// gone is a soft-delete field that holds a flag or a time, of the shape of
// gorm.io/plugin/soft_delete: it turns a DELETE into an UPDATE from within a
// clause, as gorm.DeletedAt does. The tag softDelete:flag makes it 1, and
// otherwise it is the Unix second; deletedAtField names a field that gets the
// time besides.
type gone uint

func (gone) QueryClauses(f *schema.Field) []clause.Interface {
	return []clause.Interface{goneQuery{field: f}}
}

func (gone) UpdateClauses(f *schema.Field) []clause.Interface {
	return []clause.Interface{goneUpdate{goneQuery{field: f}}}
}

func (gone) DeleteClauses(f *schema.Field) []clause.Interface {
	return []clause.Interface{goneDelete{goneQuery{field: f}}}
}

type goneQuery struct{ field *schema.Field }

func (goneQuery) Name() string               { return "" }
func (goneQuery) Build(clause.Builder)       {}
func (goneQuery) MergeClause(*clause.Clause) {}
func (q goneQuery) column() clause.Column {
	return clause.Column{Table: clause.CurrentTable, Name: q.field.DBName}
}

func (q goneQuery) isFlag() bool { return strings.Contains(q.field.TagSettings["SOFTDELETE"], "flag") }

func (q goneQuery) set(value any) clause.Assignment {
	return clause.Assignment{Column: clause.Column{Name: q.field.DBName}, Value: value}
}

func (q goneQuery) ModifyStatement(stmt *gorm.Statement) {
	if _, ok := stmt.Clauses["soft_delete_enabled"]; ok || stmt.Unscoped {
		return
	}
	if c, ok := stmt.Clauses["WHERE"]; ok {
		if where, ok := c.Expression.(clause.Where); ok && len(where.Exprs) > 0 {
			where.Exprs = []clause.Expression{clause.And(where.Exprs...)}
			c.Expression = where
			stmt.Clauses["WHERE"] = c
		}
	}
	stmt.AddClause(clause.Where{Exprs: []clause.Expression{clause.Eq{Column: q.column(), Value: 0}}})
	stmt.Clauses["soft_delete_enabled"] = clause.Clause{}
}

type goneUpdate struct{ goneQuery }

func (u goneUpdate) ModifyStatement(stmt *gorm.Statement) {
	if stmt.SQL.Len() == 0 && !stmt.Unscoped {
		u.goneQuery.ModifyStatement(stmt)
	}
}

type goneDelete struct{ goneQuery }

func (d goneDelete) ModifyStatement(stmt *gorm.Statement) {
	if stmt.SQL.Len() != 0 || stmt.Unscoped {
		return
	}
	now := stmt.NowFunc()
	var set clause.Set
	if at := stmt.Schema.LookUpField(d.field.TagSettings["DELETEDATFIELD"]); at != nil {
		set = append(set, clause.Assignment{Column: clause.Column{Name: at.DBName}, Value: now})
		stmt.SetColumn(at.DBName, now, true)
	}
	if d.isFlag() {
		set = append(set, d.set(1))
	} else {
		set = append(set, d.set(now.Unix()))
	}
	stmt.AddClause(set)
	stmt.SetColumn(d.field.DBName, set[len(set)-1].Value, true)
	_, keys := schema.GetIdentityFieldValuesMap(stmt.Context, stmt.ReflectValue, stmt.Schema.PrimaryFields)
	if column, values := schema.ToQueryValues(stmt.Table, stmt.Schema.PrimaryFieldDBNames, keys); len(values) > 0 {
		stmt.AddClause(clause.Where{Exprs: []clause.Expression{clause.IN{Column: column, Values: values}}})
	}
	d.goneQuery.ModifyStatement(stmt)
	stmt.AddClauseIfNotExists(clause.Update{})
	stmt.Build(stmt.DB.Callback().Update().Clauses...)
}

// lock is an optimistic lock of the shape of gorm.io/plugin/optimisticlock: an
// update asks for the version it has read, and replaces Dest by a map that
// counts it up.
type lock int64

func (lock) UpdateClauses(f *schema.Field) []clause.Interface {
	return []clause.Interface{lockUpdate{f}}
}

type lockUpdate struct{ field *schema.Field }

func (lockUpdate) Name() string               { return "" }
func (lockUpdate) Build(clause.Builder)       {}
func (lockUpdate) MergeClause(*clause.Clause) {}

func (l lockUpdate) ModifyStatement(stmt *gorm.Statement) {
	if stmt.SQL.Len() != 0 || stmt.Unscoped {
		return
	}
	if stmt.ReflectValue.Kind() == reflect.Struct {
		if version, isZero := l.field.ValueOf(stmt.Context, stmt.ReflectValue); !isZero {
			stmt.AddClause(clause.Where{Exprs: []clause.Expression{
				clause.Eq{Column: clause.Column{Table: clause.CurrentTable, Name: l.field.DBName}, Value: version},
			}})
		}
	}
	dest := l.dest(stmt)
	dest[l.field.DBName] = clause.Expr{SQL: stmt.Quote(l.field.DBName) + "+1"}
	stmt.Dest = dest
}

// dest is Dest as a map.
func (l lockUpdate) dest(stmt *gorm.Statement) map[string]any {
	if values, ok := stmt.Dest.(map[string]any); ok {
		return maps.Clone(values)
	}
	dest := map[string]any{}
	selected, restricted := stmt.SelectAndOmitColumns(false, true)
	rv := reflect.Indirect(reflect.ValueOf(stmt.Dest))
	for _, name := range stmt.Schema.DBNames {
		field := stmt.Schema.FieldsByDBName[name]
		v, ok := selected[name]
		if value, isZero := field.ValueOf(stmt.Context, rv); !field.PrimaryKey && field.AutoUpdateTime == 0 && (ok && v || !ok && !restricted && !isZero) {
			dest[name] = value
		}
	}
	return dest
}
