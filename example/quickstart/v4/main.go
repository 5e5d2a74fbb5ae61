// Command v4 is the program of the README's first page on Echo v4. Its imports,
// and echo.Context without a *, are all that differs.
package main

import (
	"errors"
	"log"
	"net/http"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
	"github.com/labstack/echo-contrib/session"
	"github.com/labstack/echo/v4"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	_ "modernc.org/sqlite" // the driver "sqlite", which needs no C compiler

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

type Note struct {
	gorm.Model
	gormaudit.SoftBy[uint] // created_by, updated_by, deleted_by
	Title                  string
}

func main() {
	const dsn = "quickstart.db?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_txlock=immediate" // one writes, the others wait
	db, err := gorm.Open(sqlite.New(sqlite.Config{DriverName: "sqlite", DSN: dsn}))
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(db.Use(gormaudit.New()), db.AutoMigrate(&Note{})); err != nil {
		log.Fatal(err)
	}

	store := sessions.NewCookieStore(securecookie.GenerateRandomKey(32))
	store.Options.Secure = false // for plain http in development; on https, Login sets it

	e := echo.New()
	e.Use(session.Middleware(store)) // however you authenticate
	e.Use(echoauth.Middleware())     // who is this request?

	e.POST("/login", func(c echo.Context) error {
		return echoauth.Login(c, actor.User(42)) // after your own check of a password
	})
	e.POST("/notes", func(c echo.Context) error {
		var note Note
		if err := c.Bind(&note); err != nil {
			return err
		}
		if err := db.WithContext(c.Request().Context()).Create(&note).Error; err != nil { // stamped
			return err
		}
		return c.JSON(http.StatusCreated, note)
	}, echoauth.RequireUser())
	log.Fatal(e.Start("127.0.0.1:8081"))
}
