package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"gorm.io/gorm/clause"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// importForm is what the import page shows.
type importForm struct {
	Key     string // see formKey
	Text    string
	Problem string
}

func (a *app) importPage(c echo.Context) error {
	return a.render(c, http.StatusOK, "import", "Import notes", importForm{Key: formKey(c)})
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
		return a.render(c, http.StatusUnprocessableEntity, "import", "Import notes", importForm{formKey(c), text, problem})
	}
	for n := range notes {
		notes[n].FormKey = noteKey(c, n, &notes[n])
	}
	ctx := actor.Detach(c.Request().Context())
	err := a.jobs.start(func() {
		if err := a.createNotes(ctx, notes); err != nil {
			slog.ErrorContext(ctx, "import notes", "error", err)
		}
	})
	if err != nil {
		return err
	}
	flash(c, count(len(notes), "note")+" on the way.")
	return c.Redirect(http.StatusSeeOther, "/notes")
}

// maxImport is how many notes an import may have. Its text alone bounds it by
// much more: a megabyte is room for 300,000.
const maxImport = 500

// importBatch is how many notes are written in one transaction. Between two,
// other people's writes get their turn.
const importBatch = 20

// createNotes stores many new notes, but for those that there are already: see
// createNote. An error leaves those before it.
func (a *app) createNotes(ctx context.Context, notes []Note) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for batch := range slices.Chunk(notes, importBatch) {
		if err := a.db.WithContext(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&batch).Error; err != nil {
			return err
		}
	}
	return nil
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
		if notes = append(notes, note); len(notes) > maxImport {
			return nil, fmt.Sprintf("These are too many: import at most %d notes at once.", maxImport)
		}
	}
	if len(notes) == 0 {
		return nil, "There is nothing to import."
	}
	return notes, ""
}
