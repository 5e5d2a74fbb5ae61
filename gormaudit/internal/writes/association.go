package writes

import (
	"slices"

	"gorm.io/gorm"
)

func (m *Model) associationPaths() []Path {
	paths := m.allAssociations()
	for _, r := range m.relations {
		if !r.ready() {
			paths = append(paths, Path{Line: "nested create", Call: `db.Model(&note).Association("` + r.name() + `")…`, Minor: true, Skip: r.Missing, Run: func(*gorm.DB) error { return nil }})
			continue
		}
		var own []Path
		switch r.kind() {
		case "has_many", "has_one":
			own = slices.Concat(r.appendHas(), r.unlinkHas())
		case "many_to_many":
			own = slices.Concat(r.appendMany2Many(), r.unlinkMany2Many())
		case "belongs_to":
			own = r.belongsTo()
		}
		for _, p := range slices.Concat(own, r.nested(), r.fullSaves()) {
			paths = append(paths, r.finish(p))
		}
	}
	return paths
}

// readyRelations are the associations that can be tried.
func (m *Model) readyRelations() (ready []*Relation) {
	for _, r := range m.relations {
		if r.ready() {
			ready = append(ready, r)
		}
	}
	return ready
}

// allAssociations are writes of a row with all its associations.
func (m *Model) allAssociations() []Path {
	ready := m.readyRelations()
	if len(ready) < 2 {
		return nil
	}
	newChildren := created()
	full := changed()
	gone := m.deleted("1")
	var names []any
	for _, r := range ready {
		newChildren = join(newChildren, map[string]string{r.child("+1"): isNew}, r.joins(isNew, "+1"))
		full = join(full, r.changed("1"))
		if r.kind() != "belongs_to" {
			names = append(names, r.name())
			gone = join(gone, r.removed())
		}
	}
	fill := func(row any, child func(r *Relation) any) any {
		for _, r := range ready {
			r.put(row, child(r))
		}
		return row
	}
	fresh, first := (*Relation).fresh, func(r *Relation) any { return r.Child.row(1) }
	return []Path{
		{Line: "nested create", Call: `db.Create(&note), all its new associations`, Want: newChildren, Run: func(db *gorm.DB) error {
			return wrote(db.Create(fill(m.fresh(), fresh)))
		}},
		{Line: "save with unchanged children", Call: `db.Save(&note), all its loaded associations`, Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Save(fill(m.row(1), first)))
		}},
		{Line: "FullSaveAssociations", Call: `db.Session(&gorm.Session{FullSaveAssociations: true}).Save(&note), all its loaded associations`, Want: full, Minor: true, Run: func(db *gorm.DB) error {
			return wrote(session(db, gorm.Session{FullSaveAssociations: true}).Save(fill(m.row(1), first)))
		}},
		{Line: "delete with associations", Call: `db.Select("Cover", "Comments", "Files").Delete(&note)`, Want: gone, Unordered: true, Minor: true, Skip: needsNames(names), Run: func(db *gorm.DB) error {
			return wrote(db.Select(names[0], names[1:]...).Delete(m.key(1)))
		}},
	}
}

// nested are writes of a row together with the associations in it.
func (r *Relation) nested() []Path {
	m, comments := r.owner, `"`+r.name()+`"`
	minor := !r.first || r.kind() != "has_many"
	two := join(createdTwo(), map[string]string{r.child("+1"): isNew, r.child("+2"): isNew}, r.joins(isNew, "+1", "+2"))
	return []Path{
		{Line: "nested create", Call: `db.Create(&notes), each with new ` + comments, Minor: true, Want: two, Run: func(db *gorm.DB) error {
			return wrote(db.Create(pointerTo(m.slice(r.put(m.fresh(), r.fresh()), r.put(m.fresh(), r.fresh())))))
		}},
		{Line: "save with unchanged children", Call: `db.Create(&note) with old ` + comments, Minor: true, Want: join(created(), r.joins(isNew, "+1")), Run: func(db *gorm.DB) error {
			return wrote(db.Create(r.put(m.fresh(), r.Child.row(r.free()))))
		}},
		{Line: "save with unchanged children", Call: `db.Save(&note), its loaded ` + comments, About: r.child("1"), Minor: minor, Want: changed(), Run: func(db *gorm.DB) error {
			return wrote(db.Save(r.loaded(m.row(1))))
		}},
		{Line: "save with unchanged children", Call: `db.Preload(` + comments + `).First(&note); db.Save(&note)`, Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			n := m.zero()
			if err := db.Preload(r.name()).Where(m.is(1)).First(n).Error; err != nil {
				return err
			}
			return wrote(db.Save(n))
		}},
		{Line: "save with unchanged children", Call: `db.Updates(&note) with new ` + comments, Want: join(changed(), map[string]string{r.child("+1"): isNew}, r.joins(isNew, "+1")), Minor: true, Run: func(db *gorm.DB) error {
			return wrote(db.Updates(r.withNew(m.row(1))))
		}},
	}
}

