package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// importForm is what the import page shows.
type importForm struct {
	Text    string
	Problem string
}

func (a *app) importPage(c echo.Context) error {
	return a.render(c, http.StatusOK, "import", "Import notes", importForm{})
}

// importNotes makes a note of each paragraph. The answer does not wait for
// them: the job goes on when the request has ended, as the same person.
//
// A process that is killed forgets its jobs. What must survive that belongs
// into a job queue, with the actor beside it as JSON.
func (a *app) importNotes(c echo.Context) error {
	text := c.FormValue("text")
	notes, problem := parseNotes(text)
	if problem != "" {
		return a.render(c, http.StatusUnprocessableEntity, "import", "Import notes", importForm{text, problem})
	}
	ctx := actor.Detach(c.Request().Context())
	a.jobs.Go(func() {
		if err := a.db.WithContext(ctx).CreateInBatches(&notes, 100).Error; err != nil {
			slog.ErrorContext(ctx, "import notes", "error", err)
		}
	})
	flash(c, count(len(notes), "note")+" on the way.")
	return c.Redirect(http.StatusSeeOther, "/")
}

// parseNotes reads paragraphs: the first line of each is a title. It returns
// all of them, or what is wrong with one.
func parseNotes(text string) (notes []Note, problem string) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		title, body, _ := strings.Cut(strings.TrimSpace(paragraph), "\n")
		if title == "" {
			continue
		}
		note := Note{Title: title, Body: strings.TrimSpace(body), Version: 1}
		for _, problem := range note.validate() {
			return nil, fmt.Sprintf("Note %d: %s", len(notes)+1, problem)
		}
		notes = append(notes, note)
	}
	if len(notes) == 0 {
		return nil, "There is nothing to import."
	}
	return notes, ""
}
