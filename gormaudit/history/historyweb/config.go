package historyweb

import (
	"context"
	"time"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

// Config says what the pages show, and to whom. Its zero value shows the changes
// of all tables to everybody who is signed in, and lets nobody restore.
type Config struct {
	// Title is the heading of the pages. By default "History".
	Title string
	// Home is the address to which the pages lead back. By default they lead
	// nowhere.
	Home string
	// Tables are the tables to show, made by [For]: changes of others are left out.
	// By default all tables are shown, but their rows have no pages of their own.
	Tables []Table
	// Names returns people's names by the ids that by-columns hold. It is called
	// once for a page, and once more for somebody who acts as another. An id that it does not know is shown with the name that was
	// recorded, if any. By default all are.
	Names func(ctx context.Context, ids []string) (map[string]string, error)
	// MayRead reports whether somebody may see what a query asks for, before
	// anything is read for it: a page, or an export of the same. A query asks for one
	// of Tables, or for one row; without Tables for everything. What is refused is
	// left out, and if nothing is left, the answer is 403. By default everybody
	// who is signed in may see all.
	MayRead func(ctx context.Context, a actor.Actor, q history.Query) (bool, error)
	// MayRestore reports whether somebody may write a row as it was. row is a
	// pointer to a model with its key set. By default nobody may.
	MayRestore func(ctx context.Context, a actor.Actor, row any) (bool, error)
	// Location is the time zone that times are shown and read in. By default
	// [time.Local].
	Location *time.Location
}

func (c Config) withDefaults() Config {
	if c.Title == "" {
		c.Title = "History"
	}
	if c.Names == nil {
		c.Names = func(context.Context, []string) (map[string]string, error) { return nil, nil }
	}
	if c.MayRead == nil {
		c.MayRead = func(context.Context, actor.Actor, history.Query) (bool, error) { return true, nil }
	}
	if c.MayRestore == nil {
		c.MayRestore = func(context.Context, actor.Actor, any) (bool, error) { return false, nil }
	}
	if c.Location == nil {
		c.Location = time.Local
	}
	return c
}
