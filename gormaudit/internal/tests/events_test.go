package tests

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// witness keeps what Config.Observe is told.
type witness struct {
	mu     sync.Mutex
	events []gormaudit.Event
}

func (w *witness) observe(_ context.Context, e gormaudit.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// take returns the events since the last take.
func (w *witness) take() []gormaudit.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.events
	w.events = nil
	return taken
}

// takeTexts returns them as "kind operation table.column", less the kinds that
// are not asked for.
func (w *witness) takeTexts(kinds ...gormaudit.EventKind) []string {
	texts := []string{}
	for _, e := range w.take() {
		if slices.Contains(kinds, e.Kind) {
			texts = append(texts, fmt.Sprintf("%s %s %s.%s", e.Kind, e.Operation, e.Table, e.Column))
		}
	}
	slices.Sort(texts)
	return texts
}

// chat has a column of its own that is tagged, by-columns without NULL.
type chat struct {
	ID        uint
	Title     string
	CreatorID uint `gorm:"autoCreateBy"`
	UpdatedBy uint
}

type chatDTO struct {
	Title     string
	CreatorID uint
}

// label has a key that the caller sets and a by-column with a default.
type label struct {
	Name      string `gorm:"primaryKey"`
	Color     string
	CreatedBy string `gorm:"default:unknown"`
}

// room saves its chairs with itself.
type (
	room struct {
		ID        uint
		CreatedBy string
		Chairs    []chair
	}
	chair struct {
		ID, RoomID uint
		CreatedBy  string
	}
)

// hooked fills its by-columns as applications did before, one of them wrongly.
type hooked struct {
	ID        uint
	Title     string
	CreatedBy uint
	UpdatedBy uint
}

func (h *hooked) BeforeCreate(*gorm.DB) error {
	h.CreatedBy, h.UpdatedBy = 7, 66
	return nil
}

var eventModels = []any{&page{}, &chat{}, &label{}, &room{}, &chair{}, &hooked{}}

func forgedBy(created, updated, deleted string) gormaudit.SoftBy[string] {
	optional := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	return gormaudit.SoftBy[string]{CreatedBy: optional(created), UpdatedBy: optional(updated), DeletedBy: optional(deleted)}
}

