package main

import (
	"slices"
	"testing"

	"github.com/seed-3826ef92/whodunit/example/internal/exampletest"
)

func TestProgram(t *testing.T) {
	url := "http://" + exampletest.Start(t, main) + "/notes"
	exampletest.Expect(t, "a note by 42", exampletest.Ask(t, "42", "POST", url, "title=Hello"), "201 ")
	exampletest.Expect(t, "a note by a stranger", exampletest.Ask(t, "", "POST", url, "title=Hi"), "401")
	rows := exampletest.Rows(t, "sqlite", "notes.db", "SELECT title, created_by, updated_by FROM notes")
	if want := []string{"Hello 42 42"}; !slices.Equal(rows, want) {
		t.Errorf("notes = %q, want %q", rows, want)
	}
}
