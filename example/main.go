// Command example is a small notes application for a team, in which every row
// says who created, changed and deleted it. It is meant to be copied.
//
//	go run ./example
//
// It needs nothing but Go. What it takes from the environment is in config.go.
//
// # Where things are
//
// The two halves of whodunit are put in place by routePages and routeAPI in
// app.go (who is this request?) and by prepare in database.go (who wrote this
// row?). Between them nothing knows about either: see createNote and changeNote
// in note.go.
//
// What has no request says itself who it is: seed.go, archiver.go. What
// outlives its request keeps its person: import_pages.go. The models are in
// user.go and note.go, what happened to notes in activity.go, the handlers in
// api.go and the files named _pages.go, what people see in templates and
// assets. What keeps others out is in security.go, passwords.go and sessions.go,
// what bounds the work in passwords.go and jobs.go. programs.go shows how programs get names of their own where
// by-columns hold integers.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		// On one line: drivers report each address they tried on its own.
		fmt.Fprintln(os.Stderr, "example:", strings.Join(strings.Fields(err.Error()), " "))
		os.Exit(1)
	}
}

// run starts everything, and returns when ctx is done and everything has
// stopped.
func run(ctx context.Context) error {
	config, err := readConfig(os.Getenv)
	if err != nil {
		return err
	}
	listener, err := listen(config.addr)
	if err != nil {
		return err
	}
	defer listener.Close() //nolint:errcheck // the server closes it first
	db, err := openDatabase(config.databaseURL)
	if err != nil {
		return err
	}
	defer closeDatabase(db)
	store, err := openSessions(config)
	if err != nil {
		return err
	}

	app := newApp(config, db, store)
	app.startArchiver(ctx)
	defer app.jobs.wait()
	announce(os.Stdout, listener.Addr(), config)
	return serve(ctx, listener, app.routes(), config.debugAddr)
}