// loaded gives a row the children that row 1 has.
func (r *Relation) loaded(row any) any {
	r.put(row, r.Child.row(1))
	if r.many() {
		r.put(row, r.Child.row(2))
	}
	return row
}

// withNew gives a row a new child, beside an old one if it can have both.
func (r *Relation) withNew(row any) any {
	if r.many() {
		r.put(row, r.Child.row(1))
	}
	return r.put(row, r.fresh())
}

// fullSaves are writes of a row and all columns of its association.
func (r *Relation) fullSaves() []Path {
	m, comments := r.owner, `"`+r.name()+`"`
	minor := !r.first || r.kind() != "has_many"
	return []Path{
		{Line: "FullSaveAssociations", Call: `db.Session(&gorm.Session{FullSaveAssociations: true}).Save(&note), its loaded ` + comments, About: r.child("1"), Minor: minor, Want: join(changed(), r.changed("1", "2")), Run: func(db *gorm.DB) error {
			return wrote(session(db, gorm.Session{FullSaveAssociations: true}).Save(r.loaded(m.row(1))))
		}},
		{Line: "FullSaveAssociations", Call: `db.Session(&gorm.Session{FullSaveAssociations: true}).Updates(&note), its loaded and new ` + comments, Minor: true, Skip: r.needsMany(), Want: join(changed(), r.changed("1"), map[string]string{r.child("+1"): isNew}, r.joins(isNew, "+1")), Run: func(db *gorm.DB) error {
			return wrote(session(db, gorm.Session{FullSaveAssociations: true}).Updates(r.withNew(m.row(1))))
		}},
	}
}

// association returns the association of row 1.
func (r *Relation) association(db *gorm.DB) *gorm.Association {
	return db.Model(r.owner.key(1)).Association(r.name())
}

func (r *Relation) call(rest string) string {
	return `db.Model(&note).Association("` + r.name() + `").` + rest
}

// saved are rows of the owner that GORM saves along with what is put into their
// association. It sets nothing in them but updated_at, and sends nothing without it.
func (r *Relation) saved(rows ...string) map[string]string {
	want := map[string]string{}
	for _, row := range rows {
		if len(r.owner.updatedAt) > 0 {
			want[row] = isChanged
		}
	}
	return want
}

func (r *Relation) appendHas() []Path {
	m, minor := r.owner, !r.first || r.kind() != "has_many"
	line, added := "append to or replace has-many", join(r.saved("1"), map[string]string{r.child("+1"): isNew})
	replaced := join(added, r.deleted("1", "2"))
	return []Path{
		{Line: line, Call: r.call(`Append(&comment), the comment`), About: r.child("+1"), Minor: minor, Want: added, Run: func(db *gorm.DB) error {
			return r.association(db).Append(r.fresh())
		}},
		{Line: line, Call: r.call(`Append(&otherNotesComment), the comment`), About: r.child("3"), Minor: minor, Want: r.saved("1"), Run: func(db *gorm.DB) error {
			return r.association(db).Append(r.Child.row(r.free()))
		}},
		{Line: line, Call: r.call(`Replace(&comment)`), Want: added, Minor: true, Run: func(db *gorm.DB) error {
			return r.association(db).Replace(r.fresh())
		}},
		{Line: line, Call: r.call(`Replace(&otherNotesComment)`), Want: r.saved("1"), Minor: true, Run: func(db *gorm.DB) error {
			return r.association(db).Replace(r.Child.row(r.free()))
		}},
		{Line: line, Call: r.call(`Unscoped().Replace(&comment)`), Want: replaced, Minor: true, Run: func(db *gorm.DB) error {
			return r.association(db).Unscoped().Replace(r.fresh())
		}},
		{Line: line, Call: `db.Model(&notes).Association("` + r.name() + `").Append(&comment, &comment)`, Minor: true, Want: join(r.saved("1", "2"), map[string]string{r.child("+1"): isNew, r.child("+2"): isNew}), Run: func(db *gorm.DB) error {
			return db.Model(pointerTo(m.slice(m.key(1), m.key(2)))).Association(r.name()).Append(r.fresh(), r.fresh())
		}},
		{Line: "append a map", Call: r.call(`Append(map[string]any{…})`), Skip: r.needsMany(), Want: added, Minor: true, Run: func(db *gorm.DB) error {
			return r.association(db).Append(r.Child.insertMapOf(r.fresh()))
		}},
	}
}

// needsMany asks for an association with several rows.
func (r *Relation) needsMany() string {
	if !r.many() {
		return "the association has one row"
	}
	return ""
}

