package main

import (
	"slices"
	"testing"
	"time"

	"github.com/seed-3826ef92/whodunit/example/internal/exampletest"
)

func TestProgram(t *testing.T) {
	dsn := exampletest.Postgres(t)
	t.Setenv("DATABASE_URL", dsn)
	url := "http://" + exampletest.Start(t, main) + "/notes"
	exampletest.Expect(t, "a note by 42", exampletest.Ask(t, "42", "POST", url, "title=Hello"), "200")

	want := []string{"HELLO 42 42"}
	var rows []string
	for range 200 {
		rows = exampletest.Rows(t, "pgx", dsn, "SELECT shout, created_by, updated_by FROM notes")
		if slices.Equal(rows, want) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("notes = %q, want %q", rows, want)
}
