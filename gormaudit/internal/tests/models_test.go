package tests

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// note has every kind of association but many2many, and by-columns of any
// type.
type note[B bys] struct {
	gorm.Model
	Title    string
	Size     int
	By       B `gorm:"embedded"`
	WriterID *uint
	Writer   *writer[B]
	Cover    *cover[B]    `gorm:"foreignKey:NoteID"`
	Comments []comment[B] `gorm:"foreignKey:NoteID"`
	Files    []file[B]    `gorm:"polymorphic:Owner;polymorphicValue:note"`
}

func (note[B]) TableName() string { return "notes" }

// writer is deleted for good.
type writer[B bys] struct {
	ID        uint
	UpdatedAt time.Time
	Name      string
	By        B `gorm:"embedded"`
}

func (writer[B]) TableName() string { return "writers" }

type cover[B bys] struct {
	gorm.Model
	Name   string
	NoteID *uint
	By     B `gorm:"embedded"`
}

func (cover[B]) TableName() string { return "covers" }

type comment[B bys] struct {
	gorm.Model
	Name   string
	NoteID *uint
	By     B `gorm:"embedded"`
}

func (comment[B]) TableName() string { return "comments" }

type file[B bys] struct {
	gorm.Model
	Name      string
	OwnerID   *uint
	OwnerType *string `gorm:"size:20"`
	By        B       `gorm:"embedded"`
}

func (file[B]) TableName() string { return "files" }

// post and tag are many2many: postTag, their join model, has by-columns too.
// GORM makes names of theirs, so that they can't be generic.
type post struct {
	gorm.Model
	Title string
	By    texts `gorm:"embedded"`
	Tags  []tag `gorm:"many2many:post_tags;joinForeignKey:PostID;joinReferences:TagID"`
}

type tag struct {
	gorm.Model
	Name string
	By   texts `gorm:"embedded"`
}

type postTag[B bys] struct {
	PostID    uint `gorm:"primaryKey"`
	TagID     uint `gorm:"primaryKey"`
	UpdatedAt time.Time
	DeletedAt gorm.DeletedAt
	By        B `gorm:"embedded"`
}

func (postTag[B]) TableName() string { return "post_tags" }

// prefixed and boxed have their by-columns in structs of their own; boxed
// behind a pointer that is nil at first.
type prefixed[B bys] struct {
	gorm.Model
	Name string
	Row  struct {
		By B `gorm:"embedded"`
	} `gorm:"embedded;embeddedPrefix:row_"`
}

func (prefixed[B]) TableName() string { return "prefixed" }

type boxed[B bys] struct {
	gorm.Model
	Name string
	By   *B `gorm:"embedded"`
}

func (boxed[B]) TableName() string { return "boxed" }

// paper has a soft-delete flag and an optimistic lock.
type paper[B bys] struct {
	ID        uint
	UpdatedAt time.Time
	Name      string
	Version   lock
	Deleted   gone `gorm:"softDelete:flag"`
	By        B    `gorm:"embedded"`
}

func (paper[B]) TableName() string { return "papers" }

// guarded, defaulted and packed have by-columns that GORM treats specially:
// with permissions, with defaults of the database, with a serializer.
type guarded struct {
	gorm.Model
	Name      string
	CreatedBy string `gorm:"<-:create"`
	UpdatedBy string `gorm:"->"`
	DeletedBy string `gorm:"<-:false"`
}

func (guarded) TableName() string { return "guarded" }

type defaulted struct {
	gorm.Model
	Name      string
	CreatedBy string `gorm:"size:20;default:'x'"`
	UpdatedBy string `gorm:"size:20;default:('x')"`
	DeletedBy string
}

func (defaulted) TableName() string { return "defaulted" }

type packed struct {
	gorm.Model
	Name      string
	CreatedBy string `gorm:"serializer:json"`
	UpdatedBy string `gorm:"serializer:json"`
	DeletedBy string `gorm:"serializer:json"`
}

func (packed) TableName() string { return "packed" }

// models are all of them.
func models[B bys]() []any {
	return append(known[B](), &writer[B]{}) // which has a DeletedBy, but no soft delete
}

// known are those that the plugin is told of.
func known[B bys]() []any {
	return []any{
		&note[B]{}, &cover[B]{}, &comment[B]{}, &file[B]{}, &post{}, &tag{}, &postTag[B]{},
		&prefixed[B]{}, &boxed[B]{}, &paper[B]{}, &guarded{}, &defaulted{}, &packed{},
	}
}

// worldTable is a table, and how to fill and read it.
type worldTable struct {
	name, key, prefix string
	// deletedAt is the soft-delete column, empty if there is none.
	deletedAt string
	seed      []seed
}

