package tests

import (
	"context"
	"encoding/json"
	"errors"
	"expvar"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/tests/chatstore"
)

// The application of gormaudit/adopting.md, which goes that way here. It has
// three traps: a creator_id that is handed over, a repository, whose line is the
// same for all its callers, and a NOT NULL author_id that refers to users.

var audit = expvar.NewMap("gormaudit")

func count(ctx context.Context, e gormaudit.Event) {
	name := strings.TrimSpace(strings.Join([]string{e.Kind.String(), e.Operation, e.Table, e.Column}, " "))
	if a, ok := actor.FromContext(ctx); ok { // or your Config.Actor(ctx)
		name += " by " + a.Kind.String() // user, system, service or anonymous
	}
	audit.Add(name, 1)
}

// takeNumbers returns the numbers since the last time, by name.
func takeNumbers() []string {
	numbers := []string{}
	audit.Do(func(v expvar.KeyValue) { numbers = append(numbers, v.Key+": "+v.Value.String()) })
	audit.Init()
	return numbers
}

// How tables were made before: InitSchema of an empty database.
func initSchema(t *testing.T, db *gorm.DB) {
	t.Helper()
	type User struct {
		ID   uint
		Name string
	}
	type Chat struct {
		ID        uint
		Title     string
		CreatorID uint
	}
	type Message struct {
		ID       uint
		Text     string
		AuthorID uint `gorm:"not null"`
		Author   User
	}
	must(t, db.AutoMigrate(&User{}, &Chat{}, &Message{}))
	ok(t, db.Create(&[]User{{ID: 7}, {ID: 8}, {ID: 9}}))
	ok(t, db.Create(&Chat{ID: 1, Title: "old", CreatorID: 8}))
}

var addWho = func(tx *gorm.DB) error {
	type Chat struct{ gormaudit.By[uint] } // copies: the models of today will not be those of next year
	type Message struct{ gormaudit.By[uint] }
	for _, model := range []any{&Chat{}, &Message{}} {
		for _, field := range []string{"CreatedBy", "UpdatedBy"} {
			if tx.Migrator().HasColumn(model, field) {
				continue // an earlier try came this far
			}
			if err := tx.Migrator().AddColumn(model, field); err != nil {
				return err
			}
		}
	}
	return nil
}

// handlers are the application's writes, by those who call the repository.
func handlers(s *chatstore.Store, row func(id, creator uint) any, model any) []struct {
	name  string
	write func(ctx context.Context) error
} {
	return []struct {
		name  string
		write func(ctx context.Context) error
	}{
		{"create", func(ctx context.Context) error { return s.Create(ctx, row(10, 7)) }},
		{"create for another", func(ctx context.Context) error { return s.Create(ctx, row(11, 9)) }},
		{"rename", func(ctx context.Context) error { return s.Rename(ctx, model, 1, "new") }},
		{"rename from another handler", func(ctx context.Context) error { return s.Rename(ctx, model, 1, "newer") }},
		{"hand over", func(ctx context.Context) error { return s.HandOver(ctx, model, 1, 9) }},
	}
}

// A creator_id that is tagged although it may be given and handed over: without
// DryRun both come to nothing; with it nothing changes and the numbers say so.
func TestAdoptingTagsACreatorThatChanges(t *testing.T) {
	type Chat struct {
		ID        uint
		Title     string
		CreatorID uint `gorm:"autoCreateBy"`
	}
	row := func(id, creator uint) any { return &Chat{ID: id, CreatorID: creator} }
	for _, dry := range []bool{true, false} {
		dbtest.EachAlone(t, func(t *testing.T, d *dbtest.Database) {
			initSchema(t, d.Open(t))
			s := &stage{DB: d.Open(t), plain: d.Open(t)}
			must(t, s.Use(gormaudit.NewWithConfig(gormaudit.Config{DryRun: dry, Observe: count, Models: []any{&Chat{}}})))
			takeNumbers()
			for _, h := range handlers(&chatstore.Store{DB: s.DB}, row, &Chat{}) {
				if err := h.write(contextOf(actor.User(7))); err != nil {
					t.Errorf("%s = %v", h.name, err)
				}
			}
			want := []string{"dropped create chats creator_id by user: 1", "dropped update chats creator_id by user: 1"}
			if dry {
				want = append(want, "would_stamp create chats creator_id by user: 2")
			}
			if got := takeNumbers(); !slices.Equal(got, want) {
				t.Errorf("DryRun %t: counted %q, want %q", dry, got, want)
			}
			given, handed := "9", "9"
			if !dry {
				given, handed = "7", "8"
			}
			if got := s.cell(t, "chats", "creator_id", 11) + s.cell(t, "chats", "creator_id", 1); got != given+handed {
				t.Errorf("DryRun %t: creators are %s, want %s", dry, got, given+handed)
			}
		})
	}
}

