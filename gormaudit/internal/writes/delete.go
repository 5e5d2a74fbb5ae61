package writes

import (
	"slices"
	"time"

	"gorm.io/gorm"
)

// longAgo is when the rows that are there were written.
var longAgo = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)

func (m *Model) deletePaths() []Path {
	return slices.Concat(m.deleteRows(), m.deleteForGood(), m.restorePaths(), m.restoreOtherwise(), m.deleteByHand())
}

func (m *Model) deleteRows() []Path {
	return []Path{
		{Line: "delete", Call: `db.Delete(&note)`, Want: m.deleted("1"), Run: func(db *gorm.DB) error {
			return wrote(db.Delete(m.forge(m.key(1))))
		}},
		{Line: "delete", Call: `db.Delete(&Note{}, 1)`, Skip: m.needsOneKey(), Want: m.deleted("1"), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Delete(m.zero(), []any{m.get(m.row(1), m.Schema.PrimaryFields[0])}))
		}},
		{Line: "delete", Call: `db.Where(…).Delete(&Note{})`, Want: m.deleted("1"), Run: func(db *gorm.DB) error {
			return wrote(db.Where(m.is(1)).Delete(m.zero()))
		}},
		{Line: "delete", Call: `db.Model(&note).Delete(&Note{})`, Want: m.deleted("1"), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.key(1)).Where(m.is(1)).Delete(m.zero()))
		}},
		{Line: "delete", Call: `db.Delete(&notes)`, Want: m.deleted("1", "2"), Run: func(db *gorm.DB) error {
			return wrote(db.Delete(pointerTo(m.slice(m.key(1), m.key(2)))))
		}},
		{Line: "delete", Call: `db.Delete(pointers)`, Want: m.deleted("1", "2"), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Delete(m.pointers(m.key(1), m.key(2))))
		}},
		{Line: "delete", Call: `db.Omit("deleted_by").Delete(&note)`, Skip: first(m.needsSoftDelete(), m.needs(m.by.Deleted, "deleted_by")), Want: map[string]string{"1": "author author -"}, Apart: true, Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Omit(dbNames(m.by.Deleted)...).Delete(m.key(1)))
		}},
		{Line: "delete", Call: `db.Delete(&deletedNote)`, Skip: m.needsSoftDelete(), Run: func(db *gorm.DB) error {
			return db.Delete(m.key(3)).Error
		}},
		{Line: "delete", Call: `db.Delete(note)`, Skip: m.needsSoftDelete(), Minor: true, Fails: true, Run: func(db *gorm.DB) error {
			return db.Delete(value(m.key(1))).Error
		}},
	}
}

func (m *Model) deleteForGood() []Path {
	return []Path{
		{Line: "delete for good", Call: `db.Unscoped().Delete(&note)`, Want: map[string]string{"1": isGone}, Run: func(db *gorm.DB) error {
			return wrote(db.Unscoped().Delete(m.key(1)))
		}},
		{Line: "delete for good", Call: `db.Table("notes").Where(…).Delete(nil)`, Want: map[string]string{"1": isGone}, Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Table(m.table()).Where(m.is(1)).Delete(nil))
		}},
	}
}

// restore is a path on row 3 that brings it back.
func (m *Model) restore(call string, p Path, run func(db *gorm.DB) error) Path {
	p.Line, p.Call, p.Run = "restore", call, run
	p.Skip = first(m.needsSoftDelete(), p.Skip)
	if p.Want == nil {
		p.Want = map[string]string{"3": isChanged}
	}
	return p
}

func (m *Model) restorePaths() []Path {
	name := m.deletedAtName()
	return []Path{
		m.restore(`db.Unscoped().Model(&note).Update("deleted_at", nil)`, Path{}, func(db *gorm.DB) error {
			return wrote(db.Unscoped().Model(m.key(3)).Update(name, m.live()))
		}),
		m.restore(`db.Unscoped().Model(&note).Update("DeletedAt", gorm.DeletedAt{})`, Path{Minor: true}, func(db *gorm.DB) error {
			return wrote(db.Unscoped().Model(m.key(3)).Update(m.softDeletes[0].Name, m.get(m.row(1), m.softDeletes[0])))
		}),
		m.restore(`db.Unscoped().Model(&note).Updates(map[string]any{"deleted_at": nil})`, Path{Minor: true}, func(db *gorm.DB) error {
			values := m.forgery()
			values[name] = m.live()
			return wrote(db.Unscoped().Model(m.zero()).Where(m.is(3)).Updates(values))
		}),
		m.restore(`db.Unscoped().Model(&note).Select("deleted_at").Updates(Note{})`, Path{Minor: true}, func(db *gorm.DB) error {
			return wrote(db.Unscoped().Model(m.key(3)).Select(name).Updates(value(m.forge(m.undelete(m.zero())))))
		}),
		m.restore(`db.Unscoped().Model(&note).UpdateColumn("deleted_at", nil)`, Path{Want: map[string]string{"3": "author author -"}}, func(db *gorm.DB) error {
			return wrote(db.Unscoped().Model(m.key(3)).UpdateColumn(name, m.live()))
		}),
		m.restore(`db.Table("notes").Where(…).Update("deleted_at", nil)`, Path{Apart: true, Minor: true}, func(db *gorm.DB) error {
			return wrote(db.Table(m.table()).Where(m.is(3)).Update(name, m.live()))
		}),
	}
}

func (m *Model) restoreOtherwise() []Path {
	return []Path{
		m.restore(`db.Unscoped().Save(&note)`, Path{Minor: true}, func(db *gorm.DB) error {
			return wrote(db.Unscoped().Save(m.undelete(m.row(3))))
		}),
		m.restore(`db.Save(&deletedNote)`, Path{}, func(db *gorm.DB) error {
			return wrote(db.Save(m.undelete(m.row(3))))
		}),
	}
}

func (m *Model) deleteByHand() []Path {
	name, skip := m.deletedAtName(), m.needsSoftDelete()
	return []Path{
		{Line: "delete by hand", Call: `db.Model(&note).Update("deleted_at", now)`, Skip: skip, Want: map[string]string{"1": "author actor actor"}, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.key(1)).Update(name, m.dead()))
		}},
		{Line: "delete by hand", Call: `db.Unscoped().Model(&deletedNote).Update("deleted_at", now)`, Skip: skip, Want: map[string]string{"3": "author actor author"}, Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Unscoped().Model(m.key(3)).Update(name, m.dead()))
		}},
		{Line: "delete by hand", Call: `db.Model(&note).UpdateColumn("deleted_at", now)`, Skip: skip, Want: map[string]string{"1": "author author -"}, Apart: true, Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Model(m.key(1)).UpdateColumn(name, m.dead()))
		}},
	}
}
