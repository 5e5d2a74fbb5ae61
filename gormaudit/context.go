package gormaudit

import "context"

// Preserve returns a context under which writes keep the by-columns that the
// caller set, where they are not zero, and stamp the rest. It is for imports,
// replication and seeds: the one explicit way past the rule that callers'
// values never reach a by-column.
//
// The caller's created_by is kept on inserts only. Once a row exists, nothing
// changes its created_by.
//
// # Security
//
// Under Preserve a by-column holds whatever the caller passes. Never use it
// with values that come from a request.
func Preserve(ctx context.Context) context.Context {
	return context.WithValue(ctx, modeKey{}, preserve)
}

// Skip returns a context under which writes leave by-columns as they are: NULL
// on an insert (zero where the column's Go type has no NULL), untouched on an
// update and a delete. It is for changes that nobody makes, such as counters.
// Callers' values don't reach the by-columns under Skip either.
func Skip(ctx context.Context) context.Context {
	return context.WithValue(ctx, modeKey{}, skip)
}

// mode is how a context wants its writes stamped.
type mode uint8

const (
	stamp mode = iota
	preserve
	skip
)

type modeKey struct{}

func modeOf(ctx context.Context) mode {
	m, _ := ctx.Value(modeKey{}).(mode)
	return m
}