// seed is a row that user 5 wrote long ago, and deleted if deleted is set.
type seed struct {
	key     int
	deleted bool
	values  map[string]any
}

var worldTables = []worldTable{
	{name: "notes", key: "id", deletedAt: "deleted_at", seed: []seed{
		{1, false, map[string]any{"title": "one", "size": 1, "writer_id": 1}},
		{2, false, map[string]any{"title": "two", "size": 1}},
		{3, true, map[string]any{"title": "three", "size": 1}},
	}},
	{name: "writers", key: "id", seed: []seed{{1, false, nil}, {2, false, nil}}},
	{name: "covers", key: "id", deletedAt: "deleted_at", seed: []seed{{1, false, map[string]any{"note_id": 1}}, {2, false, nil}}},
	{name: "comments", key: "id", deletedAt: "deleted_at", seed: []seed{
		{1, false, map[string]any{"note_id": 1}}, {2, false, map[string]any{"note_id": 1}}, {3, false, map[string]any{"note_id": 2}},
	}},
	{name: "files", key: "id", deletedAt: "deleted_at", seed: []seed{
		{1, false, map[string]any{"owner_id": 1, "owner_type": "note"}},
		{2, false, map[string]any{"owner_id": 1, "owner_type": "note"}},
		{3, false, map[string]any{"owner_id": 2, "owner_type": "note"}},
		{4, false, map[string]any{"owner_id": 1, "owner_type": "other"}},
	}},
	{name: "posts", key: "id", deletedAt: "deleted_at", seed: []seed{{1, false, nil}, {2, false, nil}, {3, true, nil}}},
	{name: "tags", key: "id", deletedAt: "deleted_at", seed: []seed{{1, false, nil}, {2, false, nil}, {3, false, nil}}},
	{name: "post_tags", key: "post_id * 100 + tag_id", deletedAt: "deleted_at", seed: []seed{
		{101, false, map[string]any{"post_id": 1, "tag_id": 1}}, {102, false, map[string]any{"post_id": 1, "tag_id": 2}},
	}},
	{name: "prefixed", key: "id", deletedAt: "deleted_at", prefix: "row_", seed: []seed{{1, false, nil}}},
	{name: "boxed", key: "id", deletedAt: "deleted_at", seed: []seed{{1, false, nil}}},
	{name: "papers", key: "id", deletedAt: "deleted", seed: []seed{{1, false, map[string]any{"version": 1}}, {2, true, map[string]any{"version": 1}}}},
	{name: "guarded", key: "id", deletedAt: "deleted_at", seed: []seed{{1, false, nil}}},
	{name: "defaulted", key: "id", deletedAt: "deleted_at", seed: []seed{{1, false, nil}}},
	{name: "packed", key: "id", deletedAt: "deleted_at", seed: []seed{{1, false, nil}}},
}

// genericTables are those whose models have the by-columns of their world.
var genericTables = []string{"notes", "writers", "covers", "comments", "files", "post_tags", "prefixed", "boxed", "papers"}

// row returns the columns of a seed; of a bare world, without by-columns.
func (table worldTable) row(s seed, bare bool) map[string]any {
	five := clause.Expr{SQL: "'5'"}
	if table.name == "packed" {
		five = clause.Expr{SQL: `'"5"'`}
	}
	columns := map[string]any{table.prefix + "created_by": five, table.prefix + "updated_by": five, "updated_at": longAgo}
	if table.key == "id" {
		columns["id"] = s.key
	}
	switch {
	case table.deletedAt == "deleted":
		columns["deleted"] = 0
		if s.deleted {
			columns["deleted"] = 1
		}
	case s.deleted:
		columns[table.deletedAt] = longAgo
	}
	if s.deleted {
		columns[table.prefix+"deleted_by"] = five
	}
	if bare && slices.Contains(genericTables, table.name) {
		maps.DeleteFunc(columns, func(name string, _ any) bool { return strings.HasSuffix(name, "_by") })
	}
	maps.Copy(columns, s.values)
	return columns
}

func (table worldTable) isDeleted() string {
	switch table.deletedAt {
	case "":
		return "0"
	case "deleted":
		return "CASE WHEN deleted = 0 THEN 0 ELSE 1 END"
	}
	return fmt.Sprintf("CASE WHEN %s IS NULL THEN 0 ELSE 1 END", table.deletedAt)
}

// before returns the rows of a fresh world, as world.read does.
func before() map[string]row {
	rows := map[string]row{}
	for _, table := range worldTables {
		for _, s := range table.seed {
			r := row{by: "5 5 -", deleted: s.deleted}
			if s.deleted {
				r.by = "5 5 5"
			}
			rows[fmt.Sprintf("%s %d", table.name, s.key)] = r
		}
	}
	return rows
}
