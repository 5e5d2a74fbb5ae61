package tests

import (
	"fmt"
	"strings"
	"sync"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/writes"
)

// subject returns a model whose rows in a world are the given ones.
func subject[T any](row func(i int) *T, rows ...*T) *writes.Model {
	m := learned(writes.NewModel(row))
	for n, row := range rows {
		m.Put(n+1, row)
	}
	m.SetAbsentKey(99)
	return m
}

// relative returns a model at the other end of an association.
func relative[T any](row func(i int) *T) *writes.Model {
	return learned(writes.NewModelWithoutG(row))
}

func learned(m *writes.Model) *writes.Model {
	m.Users = writes.Users{Author: "5", Actor: "7", Forged: "66"}
	if err := m.Learn(parse(m.Zero())); err != nil {
		panic(err)
	}
	return m
}

func parse(model any) *schema.Schema {
	s, err := schema.Parse(model, &sync.Map{}, schema.NamingStrategy{})
	if err != nil {
		panic(err)
	}
	return s
}

// relate tells a model of the rows at the other end of an association.
func relate[T any](m *writes.Model, name string, rows ...*T) {
	for n, row := range rows {
		m.Relation(name).Child.Put(n+1, row)
	}
}

// noteSubject is the world's notes with their associations.
func noteSubject[B bys]() *writes.Model {
	one, two, base := uint(1), uint(2), func(id uint) gorm.Model { return gorm.Model{ID: id} }
	text := "note"
	m := subject(
		func(i int) *note[B] { return &note[B]{Title: fmt.Sprint("new ", i)} },
		&note[B]{Model: base(1), Title: "one", Size: 1, WriterID: &one}, &note[B]{Model: base(2), Title: "two", Size: 1},
		&note[B]{Model: gorm.Model{ID: 3, DeletedAt: gorm.DeletedAt{Time: longAgo, Valid: true}}, Title: "three", Size: 1},
	)
	name := func(i int) string { return fmt.Sprint("new ", i) }
	m.Relate([]*writes.Model{
		relative(func(i int) *writer[B] { return &writer[B]{Name: name(i)} }),
		relative(func(i int) *cover[B] { return &cover[B]{Name: name(i)} }),
		relative(func(i int) *comment[B] { return &comment[B]{Name: name(i)} }),
		relative(func(i int) *file[B] { return &file[B]{Name: name(i)} }),
	})
	relate(m, "Writer", &writer[B]{ID: 1}, &writer[B]{ID: 2})
	relate(m, "Cover", &cover[B]{Model: base(1), NoteID: &one}, &cover[B]{Model: base(2)})
	relate(m, "Comments", &comment[B]{Model: base(1), NoteID: &one}, &comment[B]{Model: base(2), NoteID: &one}, &comment[B]{Model: base(3), NoteID: &two})
	relate(m, "Files", &file[B]{Model: base(1), OwnerID: &one, OwnerType: &text}, &file[B]{Model: base(2), OwnerID: &one, OwnerType: &text}, &file[B]{Model: base(3), OwnerID: &two, OwnerType: &text})
	return m
}

// postSubject is the world's posts with their tags.
func postSubject[B bys]() *writes.Model {
	base := func(id uint) gorm.Model { return gorm.Model{ID: id} }
	m := subject(
		func(i int) *post { return &post{Title: fmt.Sprint("new ", i)} },
		&post{Model: base(1)}, &post{Model: base(2)},
		&post{Model: gorm.Model{ID: 3, DeletedAt: gorm.DeletedAt{Time: longAgo, Valid: true}}},
	)
	m.Relate([]*writes.Model{relative(func(i int) *tag { return &tag{Name: fmt.Sprint("new ", i)} })})
	if err := m.Relation("Tags").LearnJoin(parse(&postTag[B]{})); err != nil {
		panic(err)
	}
	relate(m, "Tags", &tag{Model: base(1)}, &tag{Model: base(2)}, &tag{Model: base(3)})
	return m
}

// tableNames are a world's tables by what [writes.Path] calls them.
var tableNames = map[string]string{
	"Writer": "writers", "Cover": "covers", "Comments": "comments", "Files": "files", "Tags": "tags", "Tags.join": "post_tags",
}

// inWorld is a path on a table of a world.
func inWorld(p writes.Path, table string) path {
	row := func(name string) string {
		relation, key, found := strings.Cut(name, " ")
		if !found {
			return table + " " + name
		}
		if relation == "Tags.join" && key[0] != '+' {
			key = "10" + key
		}
		return tableNames[relation] + " " + key
	}
	by := strings.NewReplacer("author", "5", "actor", "7")
	own := path{line: p.Line, call: p.Call, run: p.Run, apart: p.Apart, fails: p.Fails, unordered: p.Unordered, minor: p.Minor, not: unable[p.Call]}
	if p.About != "" {
		own.about = row(p.About)
	}
	if len(p.Want) > 0 {
		own.want = map[string]string{}
	}
	for name, want := range p.Want {
		own.want[row(name)] = by.Replace(want)
	}
	if want := own.want["files 1"]; want != "" && p.Line == "G associations" {
		own.want["files 4"] = want // gorm.G takes the rows of other polymorphic owners for the owner's
	}
	return own
}

// unable are the kinds of databases that a path can't run on, and why.
var unable = map[string]map[string]string{
	`db.Model(&Note{}).Create([]map[string]any{…})`:          withReturning("GORM fails after inserting: it would write the ids into the maps"),
	`db.Model(&Post{}).Create([]map[string]any{…})`:          withReturning("GORM fails after inserting: it would write the ids into the maps"),
	`db.Model(&note).Clauses(clause.Returning{}).Updates(…)`: {dbtest.MariaDB: "it has no UPDATE … RETURNING"},
	`db.Clauses(clause.Returning{}).Delete(&note)`:           {dbtest.MariaDB: "it has no UPDATE … RETURNING"},
	`db.Model(&post).Clauses(clause.Returning{}).Updates(…)`: {dbtest.MariaDB: "it has no UPDATE … RETURNING"},
	`db.Clauses(clause.Returning{}).Delete(&post)`:           {dbtest.MariaDB: "it has no UPDATE … RETURNING"},
}

// worldSections are the paths of every model, on the notes of a world, and
// those of associations and gorm.G on its posts.
func worldSections[B bys]() []section {
	var all []section
	add := func(m *writes.Model, table string, takes func(line string) bool) {
		for n, s := range writes.Sections(m) {
			if n == len(all) {
				all = append(all, section{title: s.Title})
			}
			for _, p := range s.Paths {
				if p.Skip == "" && takes(p.Line) {
					all[n].paths = append(all[n].paths, inWorld(p, table))
				}
			}
		}
	}
	add(noteSubject[B](), "notes", func(string) bool { return true })
	add(postSubject[B](), "posts", func(line string) bool { return associationLines[line] })
	return all
}

var associationLines = map[string]bool{
	"nested create": true, "save with unchanged children": true, "FullSaveAssociations": true, "append to many2many": true, "unlink many2many": true,
	"append a map": true, "delete with associations": true, "G associations": true,
}
