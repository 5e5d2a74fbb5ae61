package tests

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// selected is what Select returns since GORM 1.31.1.
type selected[T any] interface {
	Create(ctx context.Context, row *T) error
}

// genericPaths run with user 7 in the context they give to each call, and
// user 9 in the one that the DB was made with.
func genericPaths[B bys]() []path {
	ctx, forged := acting(7), said[B](66)
	notes := func(db *gorm.DB, opts ...clause.Expression) gorm.Interface[note[B]] {
		return gorm.G[note[B]](db.WithContext(acting(9)), opts...)
	}
	posts := func(db *gorm.DB) gorm.ChainInterface[post] {
		return gorm.G[post](db.WithContext(acting(9))).Where("id = ?", 1)
	}
	fresh := func() *note[B] { return &note[B]{Title: "new", By: forged} }
	assign := func(values map[string]any) clause.Assigner { return clause.Assignments(values) }
	title := with[B](map[string]any{"title": "changed"})
	name, tagName := with[B](map[string]any{"name": "changed"}), with[texts](map[string]any{"name": "changed"})
	operate := func(association string, op clause.AssociationOpType, set map[string]any, values ...any) clause.Association {
		return clause.Association{Association: association, Type: op, Set: clause.Assignments(set), Values: values}
	}
	return []path{
		{line: "G create", call: `gorm.G[Note](db).Create(ctx, &note)`, want: created, run: func(db *gorm.DB) error {
			return notes(db).Create(ctx, fresh())
		}},
		{line: "G create", call: `gorm.G[Note](db).Select("title").Create(ctx, &note)`, want: created, minor: true, run: func(db *gorm.DB) error {
			if g, ok := any(notes(db).Select("title")).(selected[note[B]]); ok {
				return g.Create(ctx, fresh())
			}
			return notes(db.Select("title")).Create(ctx, fresh())
		}},
		{line: "G create", call: `gorm.G[Note](db).CreateInBatches(ctx, &notes, 100)`, want: map[string]string{"notes +1": "7 7 -", "notes +2": "7 7 -"}, run: func(db *gorm.DB) error {
			return notes(db).CreateInBatches(ctx, &[]note[B]{*fresh(), *fresh()}, 1)
		}},
		{line: "G create", call: `gorm.G[Note](db).Table("notes").Create(ctx, &note)`, want: created, minor: true, run: func(db *gorm.DB) error {
			return notes(db).Table("notes").Create(ctx, fresh())
		}},
		{line: "G update", call: `gorm.G[Note](db).Where(…).Update(ctx, "title", …)`, want: changed, run: func(db *gorm.DB) error {
			return wroteRows(notes(db).Where("id = ?", 1).Update(ctx, "title", "changed"))
		}},
		{line: "G update", call: `gorm.G[Note](db).Where(…).Update(ctx, "created_by", …)`, want: changed, minor: true, run: func(db *gorm.DB) error {
			return wroteRows(notes(db).Where("id = ?", 1).Update(ctx, "created_by", value[B](66)))
		}},
		{line: "G updates", call: `gorm.G[Note](db).Where(…).Updates(ctx, Note{…})`, want: changed, run: func(db *gorm.DB) error {
			return wroteRows(notes(db).Where("id = ?", 1).Updates(ctx, note[B]{Title: "changed", By: forged}))
		}},
		{line: "G set and update", call: `gorm.G[Note](db).Where(…).Set(…).Update(ctx)`, want: changed, apart: true, run: func(db *gorm.DB) error {
			return wroteRows(notes(db).Where("id = ?", 1).Set(assign(title)).Update(ctx))
		}},
		{line: "G set and create", call: `gorm.G[Note](db).Set(…).Create(ctx)`, want: created, run: func(db *gorm.DB) error {
			return notes(db).Set(assign(title)).Create(ctx)
		}},
		{line: "delete softly", call: `gorm.G[Note](db).Where(…).Delete(ctx)`, want: map[string]string{"notes 1": "5 5 7"}, run: func(db *gorm.DB) error {
			return wroteRows(notes(db).Where("id = ?", 1).Delete(ctx))
		}},
		{line: "G upsert", call: `gorm.G[Note](db, clause.OnConflict{UpdateAll: true}).Create(ctx, &note)`, want: changed, run: func(db *gorm.DB) error {
			n := fresh()
			n.ID = 1
			return notes(db, clause.OnConflict{UpdateAll: true}).Create(ctx, n)
		}},
		{line: "G upsert", call: `gorm.G[Note](db, gorm.WithResult()).Create(ctx, &note)`, want: created, minor: true, run: func(db *gorm.DB) error {
			return notes(db, gorm.WithResult()).Create(ctx, fresh())
		}},
		{line: "G on DryRun", call: `gorm.G[Note](db.Session(&gorm.Session{DryRun: true})).Create(ctx, &note)`, minor: true, run: func(db *gorm.DB) error {
			return gorm.G[note[B]](db.Session(&gorm.Session{DryRun: true})).Create(ctx, fresh())
		}},
		{line: "G associations", call: `gorm.G[Note](db).Where(…).Set(clause.Association{…OpCreate…}).Update(ctx), the comment`, about: "comments +1", want: map[string]string{"notes 1": "5 7 -", "comments +1": "7 7 -"}, run: func(db *gorm.DB) error {
			_, err := notes(db).Where("id = ?", 1).Set(operate("Comments", clause.OpCreate, name)).Update(ctx)
			return err
		}},
		{line: "G associations", call: `gorm.G[Note](db)…clause.OpCreate with values`, want: map[string]string{"notes 1": "5 7 -", "comments +1": "7 7 -"}, minor: true, run: func(db *gorm.DB) error {
			_, err := notes(db).Where("id = ?", 1).Set(operate("Comments", clause.OpCreate, nil, &comment[B]{By: forged})).Update(ctx)
			return err
		}},
		{line: "G associations", call: `gorm.G[Note](db).Where(…).Set(clause.Association{…OpUpdate…}).Update(ctx), the comments`, about: "comments 1", want: map[string]string{"comments 1": "5 7 -", "comments 2": "5 7 -"}, run: func(db *gorm.DB) error {
			_, err := notes(db).Where("id = ?", 1).Set(operate("Comments", clause.OpUpdate, name)).Update(ctx)
			return err
		}},
		{line: "G associations", call: `gorm.G[Note](db)…clause.OpUnlink of has-many`, want: map[string]string{"comments 1": "5 7 -", "comments 2": "5 7 -"}, minor: true, run: func(db *gorm.DB) error {
			_, err := notes(db).Where("id = ?", 1).Set(operate("Comments", clause.OpUnlink, nil)).Update(ctx)
			return err
		}},
		{line: "G associations", call: `gorm.G[Note](db)…clause.OpDelete of has-many`, want: map[string]string{"comments 1": "5 5 7", "comments 2": "5 5 7"}, minor: true, run: func(db *gorm.DB) error {
			_, err := notes(db).Where("id = ?", 1).Set(operate("Comments", clause.OpDelete, nil)).Update(ctx)
			return err
		}},
		{line: "G associations", call: `gorm.G[Note](db)…clause.OpUpdate of has-one`, want: map[string]string{"covers 1": "5 7 -"}, minor: true, run: func(db *gorm.DB) error {
			_, err := notes(db).Where("id = ?", 1).Set(operate("Cover", clause.OpUpdate, name)).Update(ctx)
			return err
		}},
		{line: "G associations", call: `gorm.G[Note](db)…clause.OpUpdate of belongs-to`, want: map[string]string{"writers 1": "5 7 -"}, minor: true, run: func(db *gorm.DB) error {
			_, err := notes(db).Where("id = ?", 1).Set(operate("Writer", clause.OpUpdate, name)).Update(ctx)
			return err
		}},
		{line: "G associations", call: `gorm.G[Note](db)…clause.OpUnlink of belongs-to`, want: changed, minor: true, run: func(db *gorm.DB) error {
			_, err := notes(db).Where("id = ?", 1).Set(operate("Writer", clause.OpUnlink, nil)).Update(ctx)
			return err
		}},
		{line: "G associations", call: `gorm.G[Post](db)…clause.OpUpdate of many2many`, want: map[string]string{"tags 1": "5 7 -", "tags 2": "5 7 -"}, apart: true, minor: true, run: func(db *gorm.DB) error {
			_, err := posts(db).Set(operate("Tags", clause.OpUpdate, tagName)).Update(ctx)
			return err
		}},
		{
			line: "G associations", call: `gorm.G[Post](db)…clause.OpCreate of many2many`, minor: true,
			want: map[string]string{"posts 1": "5 7 -", "tags +1": "7 7 -", "post_tags +1": "7 7 -"}, run: func(db *gorm.DB) error {
				_, err := posts(db).Set(operate("Tags", clause.OpCreate, nil, &tag{By: said[texts](66)})).Update(ctx)
				return err
			},
		},
		{
			line: "G associations", call: `gorm.G[Post](db)…clause.OpUnlink of many2many`, minor: true,
			want: map[string]string{"post_tags 101": "5 5 7", "post_tags 102": "5 5 7"}, run: func(db *gorm.DB) error {
				_, err := posts(db).Set(operate("Tags", clause.OpUnlink, nil)).Update(ctx)
				return err
			},
		},
		{
			line: "G associations", call: `gorm.G[Post](db)…clause.OpDelete of many2many`, minor: true,
			want: map[string]string{"post_tags 101": "5 5 7", "post_tags 102": "5 5 7"}, run: func(db *gorm.DB) error {
				_, err := posts(db).Set(operate("Tags", clause.OpDelete, nil)).Update(ctx)
				return err
			},
		},
	}
}
