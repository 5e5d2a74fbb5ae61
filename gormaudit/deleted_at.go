package gormaudit

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit/internal/bycolumn"
)

// deletedAt is a soft-delete field: gorm.DeletedAt, or a flag or a timestamp
// as gorm.io/plugin/soft_delete has them.
type deletedAt struct {
	name string
	// live is what the column of a row that is not deleted holds. nil is NULL.
	live any
}

func findDeletedAt(s *schema.Schema) []deletedAt {
	var found []deletedAt
	for _, field := range bycolumn.SoftDeletes(s) {
		d := deletedAt{name: field.DBName}
		if zero, ok := field.TagSettings["ZEROVALUE"]; ok {
			d.live = zero
		} else if field.FieldType.Kind() != reflect.Pointer {
			d.live = driverValue(reflect.Zero(field.FieldType).Interface())
		}
		found = append(found, d)
	}
	return found
}

// isLive reports whether assigning v to the column brings a row back.
func (d deletedAt) isLive(v any) bool {
	if expr, ok := v.(clause.Expr); ok {
		return strings.EqualFold(strings.TrimSpace(expr.SQL), "NULL")
	}
	v = driverValue(v)
	if v == nil || d.live == nil {
		return v == nil
	}
	if t, ok := v.(time.Time); ok {
		for _, layout := range []string{time.RFC3339Nano, time.DateTime, time.DateOnly} {
			if zero, err := time.Parse(layout, fmt.Sprint(d.live)); err == nil {
				return t.Equal(zero)
			}
		}
	}
	return fmt.Sprint(v) == fmt.Sprint(d.live) || v == false && fmt.Sprint(d.live) == "0"
}

// lives is the condition that the column, as it is or as offered to an upsert,
// is that of a row which is not deleted.
func (d deletedAt) lives(column any) clause.Expression {
	if d.live == nil {
		return clause.Expr{SQL: "? IS NULL", Vars: []any{column}}
	}
	return clause.Expr{SQL: "? = ?", Vars: []any{column, d.live}}
}
