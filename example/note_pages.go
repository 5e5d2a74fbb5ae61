package main

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"
	"gorm.io/gorm"
)

// noteList is one page of a list of notes.
type noteList struct {
	List  string
	Notes []Note
	Names map[uint]string // behind the by-columns
	pager
}

// pager leads from one page of something long to the next.
type pager struct {
	Page int // counted from 1
	More bool
}

// Newer is the number of the page before this one, or 0.
func (p pager) Newer() int { return p.Page - 1 }

// Older is the number of the page after this one, or 0.
func (p pager) Older() int {
	if !p.More {
		return 0
	}
	return p.Page + 1
}

func (a *app) notesPage(c echo.Context) error {
	list, title := listCurrent, "Notes"
	switch c.QueryParam("list") {
	case listArchive:
		list, title = listArchive, "Archive"
	case listTrash:
		list, title = listTrash, "Trash"
	}
	ctx, page := c.Request().Context(), pageNumber(c)
	notes, more, err := a.notes(ctx, list, page)
	if err != nil {
		return err
	}
	if page > 1 && len(notes) == 0 {
		return echo.ErrNotFound
	}
	names, err := a.names(ctx, notes...)
	if err != nil {
		return err
	}
	return a.render(c, http.StatusOK, "notes", title, noteList{list, notes, names, pager{page, more}})
}

// noteForm is what the editor shows.
type noteForm struct {
	Note     *Note           // what was written
	Stored   *Note           // what is in the database; nil for a new note
	Key      string          // of the form of a new note
	Names    map[uint]string // behind the by-columns of Stored
	Problems map[string]string
	Conflict bool
}

func (a *app) newNotePage(c echo.Context) error {
	return a.render(c, http.StatusOK, "note", "New note", noteForm{Note: &Note{}, Key: formKey(c)})
}

func (a *app) notePage(c echo.Context) error {
	id, err := noteID(c)
	if err != nil {
		return err
	}
	return a.editor(c, http.StatusOK, id, noteForm{})
}

func (a *app) postNote(c echo.Context) error {
	var note Note
	if err := readBody(c, &note); err != nil {
		return err
	}
	if problems := note.validate(); len(problems) > 0 {
		return a.render(c, http.StatusUnprocessableEntity, "note", "New note", noteForm{Note: &note, Key: formKey(c), Problems: problems})
	}
	note.FormKey = noteKey(c, 0, &note)
	if _, err := a.createNote(c.Request().Context(), note); err != nil {
		return err
	}
	flash(c, fmt.Sprintf("“%s” is saved.", note.Title))
	return c.Redirect(http.StatusSeeOther, "/notes")
}

func (a *app) putNote(c echo.Context) error {
	id, err := noteID(c)
	if err != nil {
		return err
	}
	var note Note
	if err := readBody(c, &note); err != nil {
		return err
	}
	if problems := note.validate(); len(problems) > 0 {
		return a.editor(c, http.StatusUnprocessableEntity, id, noteForm{Note: &note, Problems: problems})
	}
	_, err = a.changeNote(c.Request().Context(), id, note)
	if errors.Is(err, errConflict) {
		return a.editor(c, http.StatusConflict, id, noteForm{Note: &note, Conflict: true})
	}
	if err != nil {
		return err
	}
	flash(c, fmt.Sprintf("“%s” is saved.", note.Title))
	return c.Redirect(http.StatusSeeOther, "/notes")
}

// editor shows the note with an id: as it is stored, or as form has it, which
// can't be stored yet.
func (a *app) editor(c echo.Context, status int, id uint, form noteForm) error {
	ctx := c.Request().Context()
	stored, err := a.note(ctx, id)
	if err != nil {
		return err
	}
	form.Stored = stored
	if form.Names, err = a.names(ctx, *stored); err != nil {
		return err
	}
	if form.Note == nil {
		form.Note = stored
	}
	form.Note.Version = stored.Version // a conflict has been seen now
	return a.render(c, status, "note", stored.Title, form)
}

func (a *app) deleteNote(c echo.Context) error {
	id, err := noteID(c)
	if err != nil {
		return err
	}
	if err := a.trashNote(c.Request().Context(), id); err != nil {
		return err
	}
	flash(c, "The note is in the trash.")
	return c.Redirect(http.StatusSeeOther, "/notes")
}

func (a *app) undeleteNote(c echo.Context) error {
	id, err := noteID(c)
	if err != nil {
		return err
	}
	if err := a.restoreNote(c.Request().Context(), id); err != nil {
		return err
	}
	flash(c, "The note is back.")
	return c.Redirect(http.StatusSeeOther, "/notes?list="+listTrash)
}

// noteID is the id in the path. Anything but a number leads to no note.
func noteID(c echo.Context) (uint, error) {
	id, err := strconv.ParseUint(c.Param("id"), 10, 32)
	if err != nil || id == 0 {
		return 0, gorm.ErrRecordNotFound
	}
	return uint(id), nil
}

// pageNumber is the page asked for, counted from 1.
func pageNumber(c echo.Context) int {
	page, err := strconv.Atoi(c.QueryParam("page"))
	if err != nil || page < 1 || page > 1_000_000 {
		return 1
	}
	return page
}