// Where the middleware reads another session than the application's, everybody is
// anonymous: what a hook fills would be dropped, and the numbers say why.
func TestAdoptingReadsTheWrongSession(t *testing.T) {
	type Chat struct {
		ID        uint
		Title     string
		CreatorID *uint `gorm:"autoCreateBy"`
	}
	s := newSQLiteStage(t, gormaudit.Config{DryRun: true, Observe: count}, &Chat{})
	takeNumbers()
	creator := uint(7)
	must(t, s.as(actor.Actor{}).Create(&Chat{ID: 1, CreatorID: &creator}).Error)
	must(t, s.user(7).Create(&Chat{ID: 2, CreatorID: &creator}).Error)
	must(t, s.as(actor.System("archiver")).Create(&Chat{ID: 3}).Error)
	want := []string{
		"dropped create chats creator_id by anonymous: 1",
		"would_stamp create chats creator_id by anonymous: 1", "would_stamp create chats creator_id by system: 1",
		"would_stamp create chats creator_id by user: 1",
	}
	if got := takeNumbers(); !slices.Equal(got, want) {
		t.Errorf("counted %q, want %q", got, want)
	}
}

// Chat as adopting.md ends: the application's creator beside who wrote the row.
type Chat struct {
	ID                 uint
	Title              string
	CreatorID          uint       // may be given and handed over: the application's own
	gormaudit.By[uint] `json:"-"` // until step 5
}

type Message struct {
	ID       uint
	Text     string
	AuthorID uint // NOT NULL, refers to users: the application's own
	gormaudit.By[uint]
}

