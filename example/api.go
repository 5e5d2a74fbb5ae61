package main

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// tokenAnswer is what a sign-in gives.
type tokenAnswer struct {
	Token     string `json:"token"`
	ExpiresIn int    `json:"expires_in"` // seconds
}

// listAnswer is one page of a list.
type listAnswer struct {
	Notes []Note `json:"notes"`
	Page  int    `json:"page"`
	More  bool   `json:"more"`
}

// postToken answers a name and a password with a token for the rest.
func (a *app) postToken(c echo.Context) error {
	var credentials struct {
		Name     string `json:"name"`
		Password string `json:"password"`
	}
	if err := readBody(c, &credentials); err != nil {
		return err
	}
	user, err := a.authenticate(c.Request().Context(), c.RealIP(), credentials.Name, credentials.Password)
	if err != nil {
		return err
	}
	token, err := a.tokens.issue(user)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, tokenAnswer{token, int(tokenLifetime.Seconds())})
}

// apiNotes lists the notes, or with ?list=archive and ?list=trash the others, by
// pages: ?page=2.
func (a *app) apiNotes(c echo.Context) error {
	page := pageNumber(c)
	notes, more, err := a.notes(c.Request().Context(), c.QueryParam("list"), page)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, listAnswer{notes, page, more})
}

func (a *app) apiNote(c echo.Context) error {
	id, err := noteID(c)
	if err != nil {
		return err
	}
	note, err := a.note(c.Request().Context(), id)
	return respond(c, http.StatusOK, note, err)
}

func (a *app) apiCreate(c echo.Context) error {
	var note Note
	if err := bindNote(c, &note); err != nil {
		return err
	}
	created, err := a.createNote(c.Request().Context(), note)
	return respond(c, http.StatusCreated, created, err)
}

// apiChange stores new texts. A version in the body makes it conditional: 409
// when the note has another one by now.
func (a *app) apiChange(c echo.Context) error {
	id, err := noteID(c)
	if err != nil {
		return err
	}
	var change Note
	if err := bindNote(c, &change); err != nil {
		return err
	}
	note, err := a.changeNote(c.Request().Context(), id, change)
	return respond(c, http.StatusOK, note, err)
}

func (a *app) apiDelete(c echo.Context) error {
	id, err := noteID(c)
	if err != nil {
		return err
	}
	if err := a.trashNote(c.Request().Context(), id); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (a *app) apiRestore(c echo.Context) error {
	id, err := noteID(c)
	if err != nil {
		return err
	}
	if err := a.restoreNote(c.Request().Context(), id); err != nil {
		return err
	}
	note, err := a.note(c.Request().Context(), id)
	return respond(c, http.StatusOK, note, err)
}

// bindNote reads a note from the body alone, and refuses what can't be one. A
// body that also brings a created_by is no danger: see createNote.
func bindNote(c echo.Context, note *Note) error {
	if err := readBody(c, note); err != nil {
		return err
	}
	if problems := note.validate(); len(problems) > 0 {
		return echo.NewHTTPError(http.StatusUnprocessableEntity, problems)
	}
	return nil
}

func respond(c echo.Context, status int, note *Note, err error) error {
	if err != nil {
		return err
	}
	return c.JSON(status, note)
}
