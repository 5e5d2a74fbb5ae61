package gormaudit

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// statement is what the plugin decides about one statement, once.
type statement struct {
	*gorm.Statement
	auditor  *auditor
	model    *model
	ctx      context.Context
	mode     mode
	actor    actor.Actor
	hasActor bool // who acts; anonymous is said too
	reported bool
	dropped  []*column // that were reported
	targets  targets

	// The last value, for the next column like its one.
	column *column
	value  value

	pointers pointers
}

// begin decides on stmt. It fills s where it lies, which is too large to be
// copied for nothing.
func (s *statement) begin(a *auditor, stmt *gorm.Statement, m *model) {
	s.Statement, s.auditor, s.model, s.ctx = stmt, a, m, stmt.Context
	if stmt.Schema == m.schema {
		s.targets = targetsOf(m.schema, stmt.ReflectValue)
	}
	if s.ctx == nil {
		s.ctx = context.Background()
	}
	if s.mode = modeOf(s.ctx); s.mode != skip {
		s.actor, s.hasActor = a.config.Actor(s.ctx)
	}
}

// reportMissing deals with a statement that nobody said who is doing, once, where
// a column would be stamped.
func (s *statement) reportMissing(op string, c *column) {
	if s.hasActor || s.mode != stamp || s.reported {
		return
	}
	s.reported = true
	config := &s.auditor.config
	kind, problem := missingKind(s.auditor, s.Statement)
	message := problem
	if config.Missing == Allow || config.Missing == Reject && !config.DryRun {
		message = ""
	}
	report(s.auditor, s.Statement, Event{Kind: kind, Operation: op, Table: s.tableOf(c)}, message)
	if config.Missing == Reject && !config.DryRun {
		_ = s.AddError(missingError{op, s.tableOf(c), problem})
	}
}

// reportDropped tells of a caller's value that does not reach the row, once.
func (s *statement) reportDropped(op string, c *column) {
	if slices.Contains(s.dropped, c) {
		return
	}
	s.dropped = append(s.dropped, c)
	message := "the caller's value is dropped; only the plugin writes this column (for imports, see gormaudit.Preserve)"
	if c.role == created && op != "create" {
		message = "the caller's value is dropped; this column is written once, on create (a column that may change can't be a by-column)"
	}
	report(s.auditor, s.Statement, Event{Kind: EventDropped, Operation: op, Table: s.tableOf(c), Column: c.name}, message)
}

// reportStamp tells of a stamp that a dry run would set.
func (s *statement) reportStamp(op string, c *column) {
	if s.auditor.config.DryRun {
		report(s.auditor, s.Statement, Event{Kind: EventWouldStamp, Operation: op, Table: s.tableOf(c), Column: c.name}, "")
	}
}

// tableOf returns the name of a column's table, which may be one of several.
func (s *statement) tableOf(c *column) string {
	if c.part != nil {
		return c.part.model.table
	}
	return s.model.table
}

// valueFor returns what a column holds for whoever acts: nothing for nobody. An id
// that does not fit is the statement's error.
func (s *statement) valueFor(c *column) *value {
	if s.column != nil && s.column.alike(c) {
		return &s.value
	}
	s.column = c
	id := s.id(c)
	if id == "" {
		s.value = s.nobody(c)
		return &s.value
	}
	v, err := c.convert.id(id)
	if err == nil {
		err = s.unclear(c, id, &v)
	}
	if err != nil {
		_ = s.AddError(&ColumnError{
			Table: s.tableOf(c), Column: c.name, Type: c.field.FieldType, Actor: s.actor.String(), ID: id, cause: err,
		})
		return &s.value
	}
	if c.field.Serializer != nil {
		v = s.serialized(c, v)
	}
	s.value = v
	return &s.value
}

// unclear says why an id that fits its column would be taken for another actor
// when it is read: for a program, or for nobody.
func (s *statement) unclear(c *column, id string, v *value) error {
	if c.depth == 0 && (v.kind == intValue || v.kind == uintValue) && v.bits == 0 {
		return errZero
	}
	if c.convert.text && s.auditor.config.ID == nil && s.actor.Kind == actor.KindUser {
		prefix, _, ok := strings.Cut(id, ":")
		if ok && new(actor.Kind).UnmarshalText([]byte(prefix)) == nil {
			return errProgram
		}
	}
	return nil
}

// nobody is what a column holds for nobody.
func (s *statement) nobody(c *column) value {
	v := value{bind: c.convert.zero}
	if c.field.Serializer != nil {
		v = s.serialized(c, v)
	}
	return v
}

func (s *statement) id(c *column) string {
	switch {
	case !s.hasActor || s.actor.IsAnonymous():
		return ""
	case s.auditor.config.ID != nil:
		return s.auditor.config.ID(s.actor)
	case s.actor.Kind == actor.KindUser:
		return s.actor.ID
	case c.convert.text:
		return s.actor.Identity.String()
	}
	return ""
}

// omits reports whether the caller's Omit names the column: alone or with the
// statement's table before it. Omit("*") names none, and Omit("Parts.CreatedBy")
// one of an association.
func (s *statement) omits(c *column) bool {
	for _, name := range s.Omits {
		if dot := strings.LastIndexByte(name, '.'); dot >= 0 && !sameFold(bare(name[:dot]), bare(s.Table)) {
			continue
		}
		if s.model.column(name) == c || c.part != nil && c.spelled(name) {
			return true
		}
	}
	return false
}

// store writes v into the column's field in model.
func (s *statement) store(c *column, model reflect.Value, v *value) {
	dst := c.in(s.ctx, model)
	switch {
	case c.depth == 0 || v.kind == zeroValue:
		v.assign(dst)
	default:
		target := s.pointers.take(c)
		v.assign(target)
		ptr := target.Addr()
		for range c.depth - 1 {
			outer := reflect.New(ptr.Type())
			outer.Elem().Set(ptr)
			ptr = outer
		}
		dst.Set(ptr)
	}
}

// serialized binds a value as the field's serializer writes it.
func (s *statement) serialized(c *column, v value) value {
	model := reflect.New(c.field.Schema.ModelType).Elem()
	s.store(c, model, &v)
	v.bind, _ = c.field.ValueOf(s.ctx, model)
	return v
}

// addVar is [gorm.Statement.AddVar], which asks of each value whether it is an
// expression, a Valuer or a list. Most are none of these.
func (s *statement) addVar(v any) {
	switch v.(type) {
	case nil, bool, string, time.Time, int, int32, int64, uint, uint32, uint64, float64:
		s.Vars = append(s.Vars, v)
		s.BindVarTo(&s.SQL, s.Statement, v)
	default:
		s.AddVar(&s.SQL, v)
	}
}

// nested reports whether GORM makes the statement to save a parent's
// associations. Its upsert sets foreign keys and is no change to the child.
// GORM keeps a list of the associations that it has saved or is saving, to
// which it adds them before they are.
func (s *statement) nested() bool {
	if !s.DisableNestedTransaction {
		return false
	}
	list, ok := s.Settings.Load("gorm:saved_association_map")
	if !ok {
		return false
	}
	saved, ok := list.(*map[reflect.Value]bool)
	first := s.targets.at(0)
	return !ok || first.IsValid() && first.CanAddr() && (*saved)[first.Addr()]
}
