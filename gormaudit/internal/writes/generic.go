package writes

import (
	"context"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// generic is gorm.G of a model.
type generic interface {
	create(ctx context.Context, db *gorm.DB, row any, opts ...clause.Expression) error
	createSelected(ctx context.Context, db *gorm.DB, row any, names []string) error
	createIn(ctx context.Context, db *gorm.DB, table string, row any) error
	createInBatches(ctx context.Context, db *gorm.DB, rows any) error
	update(ctx context.Context, db *gorm.DB, where any, name string, value any) (int, error)
	updates(ctx context.Context, db *gorm.DB, where, row any) (int, error)
	set(ctx context.Context, db *gorm.DB, where any, assign clause.Assigner) (int, error)
	setCreate(ctx context.Context, db *gorm.DB, assign clause.Assigner) error
	remove(ctx context.Context, db *gorm.DB, where any) (int, error)
	exec(ctx context.Context, db *gorm.DB, sql string, vars ...any) error
}

type genericOf[T any] struct{}

// creator is what Select returns since GORM 1.31.1.
type creator[T any] interface {
	Create(ctx context.Context, row *T) error
}

func (genericOf[T]) create(ctx context.Context, db *gorm.DB, row any, opts ...clause.Expression) error {
	return gorm.G[T](db, opts...).Create(ctx, row.(*T))
}

func (genericOf[T]) createSelected(ctx context.Context, db *gorm.DB, row any, names []string) error {
	if g, ok := any(gorm.G[T](db).Select(names[0], anys(names)[1:]...)).(creator[T]); ok {
		return g.Create(ctx, row.(*T))
	}
	return gorm.G[T](db.Select(names)).Create(ctx, row.(*T))
}

func (genericOf[T]) createIn(ctx context.Context, db *gorm.DB, table string, row any) error {
	return gorm.G[T](db).Table(table).Create(ctx, row.(*T))
}

func (genericOf[T]) createInBatches(ctx context.Context, db *gorm.DB, rows any) error {
	return gorm.G[T](db).CreateInBatches(ctx, rows.(*[]T), 1)
}

func (genericOf[T]) update(ctx context.Context, db *gorm.DB, where any, name string, value any) (int, error) {
	return gorm.G[T](db).Where(where).Update(ctx, name, value)
}

func (genericOf[T]) updates(ctx context.Context, db *gorm.DB, where, row any) (int, error) {
	return gorm.G[T](db).Where(where).Updates(ctx, *row.(*T))
}

func (genericOf[T]) set(ctx context.Context, db *gorm.DB, where any, assign clause.Assigner) (int, error) {
	return gorm.G[T](db).Where(where).Set(assign).Update(ctx)
}

func (genericOf[T]) setCreate(ctx context.Context, db *gorm.DB, assign clause.Assigner) error {
	return gorm.G[T](db).Set(assign).Create(ctx)
}

func (genericOf[T]) remove(ctx context.Context, db *gorm.DB, where any) (int, error) {
	return gorm.G[T](db).Where(where).Delete(ctx)
}

func (genericOf[T]) exec(ctx context.Context, db *gorm.DB, sql string, vars ...any) error {
	return gorm.G[T](db).Exec(ctx, sql, vars...)
}

// genericPaths run with the actor in the context they give to each call, and
// the author in the one that the DB was made with.
func (m *Model) genericPaths() []Path {
	paths := slices.Concat(m.genericCreates(), m.genericUpdates(), m.genericAssociations())
	for n := range paths {
		run := paths[n].Run
		paths[n].Skip = first(m.needsG(), paths[n].Skip)
		paths[n].Run = func(db *gorm.DB) error { return run(m.asAuthor(db)) }
	}
	return paths
}

func (m *Model) genericCreates() []Path {
	ctx := m.Users.context(m.Users.Actor)
	return []Path{
		{Line: "G create", Call: `gorm.G[Note](db).Create(ctx, &note)`, Want: created(), Run: func(db *gorm.DB) error {
			return m.g.create(ctx, db, m.fresh())
		}},
		{Line: "G create", Call: `gorm.G[Note](db).Select("title").Create(ctx, &note)`, Skip: m.needsPlain(), Want: created(), Minor: true, Run: func(db *gorm.DB) error {
			return m.g.createSelected(ctx, db, m.fresh(), m.plain)
		}},
		{Line: "G create", Call: `gorm.G[Note](db).CreateInBatches(ctx, &notes, 100)`, Want: createdTwo(), Run: func(db *gorm.DB) error {
			return m.g.createInBatches(ctx, db, pointerTo(m.slice(m.fresh(), m.fresh())))
		}},
		{Line: "G create", Call: `gorm.G[Note](db).Table("notes").Create(ctx, &note)`, Want: created(), Minor: true, Run: func(db *gorm.DB) error {
			return m.g.createIn(ctx, db, m.table(), m.fresh())
		}},
		{Line: "G upsert", Call: `gorm.G[Note](db, clause.OnConflict{UpdateAll: true}).Create(ctx, &note)`, Want: changed(), Run: func(db *gorm.DB) error {
			return m.g.create(ctx, db, m.row(1), upsertAll())
		}},
		{Line: "G upsert", Call: `gorm.G[Note](db, gorm.WithResult()).Create(ctx, &note)`, Want: created(), Minor: true, Run: func(db *gorm.DB) error {
			return m.g.create(ctx, db, m.fresh(), gorm.WithResult())
		}},
		{Line: "G set and create", Call: `gorm.G[Note](db).Set(…).Create(ctx)`, Want: created(), Run: func(db *gorm.DB) error {
			return m.g.setCreate(ctx, db, clause.Assignments(m.insertMap(true)))
		}},
		{Line: "G on DryRun", Call: `gorm.G[Note](db.Session(&gorm.Session{DryRun: true})).Create(ctx, &note)`, Minor: true, Run: func(db *gorm.DB) error {
			return m.g.create(ctx, db.Session(&gorm.Session{DryRun: true}), m.fresh())
		}},
	}
}

func (m *Model) genericUpdates() []Path {
	ctx := m.Users.context(m.Users.Actor)
	paths := []Path{
		{Line: "G update", Call: `gorm.G[Note](db).Where(…).Update(ctx, "title", …)`, Want: changed(), Run: func(db *gorm.DB) error {
			return wroteRows(m.g.update(ctx, db, m.is(1), m.column.DBName, m.other()))
		}},
		{Line: "G updates", Call: `gorm.G[Note](db).Where(…).Updates(ctx, Note{…})`, Want: changed(), Run: func(db *gorm.DB) error {
			return wroteRows(m.g.updates(ctx, db, m.is(1), m.part()))
		}},
		{Line: "G set and update", Call: `gorm.G[Note](db).Where(…).Set(…).Update(ctx)`, Want: changed(), Apart: true, Run: func(db *gorm.DB) error {
			return wroteRows(m.g.set(ctx, db, m.is(1), clause.Assignments(m.values())))
		}},
	}
	for n := range paths {
		paths[n].Skip = m.needsColumn()
	}
	for _, field := range m.by.All() {
		paths = append(paths, Path{Line: "G update", Call: `gorm.G[Note](db).Where(…).Update(ctx, "` + field.DBName + `", …)`, Skip: m.needsUpdatedAt(), Want: changed(), Minor: true, Run: func(db *gorm.DB) error {
			return wroteRows(m.g.update(ctx, db, m.is(1), field.DBName, m.forged(field)))
		}})
	}
	return append(paths, Path{Line: "delete", Call: `gorm.G[Note](db).Where(…).Delete(ctx)`, Want: m.deleted("1"), Run: func(db *gorm.DB) error {
		return wroteRows(m.g.remove(ctx, db, m.is(1)))
	}})
}

func (m *Model) genericAssociations() []Path {
	var paths []Path
	for _, r := range m.relations {
		if r.ready() {
			paths = append(paths, r.genericWrites()...)
		}
		paths = append(paths, r.genericUnlinks()...)
	}
	return paths
}

// operation is a path of row 1 with a clause.Association.
func (r *Relation) operation(op, comment string, p Path, association func() clause.Association) Path {
	ctx := r.owner.Users.context(r.owner.Users.Actor)
	p.Line, p.Call = "G associations", `gorm.G[Note](db).Where(…).Set(clause.Association{"`+r.name()+`", clause.`+op+`, …}).Update(ctx)`+comment
	p.Minor = p.Minor || !r.first || r.kind() != "has_many"
	p.Any = op != "OpCreate" && r.kind() == "many_to_many" // GORM forgets the Where
	p.Run = func(db *gorm.DB) error {
		a := association()
		a.Association = r.name()
		_, err := r.owner.g.set(ctx, db, r.owner.is(1), a)
		return err
	}
	return r.finish(p)
}

func (r *Relation) genericWrites() []Path {
	owner := r.saved("1")
	if r.kind() == "belongs_to" {
		owner = changed() // it gets the key
	}
	create := join(owner, map[string]string{r.child("+1"): isNew}, r.joins(isNew, "+1"))
	paths := []Path{
		r.operation("OpCreate", " with values", Path{Want: create, Minor: true}, func() clause.Association {
			return clause.Association{Type: clause.OpCreate, Values: []any{r.fresh()}}
		}),
		r.operation("OpUpdate", ", the comments", Path{
			Want: r.changed("1", "2"), About: r.child("1"), Apart: r.kind() == "many_to_many", Skip: r.Child.needsColumn(),
		}, func() clause.Association {
			return clause.Association{Type: clause.OpUpdate, Set: clause.Assignments(r.Child.forgery())}
		}),
	}
	if !r.many() {
		return paths // GORM writes no row from a map at a single association
	}
	return append(paths, r.operation("OpCreate", ", the comment", Path{Want: create, About: r.child("+1")}, func() clause.Association {
		return clause.Association{Type: clause.OpCreate, Set: clause.Assignments(r.Child.insertMapOf(r.fresh()))}
	}))
}

func (r *Relation) genericUnlinks() []Path {
	unlinked, deleted := r.joinsDeleted("1", "2"), r.joinsDeleted("1", "2")
	switch r.kind() {
	case "has_many", "has_one":
		if r.Child == nil {
			return nil
		}
		unlinked, deleted = r.changed("1", "2"), r.deleted("1", "2")
	case "belongs_to":
		unlinked, deleted = changed(), nil
	}
	paths := []Path{r.operation("OpUnlink", "", Path{Want: unlinked, Minor: true}, func() clause.Association {
		return clause.Association{Type: clause.OpUnlink}
	})}
	if deleted == nil {
		return paths
	}
	return append(paths, r.operation("OpDelete", "", Path{Want: deleted, Minor: true}, func() clause.Association {
		return clause.Association{Type: clause.OpDelete}
	}))
}
