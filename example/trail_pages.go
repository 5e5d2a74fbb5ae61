package main

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

// trailPage is one page of what happened to a note.
type trailPage struct {
	NoteID uint
	Steps  []step
	pager
}

func (a *app) trailPage(c echo.Context) error {
	id, err := noteID(c)
	if err != nil {
		return err
	}
	ctx, page := c.Request().Context(), pageNumber(c)
	changes, more, err := a.trail(ctx, id, page)
	if err != nil {
		return err
	}
	if len(changes) == 0 {
		return gorm.ErrRecordNotFound
	}
	steps, err := a.steps(ctx, changes)
	if err != nil {
		return err
	}
	return a.render(c, http.StatusOK, "trail", "History", trailPage{id, steps, pager{page, more}})
}

func (a *app) undoChange(c echo.Context) error {
	id, err := noteID(c)
	if err != nil {
		return err
	}
	change, err := strconv.ParseInt(c.Param("change"), 10, 64)
	if err != nil {
		return gorm.ErrRecordNotFound
	}
	switch err := a.undo(c.Request().Context(), id, change); {
	case errors.Is(err, history.ErrNotReversible):
		flash(c, "This can't be undone.")
	case err != nil:
		return err
	default:
		flash(c, "It is undone, in your name.")
	}
	return c.Redirect(http.StatusSeeOther, "/notes/"+c.Param("id")+"/history")
}
