package tests

import (
	"errors"
	"testing"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// A Kubernetes service account's JWT has the sub "system:serviceaccount:…": it
// must not pass for a program of ours.
func TestUserWhoseIDLooksLikeAProgram(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{}, attackModels...)
	ok(t, s.as(actor.System("archiver")).Create(&target{ID: 2, Title: "a"}))
	for _, id := range []string{"system:archiver", "service:42", "user:7"} {
		tx := s.as(actor.User(id)).Create(&target{ID: 3, Title: "b"})
		var column *gormaudit.ColumnError
		if !errors.As(tx.Error, &column) || column.ID != id {
			t.Errorf("user %q: %v, want a ColumnError", id, tx.Error)
		}
	}
	own := newSQLiteStage(t, gormaudit.Config{ID: func(a actor.Actor) string { return a.ID }}, attackModels...)
	ok(t, own.as(actor.User("system:archiver")).Create(&target{ID: 3, Title: "b"}))
}

type counted struct {
	ID        uint
	CreatedBy uint
	UpdatedBy *uint
}

func TestUserZero(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{}, &counted{})
	tx := s.as(actor.User("0")).Create(&counted{ID: 1})
	var column *gormaudit.ColumnError
	if !errors.As(tx.Error, &column) || column.Column != "created_by" {
		t.Errorf("user \"0\", where 0 is nobody: %v, want a ColumnError", tx.Error)
	}
}
