// Package bycolumn finds the columns of a model that say who: created_by,
// updated_by and deleted_by.
package bycolumn

import (
	"fmt"
	"reflect"
	"strings"

	"gorm.io/gorm/schema"
	"gorm.io/gorm/utils"
)

// Columns are the by-columns of one model, in the order of its columns. There
// can be several of a kind, as there can be several timestamps: one of the
// model and one of each prefixed embedded struct.
type Columns struct {
	Created, Updated, Deleted []*schema.Field
}

// None reports whether there is no by-column at all.
func (c Columns) None() bool {
	return len(c.Created) == 0 && len(c.Updated) == 0 && len(c.Deleted) == 0
}

// All returns the columns of every kind.
func (c Columns) All() []*schema.Field {
	all := make([]*schema.Field, 0, len(c.Created)+len(c.Updated)+len(c.Deleted))
	all = append(all, c.Created...)
	all = append(all, c.Updated...)
	return append(all, c.Deleted...)
}

// Find finds them as GORM finds its timestamps: by a tag on any field, or else
// by the field's name, which a tag with the value false turns off. A name and
// the same name with ID after it, both columns of one struct, is an error:
// which of them is meant?
func Find(s *schema.Schema) (Columns, error) {
	var c Columns
	for _, role := range []struct {
		fields    *[]*schema.Field
		name, tag string
	}{
		{&c.Created, "CreatedBy", "AUTOCREATEBY"},
		{&c.Updated, "UpdatedBy", "AUTOUPDATEBY"},
		{&c.Deleted, "DeletedBy", "AUTODELETEBY"},
	} {
		named := map[string]string{} // a struct within the model, and the name found in it
		for _, dbName := range s.DBNames {
			field := s.FieldsByDBName[dbName]
			byName, ok := plays(field, role.name, role.tag)
			if !ok {
				continue
			}
			if byName {
				owner := strings.Join(field.BindNames[:len(field.BindNames)-1], ".")
				if other, taken := named[owner]; taken {
					return Columns{}, fmt.Errorf("gormaudit: %s has columns for both %s and %s: turn one off with the tag gorm:\"%s:false\"",
						s.Name, other, field.Name, camel(role.tag))
				}
				named[owner] = field.Name
			}
			*role.fields = append(*role.fields, field)
		}
	}
	return c, nil
}

// SoftDeletes returns the fields that turn a delete into an update.
func SoftDeletes(s *schema.Schema) []*schema.Field {
	if len(s.DeleteClauses) == 0 {
		return nil
	}
	var fields []*schema.Field
	for _, dbName := range s.DBNames {
		if field := s.FieldsByDBName[dbName]; IsSoftDelete(field) {
			fields = append(fields, field)
		}
	}
	return fields
}

// IsSoftDelete reports whether a field says that its row is deleted: its type is
// gorm.DeletedAt or the like. GORM's deletes need not be what sets it.
func IsSoftDelete(field *schema.Field) bool {
	_, ok := reflect.New(field.IndirectFieldType).Interface().(schema.DeleteClausesInterface)
	return ok
}

// plays reports whether a field plays a role, and whether by its name alone.
func plays(field *schema.Field, name, tag string) (byName, ok bool) {
	if ignored, set := field.TagSettings["-"]; set && !strings.EqualFold(strings.TrimSpace(ignored), "migration") {
		return false, false
	}
	if value, set := field.TagSettings[tag]; set {
		return false, utils.CheckTruth(value)
	}
	return true, field.Name == name || field.Name == name+"ID"
}

// camel writes a tag as people do: autoCreateBy.
func camel(tag string) string {
	rest := tag[len("AUTO") : len(tag)-len("BY")]
	return "auto" + rest[:1] + strings.ToLower(rest[1:]) + "By"
}
