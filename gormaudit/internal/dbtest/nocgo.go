//go:build !cgo

package dbtest

import "testing"

var extraKinds []string

func newExtra(tb testing.TB, kind string) *Database {
	tb.Helper()
	tb.Fatalf("no kind of database is called %q", kind)
	return nil
}
