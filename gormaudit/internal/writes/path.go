// Package writes holds the ways to write through GORM and what each of them
// does to by-columns. It tries them on any model: on a user's through
// audittest, and on this project's own.
package writes

import (
	"errors"
	"slices"

	"gorm.io/gorm"
)

// Path is one way to write through GORM.
type Path struct {
	// Line is the kind of write that the path belongs to.
	Line string
	// Call is what users write.
	Call string
	// Run writes. A path that writes nothing although it should is an error.
	Run func(db *gorm.DB) error
	// Want are the rows that are not as before, by their names. The path's own
	// table has the rows "1", "2" and "3", which is softly deleted where the
	// model has a soft delete, and new ones "+1" and "+2". Rows of an
	// association are "Comments 1", those of its join table "Tags.join 1".
	//
	// A row is written as what its created_by, updated_by and deleted_by hold:
	// "author actor -" for created by the author, changed by the actor and
	// deleted by nobody; "gone" if it is not there. The author wrote all rows
	// that were there before and the actor runs the path.
	Want map[string]string
	// Any says that rows that were there before the test, in any table, may change too.
	Any bool
	// Apart says that GORM's time columns and by-columns part here.
	Apart bool
	// Fails says that the path is an error and writes nothing.
	Fails bool
	// Outside says that the path can't run within a transaction.
	Outside bool
	// Unordered says that GORM walks a map and sends statements in any order.
	Unordered bool
	// Minor paths are not listed in the documentation.
	Minor bool
	// About is the row that the documentation's line is about. By default a
	// new row, or else the first one that changed.
	About string
	// Skip is why the model can't take the path, empty if it can.
	Skip string
}

// Section is a group of paths, as the documentation lists them.
type Section struct {
	Title string
	Paths []Path
}

// Sections returns all paths of a model.
func Sections(m *Model) []Section {
	return []Section{
		{"Create", m.finish(m.createPaths())},
		{"Save", m.finish(m.savePaths())},
		{"Update", m.finish(m.updatePaths())},
		{"Upsert", m.finish(m.upsertPaths())},
		{"Delete and restore", m.finish(m.deletePaths())},
		{"Associations", m.finish(m.associationPaths())},
		{"gorm.G", m.finish(m.genericPaths())},
		{"Sessions and transactions", m.finish(m.sessionPaths())},
	}
}

// finish names the paths for the model, and has each run start with the same
// new rows.
func (m *Model) finish(paths []Path) []Path {
	paths = slices.Clone(paths)
	for n := range paths {
		p := &paths[n]
		run := p.Run
		p.Call = m.names.Replace(p.Call)
		p.Run = func(db *gorm.DB) error {
			m.rewind()
			return run(db)
		}
	}
	return paths
}

// What rows hold.
const (
	isNew     = "actor actor -"
	isChanged = "author actor -"
	isDeleted = "author author actor"
	isGone    = "gone"
)

func created() map[string]string { return map[string]string{"+1": isNew} }

func createdTwo() map[string]string { return map[string]string{"+1": isNew, "+2": isNew} }

func changed() map[string]string { return map[string]string{"1": isChanged} }

func changedTwo() map[string]string { return map[string]string{"1": isChanged, "2": isChanged} }

var errNothing = errors.New("no row was written")

// wrote returns the error of a statement, or one that says it wrote nothing.
func wrote(tx *gorm.DB) error {
	if tx.Error == nil && tx.RowsAffected == 0 {
		return errNothing
	}
	return tx.Error
}

// wroteRows is wrote for what gorm.G returns.
func wroteRows(rows int, err error) error {
	if err == nil && rows == 0 {
		return errNothing
	}
	return err
}
