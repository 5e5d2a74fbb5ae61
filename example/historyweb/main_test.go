package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/seed-3826ef92/whodunit/example/internal/exampletest"
)

func TestProgram(t *testing.T) {
	url := "http://" + exampletest.Start(t, main) + "/history/"
	exampletest.Expect(t, "a stranger's page", exampletest.Ask(t, "", "GET", url, ""), "401 ")
	page := exampletest.Ask(t, "42", "GET", url, "")
	for _, want := range []string{"200 ", "Milk", "eggs", "42"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q:\n%s", want, page)
		}
	}
	rows := exampletest.Rows(t, "sqlite", "notes.db", "SELECT actor_id FROM whodunit_change_sets ORDER BY id")
	if want := []string{"7", "42"}; !slices.Equal(rows, want) {
		t.Errorf("the change sets are by %q, want %q", rows, want)
	}
}
