package tests

import (
	"net/http"

	"github.com/labstack/echo/v4"
	"gorm.io/gorm"

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

	e.GET("/history", echo.WrapHandler(http.RedirectHandler("/history/", http.StatusFound)))
}
