//go:build cgo

package gormaudit_test

import (
	"context"
	"errors"
	"expvar"
	"fmt"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// By default by-columns hold the account that is acted as. Here they hold the
// one at the keyboard.
func ExampleConfig_impersonator() {
	config := gormaudit.Config{ID: func(a actor.Actor) string {
		if !a.Impersonator.IsAnonymous() {
			return a.Impersonator.ID
		}
		return a.ID
	}}
	db := openMemory(config, &Note{})

	support := actor.User("support").As(actor.User("ada"))
	db.WithContext(actor.NewContext(context.Background(), support)).Create(&Note{})
	printRow(db, "notes", "created_by")
	// Output: created_by support
}

// The users table has a row for jobs, so that an integer column can hold it.
func ExampleConfig_jobs() {
	type Task struct {
		ID        uint
		CreatedBy uint
	}
	const jobs = "1"
	config := gormaudit.Config{ID: func(a actor.Actor) string {
		if a.Kind == actor.KindUser {
			return a.ID
		}
		return jobs
	}}
	db := openMemory(config, &Task{})

	ctx := actor.NewContext(context.Background(), actor.System("archiver"))
	db.WithContext(ctx).Create(&Task{ID: 1})
	printRow(db, "tasks", "created_by")
	// Output: created_by 1
}

// Users have got UUIDs. Sessions from before still name their numbers.
func ExampleConfig_newIDs() {
	type Task struct {
		ID        uint
		CreatedBy *string `gorm:"size:36"`
	}
	uuids := map[string]string{"42": "0b1b9d0c-6f0c-4a5e-9a51-3d3c9a9a7c42"} // read at start
	config := gormaudit.Config{ID: func(a actor.Actor) string {
		switch id, old := uuids[a.ID]; {
		case a.Kind != actor.KindUser:
			return "" // NULL: the column holds users' ids only
		case old:
			return id
		}
		return a.ID
	}}
	db := openMemory(config, &Task{})

	db.WithContext(signedIn("42")).Create(&Task{ID: 1})
	printRow(db, "tasks", "created_by")
	// Output: created_by 0b1b9d0c-6f0c-4a5e-9a51-3d3c9a9a7c42
}

// Each program has a row among the users, whose ids are UUIDs.
func ExampleConfig_services() {
	type Task struct {
		ID        uint
		CreatedBy *string `gorm:"size:36"`
	}
	programs := map[string]string{"billing": "7d0c4f8e-2f2e-4b59-8f0a-0a1c7c1f9b11"} // read at start
	config := gormaudit.Config{ID: func(a actor.Actor) string {
		if a.Kind == actor.KindUser {
			return a.ID
		}
		return programs[a.ID] // "", which is NULL, for one without a row
	}}
	db := openMemory(config, &Task{})

	for _, who := range []actor.Actor{actor.Service("billing"), actor.System("archiver")} {
		db.WithContext(actor.NewContext(context.Background(), who)).Create(&Task{})
	}
	printRow(db.Where("id = 1"), "tasks", "created_by")
	printRow(db.Where("id = 2"), "tasks", "created_by")
	// Output:
	// created_by 7d0c4f8e-2f2e-4b59-8f0a-0a1c7c1f9b11
	// created_by NULL
}

// An application that has a user in its contexts already keeps it there.
func ExampleConfig_actor() {
	type userKey struct{}
	type User struct{ ID uint }
	whoActs := func(ctx context.Context) (actor.Actor, bool) {
		if user, ok := ctx.Value(userKey{}).(*User); ok {
			return actor.User(user.ID), true
		}
		return actor.FromContext(ctx) // a job that says who it is
	}
	db := openMemory(gormaudit.Config{Actor: whoActs}, &Note{})

	ctx := context.WithValue(context.Background(), userKey{}, &User{ID: 42})
	db.WithContext(ctx).Create(&Note{})
	ctx = actor.NewContext(context.Background(), actor.System("archiver"))
	db.WithContext(ctx).Model(&Note{}).Where("true").Update("title", "old")
	printRow(db, "notes", "created_by", "updated_by")
	// Output: created_by 42, updated_by system:archiver
}

// In production a forgotten WithContext is better an error than a row that
// nobody created.
func ExampleMissingPolicy() {
	db := openMemory(gormaudit.Config{Missing: gormaudit.Reject}, &Note{})

	err := db.Create(&Note{}).Error
	fmt.Println(errors.Is(err, gormaudit.ErrNoActor))
	fmt.Println(err)
	// Output:
	// true
	// gormaudit: create on "notes": no context, and so no actor; pass the request's: db.WithContext(ctx)
}

// A number in place of a quiet log: each kind of event on each table, as a
// metric with labels would have it.
func ExampleConfig_observe() {
	events := expvar.NewMap("gormaudit") // or a prometheus.CounterVec
	config := gormaudit.Config{Observe: func(_ context.Context, e gormaudit.Event) {
		events.Add(e.Kind.String()+" "+e.Table, 1)
	}}
	db := openMemory(config, &Note{})

	db.Create(&Note{Title: "forgot WithContext"})
	db.WithContext(signedIn("ada")).Model(&Note{}).Where("id = 1").Update("created_by", "mallory")
	db.WithContext(signedIn("ada")).Create(&Note{})
	fmt.Println(events)
	// Output: {"dropped notes": 1, "no_context notes": 1}
}

// Before an application trusts the plugin, it asks what it would do.
func ExampleConfig_dryRun() {
	config := gormaudit.Config{DryRun: true, Observe: func(_ context.Context, e gormaudit.Event) {
		fmt.Println(e.Kind, e.Operation, e.Table, e.Column)
	}}
	db := openMemory(config, &Note{})

	author := "grace"
	db.WithContext(signedIn("ada")).Create(&Note{SoftBy: gormaudit.SoftBy[string]{CreatedBy: &author}})
	printRow(db, "notes", "created_by", "updated_by")
	// Output:
	// dropped create notes created_by
	// would_stamp create notes created_by
	// would_stamp create notes updated_by
	// created_by grace, updated_by NULL
}