func (r *Relation) unlinkHas() []Path {
	line, minor := "unlink has-one and has-many", !r.first || r.kind() != "has_many"
	return []Path{
		{Line: line, Call: r.call(`Delete(&comment), the comment`), About: r.child("1"), Minor: minor, Run: func(db *gorm.DB) error {
			return r.association(db).Delete(r.Child.key(1))
		}},
		{Line: line, Call: r.call(`Unscoped().Delete(&comment), the comment`), Minor: minor, Want: r.deleted("1"), Run: func(db *gorm.DB) error {
			return r.association(db).Unscoped().Delete(r.Child.key(1))
		}},
		{Line: line, Call: r.call(`Clear()`), Minor: true, Run: func(db *gorm.DB) error {
			return r.association(db).Clear()
		}},
		{Line: line, Call: r.call(`Unscoped().Clear()`), Minor: true, Want: r.deleted("1", "2"), Run: func(db *gorm.DB) error {
			return r.association(db).Unscoped().Clear()
		}},
		{Line: "delete with associations", Call: `db.Select("` + r.name() + `").Delete(&note)`, Minor: minor, Want: join(r.owner.deleted("1"), r.removed()), Run: func(db *gorm.DB) error {
			return wrote(db.Select(r.name()).Delete(r.owner.key(1)))
		}},
	}
}

func (r *Relation) appendMany2Many() []Path {
	line, minor := "append to many2many", !r.first
	added := join(r.saved("1"), map[string]string{r.child("+1"): isNew}, r.joins(isNew, "+1"))
	linked := join(r.saved("1"), r.joins(isNew, "+1"))
	return []Path{
		{Line: line, Call: r.call(`Append(&tag), the join row`), About: r.join("+1"), Minor: minor, Want: added, Run: func(db *gorm.DB) error {
			return r.association(db).Append(r.fresh())
		}},
		{Line: line, Call: r.call(`Append(&oldTag)`), Want: linked, Minor: true, Run: func(db *gorm.DB) error {
			return r.association(db).Append(r.Child.key(3))
		}},
		{Line: line, Call: r.call(`Append(&tagThatIsThere)`), Want: r.saved("1"), Minor: true, Run: func(db *gorm.DB) error {
			return r.association(db).Append(r.Child.key(1))
		}},
		{Line: "append a map", Call: r.call(`Append(map[string]any{…})`), Want: added, Minor: true, Run: func(db *gorm.DB) error {
			return r.association(db).Append(r.Child.insertMapOf(r.fresh()))
		}},
	}
}

func (r *Relation) unlinkMany2Many() []Path {
	line := "unlink many2many"
	return []Path{
		{Line: line, Call: r.call(`Delete(&tag), the join row`), Minor: !r.first, Want: r.joinsDeleted("1"), Run: func(db *gorm.DB) error {
			return r.association(db).Delete(r.Child.key(1))
		}},
		{Line: line, Call: r.call(`Replace(&tag)`), Minor: true, Want: join(r.saved("1"), r.joins(isNew, "+1"), r.joinsDeleted("1", "2")), Run: func(db *gorm.DB) error {
			return r.association(db).Replace(r.Child.key(3))
		}},
		{Line: line, Call: r.call(`Clear()`), Minor: true, Want: r.joinsDeleted("1", "2"), Run: func(db *gorm.DB) error {
			return r.association(db).Clear()
		}},
		{Line: "delete with associations", Call: `db.Select("` + r.name() + `").Delete(&note)`, Minor: true, Want: join(r.owner.deleted("1"), r.joinsDeleted("1", "2")), Run: func(db *gorm.DB) error {
			return wrote(db.Select(r.name()).Delete(r.owner.key(1)))
		}},
	}
}

func (r *Relation) belongsTo() []Path {
	m, line := r.owner, "belongs-to"
	added := join(changed(), map[string]string{r.child("+1"): isNew})
	return []Path{
		{Line: line, Call: r.call(`Replace(&writer), the note`), About: "1", Minor: !r.first, Want: added, Run: func(db *gorm.DB) error {
			return r.association(db).Replace(r.fresh())
		}},
		{Line: line, Call: r.call(`Append(&oldWriter)`), Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return r.association(db).Append(r.Child.row(2))
		}},
		{Line: line, Call: r.call(`Delete(&writer)`), Minor: true, Run: func(db *gorm.DB) error {
			return r.association(db).Delete(r.Child.key(1))
		}},
		{Line: line, Call: r.call(`Clear(), the note`), About: "1", Minor: !r.first, Run: func(db *gorm.DB) error {
			return db.Model(r.put(m.key(1), r.Child.key(1))).Association(r.name()).Clear()
		}},
		{Line: line, Call: `db.Model(&note).Updates(map[string]any{"` + r.name() + `": &writer})`, Skip: m.needsColumn(), Want: added, Minor: true, Run: func(db *gorm.DB) error {
			values := m.values()
			values[r.name()] = r.fresh()
			return wrote(db.Model(m.key(1)).Updates(values))
		}},
	}
}
