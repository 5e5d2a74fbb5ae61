package tests

import (
	"context"
	"fmt"
	"os"
	osexec "os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/audittest"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/writes"
)

// withoutG is audittest.Model of a model that gorm.G is not tried on, see
// [writes.NewModelWithoutG].
func withoutG[T any](row func(i int) *T) audittest.Option {
	return func(s *writes.Suite) { s.Models = append(s.Models, writes.NewModelWithoutG(row)) }
}

func newBoxed[B bys](i int) *boxed[B] { return &boxed[B]{Name: fmt.Sprint("row ", i)} }

func newPaper[B bys](i int) *paper[B] { return &paper[B]{Name: fmt.Sprint("row ", i), Version: 1} }

// suite are the models of a world but boxed and paper, as a user would name them.
func suite[B bys]() []audittest.Option {
	name := func(i int) string { return fmt.Sprint("row ", i) }
	return []audittest.Option{
		audittest.Model(func(i int) *note[B] { return &note[B]{Title: name(i), Size: i} }),
		withoutG(func(i int) *writer[B] { return &writer[B]{Name: name(i)} }),
		withoutG(func(i int) *cover[B] { return &cover[B]{Name: name(i)} }),
		withoutG(func(i int) *comment[B] { return &comment[B]{Name: name(i)} }),
		withoutG(func(i int) *file[B] { return &file[B]{Name: name(i)} }),
		audittest.Model(func(i int) *post { return &post{Title: name(i)} }),
		withoutG(func(i int) *tag { return &tag{Name: name(i)} }),
		withoutG(func(i int) *postTag[B] { return &postTag[B]{PostID: uint(i), TagID: uint(i)} }),
		withoutG(func(i int) *prefixed[B] { return &prefixed[B]{Name: name(i)} }),
		withoutG(func(i int) *guarded { return &guarded{Name: name(i)} }),
		withoutG(func(i int) *defaulted { return &defaulted{Name: name(i)} }),
		withoutG(func(i int) *packed { return &packed{Name: name(i)} }),
	}
}

func runSuite[B bys](t *testing.T, kind string, more ...audittest.Option) {
	d := dbtest.New(t, kind)
	db := d.Open(t, &gorm.Config{Logger: logger.Discard, DisableForeignKeyConstraintWhenMigrating: true})
	must(t, db.SetupJoinTable(&post{}, "Tags", &postTag[B]{}))
	must(t, db.Use(gormaudit.NewWithConfig(gormaudit.Config{Models: known[B]()})))
	must(t, db.AutoMigrate(models[B]()...))
	audittest.Run(t, db, append(suite[B](), more...)...)
}

func TestSuiteOnOurModels(t *testing.T) {
	less := dbtest.LessUnderRace(t)
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		t.Run("texts", func(t *testing.T) {
			runSuite[texts](t, d.Kind, audittest.Model(newBoxed[texts]), audittest.Model(newPaper[texts]))
		})
		if less {
			return // another type runs nothing else beside it
		}
		t.Run("numbers", func(t *testing.T) {
			runSuite[numbers](t, d.Kind, withoutG(newBoxed[numbers]), withoutG(newPaper[numbers]))
		})
		t.Run("pointers", func(t *testing.T) {
			runSuite[soft](t, d.Kind, withoutG(newBoxed[soft]), withoutG(newPaper[soft]))
		})
	})
}

// Rows that the tables hold already are linked, too. GORM's operations on a many2many
// write them all.
func TestSuiteBesideLinkedRows(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.SetupJoinTable(&post{}, "Tags", &postTag[texts]{}))
		must(t, db.Use(gormaudit.New()))
		must(t, db.AutoMigrate(&post{}, &tag{}, &postTag[texts]{}))
		for i := range 3 {
			must(t, db.WithContext(actor.NewContext(t.Context(), actor.User("9"))).Create(&post{Title: fmt.Sprint("old ", i), Tags: []tag{{Name: "a"}, {Name: "b"}}}).Error)
		}
		audittest.Run(t, db,
			audittest.Model(func(i int) *post { return &post{Title: fmt.Sprint("row ", i)} }),
			withoutG(func(i int) *tag { return &tag{Name: fmt.Sprint("row ", i)} }),
		)
		var links []postTag[texts]
		must(t, db.Find(&links).Error)
		if len(links) != 6 {
			t.Errorf("%d links are left, want 6", len(links))
		}
	})
}

// naive stamps as many a blog post does: it sets columns before GORM builds
// its statement.
type naive struct{}

func (naive) Name() string { return "gormaudit" }

