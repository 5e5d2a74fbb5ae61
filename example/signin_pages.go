package main

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/echoauth"
)

// signInForm is what the sign-in page shows and sends.
type signInForm struct {
	Name    string
	Next    string // where to go afterwards
	Problem string
	Draft   *draft // what was sent without a session, to be sent again
}

func (a *app) signInPage(c echo.Context) error {
	next := echoauth.SafeNext(c.QueryParam("next"))
	if !echoauth.Current(c).IsAnonymous() {
		return c.Redirect(http.StatusSeeOther, next)
	}
	return a.render(c, http.StatusOK, "signin", "Sign in", signInForm{Next: next})
}

func (a *app) signIn(c echo.Context) error {
	form := signInForm{
		Name:  c.FormValue("name"),
		Next:  echoauth.SafeNext(c.FormValue("next")),
		Draft: decodeDraft(c.FormValue("draft_action"), c.FormValue("draft_fields")),
	}
	user, err := a.authenticate(c.Request().Context(), c.RealIP(), form.Name, c.FormValue("password"))
	if errors.Is(err, errWrongPassword) || errors.Is(err, errTooManyTries) || errors.Is(err, errBusy) {
		failure := a.classify(c, err)
		form.Problem, _ = failure.Message.(string)
		return a.render(c, failure.Code, "signin", "Sign in", form)
	}
	if err != nil {
		return err
	}
	if err := echoauth.Login(c, user.actor()); err != nil {
		return err
	}
	a.warnOfScheme(c)
	if form.Draft != nil {
		return a.render(c, http.StatusOK, "resend", "Send again", form.Draft)
	}
	return c.Redirect(http.StatusSeeOther, form.Next)
}

func (a *app) signOut(c echo.Context) error {
	if err := echoauth.Logout(c); err != nil {
		return err
	}
	flash(c, "You are signed out.")
	return c.Redirect(http.StatusSeeOther, "/signin")
}
