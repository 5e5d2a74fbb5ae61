package main

import (
	"os"
	"slices"
	"testing"

	"github.com/seed-3826ef92/whodunit/example/internal/exampletest"
)

// Example runs the program.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	if err := os.Chdir(dir); err != nil {
		panic(err)
	}
	main()
	// Output:
	// update by system:shopper: title "Milk" > "Milk, eggs"
	// create by user:42: title "" > "Milk"
}

// TestTwice holds that the migration can run again.
func TestTwice(t *testing.T) {
	t.Chdir(t.TempDir())
	stdout := os.Stdout
	os.Stdout, _ = os.Open(os.DevNull)
	main()
	main()
	os.Stdout = stdout
	rows := exampletest.Rows(t, "sqlite", "notes.db", "SELECT actor_kind, actor_id FROM whodunit_change_sets ORDER BY id")
	want := []string{"user 42", "system shopper", "user 42", "system shopper"}
	if !slices.Equal(rows, want) {
		t.Errorf("the change sets are by %q, want %q", rows, want)
	}
}
