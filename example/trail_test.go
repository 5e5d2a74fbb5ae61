package main_test

import (
	"database/sql"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// The history of a note tells who did what, also what somebody did by hand in
// the database, and each of it can be undone.
func TestHistoryOfANote(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *server, db *sql.DB) {
		alice, bob := signIn(t, s, "alice", seedPassword), signIn(t, s, "bob", seedPassword)
		var created note
		apiSignIn(t, s, "carol").call("POST", "/api/notes", `{"title":"Groceries","body":"Milk and bread"}`, &created)
		path := fmt.Sprintf("/notes/%d", created.ID)
		bob.submit(path, path, url.Values{"title": {"Groceries"}, "body": {"Milk, eggs and bread"}, "version": {"1"}})
		alice.submit("/users", actAsPath(t, alice, "bob"), nil)
		alice.submit(path, path, url.Values{"title": {"Shopping"}, "body": {"Milk, eggs and bread"}, "version": {"2"}})
		if _, err := db.Exec(fmt.Sprintf("UPDATE notes SET title = 'By hand' WHERE id = %d", created.ID)); err != nil {
			t.Fatal(err)
		}
		bob.submit(path, path+"/delete", nil)

		steps := trailOf(t, bob, path)
		for n, want := range []string{
			"bob threw it away",
			"in the database changed it Title -Shopping +By hand",
			"bob changed it (alice acted as them) Title -Groceries +Shopping",
			"bob changed it Text -Milk +Milk, eggs and bread",
			"carol wrote the note Title +Groceries Text +Milk and bread",
		} {
			if n >= len(steps) || !sameWords(steps[n].text, want) {
				t.Errorf("step %d = %q, want %q", n, steps, want)
			}
		}

		// What was done by hand is undone by bob, once the note is back.
		bob.submit(path+"/history", steps[0].undo, nil)
		expectStamps(t, db, "By hand", stamps{"carol", "bob", "NULL"})
		bob.submit(path+"/history", steps[1].undo, nil)
		expectStamps(t, db, "Shopping", stamps{"carol", "bob", "NULL"})
		if again := trailOf(t, bob, path); len(again) != len(steps)+2 || !strings.HasPrefix(again[0].text, "bob changed it") {
			t.Errorf("steps after undoing = %q, want two more, the last by bob", again)
		}
		expect(t, "history of no note", bob.get("/notes/999/history"), http.StatusNotFound)
	})
}

// trailStep is one line of the page.
type trailStep struct{ text, undo string }

var (
	stepPattern = regexp.MustCompile(`(?s)<li id="change-.*?</li>`)
	undoPattern = regexp.MustCompile(`action="([^"]+)"`)
	timePattern = regexp.MustCompile(`<time.*?</time>|(?s)<form.*?</form>|<span class="avatar.*?</span>`)
	tagPattern  = regexp.MustCompile(`<[^>]+>`)
)

func trailOf(t *testing.T, b *browser, note string) []trailStep {
	t.Helper()
	a := b.get(note + "/history")
	if a.Status != http.StatusOK {
		t.Fatalf("history of %s = %d: %s", note, a.Status, a.Body)
	}
	var steps []trailStep
	for _, item := range stepPattern.FindAllString(a.Body, -1) {
		undo := undoPattern.FindStringSubmatch(item)
		item = timePattern.ReplaceAllString(item, "")
		item = strings.NewReplacer("<del>", " -", "<ins>", " +", "</del>", " ", "</ins>", " ").Replace(item)
		text := strings.Join(strings.Fields(html.UnescapeString(tagPattern.ReplaceAllString(item, " "))), " ")
		steps = append(steps, trailStep{text, undo[1]})
	}
	return steps
}

// sameWords compares, but for the name that a database's account has.
func sameWords(got, want string) bool {
	if strings.HasPrefix(want, "in the database") {
		return strings.HasSuffix(got, want)
	}
	return got == want
}

func actAsPath(t *testing.T, b *browser, name string) string {
	t.Helper()
	match := regexp.MustCompile(`action="(/users/\d+/act-as)"(?s:.{0,400}?)Act as ` + name).FindStringSubmatch(b.get("/users").Body)
	if match == nil {
		t.Fatalf("nobody to act as is called %s", name)
	}
	return match[1]
}