func TestAdopting(t *testing.T) {
	dbtest.EachAlone(t, func(t *testing.T, d *dbtest.Database) {
		s := &stage{DB: d.Open(t), plain: d.Open(t)}
		initSchema(t, s.plain)
		row := func(id, creator uint) any { return &Chat{ID: id, CreatorID: creator} }
		j := newJournal()
		use := func(config gormaudit.Config) []struct {
			name  string
			write func(ctx context.Context) error
		} {
			s.DB = d.Open(t)
			s.Logger = j
			must(t, s.Use(gormaudit.NewWithConfig(config)))
			takeNumbers()
			return handlers(&chatstore.Store{DB: s.DB}, row, &Chat{})
		}
		dryRun := func() error {
			db := s.DB
			err := db.Use(gormaudit.NewWithConfig(gormaudit.Config{
				DryRun:  true,
				Observe: count,
				Models:  []any{&Chat{}, &Message{}},
			}))
			return err
		}

		// The tables were not migrated: nothing can be written at all, by GORM alone either.
		must(t, dryRun())
		if err := s.user(7).Create(&Chat{}).Error; err == nil || !strings.Contains(err.Error(), "created_by") {
			t.Errorf("Create before the migration = %v, want an error about created_by", err)
		}
		if err := gormaudit.Verify(s.plain, &Chat{}, &Message{}); err == nil || !strings.Contains(err.Error(), "chats.created_by") || !strings.Contains(err.Error(), "messages.updated_by") {
			t.Errorf("Verify before the migration = %v, want an error that names what is missing", err)
		}
		ok(t, s.plain.Exec("ALTER TABLE chats ADD COLUMN created_by bigint")) // by a try that gave up after it
		must(t, addWho(s.plain))
		must(t, gormaudit.Verify(s.plain, &Chat{}, &Message{}))

		writes := use(gormaudit.Config{DryRun: true, Observe: count, Models: []any{&Chat{}, &Message{}}})
		for _, h := range writes {
			must(t, h.write(contextOf(actor.User(7))))
		}
		want := []string{
			"no_context update chats: 2",
			"would_stamp create chats created_by by user: 2", "would_stamp create chats updated_by by user: 2", "would_stamp update chats updated_by by user: 1",
		}
		if got := takeNumbers(); !slices.Equal(got, want) {
			t.Errorf("DryRun counted %q, want %q", got, want)
		}
		// Both handlers that share a line of the repository are named.
		if got := j.take(); len(got) != 2 || !strings.Contains(got[0], "/chatstore/store.go:") || !strings.Contains(got[0], "adoption_test.go:") || got[0] == got[1] {
			t.Errorf("logged %q, want the repository's line with each of its callers", got)
		}
		if got := s.by(t, "chats", 10); got != "NULL NULL" {
			t.Errorf("DryRun: row holds %q, want nothing", got)
		}
		var sent Chat
		must(t, json.Unmarshal([]byte(`{"ID": 12, "created_by": 9, "UpdatedBy": 9}`), &sent))
		must(t, s.user(7).Create(&sent).Error)
		if got := s.by(t, "chats", 12); got != "NULL NULL" {
			t.Errorf("DryRun: the row of a request body holds %q, want nothing", got)
		}

		// Warn goes on counting, and writes.
		ok(t, s.plain.Exec("DELETE FROM chats WHERE id > 1"))
		writes = use(gormaudit.Config{Observe: count, Models: []any{&Chat{}, &Message{}}})
		for _, h := range writes {
			must(t, h.write(contextOf(actor.User(7))))
		}
		if got, want := takeNumbers(), []string{"no_context update chats: 2"}; !slices.Equal(got, want) {
			t.Errorf("Warn counted %q, want %q", got, want)
		}
		if got := s.by(t, "chats", 11) + " " + s.cell(t, "chats", "creator_id", 11); got != "7 7 9" {
			t.Errorf("row holds %q, want 7 7, and the creator that was given", got)
		}
		if got := s.cell(t, "chats", "creator_id", 1); got != "9" {
			t.Errorf("creator_id = %s, want 9, to whom the chat was handed over", got)
		}

		// With Rename mended, Reject refuses nobody. A job says who it is.
		ok(t, s.plain.Exec("DELETE FROM chats WHERE id > 1"))
		config := gormaudit.Config{Missing: gormaudit.Reject, Observe: count, Models: []any{&Chat{}, &Message{}}}
		writes = use(config)
		for _, h := range writes {
			if err := h.write(contextOf(actor.User(7))); strings.HasPrefix(h.name, "rename") != errors.Is(err, gormaudit.ErrNoActor) {
				t.Errorf("%s under Reject = %v", h.name, err)
			}
		}
		must(t, s.as(actor.System("archiver")).Create(&Message{ID: 1, AuthorID: 8}).Error)
		if got := fmt.Sprint(s.by(t, "messages", 1), " ", s.cell(t, "messages", "author_id", 1)); got != "NULL NULL 8" {
			t.Errorf("row of a job holds %q, want nobody's, with its author", got)
		}
	})
}

// A tagged author_id that is NOT NULL and refers to users can't hold a job or a
// visitor: the database says so at the first of them, Verify at start.
func TestAdoptingTagsAColumnThatCanNotHoldNobody(t *testing.T) {
	type Message struct {
		ID       uint
		Text     string
		AuthorID uint `gorm:"autoCreateBy"`
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		initSchema(t, d.Open(t))
		s := &stage{DB: d.Open(t), plain: d.Open(t)}
		must(t, s.Use(gormaudit.NewWithConfig(gormaudit.Config{Observe: count, Models: []any{&Message{}}})))
		if err := gormaudit.Verify(s.plain, &Message{}); err == nil || !strings.Contains(err.Error(), "messages.author_id") {
			t.Errorf("Verify = %v, want an error about author_id", err)
		}
		must(t, s.user(7).Create(&Message{}).Error)
		for _, nobody := range []actor.Actor{actor.System("archiver"), {}} {
			if err := s.as(nobody).Create(&Message{}).Error; err == nil {
				t.Errorf("Create by %v: nil, want the foreign key's error", nobody)
			}
		}
	})
}

