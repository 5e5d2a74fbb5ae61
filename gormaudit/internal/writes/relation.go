package writes

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"gorm.io/gorm/schema"
)

// Relation is an association of a model, with rows at its other end. Row 1 of
// the model has the children 1 and, where it can have several, 2. Child 3 of a
// has-many is row 2's; other children are nobody's.
type Relation struct {
	Child *Model
	// Missing is why paths with the association can't be tried, empty if they
	// can.
	Missing string

	owner *Model
	rel   *schema.Relationship
	// join is the join table of a many2many.
	joinModel *Model
	// first says that it is the model's first association of its kind.
	first bool
}

// Relate adds the model's associations with the given models.
func (m *Model) Relate(others []*Model) {
	m.relations = nil
	seen := map[schema.RelationshipType]bool{}
	for _, field := range m.Schema.Fields {
		rel := m.Schema.Relationships.Relations[field.Name]
		if rel == nil || rel.Field != field {
			continue
		}
		r := &Relation{owner: m, rel: rel, first: !seen[rel.Type]}
		if at := slices.IndexFunc(others, func(o *Model) bool { return o.Schema.ModelType == rel.FieldSchema.ModelType }); at < 0 {
			r.Missing = "there is no audittest.Model of " + rel.FieldSchema.Name
		} else {
			r.Child = others[at].copy()
			seen[rel.Type] = true
		}
		if rel.FieldSchema.Table == m.Schema.Table {
			r.Missing = "it is an association of the table with itself"
		}
		for _, ref := range rel.References {
			if slices.Contains(m.by.All(), ref.ForeignKey) {
				r.Missing = "its foreign key " + ref.ForeignKey.DBName + " is a by-column"
			}
		}
		if rel.Type != schema.BelongsTo && r.Missing == "" && rel.Field.ReflectValueOf(context.Background(), reflect.ValueOf(m.make(1)).Elem()).Kind() == reflect.Slice && !m.isEmpty(rel) {
			r.Missing = "new rows come with " + rel.Name
		}
		if rel.JoinTable != nil {
			r.joinModel = &Model{rows: map[int]any{}, count: &counter{}}
		}
		m.relations = append(m.relations, r)
	}
}

// isEmpty reports whether new rows have no children.
func (m *Model) isEmpty(rel *schema.Relationship) bool {
	return rel.Field.ReflectValueOf(context.Background(), reflect.ValueOf(m.make(1)).Elem()).Len() == 0
}

// copy returns the model for an association: with rows of its own, and the
// same numbering of new rows.
func (m *Model) copy() *Model {
	c := *m
	c.rows, c.relations = map[int]any{}, nil
	return &c
}

// Relation returns the association of a name, nil if there is none.
func (m *Model) Relation(name string) *Relation {
	for _, r := range m.relations {
		if r.name() == name {
			return r
		}
	}
	return nil
}

func (r *Relation) name() string { return r.rel.Name }

func (r *Relation) kind() string { return string(r.rel.Type) }

func (r *Relation) ready() bool { return r.Missing == "" }

func (r *Relation) many() bool {
	return r.rel.Type == schema.HasMany || r.rel.Type == schema.Many2Many
}

// free is a child that is not row 1's.
func (r *Relation) free() int {
	if r.many() {
		return 3
	}
	return 2
}

// child and join name rows of the association.
func (r *Relation) child(row string) string { return r.name() + " " + row }

func (r *Relation) join(row string) string { return r.name() + ".join " + row }

func (r *Relation) joins(want string, rows ...string) map[string]string {
	wants := map[string]string{}
	if r.rel.Type == schema.Many2Many {
		for _, row := range rows {
			wants[r.join(row)] = want
		}
	}
	return wants
}

func (r *Relation) joinsDeleted(rows ...string) map[string]string {
	if r.joinModel != nil && len(r.joinModel.softDeletes) > 0 {
		return r.joins(isDeleted, rows...)
	}
	return r.joins(isGone, rows...)
}

// deleted are the children of row 1 among the given ones, deleted.
func (r *Relation) deleted(rows ...string) map[string]string {
	return r.wants(r.Child.deletedRow(), rows)
}

