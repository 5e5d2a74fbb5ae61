// Command uuid has UUIDs for keys, on PostgreSQL with Echo v5: users and notes, who
// wrote them, their history, and the page that shows it. Open
// http://localhost:8081/history/ and sign in as ann with the password "swordfish".
//
//	DATABASE_URL=postgres://… go run ./example/uuid
//	curl -u ann:swordfish localhost:8081/notes -d title=Hello
//	curl -u bob:swordfish -X PUT localhost:8081/notes/… -d title=Hi
package main

import (
	"cmp"
	"context"
	"errors"
	"log"
	"net/http"
	"os"

	"github.com/google/uuid"
	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/echoauth/v5"
	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
)

type User struct {
	ID   uuid.UUID `gorm:"type:uuid;default:gen_random_uuid()"`
	Name string    `gorm:"uniqueIndex"`
}

type Note struct {
	ID                      uuid.UUID `gorm:"type:uuid;default:gen_random_uuid()"`
	gormaudit.By[uuid.UUID]           // created_by, updated_by
	Title                   string
}

type people struct{ db *gorm.DB }

// signIn finds a user by name. Everybody has one password here.
func (p people) signIn(c *echo.Context, name, password string) (actor.Actor, bool, error) {
	var user User
	found := p.db.WithContext(c.Request().Context()).Limit(1).Find(&user, "name = ?", name)
	return actor.User(user.ID.String()), found.RowsAffected == 1 && password == "swordfish", found.Error
}

// names are those of users, for the page. An id in the history may be any text.
func (p people) names(ctx context.Context, ids []string) (map[string]string, error) {
	var keys []uuid.UUID
	for _, id := range ids {
		if key, err := uuid.Parse(id); err == nil {
			keys = append(keys, key)
		}
	}
	var users []User
	err := p.db.WithContext(ctx).Find(&users, "id IN ?", keys).Error
	names := map[string]string{}
	for _, user := range users {
		names[user.ID.String()] = user.Name
	}
	return names, err
}

func main() {
	db, err := gorm.Open(postgres.Open(os.Getenv("DATABASE_URL")))
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(
		db.Use(gormaudit.NewWithConfig(gormaudit.Config{Models: []any{&Note{}}})), // so that created_by is a uuid
		db.Use(history.New()), db.AutoMigrate(&User{}), history.Migrate(db, &Note{}),
		db.FirstOrCreate(&User{}, User{Name: "ann"}).Error, db.FirstOrCreate(&User{}, User{Name: "bob"}).Error,
	); err != nil {
		log.Fatal(err)
	}
	page := historyweb.Handler(db, historyweb.Config{
		Tables: []historyweb.Table{historyweb.For[Note](historyweb.Table{Title: "title"})},
		Names:  people{db}.names,
	})
	e := echo.New()
	e.Use(middleware.BasicAuth(echoauth.BasicAuth(people{db}.signIn)), echoauth.Middleware())
	e.Any("/history/*", echo.WrapHandler(page))
	e.POST("/notes", func(c *echo.Context) error {
		note := Note{Title: c.FormValue("title")}
		if err := db.WithContext(c.Request().Context()).Create(&note).Error; err != nil {
			return err
		}
		return c.JSON(http.StatusCreated, note)
	})
	e.PUT("/notes/:id", func(c *echo.Context) error {
		id, err := echo.PathParam[uuid.UUID](c, "id")
		if err != nil {
			return err
		}
		notes := db.WithContext(c.Request().Context()).Model(&Note{}).Where("id = ?", id)
		if err := notes.Update("title", c.FormValue("title")).Error; err != nil {
			return err
		}
		return c.NoContent(http.StatusNoContent)
	})
	log.Fatal(e.Start(cmp.Or(os.Getenv("ADDR"), "localhost:8081")))
}
