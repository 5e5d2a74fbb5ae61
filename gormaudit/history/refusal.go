package history

import "errors"

// Why the database refuses a write. With the [Plugin], the errors of GORM's
// statements wrap these, and so does the error of [Dialect.Tell]. Elsewhere the
// driver's error has the SQLSTATE WD001 or WD002. On SQLite it has only the text.
// [errors.Is] goes by the text: it finds neither in the error of a trigger of your
// own, whatever its SQLSTATE.
var (
	// ErrRequired says that a change lacks what [Options.RequireActor] or
	// [Options.RequireMetadata] asks for.
	ErrRequired = errors.New("history: the change lacks an actor or metadata that its table requires")
	// ErrAppendOnly says that a statement would change what is recorded, which
	// [Options.AppendOnly] forbids.
	ErrAppendOnly = errors.New("history: what is recorded may not be changed")
)

// The SQLSTATEs of ErrRequired and ErrAppendOnly.
const (
	stateRequired   = "WD001"
	stateAppendOnly = "WD002"
)

// refusedError is a driver's error with the sentinel of what it says.
type refusedError struct{ sentinel, cause error }

func (e *refusedError) Error() string   { return e.cause.Error() }
func (e *refusedError) Unwrap() []error { return []error{e.sentinel, e.cause} }

// refusal adds its sentinel to an error by which a trigger refuses a statement. It
// goes by the text, which all drivers have.
func refusal(err error) error {
	switch {
	case containsAny(err, "the history is append-only"):
		return &refusedError{ErrAppendOnly, err}
	case containsAny(err, "whodunit: table ") && containsAny(err, ": refused"):
		return &refusedError{ErrRequired, err}
	}
	return err
}