// What is known of rows that are there is filled in by SQL and by Preserve.
func TestAdoptingBackfills(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{Missing: gormaudit.Reject}, &Chat{})
	db := s.DB
	ok(t, s.plain.Create(&[]Chat{{ID: 1, CreatorID: 8}, {ID: 2}}))
	backfill := func(tx *gorm.DB) error {
		return tx.Exec("UPDATE chats SET created_by = NULLIF(creator_id, 0) WHERE created_by IS NULL").Error
	}
	must(t, backfill(s.plain))
	ctx := gormaudit.Preserve(actor.NewContext(context.Background(), actor.System("backfill")))
	err := db.WithContext(ctx).Model(&Chat{}).Where("updated_by IS NULL").
		UpdateColumn("updated_by", gorm.Expr("NULLIF(creator_id, 0)")).Error
	must(t, err)
	if got := s.by(t, "chats", 1) + ", " + s.by(t, "chats", 2); got != "8 8, NULL NULL" {
		t.Errorf("rows hold %q, want 8 8, and nobody where creator_id is 0", got)
	}
}

// A column that held 0 for nobody becomes nullable, while a release with the old type
// runs beside the new one.
func TestAdoptingAColumnOfZeros(t *testing.T) {
	type oldChat struct {
		ID        uint
		CreatorID uint `gorm:"not null;default:0"`
	}
	type newChat struct {
		ID        uint
		CreatorID *uint `gorm:"autoCreateBy"`
	}
	alter := map[string]string{
		dbtest.Postgres: "ALTER TABLE chats ALTER COLUMN creator_id DROP NOT NULL, ALTER COLUMN creator_id DROP DEFAULT",
		dbtest.MariaDB:  "ALTER TABLE chats MODIFY creator_id bigint unsigned NULL",
	}
	dbtest.Beside(t, []string{dbtest.Postgres, dbtest.MariaDB}, func(t *testing.T, d *dbtest.Database) {
		before, s := d.Open(t).Table("chats"), &stage{DB: d.Open(t), plain: d.Open(t)}
		must(t, before.AutoMigrate(&oldChat{}))
		must(t, s.Use(gormaudit.New()))
		ok(t, d.Open(t).Table("chats").Create(&oldChat{ID: 1}))
		ok(t, s.plain.Exec(alter[d.Kind]))
		must(t, gormaudit.Verify(s.plain.Table("chats"), &newChat{}))
		ok(t, s.as(actor.Actor{}).Table("chats").Create(&newChat{ID: 2}))
		ok(t, s.user(7).Table("chats").Create(&newChat{ID: 3}))
		var read []oldChat
		ok(t, d.Open(t).Table("chats").Order("id").Find(&read))
		if got := fmt.Sprint(read); got != "[{1 0} {2 0} {3 7}]" {
			t.Errorf("the old release reads %s", got)
		}
		var id uint
		if err := s.plain.Raw("SELECT creator_id FROM chats WHERE id = 2").Row().Scan(&id); err == nil {
			t.Error("Scan of NULL into a uint did not fail")
		}
		ok(t, s.plain.Exec("UPDATE chats SET creator_id = NULL WHERE creator_id = 0"))
		if got := s.cell(t, "chats", "creator_id", 1) + " " + s.cell(t, "chats", "creator_id", 3); got != "NULL 7" {
			t.Errorf("the rows hold %s, want NULL 7", got)
		}
	})
}

// Whoever sets a flag that is no soft delete becomes updated_by. SoftBy is refused there.
func TestAdoptingAHandMadeSoftDelete(t *testing.T) {
	type Chat struct {
		ID        uint
		IsDeleted bool
		gormaudit.By[uint]
	}
	type Soft struct {
		ID        uint
		IsDeleted bool
		gormaudit.SoftBy[uint]
	}
	s := newSQLiteStage(t, gormaudit.Config{}, &Chat{})
	ok(t, s.user(7).Create(&Chat{ID: 1}))
	ok(t, s.user(8).Model(&Chat{ID: 1}).Update("is_deleted", true))
	if got := s.by(t, "chats", 1); got != "7 8" {
		t.Errorf("the row is by %s, want 7 8", got)
	}
	if err := gormaudit.Verify(s.plain, &Soft{}); err == nil || !strings.Contains(err.Error(), "no soft-delete field") {
		t.Errorf("Verify of SoftBy = %v, want an error", err)
	}
}

// The SQL files add what the models need, and take it away.
func TestAdoptingBySQLFiles(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		initSchema(t, db)
		for _, file := range recipes(t, "adopting.md", "2. Add the columns") {
			for statement := range strings.SplitSeq(strings.TrimSpace(file), ";\n") {
				ok(t, db.Exec(statement))
			}
			err := gormaudit.Verify(db, &Chat{}, &Message{})
			if down := strings.Contains(file, "DROP"); down != (err != nil) {
				t.Errorf("Verify after %s = %v", file, err)
			}
		}
	})
}