func (naive) Initialize(db *gorm.DB) error {
	stamp := func(columns ...string) func(db *gorm.DB) {
		return func(db *gorm.DB) {
			a, ok := actor.FromContext(db.Statement.Context)
			for _, column := range columns {
				if ok && db.Statement.Schema != nil {
					db.Statement.SetColumn(column, a.ID, true)
				}
			}
		}
	}
	if err := db.Callback().Create().Before("gorm:create").Register("naive:create", stamp("CreatedBy", "UpdatedBy")); err != nil {
		return err
	}
	return db.Callback().Update().Before("gorm:update").Register("naive:update", stamp("UpdatedBy"))
}

// unwrapped takes the plugin's builder of one clause away.
type unwrapped string

func (unwrapped) Name() string { return "unwrapped" }

func (u unwrapped) Initialize(db *gorm.DB) error {
	delete(db.ClauseBuilders, string(u))
	return nil
}

// broken are dbs that by-columns do not hold on, and what the suite must say.
var broken = map[string]struct {
	plugins []gorm.Plugin
	want    []string
}{
	"none": {nil, []string{"audittest: db has no plugin of gormaudit: call db.Use(gormaudit.New()) first"}},
	"naive": {[]gorm.Plugin{naive{}}, []string{
		`db.Save(&tag): tags.created_by of row 1 = "66" (the caller's forged value), want "5" (who wrote the row before)`,
		`db.Delete(&tag): tags.deleted_by of row 1 = nobody, want "7" (who acts)`,
		`db.Model(&tag).Update("created_by", …): tags.created_by of row 1 = "66" (the caller's forged value), want "5" (who wrote the row before)`,
		"what makes a path fail, most often:",
	}},
	"SET": {[]gorm.Plugin{gormaudit.New(), unwrapped("SET")}, []string{
		`db.Model(&tag).Update("name", …): tags.updated_by of row 1 = "5" (who wrote the row before), want "7" (who acts)`,
	}},
	"VALUES": {[]gorm.Plugin{gormaudit.New(), unwrapped("VALUES")}, []string{
		`db.Create(&tag): tags.created_by of the new row = "66" (the caller's forged value), want "7" (who acts)`,
	}},
	"history": {[]gorm.Plugin{gormaudit.New(), history.NewWithConfig(history.Config{Actor: func(context.Context) (actor.Actor, bool) { return actor.User(66), true }})}, []string{
		`db.Create(&tag): the history has changes of tags that are not attributed to user:7, who acts`,
	}},
	"ON CONFLICT": {[]gorm.Plugin{gormaudit.New(), unwrapped("ON CONFLICT")}, []string{
		`db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&tag), the row is there: tags.created_by of row 1 = "7" (who acts), want "5" (who wrote the row before)`,
	}},
}

// TestSuiteLooksIntoTheHistory runs on models whose changes are recorded.
func TestSuiteLooksIntoTheHistory(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(gormaudit.New()))
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &tag{}, &page{}))
		audittest.Run(t, db,
			withoutG(func(i int) *tag { return &tag{Name: fmt.Sprint("tag ", i)} }),
			audittest.Model(func(i int) *page { return &page{Title: fmt.Sprint("page ", i)} }),
		)
	})
}

// TestSuiteOnTablesThatAskWhoActs runs where the database refuses what nobody said
// who did, or why.
func TestSuiteOnTablesThatAskWhoActs(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		ask := func(t *testing.T, o history.Options) *gorm.DB {
			db := d.Open(t)
			must(t, db.SetupJoinTable(&post{}, "Tags", &postTag[texts]{}))
			must(t, db.Use(gormaudit.New()))
			must(t, db.Use(history.New()))
			must(t, o.Migrate(db, &post{}, &tag{}, &postTag[texts]{}))
			return db
		}
		models := []audittest.Option{
			audittest.Model(func(i int) *post { return &post{Title: fmt.Sprint("row ", i)} }),
			withoutG(func(i int) *tag { return &tag{Name: fmt.Sprint("tag ", i)} }),
		}
		t.Run("who", func(t *testing.T) {
			audittest.Run(t, ask(t, history.Options{RequireActor: true}), models...)
		})
		t.Run("why", func(t *testing.T) {
			why := audittest.As(func(id string) context.Context {
				return actor.NewMetadataContext(actor.NewContext(context.Background(), actor.User(id)), map[string]string{"reason": "test"})
			})
			audittest.Run(t, ask(t, history.Options{RequireActor: true, RequireMetadata: []string{"reason"}}), append(models, why)...)
		})
	})
}

const breakWith = "WHODUNIT_BREAK_WITH"

// TestBrokenPlugin fails; TestSuiteFindsBrokenPlugins runs it.
func TestBrokenPlugin(t *testing.T) {
	b, ok := broken[os.Getenv(breakWith)]
	if !ok {
		t.Skip("run by TestSuiteFindsBrokenPlugins")
	}
	db := dbtest.New(t, dbtest.SQLite).Open(t)
	for _, plugin := range b.plugins {
		must(t, db.Use(plugin))
	}
	must(t, history.Migrate(db, &tag{}))
	audittest.Run(t, db, withoutG(func(i int) *tag { return &tag{Name: fmt.Sprint("tag ", i)} }))
}

