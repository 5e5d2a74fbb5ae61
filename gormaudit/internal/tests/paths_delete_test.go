package tests

import (
	"gorm.io/gorm"
)

func deletePaths[B bys]() []path {
	numbered := func(id uint) *note[B] { return &note[B]{Model: gorm.Model{ID: id}, By: said[B](66)} }
	deleted := map[string]string{"notes 1": "5 5 7"}
	both := map[string]string{"notes 1": "5 5 7", "notes 2": "5 5 7"}
	hard := map[string]string{"notes 1": "gone"}
	restored := map[string]string{"notes 3": "5 7 -"}
	byHand := map[string]string{"notes 1": "5 7 7"}
	return []path{
		{line: "delete softly", call: `db.Delete(&note)`, want: deleted, run: func(db *gorm.DB) error {
			return wrote(db.Delete(numbered(1)))
		}},
		{line: "delete softly", call: `db.Delete(&Note{}, 1)`, want: deleted, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Delete(&note[B]{}, 1))
		}},
		{line: "delete softly", call: `db.Where(…).Delete(&Note{})`, want: deleted, run: func(db *gorm.DB) error {
			return wrote(db.Where("title = ?", "one").Delete(&note[B]{}))
		}},
		{line: "delete softly", call: `db.Model(&note).Delete(&Note{})`, want: deleted, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(numbered(1)).Where("title = ?", "one").Delete(&note[B]{}))
		}},
		{line: "delete softly", call: `db.Delete(&notes)`, want: both, run: func(db *gorm.DB) error {
			return wrote(db.Delete(&[]note[B]{*numbered(1), *numbered(2)}))
		}},
		{line: "delete softly", call: `db.Delete(pointers)`, want: both, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Delete([]*note[B]{numbered(1), numbered(2)}))
		}},
		{line: "delete softly", call: `db.Omit("deleted_by").Delete(&note)`, want: map[string]string{"notes 1": "5 5 -"}, apart: true, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Omit("deleted_by").Delete(numbered(1)))
		}},
		{line: "delete softly", call: `db.Delete(&deletedNote)`, run: func(db *gorm.DB) error {
			return db.Delete(numbered(3)).Error
		}},
		{line: "delete softly", call: `db.Delete(note)`, minor: true, fails: true, run: func(db *gorm.DB) error {
			return db.Delete(*numbered(1)).Error
		}},
		{line: "delete softly by a flag", call: `db.Delete(&paper) with a flag of gorm.io/plugin/soft_delete`, want: map[string]string{"papers 1": "5 5 7"}, run: func(db *gorm.DB) error {
			return wrote(db.Delete(&paper[B]{ID: 1}))
		}},
		{line: "delete softly by a flag", call: `db.Delete(&deletedPaper)`, minor: true, run: func(db *gorm.DB) error {
			return db.Delete(&paper[B]{ID: 2}).Error
		}},
		{line: "delete for good", call: `db.Unscoped().Delete(&note)`, want: hard, run: func(db *gorm.DB) error {
			return wrote(db.Unscoped().Delete(numbered(1)))
		}},
		{line: "delete for good", call: `db.Delete(&writer) without soft delete`, want: map[string]string{"writers 1": "gone"}, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Delete(&writer[B]{ID: 1}))
		}},
		{line: "delete for good", call: `db.Table("notes").Where(…).Delete(nil)`, want: hard, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Table("notes").Where("id = ?", 1).Delete(nil))
		}},
		{line: "delete with associations", call: `db.Select("Comments").Delete(&note)`, want: map[string]string{"notes 1": "5 5 7", "comments 1": "5 5 7", "comments 2": "5 5 7"}, run: func(db *gorm.DB) error {
			return wrote(db.Select("Comments").Delete(numbered(1)))
		}},
		{line: "delete with associations", call: `db.Select("Cover", "Comments", "Files").Delete(&note)`, want: map[string]string{
			"notes 1": "5 5 7", "covers 1": "5 5 7", "comments 1": "5 5 7", "comments 2": "5 5 7", "files 1": "5 5 7",
		}, minor: true, unordered: true, run: func(db *gorm.DB) error {
			return wrote(db.Select("Cover", "Comments", "Files").Delete(numbered(1)))
		}},
		{line: "delete with associations", call: `db.Select("Tags").Delete(&post)`, want: map[string]string{"posts 1": "5 5 7", "post_tags 101": "5 5 7", "post_tags 102": "5 5 7"}, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Select("Tags").Delete(&post{Model: gorm.Model{ID: 1}}))
		}},
		{line: "restore", call: `db.Unscoped().Model(&note).Update("deleted_at", nil)`, want: restored, run: func(db *gorm.DB) error {
			return wrote(db.Unscoped().Model(numbered(3)).Update("deleted_at", nil))
		}},
		{line: "restore", call: `db.Unscoped().Model(&note).Update("DeletedAt", gorm.DeletedAt{})`, want: restored, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Unscoped().Model(numbered(3)).Update("DeletedAt", gorm.DeletedAt{}))
		}},
		{line: "restore", call: `db.Unscoped().Model(&note).Updates(map[string]any{"deleted_at": nil})`, want: restored, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Unscoped().Model(&note[B]{}).Where("id = ?", 3).Updates(with[B](map[string]any{"deleted_at": nil})))
		}},
		{line: "restore", call: `db.Unscoped().Model(&note).Select("deleted_at").Updates(Note{})`, want: restored, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Unscoped().Model(numbered(3)).Select("deleted_at").Updates(note[B]{By: said[B](66)}))
		}},
		{line: "restore", call: `db.Unscoped().Save(&note)`, want: restored, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Unscoped().Save(numbered(3)))
		}},
		{line: "restore", call: `db.Save(&deletedNote)`, want: restored, run: func(db *gorm.DB) error {
			return wrote(db.Save(numbered(3)))
		}},
		{line: "restore", call: `db.Unscoped().Model(&note).UpdateColumn("deleted_at", nil)`, want: map[string]string{"notes 3": "5 5 -"}, run: func(db *gorm.DB) error {
			return wrote(db.Unscoped().Model(numbered(3)).UpdateColumn("deleted_at", nil))
		}},
		{line: "restore", call: `db.Table("notes").Where(…).Update("deleted_at", nil)`, want: restored, apart: true, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Table("notes").Where("id = ?", 3).Update("deleted_at", nil))
		}},
		{line: "restore", call: `db.Unscoped().Model(&paper).Update("deleted", 0)`, want: map[string]string{"papers 2": "5 7 -"}, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Unscoped().Model(&paper[B]{ID: 2}).Update("deleted", 0))
		}},
		{line: "delete by hand", call: `db.Model(&note).Update("deleted_at", now)`, want: byHand, run: func(db *gorm.DB) error {
			return wrote(db.Model(numbered(1)).Update("deleted_at", longAgo))
		}},
		{line: "delete by hand", call: `db.Unscoped().Model(&deletedNote).Update("deleted_at", now)`, want: map[string]string{"notes 3": "5 7 5"}, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Unscoped().Model(numbered(3)).Update("deleted_at", longAgo))
		}},
		{line: "delete by hand", call: `db.Model(&note).UpdateColumn("deleted_at", now)`, want: map[string]string{"notes 1": "5 5 -"}, apart: true, minor: true, run: func(db *gorm.DB) error {
			return wrote(db.Model(numbered(1)).UpdateColumn("deleted_at", longAgo))
		}},
	}
}