// With the plugin first, the first change that is recorded has an actor.
func TestAdoptingTheHistory(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		initSchema(t, db)
		must(t, addWho(db))
		ok(t, db.Exec("UPDATE chats SET created_by = creator_id WHERE created_by IS NULL"))
		err := db.Use(history.NewWithConfig(history.Config{Models: []any{&Chat{}, &Message{}}}))
		must(t, err)
		ok(t, db.WithContext(contextOf(actor.User(7))).Model(&Chat{ID: 1}).Update("title", "before"))
		must(t, history.Migrate(d.Open(t), &Chat{}, &Message{}))
		must(t, history.Verify(d.Open(t), &Chat{}, &Message{}))
		if db.Name() == "sqlite" { // the program is started again
			db = d.Open(t)
			must(t, db.Use(history.New()))
		}
		ok(t, db.Exec("UPDATE chats SET updated_by = creator_id WHERE updated_by IS NULL")) // bookkeeping alone
		db = db.WithContext(contextOf(actor.User(7)))
		ok(t, db.Model(&Chat{ID: 1}).Update("title", "after"))
		changes, err := history.Of(db, &Chat{ID: 1})
		if err != nil || len(changes) != 1 || changes[0].ChangeSet.Actor != actor.User(7) {
			t.Errorf("recorded %+v, %v, want the last update, by user:7", changes, err)
		}
	})
}

// A migration's Exec has an actor, in a transaction also after an ALTER TABLE, which
// commits on MariaDB.
func TestAdoptingMigratesRowsByExec(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		must(t, history.Migrate(d.Open(t), &Chat{}))
		ok(t, d.Open(t).Create(&Chat{ID: 1}))
		db := d.Open(t)
		must(t, db.Use(history.New()))
		migration := actor.System("migration")
		db = db.WithContext(contextOf(migration))
		ok(t, db.Exec("UPDATE chats SET title = 'outside'"))
		must(t, db.Transaction(func(tx *gorm.DB) error {
			ok(t, tx.Exec("CREATE TABLE others (id integer)"))
			return tx.Exec("UPDATE chats SET title = 'inside'").Error
		}))
		changes, err := history.Of(db, &Chat{ID: 1})
		if err != nil || len(changes) != 3 || changes[0].ChangeSet.Actor != migration || changes[1].ChangeSet.Actor != migration {
			t.Errorf("recorded %+v, %v, want both changes by the migration", changes, err)
		}
	})
}

// recordChats is a migration of the history in Go.
var recordChats = func(tx *gorm.DB) error {
	type Chat struct { // a copy with all columns that the table has after this migration
		ID        uint
		Title     string
		CreatorID uint
		gormaudit.By[uint]
	}
	_, create, err := history.SQL(tx, &Chat{})
	if err != nil {
		return err
	}
	if tx.Name() == "postgres" {
		create = "SET LOCAL lock_timeout = '2s'\n\n" + create
	}
	for statement := range strings.SplitSeq(create, "\n\n") {
		if err := tx.Exec(statement).Error; err != nil {
			return err
		}
	}
	return nil
}

var dropChats = func(tx *gorm.DB) error { return history.Drop(tx, &Chat{}) }

func TestAdoptingTheHistoryInGo(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		initSchema(t, db)
		must(t, addWho(db))
		for range 2 {
			must(t, db.Transaction(recordChats))
			must(t, history.Verify(db, &Chat{}))
			must(t, db.Transaction(dropChats))
			if err := history.Verify(db, &Chat{}); !errors.Is(err, history.ErrMissing) {
				t.Errorf("Verify after the way back = %v, want ErrMissing", err)
			}
		}
	})
}