func TestSuiteFindsBrokenPlugins(t *testing.T) {
	for name, b := range broken {
		t.Run(name, func(t *testing.T) {
			cmd := osexec.Command(os.Args[0], "-test.run=^TestBrokenPlugin$", "-test.v")
			cmd.Env = append(os.Environ(), breakWith+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatal("the suite passes")
			}
			for _, want := range b.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("the suite does not say %s:\n%.4000s", want, out)
				}
			}
		})
	}
}

type citizen struct {
	ID   string `gorm:"size:36;primaryKey"`
	Name string
}

// deed has foreign keys to people, a key of its own making and other names.
type deed struct {
	ID      uuid.UUID `gorm:"type:char(36);primaryKey"`
	Code    string    `gorm:"size:40;unique;not null"`
	OwnerID string    `gorm:"size:36;not null"`
	Owner   *citizen
	Maker   *string  `gorm:"size:36;autoCreateBy"`
	MakerIs *citizen `gorm:"foreignKey:Maker"`
	Changer *string  `gorm:"size:36;autoUpdateBy"`
	Stamp   int64    `gorm:"autoUpdateTime:milli"`
}

// plot knows only who created it, in a table with a key of two columns.
type plot struct {
	Region    string `gorm:"size:20;primaryKey"`
	Number    int    `gorm:"primaryKey;autoIncrement:false"`
	Body      []byte
	CreatedBy uuid.UUID `gorm:"type:char(36)"`
}

func (r *deed) BeforeCreate(*gorm.DB) error {
	if r.ID == uuid.Nil {
		r.ID = uuid.New()
	}
	return nil
}

// Models as applications have them: keys made by hooks, of several columns,
// columns by tags, foreign keys to users, and no hint of gorm.Model.
func TestSuiteOnOtherModels(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		for name, config := range map[string]*gorm.Config{
			"plain": {}, "PrepareStmt": {PrepareStmt: true, SkipDefaultTransaction: true}, "translated": {TranslateError: true, DisableNestedTransaction: true},
		} {
			t.Run(name, func(t *testing.T) {
				config.Logger = logger.Discard
				db := d.Open(t, config)
				must(t, db.Use(gormaudit.NewWithConfig(gormaudit.Config{Missing: gormaudit.Reject})))
				must(t, db.AutoMigrate(&citizen{}, &deed{}, &plot{}))
				ids := []string{"a0000000-0000-4000-8000-00000000000a", "b0000000-0000-4000-8000-00000000000b", "c0000000-0000-4000-8000-00000000000c"}
				for _, id := range ids {
					must(t, db.Clauses(clause.OnConflict{DoNothing: true}).Create(&citizen{ID: id, Name: "somebody"}).Error)
				}
				start := time.Now()
				audittest.Run(t, db,
					audittest.Users(ids[0], ids[1], ids[2]),
					withoutG(func(i int) *citizen { return &citizen{ID: uuid.NewString(), Name: fmt.Sprint(i)} }),
					audittest.Model(func(i int) *deed { return &deed{Code: fmt.Sprint("code ", i), OwnerID: ids[0]} }),
					audittest.Model(func(i int) *plot { return &plot{Region: "r", Number: i, Body: []byte{byte(i)}} }),
				)
				t.Log(time.Since(start))
				var rows int64
				must(t, db.Model(&deed{}).Count(&rows).Error)
				if rows != 0 {
					t.Errorf("%d rows are left, want none", rows)
				}
			})
		}
	})
}

// box has by-columns and no timestamps: GORM then has nothing to set in it when it
// saves what is put into it.
type box struct {
	ID    uint
	Code  string `gorm:"size:40;unique"`
	Lid   lid
	Items []pebble
	Marks []mark `gorm:"many2many:box_marks"`
	gormaudit.By[uint]
}

type (
	lid struct {
		ID    uint
		BoxID *uint
		gormaudit.By[uint]
	}
	pebble struct {
		ID    uint
		BoxID *uint
		gormaudit.By[uint]
	}
	mark struct {
		ID   uint
		Name string
	}
)

func TestSuiteOnModelsWithoutTimestamps(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(gormaudit.New()))
		must(t, db.AutoMigrate(&box{}, &lid{}, &pebble{}, &mark{}))
		audittest.Run(t, db,
			audittest.Model(func(i int) *box { return &box{Code: fmt.Sprint("box ", i)} }),
			audittest.Model(func(int) *lid { return &lid{} }),
			audittest.Model(func(int) *pebble { return &pebble{} }),
			audittest.Model(func(i int) *mark { return &mark{Name: fmt.Sprint(i)} }),
		)
	})
}
