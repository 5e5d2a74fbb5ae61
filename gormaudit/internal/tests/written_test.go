package tests

import (
	"reflect"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// between is a plugin that has builders of its own for the clauses that ours
// rewrites. Registered before ours, it has GORM write what ours made of them.
type between struct{ asked map[string]int }

func newBetween() between { return between{map[string]int{}} }

func (between) Name() string { return "between" }

func (p between) Initialize(db *gorm.DB) error {
	for _, name := range []string{"SET", "VALUES", "ON CONFLICT"} {
		before := db.ClauseBuilders[name]
		db.ClauseBuilders[name] = func(c clause.Clause, b clause.Builder) {
			p.asked[name]++
			if before != nil {
				before(c, b)
			} else {
				c.Build(b)
			}
		}
	}
	return nil
}

// Clauses that the plugin writes itself are, byte for byte, those that GORM
// writes where another plugin has it do so.
func TestWrittenClausesAreGORMs(t *testing.T) {
	forEachDialect(t, func(t *testing.T, kind string) {
		audit := func() gorm.Plugin {
			return gormaudit.NewWithConfig(gormaudit.Config{Models: known[texts]()})
		}
		by, through := newWorld[texts](t, kind, audit()), newWorld[texts](t, kind, newBetween(), audit())
		for _, p := range everything[texts]() {
			t.Run(p.call, func(t *testing.T) {
				if why, ok := p.not[kind]; ok {
					t.Skip(why)
				}
				got, gotErr := by.sends(t, p)
				want, wantErr := through.sends(t, p)
				if text(gotErr) != text(wantErr) {
					t.Fatalf("%s = %v, want %v", p.call, gotErr, wantErr)
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s sent %v\nwant %v", p.call, got, want)
				}
			})
		}
	})
}

// odd has names that must be quoted and values that are more than a value.
type odd struct {
	ID       uint
	Order    int    `gorm:"column:order"`
	Quoted   string "gorm:\"column:a`b\\\"c\""
	Maybe    *string
	Bytes    []byte
	At       time.Time
	Small    int8
	Ratio    float32
	Sealed   shouted
	Computed string `gorm:"default:x"`
	gormaudit.By[string]
}

// hint puts a comment before the clause of its name.
type hint string

func (hint) Build(clause.Builder) {}

func (h hint) ModifyStatement(stmt *gorm.Statement) {
	c := stmt.Clauses[string(h)]
	c.BeforeExpression, c.AfterNameExpression = clause.Expr{SQL: "/* before */"}, clause.Expr{SQL: "/* after */"}
	stmt.Clauses[string(h)] = c
}

func TestWrittenValuesAreGORMs(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	values := map[string]any{
		"order": int8(1), "a`b\"c": clause.Expr{SQL: "lower(?)", Vars: []any{"X"}}, "Maybe": ptr("x"), "bytes": []byte{1, 2},
		"at": at, "small": nil, "ratio": float32(0.5), "sealed": shouted("x"), "computed": true, "unknown": []int{1, 2}, "created_by": "66",
	}
	row := odd{Order: 1, Quoted: "q", Maybe: ptr("x"), Bytes: []byte{1}, At: at, Small: 3, Ratio: 0.5, Sealed: "x", By: gormaudit.By[string]{CreatedBy: ptr("66")}}
	writes := map[string]func(db *gorm.DB) *gorm.DB{
		"create":             func(db *gorm.DB) *gorm.DB { r := row; return db.Create(&r) },
		"create two":         func(db *gorm.DB) *gorm.DB { return db.Create(&[]odd{row, {ID: 4, Computed: "y"}}) },
		"create with Select": func(db *gorm.DB) *gorm.DB { r := row; return db.Select("Small", "order", "At").Create(&r) },
		"create with Omit":   func(db *gorm.DB) *gorm.DB { r := row; return db.Omit("Maybe", "created_by").Create(&r) },
		"create a map":       func(db *gorm.DB) *gorm.DB { return db.Model(&odd{}).Create(values) },
		"update by map":      func(db *gorm.DB) *gorm.DB { return db.Model(&odd{ID: 1}).Updates(values) },
		"update a by-column": func(db *gorm.DB) *gorm.DB { return db.Model(&odd{ID: 1}).Update("created_by", "66") },
		"update by struct":   func(db *gorm.DB) *gorm.DB { return db.Model(&odd{ID: 1}).Updates(row) },
		"update with clause.Set": func(db *gorm.DB) *gorm.DB {
			return db.Model(&odd{}).Where("id = 1").Clauses(clause.Set{
				{Column: clause.Column{Table: "odds", Name: "order"}, Value: 1},
				{Column: clause.Column{Name: "small + 1", Raw: true}, Value: 2},
				{Column: clause.PrimaryColumn, Value: clause.PrimaryColumn},
				{Column: clause.Column{Name: "ratio"}, Value: gorm.Expr("ratio + ?", 1)},
			}).Updates(map[string]any{})
		},
		"create with a hint": func(db *gorm.DB) *gorm.DB { r := row; return db.Clauses(hint("VALUES")).Create(&r) },
		"update with a hint": func(db *gorm.DB) *gorm.DB {
			return db.Model(&odd{}).Where("id = 1").Clauses(clause.Set{{Column: clause.Column{Name: "order"}, Value: 1}}, hint("SET")).Updates(map[string]any{})
		},
		"update from a query": func(db *gorm.DB) *gorm.DB {
			return db.Model(&odd{ID: 1}).Update("order", db.Session(&gorm.Session{NewDB: true}).Model(&odd{}).Select("max(small)").Where("ratio > ?", 1))
		},
	}
	forEachDialect(t, func(t *testing.T, kind string) {
		d := dbtest.New(t, kind)
		open := func(plugins ...gorm.Plugin) *gorm.DB {
			db := d.Open(t, &gorm.Config{Logger: logger.Discard, NowFunc: now, DryRun: true, SkipDefaultTransaction: true})
			for _, plugin := range plugins {
				if err := db.Use(plugin); err != nil {
					t.Fatal(err)
				}
			}
			return db.WithContext(acting(7))
		}
		other := newBetween()
		by, through := open(gormaudit.New()), open(other, gormaudit.New())
		for name, write := range writes {
			t.Run(name, func(t *testing.T) {
				clear(other.asked)
				got, want := write(by), write(through)
				if len(other.asked) == 0 {
					t.Error("the builder that was there before the plugin was not asked")
				}
				if got.Error != nil || want.Error != nil {
					t.Fatalf("errors %v and %v, want none", got.Error, want.Error)
				}
				if got, want := got.Statement.SQL.String(), want.Statement.SQL.String(); got != want {
					t.Errorf("sent %s\nwant %s", got, want)
				}
				if got, want := got.Statement.Vars, want.Statement.Vars; !reflect.DeepEqual(got, want) {
					t.Errorf("bound %v\nwant %v", got, want)
				}
			})
		}
	})
}
