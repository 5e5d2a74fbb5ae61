package tests

import (
	"gorm.io/gorm"
)

func associationPaths[B bys]() []path {
	forged := said[B](66)
	first := func() *note[B] { return &note[B]{Model: gorm.Model{ID: 1}, By: forged} }
	firstPost := func() *post { return &post{Model: gorm.Model{ID: 1}, By: said[texts](66)} }
	newTag := func() *tag { return &tag{Name: "new", By: said[texts](66)} }
	owner := func(more ...string) map[string]string {
		rows := map[string]string{"notes 1": "5 7 -"}
		for n := 0; n < len(more); n += 2 {
			rows[more[n]] = more[n+1]
		}
		return rows
	}
	oldComment := func(id uint) comment[B] {
		return comment[B]{Model: gorm.Model{ID: id}, Name: "old", By: forged}
	}
	return []path{
		{line: "nested create", call: `db.Create(&note), all its new associations`, want: map[string]string{
			"notes +1": "7 7 -", "writers +1": "7 7 -", "covers +1": "7 7 -", "comments +1": "7 7 -", "comments +2": "7 7 -", "files +1": "7 7 -",
		}, run: func(db *gorm.DB) error {
			return wrote(db.Create(&note[B]{
				Title: "new", By: forged, Writer: &writer[B]{By: forged}, Cover: &cover[B]{By: forged},
				Comments: []comment[B]{{By: forged}, {}}, Files: []file[B]{{By: forged}},
			}))
		}},
		{line: "nested create", call: `db.Create(&notesWithAssociations)`, minor: true, want: map[string]string{
			"notes +1": "7 7 -", "notes +2": "7 7 -", "writers +1": "7 7 -", "covers +1": "7 7 -", "comments +1": "7 7 -", "comments +2": "7 7 -",
		}, run: func(db *gorm.DB) error {
			return wrote(db.Create(&[]note[B]{
				{By: forged, Writer: &writer[B]{By: forged}, Comments: []comment[B]{{By: forged}}},
				{By: forged, Cover: &cover[B]{By: forged}, Comments: []comment[B]{{By: forged}}},
			}))
		}},
		{line: "nested create", call: `db.Create(&postWithTags)`, minor: true, want: map[string]string{
			"posts +1": "7 7 -", "tags +1": "7 7 -", "post_tags +1": "7 7 -", "post_tags +2": "7 7 -",
		}, run: func(db *gorm.DB) error {
			return wrote(db.Create(&post{Tags: []tag{*newTag(), {Model: gorm.Model{ID: 3}, Name: "old"}}}))
		}},
		{line: "save with unchanged children", call: `db.Create(&noteWithOldComments)`, want: created, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Create(&note[B]{By: forged, Comments: []comment[B]{oldComment(1), oldComment(3)}, Writer: &writer[B]{ID: 1, By: forged}}))
		}},
		{line: "save with unchanged children", call: `db.Save(&note), its loaded comments`, about: "comments 1", want: changed, run: func(db *gorm.DB) error {
			n := first()
			n.Writer = &writer[B]{ID: 1, By: forged}
			n.Cover = &cover[B]{Model: gorm.Model{ID: 1}, By: forged}
			n.Comments = []comment[B]{oldComment(1), oldComment(2)}
			n.Files = []file[B]{{Model: gorm.Model{ID: 1}, By: forged}}
			return wrote(db.Save(n))
		}},
		{line: "save with unchanged children", call: `db.Preload("Comments").First(&note); db.Save(&note)`, want: changed, minor: true, run: func(db *gorm.DB) error {
			var n note[B]
			if err := db.Preload("Comments").Preload("Cover").Preload("Writer").Preload("Files").First(&n, 1).Error; err != nil {
				return err
			}
			return wrote(db.Save(&n))
		}},
		{line: "save with unchanged children", call: `db.Save(&postWithOldTags)`, want: map[string]string{"posts 1": "5 7 -"}, minor: true, run: func(db *gorm.DB) error {
			p := firstPost()
			p.Tags = []tag{{Model: gorm.Model{ID: 1}}, {Model: gorm.Model{ID: 2}}}
			return wrote(db.Save(p))
		}},
		{line: "save with unchanged children", call: `db.Updates(&noteWithANewComment)`, want: owner("comments +1", "7 7 -"), minor: true, run: func(db *gorm.DB) error {
			n := first()
			n.Comments = []comment[B]{oldComment(1), {By: forged}}
			return wrote(db.Updates(n))
		}},
		{line: "FullSaveAssociations", call: `db.Session(&gorm.Session{FullSaveAssociations: true}).Save(&note), its loaded comments`, about: "comments 1", want: owner(
			"writers 1", "5 7 -", "covers 1", "5 7 -", "comments 1", "5 7 -", "comments 2", "5 7 -", "comments +1", "7 7 -", "files 1", "5 7 -",
		), run: func(db *gorm.DB) error {
			n := first()
			n.Writer = &writer[B]{ID: 1, By: forged}
			n.Cover = &cover[B]{Model: gorm.Model{ID: 1}, By: forged}
			n.Comments = []comment[B]{oldComment(1), oldComment(2), {By: forged}}
			n.Files = []file[B]{{Model: gorm.Model{ID: 1}, By: forged}}
			return wrote(db.Session(&gorm.Session{FullSaveAssociations: true}).Save(n))
		}},
		{
			line: "FullSaveAssociations", call: `db.Session(&gorm.Session{FullSaveAssociations: true}).Updates(&post)`, minor: true,
			want: map[string]string{"posts 1": "5 7 -", "tags 1": "5 7 -"}, run: func(db *gorm.DB) error {
				p := firstPost()
				p.Tags = []tag{{Model: gorm.Model{ID: 1}, Name: "changed", By: said[texts](66)}}
				return wrote(db.Session(&gorm.Session{FullSaveAssociations: true}).Updates(p))
			},
		},
		{line: "append to or replace has-many", call: `db.Model(&note).Association("Comments").Append(&comment), the comment`, about: "comments +1", want: owner("comments +1", "7 7 -"), run: func(db *gorm.DB) error {
			return db.Model(first()).Association("Comments").Append(&comment[B]{By: forged})
		}},
		{line: "append to or replace has-many", call: `db.Model(&note).Association("Comments").Append(&otherNotesComment), the comment`, about: "comments 3", want: owner(), run: func(db *gorm.DB) error {
			moved := oldComment(3)
			return db.Model(first()).Association("Comments").Append(&moved)
		}},
		{line: "append to or replace has-many", call: `db.Model(&note).Association("Comments").Replace(&comment)`, want: owner("comments +1", "7 7 -"), minor: true, run: func(db *gorm.DB) error {
			return db.Model(first()).Association("Comments").Replace(&comment[B]{By: forged})
		}},
		{
			line: "append to or replace has-many", call: `db.Model(&note).Association("Comments").Unscoped().Replace(&comment)`, minor: true,
			want: owner("comments +1", "7 7 -", "comments 1", "5 5 7", "comments 2", "5 5 7"), run: func(db *gorm.DB) error {
				return db.Model(first()).Association("Comments").Unscoped().Replace(&comment[B]{By: forged})
			},
		},
		{
			line: "append to or replace has-many", call: `db.Model(&notes).Association("Comments").Append(&comment, &comment)`, minor: true,
			want: owner("notes 2", "5 7 -", "comments +1", "7 7 -", "comments +2", "7 7 -"), run: func(db *gorm.DB) error {
				return db.Model(&[]note[B]{*first(), {Model: gorm.Model{ID: 2}}}).Association("Comments").Append(&comment[B]{By: forged}, &comment[B]{By: forged})
			},
		},
		{line: "append to or replace has-many", call: `db.Model(&note).Association("Files").Append(&file)`, want: owner("files +1", "7 7 -"), minor: true, run: func(db *gorm.DB) error {
			return db.Model(first()).Association("Files").Append(&file[B]{By: forged})
		}},
		{line: "append to or replace has-many", call: `db.Model(&note).Association("Files").Replace(&file)`, want: owner("files +1", "7 7 -"), minor: true, run: func(db *gorm.DB) error {
			return db.Model(first()).Association("Files").Replace(&file[B]{By: forged})
		}},
		{line: "append to or replace has-many", call: `db.Model(&note).Association("Cover").Append(&cover)`, want: owner("covers +1", "7 7 -"), minor: true, run: func(db *gorm.DB) error {
			return db.Model(first()).Association("Cover").Append(&cover[B]{By: forged})
		}},
		{line: "append to or replace has-many", call: `db.Model(&note).Association("Cover").Replace(&anotherCover)`, want: owner(), minor: true, run: func(db *gorm.DB) error {
			return db.Model(first()).Association("Cover").Replace(&cover[B]{Model: gorm.Model{ID: 2}, By: forged})
		}},
		{line: "append to or replace has-many", call: `db.Model(&note).Association("Cover").Unscoped().Replace(&cover)`, want: owner("covers +1", "7 7 -", "covers 1", "5 5 7"), minor: true, run: func(db *gorm.DB) error {
			return db.Model(first()).Association("Cover").Unscoped().Replace(&cover[B]{By: forged})
		}},
		{line: "append a map", call: `db.Model(&note).Association("Comments").Append(map[string]any{…})`, want: owner("comments +1", "7 7 -"), minor: true, run: func(db *gorm.DB) error {
			return db.Model(first()).Association("Comments").Append(with[B](map[string]any{"name": "new"}))
		}},
		{
			line: "append a map", call: `db.Model(&post).Association("Tags").Append(map[string]any{…})`, minor: true,
			want: map[string]string{"posts 1": "5 7 -", "tags +1": "7 7 -", "post_tags +1": "7 7 -"}, run: func(db *gorm.DB) error {
				return db.Model(firstPost()).Association("Tags").Append(with[texts](map[string]any{"name": "new"}))
			},
		},
		{line: "unlink has-one and has-many", call: `db.Model(&note).Association("Comments").Delete(&comment), the comment`, about: "comments 1", run: func(db *gorm.DB) error {
			return db.Model(first()).Association("Comments").Delete(&comment[B]{Model: gorm.Model{ID: 1}})
		}},
		{line: "unlink has-one and has-many", call: `db.Model(&note).Association("Comments").Unscoped().Delete(&comment), the comment`, want: map[string]string{"comments 1": "5 5 7"}, run: func(db *gorm.DB) error {
			return db.Model(first()).Association("Comments").Unscoped().Delete(&comment[B]{Model: gorm.Model{ID: 1}})
		}},
		{line: "unlink has-one and has-many", call: `db.Model(&note).Association("Comments").Clear()`, minor: true, run: func(db *gorm.DB) error {
			return db.Model(first()).Association("Comments").Clear()
		}},
		{
			line: "unlink has-one and has-many", call: `db.Model(&note).Association("Comments").Unscoped().Clear()`, minor: true,
			want: map[string]string{"comments 1": "5 5 7", "comments 2": "5 5 7"}, run: func(db *gorm.DB) error {
				return db.Model(first()).Association("Comments").Unscoped().Clear()
			},
		},
		{line: "unlink has-one and has-many", call: `db.Model(&note).Association("Files").Delete(&file)`, minor: true, run: func(db *gorm.DB) error {
			return db.Model(first()).Association("Files").Delete(&file[B]{Model: gorm.Model{ID: 1}})
		}},
		{line: "unlink has-one and has-many", call: `db.Model(&note).Association("Files").Clear()`, minor: true, run: func(db *gorm.DB) error {
			return db.Model(first()).Association("Files").Clear()
		}},
		{line: "unlink has-one and has-many", call: `db.Model(&note).Association("Cover").Delete(&cover)`, minor: true, run: func(db *gorm.DB) error {
			return db.Model(first()).Association("Cover").Delete(&cover[B]{Model: gorm.Model{ID: 1}})
		}},
		{line: "unlink has-one and has-many", call: `db.Model(&note).Association("Cover").Clear()`, minor: true, run: func(db *gorm.DB) error {
			return db.Model(first()).Association("Cover").Clear()
		}},
		{
			line: "append to many2many", call: `db.Model(&post).Association("Tags").Append(&tag), the join row`, about: "post_tags +1",
			want: map[string]string{"posts 1": "5 7 -", "tags +1": "7 7 -", "post_tags +1": "7 7 -"}, run: func(db *gorm.DB) error {
				return db.Model(firstPost()).Association("Tags").Append(newTag())
			},
		},
		{
			line: "append to many2many", call: `db.Model(&post).Association("Tags").Append(&oldTag)`,
			want: map[string]string{"posts 1": "5 7 -", "post_tags +1": "7 7 -"}, minor: true, run: func(db *gorm.DB) error {
				return db.Model(firstPost()).Association("Tags").Append(&tag{Model: gorm.Model{ID: 3}})
			},
		},
		{
			line: "append to many2many", call: `db.Model(&post).Association("Tags").Append(&tagThatIsThere)`,
			want: map[string]string{"posts 1": "5 7 -"}, minor: true, run: func(db *gorm.DB) error {
				return db.Model(firstPost()).Association("Tags").Append(&tag{Model: gorm.Model{ID: 1}})
			},
		},
		{line: "unlink many2many", call: `db.Model(&post).Association("Tags").Delete(&tag), the join row`, want: map[string]string{"post_tags 101": "5 5 7"}, run: func(db *gorm.DB) error {
			return db.Model(firstPost()).Association("Tags").Delete(&tag{Model: gorm.Model{ID: 1}})
		}},
		{
			line: "unlink many2many", call: `db.Model(&post).Association("Tags").Replace(&tag)`, minor: true,
			want: map[string]string{"posts 1": "5 7 -", "post_tags +1": "7 7 -", "post_tags 101": "5 5 7", "post_tags 102": "5 5 7"}, run: func(db *gorm.DB) error {
				return db.Model(firstPost()).Association("Tags").Replace(&tag{Model: gorm.Model{ID: 3}})
			},
		},
		{
			line: "unlink many2many", call: `db.Model(&post).Association("Tags").Clear()`, minor: true,
			want: map[string]string{"post_tags 101": "5 5 7", "post_tags 102": "5 5 7"}, run: func(db *gorm.DB) error {
				return db.Model(firstPost()).Association("Tags").Clear()
			},
		},
		{line: "belongs-to", call: `db.Model(&note).Association("Writer").Replace(&writer), the note`, about: "notes 1", want: owner("writers +1", "7 7 -"), run: func(db *gorm.DB) error {
			return db.Model(first()).Association("Writer").Replace(&writer[B]{By: forged})
		}},
		{line: "belongs-to", call: `db.Model(&note).Association("Writer").Append(&oldWriter)`, want: owner(), minor: true, run: func(db *gorm.DB) error {
			return db.Model(first()).Association("Writer").Append(&writer[B]{ID: 2, By: forged})
		}},
		{line: "belongs-to", call: `db.Model(&note).Association("Writer").Delete(&writer)`, minor: true, run: func(db *gorm.DB) error {
			return db.Model(first()).Association("Writer").Delete(&writer[B]{ID: 1})
		}},
		{line: "belongs-to", call: `db.Model(&note).Association("Writer").Clear(), the note`, about: "notes 1", run: func(db *gorm.DB) error {
			n := first()
			n.Writer = &writer[B]{ID: 1}
			return db.Model(n).Association("Writer").Clear()
		}},
		{line: "belongs-to", call: `db.Model(&note).Updates(map[string]any{"Writer": &writer})`, want: owner("writers +1", "7 7 -"), minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(first()).Updates(with[B](map[string]any{"title": "changed", "Writer": &writer[B]{By: forged}})))
		}},
	}
}
