package main

import (
	"strconv"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// The programs that write notes and users. They have rows among the users, so
// that a page can say "archiver" where it says "alice" otherwise.
var (
	seeder   = actor.System("seed")
	archiver = actor.System("archiver")
)

// programs are the ids of the programs' rows, by the programs' names.
type programs map[string]string

// programIDs reads the programs' rows, or makes them.
func programIDs(db *gorm.DB) (programs, error) {
	ids := programs{}
	for _, program := range []actor.Actor{seeder, archiver} {
		row := User{Name: program.ID, Role: Program}
		if err := db.FirstOrCreate(&row, "name = ?", row.Name).Error; err != nil {
			return nil, err
		}
		ids[program.ID] = strconv.FormatUint(uint64(row.ID), 10)
	}
	return ids, nil
}

// column is what by-columns hold for an actor: a user's id, a program's row,
// and NULL for anybody else.
func (p programs) column(a actor.Actor) string {
	switch a.Kind {
	case actor.KindUser:
		return a.ID
	case actor.KindSystem:
		return p[a.ID]
	}
	return ""
}