// What comes to nothing is told; what GORM copies, what the row gets anyway and
// what it was loaded with is not.
func TestDroppedValuesAreTold(t *testing.T) {
	onID := []clause.Column{{Name: "id"}}
	tests := []struct {
		name  string
		write func(db *gorm.DB) error
		want  []string // operation and column
	}{
		{
			"create, forged", func(db *gorm.DB) error { return db.Create(&page{SoftBy: forgedBy("66", "66", "66")}).Error },
			[]string{"create pages.created_by", "create pages.deleted_by", "create pages.updated_by"},
		},
		{"create, one forged in a batch", func(db *gorm.DB) error {
			return db.Create(&[]page{{}, {SoftBy: forgedBy("66", "", "")}, {SoftBy: forgedBy("67", "", "")}}).Error
		}, []string{"create pages.created_by"}},
		{"create, nothing given", func(db *gorm.DB) error { return db.Create(&page{SoftBy: forgedBy("", "", "")}).Error }, nil},
		{"create, an empty text given", func(db *gorm.DB) error {
			return db.Create(&page{SoftBy: gormaudit.SoftBy[string]{CreatedBy: ptr("")}}).Error
		}, nil},
		{"create, by hand what the row gets", func(db *gorm.DB) error {
			return db.Create(&[]page{{SoftBy: forgedBy("7", "7", "")}, {SoftBy: forgedBy("7", "7", "")}}).Error
		}, nil},
		{"create of numbers, by hand what the row gets", func(db *gorm.DB) error { return db.Create(&chat{CreatorID: 7, UpdatedBy: 7}).Error }, nil},
		{"create of numbers, given by the caller", func(db *gorm.DB) error { return db.Create(&chat{CreatorID: 8}).Error }, []string{"create chats.creator_id"}},
		{
			"create with the key set", func(db *gorm.DB) error { return db.Create(&page{ID: 50, SoftBy: forgedBy("66", "", "")}).Error },
			[]string{"create pages.created_by"},
		},
		{"create of map", func(db *gorm.DB) error {
			return db.Model(&page{}).Create(map[string]any{"title": "x", "CreatedBy": "66", "UPDATED_BY": "7"}).Error
		}, []string{"create pages.created_by"}},
		{"create of map, two spellings", func(db *gorm.DB) error {
			return db.Table("pages").Create(map[string]any{"title": "x", "created_by": "7", "Created_By": "66"}).Error
		}, []string{"create pages.created_by"}},
		{"create of maps", func(db *gorm.DB) error {
			return db.Model(&page{}).Create(&[]map[string]any{{"title": "x"}, {"title": "y", "created_by": gorm.Expr("'66'")}}).Error
		}, []string{"create pages.created_by"}},
		{"create of a DTO", func(db *gorm.DB) error { return db.Table("chats").Create(&chatDTO{CreatorID: 8}).Error }, []string{"create chats.creator_id"}},
		{"create of a DTO, nothing given", func(db *gorm.DB) error { return db.Table("chats").Create(&chatDTO{}).Error }, nil},
		{"create, omitted", func(db *gorm.DB) error {
			return db.Omit("created_by").Create(&page{SoftBy: forgedBy("66", "", "")}).Error
		}, nil},
		{"create, a default of the column", func(db *gorm.DB) error { return db.Create(&[]label{{Name: "a"}, {Name: "b"}}).Error }, nil},
		{
			"create beside a default of the column", func(db *gorm.DB) error { return db.Create(&[]label{{Name: "c"}, {Name: "d", CreatedBy: "66"}}).Error },
			[]string{"create labels.created_by"},
		},
		{"create, filled by a hook", func(db *gorm.DB) error { return db.Create(&hooked{}).Error }, []string{"create hookeds.updated_by"}},
		{
			"FirstOrCreate of somebody else's", func(db *gorm.DB) error { return db.Where(&chat{CreatorID: 9}).FirstOrCreate(&chat{}).Error },
			[]string{"create chats.creator_id"},
		},
		{"gorm.G create", func(db *gorm.DB) error {
			return gorm.G[page](db).Create(db.Statement.Context, &page{SoftBy: forgedBy("66", "", "")})
		}, []string{"create pages.created_by"}},
		{"Save of a new row", func(db *gorm.DB) error { return db.Save(&page{SoftBy: forgedBy("66", "", "")}).Error }, []string{"create pages.created_by"}},

		{"Save of a loaded row", func(db *gorm.DB) error {
			var p page
			db.First(&p, 1)
			return db.Save(&p).Error
		}, nil},
		{"Save of loaded rows", func(db *gorm.DB) error {
			var p []page
			db.Find(&p)
			return db.Save(&p).Error
		}, nil},
		{"Save of a row that is not there", func(db *gorm.DB) error { return db.Save(&page{ID: 60, SoftBy: forgedBy("5", "5", "")}).Error }, nil},
		{"Updates of a loaded row", func(db *gorm.DB) error {
			var p page
			db.First(&p, 1)
			p.Title = "x"
			return db.Updates(&p).Error
		}, nil},
		{"Updates from a copy of a loaded row", func(db *gorm.DB) error {
			var p page
			db.First(&p, 1)
			return db.Model(&page{}).Where("id = 1").Updates(p).Error
		}, nil},
		{"Select of the column from a row's own struct", func(db *gorm.DB) error {
			var c chat
			db.First(&c, 1)
			c.CreatorID = 8
			return db.Select("CreatorID").Save(&c).Error
		}, []string{"update chats.creator_id"}},
		{"Updates from a struct that is no row", func(db *gorm.DB) error {
			return db.Model(&page{ID: 1}).Updates(page{Title: "x", SoftBy: forgedBy("66", "66", "")}).Error
		}, []string{"update pages.created_by", "update pages.updated_by"}},
		{"Updates from a DTO", func(db *gorm.DB) error { return db.Model(&chat{ID: 1}).Updates(chatDTO{CreatorID: 8}).Error }, []string{"update chats.creator_id"}},
		{"Updates from a DTO with what was loaded", func(db *gorm.DB) error {
			var c chat
			db.First(&c, 1)
			return db.Model(&c).Updates(&chatDTO{Title: "y", CreatorID: c.CreatorID}).Error
		}, nil},
		{"Update of created_by", func(db *gorm.DB) error { return db.Model(&chat{ID: 1}).Update("creator_id", 8).Error }, []string{"update chats.creator_id"}},
		{"Update of created_by to who acts", func(db *gorm.DB) error { return db.Model(&chat{ID: 1}).Update("creator_id", 7).Error }, []string{"update chats.creator_id"}},
		{"Update of created_by to what was loaded", func(db *gorm.DB) error {
			var c chat
			db.First(&c, 1)
			return db.Model(&c).Updates(map[string]any{"title": "x", "creator_id": c.CreatorID}).Error
		}, nil},
		{"Update of created_by of a loaded row", func(db *gorm.DB) error {
			var c chat
			db.First(&c, 1)
			return db.Model(&c).Updates(map[string]any{"title": "x", "creator_id": 8}).Error
		}, []string{"update chats.creator_id"}},
		{"Update of created_by to nobody", func(db *gorm.DB) error { return db.Model(&page{ID: 1}).Update("created_by", nil).Error }, []string{"update pages.created_by"}},
		{"Update of two spellings", func(db *gorm.DB) error {
			return db.Model(&page{ID: 1}).Updates(map[string]any{"created_by": "66", "CREATED_BY": "67"}).Error
		}, []string{"update pages.created_by"}},
		{"Update of updated_by", func(db *gorm.DB) error { return db.Model(&page{ID: 1}).Update("updated_by", "66").Error }, []string{"update pages.updated_by"}},
		{"Update of updated_by to who acts", func(db *gorm.DB) error { return db.Model(&page{ID: 1}).Update("updated_by", "7").Error }, nil},
		{"Update of updated_by by an expression", func(db *gorm.DB) error {
			return db.Model(&page{ID: 1}).Update("updated_by", gorm.Expr("created_by")).Error
		}, []string{"update pages.updated_by"}},
		{"UpdateColumn of updated_by", func(db *gorm.DB) error { return db.Model(&page{ID: 1}).UpdateColumn("updated_by", "7").Error }, []string{"update pages.updated_by"}},
		{"Update by the table's name", func(db *gorm.DB) error {
			return db.Table("chats").Where("id = 1").Updates(map[string]any{"CREATOR_ID": 8}).Error
		}, []string{"update chats.creator_id"}},
		{"Update of deleted_by alone", func(db *gorm.DB) error { return db.Model(&page{ID: 1}).Update("deleted_by", "7").Error }, []string{"update pages.deleted_by"}},
		{"Update of deleted_by with deleted_at", func(db *gorm.DB) error {
			return db.Model(&page{ID: 2}).Updates(map[string]any{"deleted_by": "7", "deleted_at": db.NowFunc()}).Error
		}, nil},
		{"gorm.G Set", func(db *gorm.DB) error {
			_, err := gorm.G[chat](db).Where("id = ?", 1).Set(clause.Assignment{Column: clause.Column{Name: "creator_id"}, Value: 8}).Update(db.Statement.Context)
			return err
		}, []string{"update chats.creator_id"}},
		{"soft delete", func(db *gorm.DB) error { return db.Delete(&page{ID: 3, SoftBy: forgedBy("66", "66", "66")}).Error }, nil},

		{"upsert, UpdateAll of a row", func(db *gorm.DB) error {
			return db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&page{ID: 1, SoftBy: forgedBy("5", "5", "")}).Error
		}, nil},
		{"upsert, UpdateAll of a map", func(db *gorm.DB) error {
			return db.Model(&chat{}).Clauses(clause.OnConflict{Columns: onID, UpdateAll: true}).Create(map[string]any{"id": 1, "title": "x", "creator_id": 8}).Error
		}, []string{"create chats.creator_id"}},
		{"upsert, created_by by name", func(db *gorm.DB) error {
			return db.Clauses(clause.OnConflict{Columns: onID, DoUpdates: clause.AssignmentColumns([]string{"title", "creator_id", "updated_by"})}).Create(&chat{ID: 1}).Error
		}, []string{"create chats.creator_id"}},
		{"upsert, values", func(db *gorm.DB) error {
			return db.Clauses(clause.OnConflict{Columns: onID, DoUpdates: clause.Assignments(map[string]any{"creator_id": 8, "updated_by": 7})}).Create(&chat{ID: 1}).Error
		}, []string{"create chats.creator_id"}},
		{"upsert, updated_by of another", func(db *gorm.DB) error {
			return db.Clauses(clause.OnConflict{Columns: onID, DoUpdates: clause.Assignments(map[string]any{"title": "x", "updated_by": 8})}).Create(&chat{ID: 1}).Error
		}, []string{"create chats.updated_by"}},
		{"upsert of a new row without its key", func(db *gorm.DB) error {
			return db.Clauses(clause.OnConflict{DoNothing: true}).Create(&chat{CreatorID: 8}).Error
		}, []string{"create chats.creator_id"}},

		{"association, loaded children", func(db *gorm.DB) error {
			var r room
			db.Preload("Chairs").First(&r, 1)
			return db.Save(&r).Error
		}, nil},
		{"association, FullSaveAssociations", func(db *gorm.DB) error {
			var r room
			db.Preload("Chairs").First(&r, 1)
			return db.Session(&gorm.Session{FullSaveAssociations: true}).Save(&r).Error
		}, nil},
		{"association, a forged new child", func(db *gorm.DB) error {
			return db.Create(&room{Chairs: []chair{{CreatedBy: "66"}}}).Error
		}, []string{"create chairs.created_by"}},

		{"Skip, create", func(db *gorm.DB) error {
			return db.WithContext(gormaudit.Skip(db.Statement.Context)).Create(&page{SoftBy: forgedBy("66", "", "")}).Error
		}, []string{"create pages.created_by"}},
		{"Preserve, create", func(db *gorm.DB) error {
			return db.WithContext(gormaudit.Preserve(db.Statement.Context)).Create(&page{SoftBy: forgedBy("66", "66", "66")}).Error
		}, nil},
		{"Preserve, update", func(db *gorm.DB) error {
			return db.WithContext(gormaudit.Preserve(db.Statement.Context)).Model(&page{ID: 1}).Updates(map[string]any{"created_by": "66", "updated_by": "66"}).Error
		}, []string{"update pages.created_by"}},
	}
	for _, dry := range []bool{false, true} {
		t.Run(fmt.Sprintf("DryRun=%t", dry), func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
				var w witness
				config := gormaudit.Config{Missing: gormaudit.Reject, Observe: w.observe, Models: eventModels, DryRun: dry}
				s := newStage(t, d, config, eventModels...)
				seedEvents(t, s)
				for _, test := range tests {
					w.take()
					if err := test.write(s.user(7)); err != nil && !dry {
						t.Errorf("%s = %v", test.name, err)
					}
					want := []string{}
					for _, text := range test.want {
						want = append(want, "dropped "+text)
					}
					if got := w.takeTexts(gormaudit.EventDropped); !slices.Equal(got, want) {
						t.Errorf("%s: told %q, want %q", test.name, got, want)
					}
				}
			})
		})
	}
}

