// Command jobs has river work jobs in the name of whoever caused them: carry.go
// is the middleware that takes the actor along. A note and its job are written in
// one transaction.
//
//	cd .ci/examples && DATABASE_URL=postgres://… go run ./jobs
//	curl -u 42:swordfish localhost:8081/notes -d title=Hello
package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

type Note struct {
	gorm.Model
	gormaudit.By[uint] // created_by, updated_by
	Title, Shout       string
}

// Shout is a job: it writes a note's title in capitals.
type Shout struct{ NoteID uint }

func (Shout) Kind() string { return "shout" }

type shouter struct {
	river.WorkerDefaults[Shout]
	db *gorm.DB
}

func (s *shouter) Work(ctx context.Context, job *river.Job[Shout]) error {
	var note Note
	if err := s.db.WithContext(ctx).Take(&note, job.Args.NoteID).Error; err != nil {
		return err
	}
	return s.db.WithContext(ctx).Model(&note).Update("shout", strings.ToUpper(note.Title)).Error
}

func createNote(db *gorm.DB, queue *river.Client[*sql.Tx]) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if password != "swordfish" {
			http.Error(w, "please sign in", http.StatusUnauthorized)
			return
		}
		ctx := actor.NewContext(r.Context(), actor.User(user))
		err := db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
			note := Note{Title: r.FormValue("title")}
			if err := tx.Create(&note).Error; err != nil {
				return err
			}
			_, err := queue.InsertTx(ctx, tx.Statement.ConnPool.(*sql.Tx), Shout{note.ID}, nil)
			return err
		})
		if err != nil {
			log.Print(err)
			http.Error(w, "that failed", http.StatusInternalServerError)
		}
	}
}

// startQueue makes river's tables, and begins to work jobs.
func startQueue(ctx context.Context, db *gorm.DB) (*river.Client[*sql.Tx], error) {
	pool, err := db.DB()
	if err != nil {
		return nil, err
	}
	driver := riverdatabasesql.New(pool)
	migrator, err := rivermigrate.New(driver, nil)
	if err != nil {
		return nil, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &shouter{db: db})
	queue, err := river.NewClient(driver, &river.Config{
		Middleware: []rivertype.Middleware{&carry{}},
		Queues:     map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 2}},
		Workers:    workers,
	})
	if err != nil {
		return nil, err
	}
	return queue, queue.Start(ctx)
}

func main() {
	db, err := gorm.Open(postgres.Open(os.Getenv("DATABASE_URL")))
	if err != nil {
		log.Fatal(err)
	}
	stamp := gormaudit.NewWithConfig(gormaudit.Config{Missing: gormaudit.Reject}) // no write without an actor
	if err := errors.Join(db.Use(stamp), db.AutoMigrate(&Note{})); err != nil {
		log.Fatal(err)
	}
	queue, err := startQueue(context.Background(), db)
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST /notes", createNote(db, queue))
	log.Fatal(http.ListenAndServe(cmp.Or(os.Getenv("ADDR"), "localhost:8081"), nil))
}
