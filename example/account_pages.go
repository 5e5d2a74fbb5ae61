package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/echoauth"
)

// accountForm is what the account page shows.
type accountForm struct {
	User     *User
	Acting   bool // somebody else is at the keyboard
	Problems map[string]string
}

func (a *app) accountPage(c echo.Context) error {
	user, err := echoauth.User[*User](c.Request().Context())
	if err != nil {
		return err
	}
	acting := !echoauth.Current(c).Impersonator.IsAnonymous()
	return a.render(c, http.StatusOK, "account", "Your account", accountForm{User: user, Acting: acting})
}

// changePassword ends every other session of the user: their stamps are those
// of the old password.
func (a *app) changePassword(c echo.Context) error {
	if !echoauth.Current(c).Impersonator.IsAnonymous() {
		return echo.NewHTTPError(http.StatusForbidden, "Who acts as somebody else does not change their password.")
	}
	ctx := c.Request().Context()
	user, err := echoauth.User[*User](ctx)
	if err != nil {
		return err
	}
	problems, err := a.newPassword(ctx, user, c.FormValue("current"), c.FormValue("new"), c.FormValue("again"))
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		return a.render(c, http.StatusUnprocessableEntity, "account", "Your account", accountForm{User: user, Problems: problems})
	}
	err = a.db.WithContext(ctx).Model(&User{ID: user.ID}).Update("password_hash", user.PasswordHash).Error
	if err != nil {
		return err
	}
	if err := echoauth.Login(c, user.actor()); err != nil { // a new session, with the new stamp
		return err
	}
	flash(c, "Your password is changed. Everywhere else you are signed out.")
	return c.Redirect(http.StatusSeeOther, "/account")
}

// newPassword gives user the new password in memory, or says what is wrong, by
// field.
func (a *app) newPassword(ctx context.Context, user *User, current, password, again string) (problems map[string]string, err error) {
	problems = map[string]string{}
	err = a.passwords.check(ctx, user, current)
	if errors.Is(err, errWrongPassword) {
		problems["current"] = "This is not your password."
	} else if err != nil {
		return nil, err
	}
	if password != again {
		problems["again"] = "This differs from the new password."
	}
	if len(problems) > 0 {
		return problems, nil
	}
	err = a.passwords.inTurn(ctx, func() {
		if problem := user.setPassword(password); problem != "" {
			problems["new"] = problem
		}
	})
	return problems, err
}
