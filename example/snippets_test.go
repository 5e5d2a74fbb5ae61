//nolint:errcheck,unused // what fits a page; programs check
package main_test

import (
	"context"
	"expvar"
	"net/http"
	"time"

	"github.com/gorilla/sessions"
	"github.com/labstack/echo-contrib/session"
	"github.com/labstack/echo/v4"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

// What the README and the package comments show in a few lines, compiled. See
// TestDocumentedCodeCompiles.

type (
	Account    struct{ ID uint }
	Attachment struct{ ID uint }
	Invoice    struct{ ID uint }
	Tag        struct{ ID uint }
)

type Note struct {
	gorm.Model
	gormaudit.SoftBy[uint]
	Title string
}

type tagged struct {
	Author    string `gorm:"autoCreateBy"`
	UpdatedBy string `gorm:"autoUpdateBy:false"`
}

func _(e *echo.Echo, c echo.Context, db *gorm.DB, store sessions.Store, note Note) {
	e.Use(session.Middleware(store))
	e.Use(echoauth.Middleware())
	db.Use(gormaudit.New())
	db.WithContext(c.Request().Context()).Create(&note)
}

func _(db *gorm.DB) {
	db.Use(gormaudit.NewWithConfig(gormaudit.Config{
		Missing: gormaudit.Reject,
		Models:  []any{&Note{}, &Attachment{}},
	}))
}

func _(db *gorm.DB) error {
	if err := gormaudit.Verify(db, &Note{}, &Invoice{}); err != nil {
		return err
	}
	return nil
}

func _(store *sessions.CookieStore, config struct{ Development bool }) {
	store.Options.Secure = !config.Development
}

func _(e *echo.Echo) {
	e.GET("/me", func(c echo.Context) error {
		user, err := echoauth.User[*Account](c.Request().Context())
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, user)
	}, echoauth.RequireUser())
}

func _(admin *echo.Group) {
	admin.GET("/debug/vars", echo.WrapHandler(expvar.Handler()))
}

func _(db *gorm.DB, limit time.Time) {
	ctx := actor.NewContext(context.Background(), actor.System("archiver"))
	db.WithContext(ctx).Model(&Note{}).Where("updated_at < ?", limit).Update("archived", true)
}

func _(c echo.Context) {
	ctx := c.Request().Context()
	a, _ := actor.FromContext(ctx)
	_ = a
}

func _(ctx context.Context) {
	ctx = actor.NewContext(ctx, actor.User(42))
	a, ok := actor.FromContext(ctx)
	_, _ = a, ok
}

func _(ctx context.Context, db *gorm.DB) error {
	type Note struct {
		gorm.Model
		gormaudit.SoftBy[uint]
		Title string
	}

	if err := db.Use(gormaudit.New()); err != nil {
		return err
	}
	ctx = actor.NewContext(ctx, actor.User(42))
	return db.WithContext(ctx).Create(&Note{Title: "Hello"}).Error
}

func _(ctx context.Context, db *gorm.DB, note Note) {
	db.Use(history.New())
	history.Migrate(db, &Note{}, &Tag{})
	{
		ctx = actor.NewContext(ctx, actor.User(42))
		db.WithContext(ctx).Model(&note).Update("title", "Milk, eggs")

		changes, err := history.Of(db.WithContext(ctx), &note)
		_, _ = changes, err
	}
	{
		changes, err := history.Of(db.WithContext(ctx), &note)
		_, _ = changes, err
	}
	drop, create, err := history.SQL(db, &Note{}, &Tag{})
	_, _, _ = drop, create, err
}