func seedEvents(t *testing.T, s *stage) {
	t.Helper()
	five := func() gormaudit.SoftBy[string] { return forgedBy("5", "5", "") }
	for _, rows := range []any{
		&[]page{{Title: "a", SoftBy: five()}, {Title: "b", SoftBy: five()}, {Title: "c", SoftBy: five()}},
		&chat{CreatorID: 5, UpdatedBy: 5},
		&room{CreatedBy: "5", Chairs: []chair{{CreatedBy: "5"}, {CreatedBy: "5"}}},
	} {
		ok(t, s.plain.Create(rows))
	}
}

// Observe sees all, whatever the policy and the logger, and who acts.
func TestObserveSeesEveryMiss(t *testing.T) {
	for _, missing := range []gormaudit.MissingPolicy{gormaudit.Warn, gormaudit.Allow, gormaudit.Reject} {
		var w witness
		s := newSQLiteStage(t, gormaudit.Config{Missing: missing, Observe: w.observe}, policyModels...) // logs to Discard
		ok(t, s.plain.Create(&[]page{{ID: 1}, {ID: 2}}))
		for _, test := range stamped(s.DB) {
			w.take()
			if _, err := test.write(); (err != nil) != (missing == gormaudit.Reject) {
				t.Errorf("%s = %v", test.name, err)
			}
			want := []string{"no_context " + test.op + " pages."}
			if got := w.takeTexts(gormaudit.EventNoContext, gormaudit.EventNoActor); !slices.Equal(got, want) {
				t.Errorf("policy %d, %s: told %q, want %q", missing, test.name, got, want)
			}
		}
		for range 25 { // the log is silent in between
			_ = s.WithContext(context.WithValue(context.Background(), ownUserKey{}, 1)).Create(&page{}).Error
		}
		if got := w.takeTexts(gormaudit.EventNoActor); len(got) != 25 {
			t.Errorf("policy %d: told %d times, want 25", missing, len(got))
		}
		if ok(t, s.user(7).Create(&page{})); len(w.take()) != 0 {
			t.Errorf("policy %d: told of a write by user 7", missing)
		}
	}
}

