package gormaudit

import (
	"runtime"
	"strconv"
)

// Event is what [Config.Observe] is told about one statement: that nobody said
// who acts, that a caller's value is dropped, or what a [Config.DryRun] found.
// It holds no value of a row.
type Event struct {
	Kind EventKind
	// Operation is "create", "update" or, for a soft delete, "delete". An upsert
	// is a create, and so is the insert that Save falls back to.
	Operation string
	// Table is the table that is written to, by its model's name for it: the
	// schemas of tenants and other names given to db.Table are not told apart.
	Table string
	// Column is the by-column. It is empty where Kind is about the statement.
	Column string
	// Frames say where in the application the write was, innermost first: the line
	// that called GORM, the lines of the same package that led there, and the first
	// line outside that package. So you see not only a repository's own line, but also
	// its caller's. There are at most three frames, and fewer where the stack has no
	// more. Of more lines, the one that called GORM stays, the one by which its package
	// was entered, and the one outside. If there is none outside, the direct caller of
	// the first line stays in its place, between the two. The frames end where Echo,
	// gin, chi or net/http calls the application. Middleware that calls the handler
	// itself, as a route's middleware does in Echo, is among them.
	Frames []runtime.Frame
}

// EventKind says what an [Event] is about.
type EventKind uint8

const (
	// EventNoContext is a write without a context, or with
	// [context.Background]: WithContext was forgotten.
	EventNoContext EventKind = iota + 1
	// EventNoActor is a write with a context that has no actor.
	EventNoActor
	// EventDropped is a caller's value for a by-column that does not reach the
	// row. There is no event for a value that the row gets anyway, nor for the
	// by-fields of a whole row that is saved, updated through its own struct, or
	// created by an upsert with its primary key set: these are usually what was
	// loaded. Without a query, an assignment to such a field, as in note.CreatedBy = x
	// before db.Save(&note), looks the same.
	EventDropped
	// EventWouldStamp is a by-column that would be stamped without
	// [Config.DryRun]. In an upsert it is about the rows that are new.
	EventWouldStamp
	// EventWouldFail is a write that would fail without [Config.DryRun]: an id does
	// not fit its column, or the statement can't be protected. The log has the
	// error.
	EventWouldFail
)

var eventKinds = [...]string{
	EventNoContext:  "no_context",
	EventNoActor:    "no_actor",
	EventDropped:    "dropped",
	EventWouldStamp: "would_stamp",
	EventWouldFail:  "would_fail",
}

// String returns the kind in the form of a metric's label, such as "no_actor".
func (k EventKind) String() string {
	if int(k) < len(eventKinds) && eventKinds[k] != "" {
		return eventKinds[k]
	}
	return "EventKind(" + strconv.Itoa(int(k)) + ")"
}
