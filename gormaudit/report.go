package gormaudit

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"gorm.io/gorm"
)

// report tells of an event: Config.Observe always, GORM's logger where there is
// something for people to read, and of each place the 1st, 10th, 100th … time.
func report(a *auditor, stmt *gorm.Statement, e Event, message string) {
	if a.config.Observe == nil && message == "" {
		return
	}
	e.Frames = a.places.frames()
	ctx := stmt.Context
	if ctx == nil {
		ctx = context.Background()
	}
	if a.config.Observe != nil {
		a.config.Observe(ctx, e)
	}
	if message == "" {
		return
	}
	if n := a.places.count(&e); isPowerOfTen(n) {
		stmt.Logger.Warn(ctx, finished(logLine(a, &e, message, n)))
	}
}

// reportFailure tells of a write that fails without DryRun.
func reportFailure(a *auditor, stmt *gorm.Statement, table, op string, err error) {
	e := Event{Kind: EventWouldFail, Operation: op, Table: table}
	if wrong := (*ColumnError)(nil); errors.As(err, &wrong) {
		e.Column = wrong.Column
	}
	report(a, stmt, e, "fails: "+strings.TrimPrefix(err.Error(), "gormaudit: "))
}

// operation says what a statement does that builds a clause.
func operation(stmt *gorm.Statement, name string) string {
	switch {
	case name != "SET":
		return "create"
	case slices.Contains(stmt.BuildClauses, "DELETE"):
		return "delete"
	}
	return "update"
}

// logLine is what the log says of an event that happened n times in its place.
func logLine(a *auditor, e *Event, message string, n uint64) string {
	var b strings.Builder
	b.WriteString("gormaudit: ")
	if a.config.DryRun && e.Kind >= EventDropped {
		b.WriteString("without DryRun: ")
	}
	fmt.Fprintf(&b, "%s on %q", e.Operation, e.Table)
	if e.Column != "" {
		fmt.Fprintf(&b, ", column %q,", e.Column)
	}
	fmt.Fprintf(&b, " %s: %s", whereabouts(e.Frames), message)
	if n > 1 {
		fmt.Fprintf(&b, " (for the %dth time)", n)
	}
	return b.String()
}

func whereabouts(frames []runtime.Frame) string {
	if len(frames) == 0 {
		return "at an unknown place"
	}
	var b strings.Builder
	for n, frame := range frames {
		if n == 0 {
			b.WriteString("at ")
		} else {
			b.WriteString(", called from ")
		}
		fmt.Fprintf(&b, "%s:%d", frame.File, frame.Line)
	}
	return b.String()
}

// finished makes text safe for loggers, which take it for a format.
func finished(text string) string { return strings.ReplaceAll(text, "%", "％") }

func isPowerOfTen(n uint64) bool {
	for n >= 10 && n%10 == 0 {
		n /= 10
	}
	return n == 1
}

// missingKind says what is wrong with a context in which nobody acts, and what to
// do about it.
func missingKind(a *auditor, stmt *gorm.Statement) (EventKind, string) {
	switch {
	case isNoContext(stmt):
		return EventNoContext, "no context, and so no actor; pass the request's: db.WithContext(ctx)"
	case reflect.TypeOf(stmt.Context).String() == "*gin.Context":
		return EventNoActor, "no actor in the context, a *gin.Context, which hides the request's; pass c.Request.Context(), or set ContextWithFallback of gin's Engine"
	case a.ownActor:
		return EventNoActor, "Config.Actor found no actor in the context"
	}
	return EventNoActor, "no actor in the context; a middleware puts one there, or actor.NewContext"
}

// isNoContext reports whether WithContext was forgotten. Then GORM takes
// context.Background, and puts a timeout around it if it is configured to.
func isNoContext(stmt *gorm.Statement) bool {
	ctx := stmt.Context
	timeout := reflect.ValueOf(stmt.Config).Elem().FieldByName("DefaultContextTimeout") // which older versions lack
	if timeout.IsValid() && !timeout.IsZero() && ctx != nil && reflect.TypeOf(ctx).String() == "*context.timerCtx" {
		if inner := reflect.ValueOf(ctx).Elem().FieldByName("Context"); inner.IsValid() && inner.CanInterface() {
			ctx, _ = inner.Interface().(context.Context)
		}
	}
	return ctx == nil || ctx == context.Background() || ctx == context.TODO()
}
