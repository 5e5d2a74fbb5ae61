package tests

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
)

type Note struct {
	ID    uint
	Title string
}

// The lines of the package comment.
func _(db *gorm.DB, mux *http.ServeMux, e *echo.Echo) {
	page := historyweb.Handler(db, historyweb.Config{
		Tables: []historyweb.Table{historyweb.For[Note](historyweb.Table{Title: "title"})},
	})
	mux.Handle("/history/", page)               // net/http
	e.Any("/history/*", echo.WrapHandler(page)) // Echo, v4 and v5
	e.Any("/history", echo.WrapHandler(mux))    // Echo: the mux, an http.ServeMux, redirects to /history/
}

// Admins see everything, editors the history of notes. roleOf is how an application
// knows what somebody may do.
func _(roleOf func(ctx context.Context, id string) (string, error)) historyweb.Config {
	return historyweb.Config{
		MayRead: func(ctx context.Context, a actor.Actor, q history.Query) (bool, error) {
			role, err := roleOf(ctx, a.ID) // under impersonation, the impersonated person's
			if err != nil || role != "editor" {
				return role == "admin", err
			}
			for _, model := range append(q.Tables, q.Rows...) {
				if _, ok := model.(*Note); ok {
					return true, nil
				}
			}
			return false, nil
		},
	}
}