func TestAdoptingTheHistoryInGoOnPostgreSQL(t *testing.T) {
	d := dbtest.New(t, dbtest.Postgres)
	db := d.Open(t)
	initSchema(t, db)
	must(t, addWho(db))
	for range 2 {
		must(t, db.Transaction(recordChats))
		must(t, history.Verify(db, &Chat{}))
	}
	must(t, db.Use(history.New()))
	ok(t, db.WithContext(contextOf(actor.User(7))).Model(&Chat{ID: 1}).Update("title", "after"))
	changes, err := history.Of(db, &Chat{ID: 1})
	if err != nil || len(changes) != 1 || changes[0].ChangeSet.Actor != actor.User(7) {
		t.Errorf("recorded %+v, %v, want the update, by user:7", changes, err)
	}

	// The run of a release that knows a column less takes it out.
	type NewChat struct {
		Chat
		Closed bool
	}
	table := d.Open(t).Table("chats")
	must(t, table.Migrator().AddColumn(&NewChat{}, "Closed"))
	_, create, err := history.SQL(table, &NewChat{})
	must(t, err)
	ok(t, d.Open(t).Exec(create))
	must(t, history.Verify(table, &NewChat{}))
	must(t, d.Open(t).Transaction(recordChats))
	if err := history.Verify(table, &NewChat{}); !errors.Is(err, history.ErrOutdated) {
		t.Errorf("Verify after the older release = %v, want ErrOutdated", err)
	}

	// A writer holds the table: the migration gives up, and nothing has changed.
	writer := d.Open(t).Begin()
	defer writer.Rollback()
	ok(t, writer.Exec("UPDATE chats SET title = 'x'"))
	if err := d.Open(t).Transaction(recordChats); err == nil || !strings.Contains(err.Error(), "lock timeout") {
		t.Errorf("the migration beside a writer = %v, want a lock timeout", err)
	}
}

// An old created_by that holds login names stays the application's own, beside a
// new column for ids.
func TestAdoptingBesideLoginNames(t *testing.T) {
	type Chat struct {
		ID          uint
		Title       string
		CreatedBy   string `gorm:"autoCreateBy:false"` // a login name: the application's own
		CreatedByID *uint
	}
	type User struct {
		ID    uint
		Login string
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		s := &stage{DB: d.Open(t), plain: d.Open(t)}
		must(t, s.plain.AutoMigrate(&User{}, &Chat{}))
		must(t, s.Use(gormaudit.NewWithConfig(gormaudit.Config{Models: []any{&Chat{}}})))
		must(t, gormaudit.Verify(s.plain, &Chat{}))
		ok(t, s.plain.Create(&User{ID: 8, Login: "bob"}))
		ok(t, s.plain.Create(&[]Chat{{ID: 1, CreatedBy: "bob"}, {ID: 2, CreatedBy: "gone"}}))
		ok(t, s.user(7).Create(&Chat{ID: 3, CreatedBy: "ann"}))
		ok(t, s.plain.Exec("UPDATE chats SET created_by_id = (SELECT id FROM users WHERE login = created_by) WHERE created_by_id IS NULL"))
		var rows []Chat
		ok(t, s.plain.Order("id").Find(&rows))
		var got []string
		for _, row := range rows {
			id := "NULL"
			if row.CreatedByID != nil {
				id = fmt.Sprint(*row.CreatedByID)
			}
			got = append(got, row.CreatedBy+" "+id)
		}
		if want := []string{"bob 8", "gone NULL", "ann 7"}; !slices.Equal(got, want) {
			t.Errorf("rows hold %q, want %q", got, want)
		}
	})
}

// Without the tag an old created_by of texts is a by-column, and nothing objects.
func TestAdoptingTakesLoginNamesForIDs(t *testing.T) {
	type Chat struct {
		ID        uint
		CreatedBy string
	}
	s := newSQLiteStage(t, gormaudit.Config{Models: []any{&Chat{}}}, &Chat{})
	must(t, gormaudit.Verify(s.plain, &Chat{}))
	must(t, s.user(7).Create(&Chat{ID: 1, CreatedBy: "ann"}).Error)
	if got := s.cell(t, "chats", "created_by", 1); got != "7" {
		t.Errorf("created_by = %s, want 7", got)
	}
}

// What upgrading.md drops is all that the history had.
func TestUpgradingDropsTheHistory(t *testing.T) {
	names := map[string]string{
		"postgres": "SELECT relname FROM pg_class WHERE relname LIKE 'whodunit%' AND relnamespace = current_schema()::regnamespace UNION ALL SELECT proname FROM pg_proc WHERE proname LIKE 'whodunit%' AND pronamespace = current_schema()::regnamespace UNION ALL SELECT tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE tgname LIKE 'whodunit%' AND relnamespace = current_schema()::regnamespace",
		"mysql":    "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE 'whodunit%' UNION ALL SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() UNION ALL SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE()",
		"sqlite":   "SELECT name FROM sqlite_schema WHERE name LIKE 'whodunit%'",
	}
	blocks := recipes(t, "upgrading.md", "Back out of the history")
	files := map[string]string{"postgres": blocks[1], "mysql": blocks[2], "sqlite": blocks[3]} // blocks[0] finds what calls the functions
	for _, appendOnly := range []bool{false, true} {
		dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
			db := d.Open(t)
			must(t, history.Options{AppendOnly: appendOnly}.Migrate(db, &Chat{}))
			ok(t, db.Create(&Chat{}))
			must(t, history.Drop(db, &Chat{}))
			for statement := range strings.SplitSeq(strings.TrimSpace(files[db.Name()]), ";\n") {
				ok(t, db.Exec(statement))
			}
			var left []string
			ok(t, db.Raw(names[db.Name()]).Scan(&left))
			if len(left) > 0 {
				t.Errorf("left are %q", left)
			}
		})
	}
}