func TestObserveRunsOnTheWritersGoroutine(t *testing.T) {
	type key struct{}
	var seen []any
	s := newSQLiteStage(t, gormaudit.Config{Observe: func(ctx context.Context, _ gormaudit.Event) { seen = append(seen, ctx.Value(key{})) }}, policyModels...)
	ok(t, s.WithContext(context.WithValue(context.Background(), key{}, "of the writer")).Create(&page{})) // -race sees another goroutine
	if len(seen) != 1 || seen[0] != "of the writer" {
		t.Errorf("Observe got a context with %v, want the writer's", seen)
	}
}

// lines are where a row is created from.
func (w *witness) lines(t *testing.T) []string {
	t.Helper()
	events := w.take()
	if len(events) != 1 {
		t.Fatalf("told %d events, want 1: %v", len(events), events)
	}
	var lines []string
	for _, frame := range events[0].Frames {
		lines = append(lines, frame.File[strings.LastIndex(frame.File, "/")+1:]+" "+frame.Function[strings.LastIndex(frame.Function, "/")+1:])
	}
	return lines
}

func TestFramesLeaveTheRepository(t *testing.T) {
	var w witness
	s := newSQLiteStage(t, gormaudit.Config{Observe: w.observe}, policyModels...)
	save := func() error { return dbtest.Save(s.DB, &page{}) }
	deep := func() error { return dbtest.SaveDeep(s.DB, &page{}) }
	inTransaction := func() error {
		return s.Transaction(func(tx *gorm.DB) error { return dbtest.Save(tx, &page{}) })
	}
	for _, test := range []struct {
		name  string
		write func() error
		want  []string
	}{
		{"one line", save, []string{"save.go dbtest.Save", "events_test.go tests.TestFramesLeaveTheRepository.func1"}},
		{"three lines", deep, []string{"save.go dbtest.Save", "save.go dbtest.SaveDeep", "events_test.go tests.TestFramesLeaveTheRepository.func2"}},
		{"GORM in between", inTransaction, []string{"save.go dbtest.Save", "events_test.go tests.TestFramesLeaveTheRepository.func3.1"}},
	} {
		if err := test.write(); err != nil {
			t.Fatal(err)
		}
		if got := w.lines(t); !slices.Equal(got, test.want) {
			t.Errorf("%s: frames are %q, want %q", test.name, got, test.want)
		}
	}
	if err := save(); err != nil {
		t.Fatal(err)
	}
	first := w.take()[0].Frames
	first[0].File = "changed"
	if err := save(); err != nil {
		t.Fatal(err)
	}
	if got := w.take()[0].Frames[0].File; got == "changed" {
		t.Error("the frames of an event are those of the next one")
	}
}

