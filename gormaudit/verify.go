package gormaudit

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"gorm.io/gorm"
)

// Verify compares the by-columns of models with the tables in the database.
// Call it in a test, as a migration's last step or at a program's start, to find
// what would otherwise fail at the first write, or at the first write for which
// nobody is signed in. It reports a by-column
//
//   - that the database does not have, or whose table it does not have;
//   - of a type that does not fit ids of the field's Go type: text for a uint,
//     smallint for a uint64, bigint or char(10) for a uuid.UUID, less than the
//     field's size tag;
//   - that can't hold "system:archiver" although the field is text, unless
//     [Config.ID] is set: uuid, PostgreSQL's char(n), a foreign key;
//   - that can't say that nobody acted: it is NOT NULL and the field's type has a
//     NULL, or it has a foreign key and the field's type has no NULL, but 0 or "";
//   - whose foreign key is ON DELETE CASCADE, by which deleting a user deletes
//     what the user created or changed;
//   - that the database itself computes or counts up.
//
// Verify warns, through db's logger, of PostgreSQL's columns that hold UUIDs as
// text or bytes because AutoMigrate ran without [Config.Models].
//
// It also reports what [Config.Models] refuses at start, and a model without any
// by-column. It asks for no index. It does not judge a trigger's body, a check or
// a [gorm.io/gorm/schema.Serializer]'s output.
//
// The table is the one that db's writes to the model go to, as db.Table("…"),
// scopes, the naming strategy and dbresolver say. Verify reads the catalogue of
// PostgreSQL, MariaDB, MySQL or SQLite and changes nothing: an account that may
// write to the tables may run it. db need not have the plugin.
//
// The error has every problem of every model, one a line. errors.As finds the
// first [*ColumnError]; the error's Unwrap() []error returns all problems. It is
// also an error if the catalogue can't be read.
func Verify(db *gorm.DB, models ...any) error {
	if len(models) == 0 {
		return errors.New("gormaudit: Verify: no models given")
	}
	var problems []error
	for _, model := range models {
		problems = append(problems, verify(db, model)...)
	}
	return errors.Join(problems...)
}

func verify(db *gorm.DB, value any) []error {
	stmt, table, err := targetOf(db, value)
	if err != nil {
		return []error{err}
	}
	m := newModel(stmt.Schema, quoter(db.Dialector))
	if m == nil {
		return []error{fmt.Errorf("gormaudit: Verify: %s has no by-columns: embed gormaudit.By, or tag a field autoCreateBy or autoUpdateBy", stmt.Schema.Name)}
	}
	if err := m.check(); err != nil {
		return []error{err}
	}
	live, err := readCatalog(db, reflect.New(stmt.Schema.ModelType).Interface(), table)
	if err != nil {
		return []error{err}
	}
	if len(live.columns) == 0 {
		return []error{fmt.Errorf("gormaudit: Verify: %s is not in the database, or this account may not see it: migrate %s", table, stmt.Schema.Name)}
	}
	v := verification{dialect: db.Name(), catalog: live, programs: writesPrograms(db)}
	var problems []error
	for _, c := range m.columns {
		for _, problem := range v.problems(c) {
			problems = append(problems, &ColumnError{Table: table.String(), Column: c.name, Type: c.field.FieldType, cause: errors.New(problem)})
		}
		if warning := v.foreignUUIDs(table.String(), c); warning != "" {
			db.Logger.Warn(db.Statement.Context, finished(warning))
		}
	}
	return problems
}

// writesPrograms reports whether a program's id goes into text columns as it
// does by default.
func writesPrograms(db *gorm.DB) bool {
	p, ok := db.Plugins[new(Plugin).Name()].(*Plugin)
	return !ok || p.config.ID == nil
}

// verification is a model's table being compared.
type verification struct {
	catalog
	dialect  string
	programs bool
}

// problems returns what is wrong with one column, each with what to do.
func (v *verification) problems(c *column) []string {
	live, ok := v.column(c.name)
	if !ok {
		return []string{fmt.Sprintf("the table has no such column: migrate it, or turn the field off with the tag gorm:\"%s:false\"", c.role.tag())}
	}
	var problems []string
	if live.generated {
		problems = append(problems, "the database computes the column, and no statement may write it: drop the expression, or turn the field off with the tag gorm:\""+c.role.tag()+":false\"")
	}
	if live.numbered {
		problems = append(problems, "where nobody acts, the database puts the next number, which is somebody's id: drop AUTO_INCREMENT, or take it out of the primary key")
	}
	if misfit := requirementOf(c).misfit(storageOf(v.dialect, live.dataType), live.dataType, v.programs); misfit != "" {
		problems = append(problems, misfit)
	}
	return append(problems, v.nobody(c, live)...)
}

// foreignUUIDs warns of a column of texts or bytes on PostgreSQL that could be a uuid,
// unless a tag asks for that type.
func (v *verification) foreignUUIDs(table string, c *column) string {
	live, ok := v.column(c.name)
	if !ok || v.dialect != "postgres" || !c.convert.uuid || c.field.TagSettings["TYPE"] != "" {
		return ""
	}
	remedy := ", which makes the column uuid"
	switch kind := storageOf(v.dialect, live.dataType).kind; {
	case kind == bytesStorage && c.base.Kind() == reflect.Struct: // which writes text
		remedy = fmt.Sprintf(", after ALTER TABLE %[1]s ALTER COLUMN %[2]s TYPE uuid USING convert_from(%[2]s, 'UTF8')::uuid", table, c.name)
	case kind != textStorage:
		return ""
	}
	return fmt.Sprintf("gormaudit: %s.%s holds UUIDs as %s, because AutoMigrate did not know that the model has by-columns: "+
		"name the model in Config.Models, and call db.Use before AutoMigrate%s", table, c.name, live.dataType, remedy)
}

// nobody returns why a column can't hold nobody, or holds more than who.
func (v *verification) nobody(c *column, live liveColumn) []string {
	zero, hasNull := c.nobody()
	keys := v.keysOf(c.name)
	var problems []string
	if hasNull && !live.nullable {
		text := "the database's column is NOT NULL"
		if len(keys) > 0 {
			text += " and has the " + keys[0].String()
		}
		problems = append(problems, text+", but a write by nobody puts NULL there: drop NOT NULL")
	}
	for _, key := range keys {
		if !hasNull {
			problems = append(problems, fmt.Sprintf("the %s refuses %s, which a write by nobody puts there: make the field a pointer and the column nullable, or drop the foreign key", key, zero))
		} else if c.convert.text && v.programs {
			problems = append(problems, fmt.Sprintf("the %s refuses the id of a program, such as %s: drop the foreign key, or let Config.ID decide", key, aProgram))
		}
		if key.cascade {
			problems = append(problems, fmt.Sprintf("the %s is ON DELETE CASCADE, so that deleting a row there deletes rows here: make it ON DELETE SET NULL or RESTRICT, or drop it", key))
		}
	}
	return problems
}

// column finds a column as the database finds it: only PostgreSQL tells case apart.
func (v *verification) column(name string) (liveColumn, bool) {
	for _, live := range v.columns {
		if live.name == name || v.dialect != "postgres" && strings.EqualFold(live.name, name) {
			return live, true
		}
	}
	return liveColumn{}, false
}

func (v *verification) keysOf(name string) []foreignKey {
	var found []foreignKey
	for _, key := range v.keys {
		if key.column == name || v.dialect != "postgres" && strings.EqualFold(key.column, name) {
			found = append(found, key)
		}
	}
	return found
}
