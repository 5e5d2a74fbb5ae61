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

// The activity tells who did what, also what the application did not do, and each
// note has its story there, deleted ones too.
func TestActivityAndStoryOfANote(t *testing.T) {
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

		story := fmt.Sprintf("/history/row?table=notes&key=%d", created.ID)
		for _, page := range []string{"/", story} {
			expectInOrder(t, page, words(bob.get(page)),
				"bob", "put", "in the trash",
				"Unknown", "changed", "Title changed from Shopping → to By hand",
				"alice as bob", "Title changed from Groceries → to Shopping",
				"bob", "Text changed from Milk and bread → to Milk, eggs and bread",
				"carol", "created", "Groceries")
		}
		expectInOrder(t, "the week", words(bob.get("/")),
			"alice as carol", "Trip to the lake → to Trip to the lake in May", "carol", "[deleted: 12 ] [inserted: 19 ]", "bob", "[inserted: and a torch ]", "alice", "created Note 3")
		if body := bob.get("/notes?list=trash").Body; !strings.Contains(body, html.EscapeString(story)) {
			t.Errorf("the trash does not lead to %s", story)
		}
		// bob puts it back as it was before somebody's hand was in it.
		var before string
		for _, at := range regexp.MustCompile(`moment\?at=[^"]*`).FindAllString(bob.get(story).Body, -1) {
			if page := words(bob.get("/history/" + html.UnescapeString(at))); strings.Contains(page, "Title Shopping") {
				before = html.UnescapeString(at)
			}
		}
		moment, err := url.Parse(before)
		if err != nil || before == "" {
			t.Fatalf("no moment of the story has the title Shopping: %q, %v", before, err)
		}
		form := bob.get("/history/restore?"+moment.RawQuery).form(t, "restore")
		expect(t, "restore", bob.post("/history/restore", form), http.StatusOK, "Shopping")
		expectStamps(t, db, "Shopping", stamps{"carol", "bob", "NULL"})
		expect(t, "an editor that was open", bob.submit(path, path, url.Values{"title": {"Mine"}, "version": {"3"}}), http.StatusConflict, "Shopping")
		expect(t, "activity without the slash", bob.get("/history"), http.StatusOK, "Activity")
		expect(t, "story of no note", bob.get("/history/row?table=notes&key=999"), http.StatusNotFound)
		expect(t, "activity of a stranger", newBrowser(t, s).get("/history/?table=notes"), http.StatusUnauthorized, `name="next" value="/history/?table=notes"`)
	})
}

var tagPattern = regexp.MustCompile(`<[^>]+>`)

// words are what people read of a page.
func words(a answer) string {
	return strings.Join(strings.Fields(html.UnescapeString(tagPattern.ReplaceAllString(a.Body, " "))), " ")
}

func expectInOrder(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	rest := text
	for _, part := range parts {
		_, after, found := strings.Cut(rest, part)
		if !found {
			t.Fatalf("%s has no %q, after what must come before it:\n%s", what, part, text)
		}
		rest = after
	}
}

func actAsPath(t *testing.T, b *browser, name string) string {
	t.Helper()
	match := regexp.MustCompile(`action="(/users/\d+/act-as)"(?s:.{0,400}?)Act as ` + name).FindStringSubmatch(b.get("/users").Body)
	if match == nil {
		t.Fatalf("nobody to act as is called %s", name)
	}
	return match[1]
}