func TestEventKindString(t *testing.T) {
	for kind, want := range map[gormaudit.EventKind]string{
		0: "EventKind(0)", gormaudit.EventNoContext: "no_context", gormaudit.EventNoActor: "no_actor", gormaudit.EventDropped: "dropped",
		gormaudit.EventWouldStamp: "would_stamp", gormaudit.EventWouldFail: "would_fail", 200: "EventKind(200)",
	} {
		if got := kind.String(); got != want {
			t.Errorf("EventKind(%d).String() = %q, want %q", kind, got, want)
		}
	}
}

// The server's lines say nothing of the application.
func TestFramesLeaveTheServerOut(t *testing.T) {
	var w witness
	s := newSQLiteStage(t, gormaudit.Config{Missing: gormaudit.Allow, Observe: w.observe}, policyModels...)
	server := http.NewServeMux()
	server.HandleFunc("POST /pages", func(http.ResponseWriter, *http.Request) { ok(t, s.Create(&page{Title: "a"})) })
	server.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/pages", nil))
	events := w.take()
	if len(events) != 1 || len(events[0].Frames) == 0 {
		t.Fatalf("events = %v, want one with frames", events)
	}
	for _, frame := range events[0].Frames {
		if strings.HasPrefix(frame.Function, "net/http.") {
			t.Errorf("a frame is %s, want the application's alone", frame.Function)
		}
	}
}
