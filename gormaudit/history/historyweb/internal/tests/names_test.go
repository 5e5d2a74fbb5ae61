package tests

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// logged is what is logged from here on. The test must not run beside others.
func logged(t *testing.T) *bytes.Buffer {
	t.Helper()
	var log bytes.Buffer
	was := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(was) })
	return &log
}

const namesMissing = "Names can't be shown now."

// The users may be in another database than the history. While that is down, the
// history is there all the same.
func TestPagesWithoutNamesShowIDs(t *testing.T) {
	log := logged(t)
	type Ticket struct {
		ID      uint
		Subject string
		gormaudit.By[uint]
	}
	db := dbtest.New(t, dbtest.SQLite).Open(t)
	must(t, errors.Join(db.Use(gormaudit.New()), db.Use(history.New()), history.Migrate(db, &Ticket{})))
	must(t, db.WithContext(as(alice)).Create(&Ticket{ID: 7, Subject: "Rope"}).Error)
	must(t, db.WithContext(as(bob)).Model(&Ticket{ID: 7}).Update("subject", "Torch").Error)
	h := historyweb.Handler(db, historyweb.Config{
		Tables:     []historyweb.Table{historyweb.For[Ticket](historyweb.Table{})},
		MayRestore: anybodyMay,
		Names: func(context.Context, []string) (map[string]string, error) {
			return map[string]string{"1": "half an answer"}, errors.New("no users today")
		},
	})
	at := "&at=" + url.QueryEscape(time.Now().Format(time.RFC3339Nano))
	for page, want := range map[string]string{
		"": "user 2", "?actor=user:1": "user 1 ", "row?table=tickets&key=7": "user 1 ", "moment?table=tickets&key=7" + at: "Created by 1 Updated by 2",
		"restore?table=tickets&key=7" + at: "Restore Ticket 7", "?actor=bob": "Nothing was looked for",
	} {
		for _, a := range []actor.Actor{alice, alice.As(bob)} {
			log.Reset()
			w := get(h, a, "/history/"+page)
			if w.Code != http.StatusOK || strings.Count(text(w), namesMissing) != 1 {
				t.Errorf("%q without names = %d, want 200 and one line that says so:\n%s", page, w.Code, text(w))
			}
			expect(t, page, text(w), want)
			if strings.Contains(w.Body.String(), "half an answer") || strings.Contains(w.Body.String(), "today") {
				t.Errorf("%q shows what came with the error, or why:\n%s", page, text(w))
			}
			if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "no users today") || !strings.Contains(got, "Config.Names") {
				t.Errorf("%q logs %q, want the error once", page, got)
			}
		}
	}
	expect(t, "the filter by a name", get(h, alice, "/?actor=bob").Body.String(), "Names can&#39;t be looked up now. Write a kind and an id, such as user:42.")
	if got := text(get(h, alice, "/nothing")); strings.Contains(got, namesMissing) {
		t.Errorf("a page that asks for no names misses them: %s", got)
	}
}

// An export has no place to say that changes are missing in it.
func TestExportsByNameFailWithoutNames(t *testing.T) {
	log := logged(t)
	db, _ := shop(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.WithContext(as(bob)).Create(&Order{ID: 1, Customer: "Ms Miller"}).Error)
	h := historyweb.Handler(db, historyweb.Config{Tables: tables, Names: func(context.Context, []string) (map[string]string, error) {
		return nil, errors.New("no users today")
	}})
	for _, export := range []string{"changes.csv", "changes.ndjson"} {
		log.Reset()
		if w := get(h, alice, "/"+export+"?actor=bob"); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "Miller") {
			t.Errorf("%s of a name = %d %s, want 503", export, w.Code, text(w))
		}
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "no users today") {
			t.Errorf("%s logs %q, want the error once", export, got)
		}
		if w := get(h, alice, "/"+export+"?actor=user:2"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Miller") {
			t.Errorf("%s of an id = %d %s, want what bob did", export, w.Code, text(w))
		}
	}
}

// Whoever closes the browser meanwhile is no failure.
func TestNamesOfARequestThatHasEndedAreNotMissed(t *testing.T) {
	log := logged(t)
	db, _ := shop(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.WithContext(as(bob)).Create(&Order{ID: 1}).Error)
	for _, page := range []string{"/", "/?actor=bob", "/changes.csv?actor=bob", "/row?table=orders&key=1"} {
		ctx, cancel := context.WithCancel(as(alice))
		h := historyweb.Handler(db, historyweb.Config{Tables: tables, Names: func(ctx context.Context, _ []string) (map[string]string, error) {
			cancel()
			return nil, ctx.Err()
		}})
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, page, nil).WithContext(ctx))
		if log.Len() > 0 {
			t.Errorf("%s of a request that has ended logs %s", page, log)
		}
	}
}
