package gormaudit

import (
	"errors"
	"fmt"
	"reflect"
)

// ErrNoActor is what a write fails with under [Reject] when its context has no
// actor. The message names operation and table, and what to do. It is another
// one for a forgotten WithContext than for a context in which nobody acts.
var ErrNoActor = errors.New("gormaudit: no actor in the context")

// missingError is ErrNoActor, with what is wrong and what to do about it.
type missingError struct{ op, table, problem string }

func (e missingError) Error() string {
	return fmt.Sprintf("gormaudit: %s on %q: %s", e.op, e.table, e.problem)
}

func (e missingError) Unwrap() error { return ErrNoActor }

// ColumnError says that an actor's id does not fit its column, or that no id
// ever can. The statement was not sent. From [Verify] it says that the
// database's column is not what its field needs.
type ColumnError struct {
	// Table is the table's name.
	Table string
	// Column is the by-column's name in the database.
	Column string
	// Type is the Go type of the column's field.
	Type reflect.Type
	// Actor is the actor, as in "user:42". It is empty when the error is not about
	// one id.
	Actor string
	// ID is the rejected id. It is empty when the error is not about one id. The
	// message quotes it, cut to 64 bytes.
	ID string

	cause error
}

// Error names table, column, Go type, actor and cause.
func (e *ColumnError) Error() string {
	if e.ID == "" {
		return fmt.Sprintf("gormaudit: %s.%s is of type %s: %v", e.Table, e.Column, e.Type, e.cause)
	}
	return fmt.Sprintf("gormaudit: %s.%s is of type %s and can't hold the id %s of the actor %s: %v",
		e.Table, e.Column, e.Type, quoted(e.ID), quoted(e.Actor), e.cause)
}

// Unwrap returns why the id was rejected, such as [strconv.ErrRange].
func (e *ColumnError) Unwrap() error { return e.cause }

func quoted(text string) string {
	if len(text) > 64 {
		return fmt.Sprintf("%q…", text[:64])
	}
	return fmt.Sprintf("%q", text)
}

// scanError is what a column's own type says against an id. Its text often
// repeats the id, so that it is quoted and cut as well.
type scanError struct{ cause error }

func (e scanError) Error() string { return "its type says " + quoted(e.cause.Error()) }

func (e scanError) Unwrap() error { return e.cause }