func (r *Relation) changed(rows ...string) map[string]string { return r.wants(isChanged, rows) }

func (r *Relation) wants(want string, rows []string) map[string]string {
	wants := map[string]string{}
	for _, row := range rows {
		if row == "1" || r.many() {
			wants[r.child(row)] = want
		}
	}
	return wants
}

// removed are the rows of the association that go with row 1.
func (r *Relation) removed() map[string]string {
	if r.rel.Type == schema.Many2Many {
		return r.joinsDeleted("1", "2")
	}
	return r.deleted("1", "2")
}

// finish names a path for the association.
func (r *Relation) finish(p Path) Path {
	p.Skip = first(p.Skip, r.Missing)
	if r.Child == nil {
		return p
	}
	name, _, _ := strings.Cut(r.Child.Schema.Name, "[")
	name = strings.ToLower(name[:1]) + name[1:]
	p.Call = strings.NewReplacer(
		"&comment", "&"+name, "the comments", "the "+name+"s", "the comment", "the "+name, "&tag", "&"+name, "&writer", "&"+name,
		"&oldTag", "&old"+name, "&oldWriter", "&old"+name,
	).Replace(p.Call)
	return p
}

// fresh returns a new child with forged by-columns, of nobody.
func (r *Relation) fresh() any { return r.loosen(r.Child.fresh()) }

// loosen takes a child from the owner that its factory gave it.
func (r *Relation) loosen(child any) any {
	if r.rel.Type == schema.BelongsTo {
		return child
	}
	row := reflect.ValueOf(child).Elem()
	for _, back := range r.Child.Schema.Relationships.BelongsTo {
		if back.FieldSchema.ModelType == r.owner.Schema.ModelType {
			back.Field.ReflectValueOf(context.Background(), row).SetZero()
		}
	}
	return child
}

// put gives a row a child.
func (r *Relation) put(row, child any) any {
	field := r.rel.Field.ReflectValueOf(context.Background(), reflect.ValueOf(row).Elem())
	v := reflect.ValueOf(child)
	fit := func(t reflect.Type) reflect.Value {
		if t.Kind() == reflect.Pointer {
			return v
		}
		return v.Elem()
	}
	switch field.Kind() {
	case reflect.Slice:
		field.Set(reflect.Append(field, fit(field.Type().Elem())))
	case reflect.Pointer:
		if field.Type().Elem().Kind() == reflect.Slice { // *[]T
			if field.IsNil() {
				field.Set(reflect.New(field.Type().Elem()))
			}
			list := field.Elem()
			list.Set(reflect.Append(list, fit(list.Type().Elem())))
			return row
		}
		field.Set(v)
	default:
		field.Set(v.Elem())
	}
	return row
}

// bind makes child the owner's, in memory.
func (r *Relation) bind(owner, child any) error {
	ctx := context.Background()
	for _, ref := range r.rel.References {
		var err error
		switch to := reflect.ValueOf(child); {
		case ref.PrimaryValue != "":
			err = ref.ForeignKey.Set(ctx, to, ref.PrimaryValue)
		case ref.OwnPrimaryKey:
			key, _ := ref.PrimaryKey.ValueOf(ctx, reflect.ValueOf(owner))
			err = ref.ForeignKey.Set(ctx, to, key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// joinKey are the columns of the join row between an owner and a child.
func (r *Relation) joinKey(owner, child any) map[string]any {
	key := map[string]any{}
	for _, ref := range r.rel.References {
		switch from := owner; {
		case ref.PrimaryValue != "":
			key[ref.ForeignKey.DBName] = ref.PrimaryValue
		default:
			if !ref.OwnPrimaryKey {
				from = child
			}
			key[ref.ForeignKey.DBName], _ = ref.PrimaryKey.ValueOf(context.Background(), reflect.ValueOf(from))
		}
	}
	return key
}

// clear takes everything from a row that belongs to its associations.
func (m *Model) clear(row any) any {
	for _, rel := range m.Schema.Relationships.Relations {
		if rel.Field != nil && rel.Field.Schema == m.Schema {
			rel.Field.ReflectValueOf(context.Background(), reflect.ValueOf(row).Elem()).SetZero()
		}
	}
	return row
}
