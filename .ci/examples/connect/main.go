// Command connect stamps rows in a service on connect. What authenticates is HTTP
// middleware, and so is what says who makes a call; handlers have it in their
// context. Here the service's messages are protobuf's own, in place of generated
// ones.
//
//	cd .ci/examples && go run ./connect
//	curl -u 42:swordfish localhost:8081/notes.Notes/Create --json '"Hello"'
package main

import (
	"cmp"
	"context"
	"errors"
	"log"
	"net/http"
	"os"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	_ "modernc.org/sqlite" // the driver "sqlite", which needs no C compiler

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

type Note struct {
	gorm.Model
	gormaudit.By[uint] // created_by, updated_by
	Title              string
}

func withActor(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if password != "swordfish" {
			err := connect.NewError(connect.CodeUnauthenticated, errors.New("please sign in"))
			_ = connect.NewErrorWriter().Write(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(actor.NewContext(r.Context(), actor.User(user))))
	})
}

type notes struct{ db *gorm.DB }

func (n notes) create(ctx context.Context, title *connect.Request[wrapperspb.StringValue]) (*connect.Response[wrapperspb.UInt64Value], error) {
	note := Note{Title: title.Msg.GetValue()}
	if err := n.db.WithContext(ctx).Create(&note).Error; err != nil {
		log.Print(err)
		return nil, connect.NewError(connect.CodeInternal, errors.New("the note can't be created"))
	}
	return connect.NewResponse(wrapperspb.UInt64(uint64(note.ID))), nil
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
	http.Handle("/notes.Notes/Create", connect.NewUnaryHandler("/notes.Notes/Create", notes{db}.create))
	log.Fatal(http.ListenAndServe(cmp.Or(os.Getenv("ADDR"), "localhost:8081"), withActor(http.DefaultServeMux)))
}
