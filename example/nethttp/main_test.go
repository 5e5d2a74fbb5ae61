package main

import (
	"slices"
	"testing"

	"github.com/seed-3826ef92/whodunit/example/internal/exampletest"
)

func TestProgram(t *testing.T) {
	url := "http://" + exampletest.Start(t, main) + "/notes"
	exampletest.Expect(t, "a note by 42", exampletest.Ask(t, "42", "POST", url, "title=Hello&created_by=666"), "201 ")
	exampletest.Expect(t, "a note by a visitor", exampletest.Ask(t, "", "POST", url, "title=Hi"), "201 ")

	rows := exampletest.Rows(t, "sqlite", "notes.db", "SELECT title, created_by, updated_by FROM notes ORDER BY id")
	if want := []string{"Hello 42 42", "Hi NULL NULL"}; !slices.Equal(rows, want) {
		t.Errorf("notes = %q, want %q", rows, want)
	}
}
