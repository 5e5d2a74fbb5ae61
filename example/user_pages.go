package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// isAdmin asks for the record: a role that was taken away is gone with the next
// request, whatever the session says.
func isAdmin(c echo.Context, _ actor.Actor) (bool, error) {
	user, err := echoauth.User[*User](c.Request().Context())
	return err == nil && user.IsAdmin(), err
}

// mayActAs is asked by echoauth when an admin begins to act as a member, and for
// each request while they do: who is demoted stops at once, and nobody acts as a
// member who became an admin.
func (a *app) mayActAs(ctx context.Context, who actor.Actor) (bool, error) {
	var users []User
	err := a.db.WithContext(ctx).Select("id", "role").Find(&users, "id IN ?", []string{who.ID, who.Impersonator.ID}).Error
	roles := map[string]Role{}
	for _, user := range users {
		roles[fmt.Sprint(user.ID)] = user.Role
	}
	return roles[who.Impersonator.ID] == Admin && roles[who.ID] == Member, err
}

func (a *app) usersPage(c echo.Context) error {
	var users []User
	if err := a.db.WithContext(c.Request().Context()).Order("name").Find(&users).Error; err != nil {
		return err
	}
	return a.render(c, http.StatusOK, "users", "Users", users)
}

// actAs lets an admin see and do what a member can. What is done carries the
// member's name; who was at the keyboard stays in the session and in the logs.
func (a *app) actAs(c echo.Context) error {
	id, err := strconv.ParseUint(c.Param("id"), 10, 32)
	if err != nil {
		return gorm.ErrRecordNotFound
	}
	var target User
	err = a.db.WithContext(c.Request().Context()).Take(&target, "id = ? AND role = ?", id, Member).Error
	if err != nil {
		return err
	}
	if err := echoauth.Impersonate(c, target.actor()); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/notes")
}

func (a *app) stopActing(c echo.Context) error {
	if err := echoauth.StopImpersonating(c); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/users")
}
