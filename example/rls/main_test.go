package main

import (
	"crypto/rand"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/seed-3826ef92/whodunit/example/internal/exampletest"
)

func TestProgram(t *testing.T) {
	owner := exampletest.Postgres(t)
	clerk, password := "whodunit_"+strings.ToLower(rand.Text()[:12]), rand.Text()
	exampletest.Exec(t, owner, "CREATE ROLE "+clerk+" LOGIN PASSWORD '"+password+"'")
	t.Cleanup(func() { exampletest.Exec(t, owner, "DROP OWNED BY "+clerk+"; DROP ROLE "+clerk) })
	address, err := url.Parse(owner)
	if err != nil {
		t.Fatal(err)
	}
	address.User = url.UserPassword(clerk, password)
	t.Setenv("OWNER_URL", owner)
	t.Setenv("DATABASE_URL", address.String())
	documents := "http://" + exampletest.Start(t, main) + "/documents"

	exampletest.Expect(t, "a document by 42", exampletest.Ask(t, "42", "POST", documents, "title=Diary"), "200")
	exampletest.Expect(t, "a document by 7", exampletest.Ask(t, "7", "POST", documents, "title=Letters"), "200")
	exampletest.Expect(t, "a stranger's list", exampletest.Ask(t, "", "GET", documents, ""), "401")
	if got := exampletest.Ask(t, "7", "GET", documents, ""); !strings.Contains(got, "Letters") || strings.Contains(got, "Diary") {
		t.Errorf("what 7 sees = %s, want Letters alone", got)
	}
	rows := exampletest.Rows(t, "pgx", owner, "SELECT title, created_by FROM documents ORDER BY id")
	if want := []string{"Diary 42", "Letters 7"}; !slices.Equal(rows, want) {
		t.Errorf("documents = %q, want %q", rows, want)
	}
}
