// Package damaged has what is left of a row's past where records of it can't be
// read.
package damaged

// Error is why a row as it was is not known, or not all of it.
type Error struct {
	Changes []int64         // the ids of those that can't be read, the newest first
	Misfit  bool            // a column can't take what is recorded of it: it has another type now
	Lost    map[string]bool // the columns that are not known for it
	Row     any             // a pointer to the row with the others, nil if there is none
	Cause   error           // what is wrong with the newest of the changes
}

// Error implements error.
func (e *Error) Error() string { return e.Cause.Error() }

// Unwrap returns what is wrong.
func (e *Error) Unwrap() error { return e.Cause }