// The query of upgrading.md finds all that keeps the functions from being dropped.
func TestUpgradingFindsWhatCallsTheFunctions(t *testing.T) {
	db := dbtest.New(t, dbtest.Postgres).Open(t)
	must(t, history.Migrate(db, &Chat{}))
	query := recipes(t, "upgrading.md", "Back out of the history")[0]
	find := func(want ...string) {
		t.Helper()
		var found []string
		ok(t, db.Raw(query).Scan(&found))
		if !slices.Equal(found, want) {
			t.Errorf("found %q, want %q", found, want)
		}
	}
	find("trigger whodunit_delete on table chats", "trigger whodunit_insert on table chats", "trigger whodunit_truncate on table chats", "trigger whodunit_update on table chats")
	must(t, history.Drop(db, &Chat{}))
	find()
	ok(t, db.Exec("CREATE POLICY own ON chats USING (creator_id = whodunit_user_id()::bigint)"))
	ok(t, db.Exec("ALTER TABLE chats ALTER COLUMN created_by SET DEFAULT whodunit_user_id()::bigint"))
	ok(t, db.Exec("CREATE VIEW mine AS SELECT * FROM chats WHERE creator_id = whodunit_user_id()::bigint"))
	ok(t, db.Exec("ALTER TABLE chats ADD CHECK (title <> whodunit_actor_kind())"))
	find("constraint chats_title_check on table chats", "default value for column created_by of table chats", "policy own on table chats", "rule _RETURN on view mine")
}

// One missing column is added by a copy of the model that has its tag. The tag size fits
// the field of an int column to it. A copy without tags makes triggers that are outdated.
func TestAdoptingOneMissingColumn(t *testing.T) {
	type Chat struct {
		ID        uint
		CreatorID *int `gorm:"size:32;autoCreateBy"`
		UpdaterID *int `gorm:"size:32;autoUpdateBy"`
		DeletedAt gorm.DeletedAt
		DeleterID *int `gorm:"size:32;autoDeleteBy"`
	}
	type untagged struct {
		ID                   uint
		CreatorID, UpdaterID *int `gorm:"size:32"`
		DeletedAt            gorm.DeletedAt
		DeleterID            *int `gorm:"size:32"`
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		s := &stage{DB: d.Open(t), plain: d.Open(t)}
		ok(t, s.plain.Exec("CREATE TABLE chats (id bigint PRIMARY KEY, creator_id int, updater_id int, deleted_at timestamp NULL)"))
		type missing struct {
			DeleterID *int `gorm:"size:32;autoDeleteBy"`
		}
		must(t, s.plain.Table("chats").Migrator().AddColumn(&missing{}, "DeleterID"))
		must(t, gormaudit.Verify(s.plain, &Chat{}))
		must(t, s.Use(gormaudit.New()))
		ok(t, s.user(7).Create(&Chat{ID: 1}))
		ok(t, s.user(8).Delete(&Chat{ID: 1}))
		if got := s.cells(t, "chats", 1, "creator_id", "deleter_id"); got != "7 8" {
			t.Errorf("the row holds %s, want 7 8", got)
		}
		_, create, err := history.SQL(s.plain.Table("chats"), &untagged{})
		must(t, err)
		for statement := range strings.SplitSeq(create, "\n\n") {
			_, err := s.plain.Statement.ConnPool.ExecContext(t.Context(), statement)
			must(t, err)
		}
		if err := history.Verify(s.plain, &Chat{}); !errors.Is(err, history.ErrOutdated) {
			t.Errorf("Verify after a copy without tags = %v, want ErrOutdated", err)
		}
	})
}
