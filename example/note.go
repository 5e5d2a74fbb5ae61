package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/seed-3826ef92/whodunit/gormaudit"
)

// Note is what the application is about. Its by-columns fill themselves.
type Note struct {
	ID         uint           `json:"id"`
	Title      string         `json:"title" form:"title" gorm:"size:200"`
	Body       string         `json:"body" form:"body"`
	Version    uint           `json:"version" form:"version" gorm:"history:-"` // counts the changes of title and body
	FormKey    *string        `json:"-" gorm:"size:64;uniqueIndex;history:-"`  // see noteKey
	ArchivedAt *time.Time     `json:"archived_at" gorm:"index:idx_notes_list,priority:2"`
	CreatedAt  time.Time      `json:"created_at"`
	UpdatedAt  time.Time      `json:"updated_at" gorm:"index:idx_notes_list,priority:3"`
	DeletedAt  gorm.DeletedAt `json:"deleted_at" gorm:"index:idx_notes_list,priority:1"`
	gormaudit.SoftBy[uint]
}

// BeforeUpdate counts a version where a note is put back as it was, so that an
// editor which is open notices. changeNote counts by itself.
func (*Note) BeforeUpdate(tx *gorm.DB) error { //nolint:unparam // GORM asks for an error
	values, restored := tx.Statement.Dest.(map[string]any)
	_, title := values["title"]
	_, body := values["body"]
	if restored && (title || body) {
		tx.Statement.SetColumn("Version", gorm.Expr("version + 1"))
	}
	return nil
}

const (
	maxTitle = 200
	maxBody  = 10_000
)

// validate returns what is wrong with a note's texts, by field.
func (n *Note) validate() map[string]string {
	n.Title = strings.TrimSpace(n.Title)
	problems := map[string]string{}
	switch {
	case n.Title == "":
		problems["title"] = "A note needs a title."
	case utf8.RuneCountInString(n.Title) > maxTitle:
		problems["title"] = "A title has at most 200 characters."
	case !isText(n.Title):
		problems["title"] = "This title is not text."
	}
	switch {
	case utf8.RuneCountInString(n.Body) > maxBody:
		problems["body"] = "A note has at most 10,000 characters."
	case !isText(n.Body):
		problems["body"] = "This is not text."
	}
	return problems
}

// isText tells whether every database can keep s: PostgreSQL takes no NUL and
// nothing but UTF-8.
func isText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// The lists of notes.
const (
	listCurrent = "notes"
	listArchive = "archive"
	listTrash   = "trash"
)

const notesPerPage = 10

// notes returns one page, counted from 1, of a list, newest change first, and
// whether there are more.
func (a *app) notes(ctx context.Context, list string, page int) (notes []Note, more bool, err error) {
	order := "updated_at DESC, id DESC"
	if list == listTrash {
		order = "deleted_at DESC, id DESC"
	}
	// One more than is shown tells whether there are more, without counting all.
	err = inList(a.db.WithContext(ctx), list).Order(order).
		Offset((page - 1) * notesPerPage).Limit(notesPerPage + 1).Find(&notes).Error
	if len(notes) > notesPerPage {
		return notes[:notesPerPage], true, err
	}
	return notes, false, err
}

func inList(db *gorm.DB, list string) *gorm.DB {
	switch list {
	case listTrash:
		return db.Unscoped().Where("deleted_at IS NOT NULL")
	case listArchive:
		return db.Where("archived_at IS NOT NULL")
	}
	return db.Where("archived_at IS NULL")
}

// names returns the names behind the by-columns of notes, by id. Somebody whose
// account is gone has none.
func (a *app) names(ctx context.Context, notes ...Note) (map[uint]string, error) {
	var ids []uint
	for _, note := range notes {
		for _, id := range []*uint{note.CreatedBy, note.UpdatedBy, note.DeletedBy} {
			if id != nil && !slices.Contains(ids, *id) {
				ids = append(ids, *id)
			}
		}
	}
	return a.namesOf(ctx, ids)
}

// namesOf returns the names of users, by id.
func (a *app) namesOf(ctx context.Context, ids []uint) (map[uint]string, error) {
	var users []User
	err := a.db.WithContext(ctx).Select("id", "name").Find(&users, "id IN ?", ids).Error
	names := make(map[uint]string, len(users))
	for _, user := range users {
		names[user.ID] = user.Name
	}
	return names, err
}

// note returns the note with an id, or gorm.ErrRecordNotFound.
func (a *app) note(ctx context.Context, id uint) (*Note, error) {
	var note Note
	err := a.db.WithContext(ctx).Take(&note, id).Error
	return &note, err
}

// createNote stores a new note with the texts of one that came from outside,
// and nothing else that a body can bring: GORM would keep a created_at. Of a
// created_by it keeps nothing anyway, for by-columns are stamped.
//
// Where a note has the same FormKey already, that is the note: the form was
// sent twice.
func (a *app) createNote(ctx context.Context, sent Note) (*Note, error) {
	note := Note{Title: sent.Title, Body: sent.Body, Version: 1, FormKey: sent.FormKey}
	err := a.db.WithContext(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&note).Error
	if err != nil {
		return nil, err
	}
	if note.FormKey == nil {
		return a.note(ctx, note.ID)
	}
	var stored Note // perhaps in the trash by now
	err = a.db.WithContext(ctx).Unscoped().Take(&stored, "form_key = ?", note.FormKey).Error
	return &stored, err
}

var errConflict = errors.New("the note was changed in the meantime")

// changeNote stores new texts of the note with an id, and brings it back from
// the archive. It returns errConflict where the change was made to another
// version than the stored one. A Version of 0 is a change to whatever there is.
func (a *app) changeNote(ctx context.Context, id uint, change Note) (*Note, error) {
	note, err := a.note(ctx, id)
	if err != nil {
		return nil, err
	}
	if change.Version != 0 && change.Version != note.Version {
		return note, errConflict
	}
	result := a.db.WithContext(ctx).Model(&Note{ID: id}).Where("version = ?", note.Version).
		Select("Title", "Body", "Version", "ArchivedAt").
		Updates(Note{Title: change.Title, Body: change.Body, Version: note.Version + 1})
	if result.Error == nil && result.RowsAffected == 0 {
		return note, errConflict
	}
	if result.Error != nil {
		return nil, result.Error
	}
	return a.note(ctx, id)
}

// trashNote moves a note to the trash: deleted_by is written with deleted_at.
func (a *app) trashNote(ctx context.Context, id uint) error {
	return mustAffect(a.db.WithContext(ctx).Delete(&Note{}, id))
}

// restoreNote takes a note out of the trash: deleted_by goes with deleted_at.
func (a *app) restoreNote(ctx context.Context, id uint) error {
	return mustAffect(a.db.WithContext(ctx).Unscoped().Model(&Note{}).
		Where("id = ? AND deleted_at IS NOT NULL", id).Update("deleted_at", nil))
}

func mustAffect(result *gorm.DB) error {
	if result.Error == nil && result.RowsAffected == 0 {
		return gorm.ErrRecordNotFound
	}
	return result.Error
}
