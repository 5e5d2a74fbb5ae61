package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/example/internal/exampletest"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

func TestProgram(t *testing.T) {
	dsn := exampletest.Postgres(t)
	t.Setenv("DATABASE_URL", dsn)
	url := "http://" + exampletest.Start(t, main)
	created := exampletest.Ask(t, "ann", "POST", url+"/notes", "title=Hello&created_by=666")
	exampletest.Expect(t, "a note by ann", created, "201 ")
	var note Note
	if err := json.Unmarshal([]byte(strings.TrimPrefix(created, "201 ")), &note); err != nil {
		t.Fatal(err)
	}
	address := url + "/notes/" + note.ID.String()
	exampletest.Expect(t, "the note, renamed by bob", exampletest.Ask(t, "bob", "PUT", address, "title=Hi"), "204")
	exampletest.Expect(t, "the note, renamed by a stranger", exampletest.Ask(t, "zoe", "PUT", address, "title=No"), "401")
	exampletest.Expect(t, "what is not a key", exampletest.Ask(t, "bob", "PUT", url+"/notes/42", "title=No"), "400")
	exampletest.Expect(t, "a key that is zero", exampletest.Ask(t, "bob", "PUT", url+"/notes/"+strings.Repeat("0", 32), "title=No"), "204")

	rows := exampletest.Rows(t, "pgx", dsn, `SELECT title, creator.name, updater.name, pg_typeof(notes.created_by) FROM notes
		JOIN users creator ON creator.id = created_by JOIN users updater ON updater.id = updated_by`)
	if want := []string{"Hi ann bob uuid"}; !slices.Equal(rows, want) {
		t.Errorf("notes = %q, want %q", rows, want)
	}
	expectHistory(t, dsn, note)
	page := exampletest.Ask(t, "bob", "GET", url+"/history/row?table=notes&key="+note.ID.String(), "")
	for _, want := range []string{"200 ", "Key " + note.ID.String(), ">ann<", ">bob<", "“Hi”"} {
		if !strings.Contains(page, want) {
			t.Errorf("the note's page has no %q:\n%s", want, page)
		}
	}
	exampletest.Expect(t, "a stranger's page", exampletest.Ask(t, "", "GET", url+"/history/", ""), "401 ")
}

// expectHistory asks for the note's history, without the plugin.
func expectHistory(t *testing.T, dsn string, note Note) {
	t.Helper()
	db, err := gorm.Open(postgres.Open(dsn))
	if err != nil {
		t.Fatal(err)
	}
	changes, err := history.Of(db, &Note{ID: note.ID})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		title, _ := c.Field("title")
		name := exampletest.Rows(t, "pgx", dsn, "SELECT name FROM users WHERE id = '"+c.ChangeSet.Actor.ID+"'")
		got = append(got, fmt.Sprint(c.Action, " by ", name, ": ", title.After))
	}
	if want := []string{"update by [bob]: Hi", "create by [ann]: Hello"}; !slices.Equal(got, want) {
		t.Errorf("the note's history = %q, want %q", got, want)
	}
}
