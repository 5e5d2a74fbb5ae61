package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/seed-3826ef92/whodunit/example/internal/exampletest"
)

func TestProgram(t *testing.T) {
	dsn := exampletest.Postgres(t)
	t.Setenv("DATABASE_URL", dsn)
	url := "http://" + exampletest.Start(t, main)
	exampletest.Expect(t, "a note of acme", exampletest.Ask(t, "42", "POST", url+"/notes", "title=Anvils"), "200")
	exampletest.Expect(t, "a note of globex", exampletest.Ask(t, "7", "POST", url+"/notes", "title=Rays"), "200")
	exampletest.Expect(t, "a note of a stranger", exampletest.Ask(t, "8", "POST", url+"/notes", "title=None"), "401")

	for schema, want := range map[string]string{"acme": "Anvils 42", "globex": "Rays 7"} {
		rows := exampletest.Rows(t, "pgx", dsn, "SELECT title, created_by FROM "+schema+".notes")
		if !slices.Equal(rows, []string{want}) {
			t.Errorf("the notes of %s = %q, want %q", schema, rows, want)
		}
		rows = exampletest.Rows(t, "pgx", dsn, "SELECT actor_id FROM "+schema+".whodunit_change_sets")
		if id := strings.Fields(want)[1]; !slices.Equal(rows, []string{id}) {
			t.Errorf("the change sets of %s are by %q, want %q", schema, rows, id)
		}
	}
	if lines := exampletest.Ask(t, "7", "GET", url+"/history", ""); !strings.Contains(lines, "Rays") || strings.Contains(lines, "Anvils") {
		t.Errorf("the history of globex = %s, want its own note", lines)
	}
}
