package main

import (
	"context"
	"net/http"
	"strconv"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
)

const activityPath = "/history/"

// activity is what happened to all notes, and the story of each: the page that
// comes with the history. Everybody who is signed in sees it, and may put a note
// back.
func (a *app) activity() http.Handler {
	return historyweb.Handler(a.db, historyweb.Config{
		Title:      "Activity",
		Home:       "/notes",
		Names:      a.namesByText,
		MayRestore: func(context.Context, actor.Actor, any) (bool, error) { return true, nil },
		Tables: []historyweb.Table{historyweb.For[Note](historyweb.Table{
			Title:   "title",
			Columns: map[string]string{"body": "Text", "archived_at": "Archived"},
			Link:    func(key []string) string { return "/notes/" + key[0] },
		})},
	})
}

// namesByText is namesOf for ids as the history has them.
func (a *app) namesByText(ctx context.Context, ids []string) (map[string]string, error) {
	var numbers []uint
	for _, id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil {
			numbers = append(numbers, uint(n))
		}
	}
	names, err := a.namesOf(ctx, numbers)
	byText := make(map[string]string, len(names))
	for id, name := range names {
		byText[strconv.FormatUint(uint64(id), 10)] = name
	}
	return byText, err
}
