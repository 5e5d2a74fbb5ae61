// Command gin stamps rows in a service on gin: its middleware puts who makes a
// request into the request's context.
//
//	cd .ci/examples && go run ./gin
//	curl -u 42:swordfish localhost:8081/notes -d title=Hello
package main

import (
	"cmp"
	"errors"
	"log"
	"net/http"
	"os"

	"github.com/gin-gonic/gin"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	_ "modernc.org/sqlite" // the driver "sqlite", which needs no C compiler

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

type Note struct {
	gorm.Model
	gormaudit.SoftBy[uint] // created_by, updated_by, deleted_by
	Title                  string
}

// withActor stands behind whatever authenticates, here gin.BasicAuth.
func withActor(c *gin.Context) {
	ctx := actor.NewContext(c.Request.Context(), actor.User(c.GetString(gin.AuthUserKey)))
	c.Request = c.Request.WithContext(ctx)
	c.Next()
}

func createNote(db *gorm.DB) gin.HandlerFunc {
	return func(c *gin.Context) {
		note := Note{Title: c.PostForm("title")}
		if err := db.WithContext(c.Request.Context()).Create(&note).Error; err != nil { // not WithContext(c)
			_ = c.AbortWithError(http.StatusInternalServerError, err)
			return
		}
		c.JSON(http.StatusCreated, note)
	}
}

func main() {
	const dsn = "notes.db?_pragma=busy_timeout(10000)&_txlock=immediate"
	db, err := gorm.Open(sqlite.New(sqlite.Config{DriverName: "sqlite", DSN: dsn}))
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(db.Use(gormaudit.New()), db.AutoMigrate(&Note{})); err != nil {
		log.Fatal(err)
	}
	gin.SetMode(gin.ReleaseMode)
	router := gin.Default()
	router.Use(gin.BasicAuth(gin.Accounts{"42": "swordfish"}), withActor)
	router.POST("/notes", createNote(db))
	log.Fatal(router.Run(cmp.Or(os.Getenv("ADDR"), "localhost:8081")))
}
