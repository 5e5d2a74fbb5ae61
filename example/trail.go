package main

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

const changesPerPage = 20

// trail returns one page of what happened to the note with an id, newest
// first, and whether there is more. The database recorded it, whoever wrote.
func (a *app) trail(ctx context.Context, id uint, page int) (changes []history.Change, more bool, err error) {
	changes, err = history.Find(a.db.WithContext(ctx), history.Query{Rows: []any{&Note{ID: id}}, Limit: page*changesPerPage + 1})
	changes = changes[min(len(changes), (page-1)*changesPerPage):]
	if len(changes) > changesPerPage {
		return changes[:changesPerPage], true, err
	}
	return changes, false, err
}

// undo takes one change of a note back, which is itself a change by ctx's
// actor.
func (a *app) undo(ctx context.Context, note uint, change int64) error {
	return a.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		changes, err := history.Find(tx, history.Query{Rows: []any{&Note{ID: note}}, Before: change + 1, Limit: 1})
		if err != nil {
			return err
		}
		if len(changes) == 0 || changes[0].ID != change {
			return gorm.ErrRecordNotFound
		}
		if err := history.Revert(tx, changes[0]); err != nil {
			return err
		}
		// An editor that is open now must notice.
		return tx.Unscoped().Model(&Note{ID: note}).UpdateColumn("version", gorm.Expr("version + 1")).Error
	})
}

// step is one change, as the page shows it.
type step struct {
	ID   int64
	What string
	event
	By    string // who really did it, while acting as somebody else
	Diffs []diff
}

var actions = map[history.Action]string{
	history.ActionCreate:     "wrote the note",
	history.ActionUpdate:     "changed it",
	history.ActionDelete:     "deleted it for good",
	history.ActionSoftDelete: "threw it away",
	history.ActionRestore:    "took it out of the trash",
}

// steps are changes with the names of those who made them.
func (a *app) steps(ctx context.Context, changes []history.Change) ([]step, error) {
	var ids []uint
	for _, change := range changes {
		for _, who := range []actor.Identity{change.ChangeSet.Actor.Identity, change.ChangeSet.Actor.Impersonator} {
			if id, ok := userID(who); ok && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	names, err := a.namesOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	steps := make([]step, len(changes))
	for n, change := range changes {
		set := change.ChangeSet
		steps[n] = step{ID: change.ID, What: actions[change.Action], event: event{whoIs(set, names), set.At}, Diffs: diffs(change)}
		if by := set.Actor.Impersonator; !by.IsAnonymous() {
			steps[n].By = nameFor(by, names)
		}
	}
	return steps, nil
}

func userID(who actor.Identity) (uint, bool) {
	id, err := strconv.ParseUint(who.ID, 10, 32)
	return uint(id), err == nil && who.Kind == actor.KindUser
}

// whoIs says who made a change set: also that nobody said, as in a change made
// by hand in the database.
func whoIs(set history.ChangeSet, names map[uint]string) avatar {
	switch {
	case !set.Attributed && set.DatabaseUser != "":
		return newAvatar(0, set.DatabaseUser+", in the database")
	case !set.Attributed:
		return newAvatar(0, "Somebody, in the database")
	case set.Actor.IsAnonymous():
		return newAvatar(0, "nobody")
	}
	id, _ := userID(set.Actor.Identity)
	return newAvatar(id, nameFor(set.Actor.Identity, names))
}

// nameFor returns a user's name, or a program's.
func nameFor(who actor.Identity, names map[uint]string) string {
	if id, ok := userID(who); ok {
		return nameOf(id, names)
	}
	return who.ID
}

// diff is one text, before and after.
type diff struct {
	Label          string
	Same           string // how both begin
	Deleted, Added string
	End            string // how both end
}

// diffs are the differences that people want to see.
func diffs(change history.Change) []diff {
	var found []diff
	for _, column := range []struct{ name, label string }{{"title", "Title"}, {"body", "Text"}} {
		if field, ok := change.Field(column.name); ok {
			found = append(found, newDiff(column.label, field.Before.String(), field.After.String()))
		}
	}
	if field, ok := change.Field("archived_at"); ok {
		found = append(found, newDiff("Archived", day(field.Before), day(field.After)))
	}
	return found
}

func day(v history.Value) string {
	t, err := history.ValueAs[time.Time](v)
	if err != nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 January 2006")
}

// newDiff compares by words, and sets apart what both have at the ends.
func newDiff(label, before, after string) diff {
	old, now := strings.SplitAfter(before, " "), strings.SplitAfter(after, " ")
	start, end := 0, 0
	for start < min(len(old), len(now)) && old[start] == now[start] {
		start++
	}
	for end < min(len(old), len(now))-start && old[len(old)-1-end] == now[len(now)-1-end] {
		end++
	}
	return diff{
		Label:   label,
		Same:    strings.Join(old[:start], ""),
		Deleted: strings.Join(old[start:len(old)-end], ""),
		Added:   strings.Join(now[start:len(now)-end], ""),
		End:     strings.Join(old[len(old)-end:], ""),
	}
}
