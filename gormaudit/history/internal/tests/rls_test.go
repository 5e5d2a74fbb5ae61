package tests

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// document has no history. Its policies are those of rls.md.
type document struct {
	ID      uint
	OwnerID int64
	Title   string
	Pages   []documentPage
}

type documentPage struct {
	ID         uint
	DocumentID uint
	Seen       string `gorm:"default:whodunit_user_id()"`
}

// openSecured returns a database with documents of ann and bob as its owner sees
// it, and a pool of an account that policies apply to, with AttributeAll.
func openSecured(tb testing.TB, config ...*gorm.Config) (owner, db *gorm.DB) {
	tb.Helper()
	d := dbtest.New(tb, dbtest.Postgres)
	owner = d.Open(tb)
	must(tb, history.Migrate(owner, &Note{}))
	must(tb, owner.AutoMigrate(&document{}, &documentPage{}))
	for _, statement := range strings.Split(snippet(tb, "rls.md", "ALTER TABLE documents"), ";\n") {
		must(tb, owner.Exec(statement).Error)
	}
	for _, who := range []actor.Actor{ann, bob} {
		owned := document{Title: "of " + who.ID, Pages: []documentPage{{Seen: "setup"}}}
		_, err := fmt.Sscan(who.ID, &owned.OwnerID)
		must(tb, err)
		must(tb, owner.Create(&owned).Error)
	}
	dialector := postgres.Open(asAccount(tb, owner, d.DSN))
	db = must2(gorm.Open(dialector, append(config, &gorm.Config{Logger: logger.Discard})[0]))
	tb.Cleanup(func() { _ = must2(db.DB()).Close() })
	plugin := history.NewWithConfig(history.Config{AttributeAll: true})
	must(tb, db.Use(plugin))
	return owner, db
}

// asAccount returns the address of a new account that has rights on all tables of
// the schema and looks there by itself: a pooler between loses what a client says
// at its start.
func asAccount(tb testing.TB, owner *gorm.DB, dsn string) string {
	tb.Helper()
	address := must2(url.Parse(dsn))
	query := address.Query()
	schema, role := query.Get("search_path"), "whodunit_"+strings.ToLower(rand.Text()[:12])
	password := rand.Text()
	for _, statement := range []string{
		"CREATE ROLE " + role + " LOGIN PASSWORD '" + password + "'",
		"ALTER ROLE " + role + " SET search_path = " + schema,
		"GRANT USAGE ON SCHEMA " + schema + " TO " + role,
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA " + schema + " TO " + role,
		"GRANT USAGE ON ALL SEQUENCES IN SCHEMA " + schema + " TO " + role,
	} {
		must(tb, owner.Exec(statement).Error)
	}
	tb.Cleanup(func() {
		must(tb, owner.Exec("DROP OWNED BY "+role).Error)
		must(tb, owner.Exec("DROP ROLE "+role).Error)
	})
	query.Del("search_path")
	query.Del("synchronous_commit")
	if pooler := os.Getenv("WHODUNIT_PGBOUNCER"); pooler != "" {
		address.Host = pooler
		query.Set("default_query_exec_mode", "exec")
	}
	address.User, address.RawQuery = url.UserPassword(role, password), query.Encode()
	return address.String()
}

// sees are the documents that somebody reads, by the roads that GORM has.
func sees(tb testing.TB, db *gorm.DB) []string {
	tb.Helper()
	var all []document
	must(tb, db.Order("id").Find(&all).Error)
	var titles, plucked, raw []string
	for _, d := range all {
		titles = append(titles, d.Title)
	}
	must(tb, db.Model(&document{}).Order("id").Pluck("title", &plucked).Error)
	must(tb, db.Raw("SELECT title FROM documents ORDER BY id").Find(&raw).Error)
	var n int64
	must(tb, db.Model(&document{}).Count(&n).Error)
	if !slices.Equal(titles, plucked) || !slices.Equal(titles, raw) || int(n) != len(titles) {
		tb.Errorf("Find reads %q, Pluck %q, Raw %q, Count %d", titles, plucked, raw, n)
	}
	return titles
}

func TestRowLevelSecurityOnReads(t *testing.T) {
	t.Parallel()
	_, db := openSecured(t)
	must2(db.DB()).SetMaxOpenConns(1)
	for _, test := range []struct {
		name string
		ctx  context.Context
		want []string
	}{
		{"ann", as(ann), []string{"of 42"}},
		{"bob", as(bob), []string{"of 7"}},
		{"somebody else", as(actor.User(8)), nil},
		{"bob as ann", as(bob.As(ann)), []string{"of 42"}},
		{"a job", as(actor.System("archiver")), []string{"of 42", "of 7"}},
		{"another program", as(actor.Service("billing")), nil},
		{"a visitor", as(actor.Actor{}), nil},
		{"nobody", context.Background(), nil},
	} {
		if got := sees(t, db.WithContext(test.ctx)); !slices.Equal(got, test.want) {
			t.Errorf("%s reads %q, want %q", test.name, got, test.want)
		}
		must(t, db.WithContext(test.ctx).Transaction(func(tx *gorm.DB) error {
			if got := sees(t, tx); !slices.Equal(got, test.want) {
				t.Errorf("%s reads %q in a transaction, want %q", test.name, got, test.want)
			}
			var scanned []string
			must(t, tx.Raw("SELECT title FROM documents ORDER BY id").Scan(&scanned).Error)
			if !slices.Equal(scanned, test.want) {
				t.Errorf("%s scans %q in a transaction, want %q", test.name, scanned, test.want)
			}
			other := sees(t, tx.WithContext(as(bob)))
			if got := sees(t, tx); !slices.Equal(got, test.want) || len(other) != 1 {
				t.Errorf("%s reads %q after bob, who reads %q", test.name, got, other)
			}
			return nil
		}))
	}
	var n int
	must(t, must2(db.DB()).QueryRow("SELECT count(*) FROM documents").Scan(&n))
	if n != 0 {
		t.Errorf("the connection still reads %d documents afterwards, want none", n)
	}
}

func TestRowLevelSecurityOnWrites(t *testing.T) {
	t.Parallel()
	for _, skip := range []bool{false, true} {
		owner, db := openSecured(t, &gorm.Config{Logger: logger.Discard, SkipDefaultTransaction: skip})
		me, nobody := db.WithContext(as(ann)), db
		affected := func(what string, tx *gorm.DB, want int64) {
			t.Helper()
			if tx.Error != nil || tx.RowsAffected != want {
				t.Errorf("%s changed %d rows, %v, want %d", what, tx.RowsAffected, tx.Error, want)
			}
		}
		affected("an update of all", me.Model(&document{}).Where("true").Update("title", "of ann"), 1)
		affected("an Exec of all", me.Exec("UPDATE documents SET title = title || '!'"), 1)
		affected("an Exec by nobody", nobody.Exec("UPDATE documents SET title = title || '!'"), 0)
		affected("an update by nobody", nobody.Model(&document{}).Where("true").Update("title", "x"), 0)
		affected("a delete of bob's", me.Where("owner_id = 7").Delete(&document{}), 0)
		affected("a create", me.Create(&document{OwnerID: 42, Title: "second"}), 1)
		for name, tx := range map[string]*gorm.DB{
			"a create for bob":                me.Create(&document{OwnerID: 7}),
			"a create by nobody":              nobody.Create(&document{OwnerID: 42}),
			"a create by a job that may read": db.WithContext(as(actor.System("archiver"))).Create(&document{OwnerID: 42}),
			"a present to bob":                me.Model(&document{}).Where("true").Update("owner_id", 7),
		} {
			if tx.Error == nil || !strings.Contains(tx.Error.Error(), "row-level security") {
				t.Errorf("%s = %v, want it refused", name, tx.Error)
			}
		}
		if got := sees(t, owner); !slices.Equal(got, []string{"of ann!", "of 7", "second"}) {
			t.Errorf("the documents are %q", got)
		}
		if n := must2(db.DB()).Stats().InUse; n != 0 {
			t.Errorf("%d connections are in use, want none", n)
		}
	}
}

func TestPreloadsRunInTheirReadsTransaction(t *testing.T) {
	t.Parallel()
	owner, db := openSecured(t)
	for _, statement := range []string{
		"ALTER TABLE document_pages ENABLE ROW LEVEL SECURITY",
		"CREATE POLICY own ON document_pages USING (EXISTS (SELECT 1 FROM documents WHERE documents.id = document_id))",
	} {
		must(t, owner.Exec(statement).Error)
	}
	must2(db.DB()).SetMaxOpenConns(1)
	var xids []int64
	must(t, db.Callback().Query().After("gorm:query").Before("gormaudit/history:clear_actor").Register("test:xid", func(tx *gorm.DB) {
		var xid int64
		_ = tx.AddError(tx.Statement.ConnPool.QueryRowContext(context.Background(), "SELECT txid_current()").Scan(&xid))
		xids = append(xids, xid)
	}))
	var mine document
	must(t, db.WithContext(as(ann)).Preload("Pages").First(&mine).Error)
	if len(mine.Pages) != 1 || len(xids) != 2 || xids[0] != xids[1] {
		t.Errorf("%d pages were preloaded, in the transactions %v, want one", len(mine.Pages), xids)
	}
	if n := must2(db.DB()).Stats().InUse; n != 0 {
		t.Errorf("%d connections are in use, want none", n)
	}
}

// The query of upgrading.md finds what must go before the functions.
func TestThePoliciesThatCallTheFunctions(t *testing.T) {
	t.Parallel()
	owner, _ := openSecured(t)
	must(t, owner.Exec("CREATE POLICY all_pages ON document_pages USING (true)").Error)
	var found []string
	must(t, owner.Raw(snippet(t, "../upgrading.md", "SELECT pg_describe_object")).Scan(&found).Error)
	want := []string{
		"default value for column seen of table document_pages",
		"policy own on table documents", "policy programs on table documents",
		"trigger whodunit_delete on table notes", "trigger whodunit_insert on table notes",
		"trigger whodunit_truncate on table notes", "trigger whodunit_update on table notes",
	}
	if found = slices.Compact(found); !slices.Equal(found, want) { // a policy may call one twice
		t.Errorf("it finds %q, want %q", found, want)
	}
	if err := owner.Exec("DROP FUNCTION whodunit_user_id()").Error; err == nil {
		t.Error("a function was dropped that a policy calls")
	}
	for _, p := range []string{"own", "programs"} {
		must(t, owner.Exec("DROP POLICY "+p+" ON documents").Error)
	}
	must(t, owner.Migrator().DropColumn(&documentPage{}, "Seen")) // its default calls one, too
	must(t, owner.Exec("DROP FUNCTION whodunit_user_id(), whodunit_actor_kind()").Error)
}

func TestRowsWithoutATransactionAreRefused(t *testing.T) {
	t.Parallel()
	_, db := openSecured(t)
	must2(db.DB()).SetMaxOpenConns(1)
	for name, me := range map[string]*gorm.DB{"": db.WithContext(as(ann)), " prepared": db.WithContext(as(ann)).Session(&gorm.Session{PrepareStmt: true})} {
		var n int
		refused := map[string]error{
			"Row":  me.Raw("SELECT count(*) FROM documents").Row().Scan(&n),
			"Rows": rowsOf(me.Model(&document{})),
			"Scan": me.Model(&document{}).Select("count(*)").Scan(&n).Error,
		}
		for what, err := range refused {
			if err == nil || !strings.Contains(err.Error(), "db.Transaction?") {
				t.Errorf("%s%s = %v, want an error that says to open a transaction", what, name, err)
			}
		}
		must(t, me.Transaction(func(tx *gorm.DB) error {
			must(t, tx.Raw("SELECT count(*) FROM documents").Row().Scan(&n))
			return tx.Model(&document{}).Select("count(*)").Scan(&n).Error
		}))
		must(t, second(history.Find(me, history.Query{})))
		if n != 1 || !me.Migrator().HasTable(&document{}) || !me.Migrator().HasColumn(&document{}, "title") {
			t.Errorf("%d documents were counted, or the migrator does not find their table", n)
		}
		must(t, second(me.Migrator().ColumnTypes(&document{})))
		must(t, me.Exec("SET application_name = 'x'").Error)
	}
	if n := must2(db.DB()).Stats().InUse; n != 0 {
		t.Errorf("%d connections are in use, want none", n)
	}
}

func rowsOf(db *gorm.DB) error {
	rows, err := db.Rows()
	if err != nil {
		return err
	}
	return rows.Close()
}

// It is run by hand behind pgbouncer in transaction mode, too, whose address
// WHODUNIT_PGBOUNCER has.
func TestTwoHundredReadersOverFourConnections(t *testing.T) {
	t.Parallel()
	const readers, connections, reads = 200, 4, 5
	owner, db := openSecured(t)
	must2(db.DB()).SetMaxOpenConns(connections)
	documents := make([]document, readers)
	for i := range documents {
		documents[i] = document{OwnerID: int64(1000 + i), Title: fmt.Sprint("of ", 1000+i)}
	}
	must(t, owner.Create(&documents).Error)
	var all sync.WaitGroup
	for i := range readers {
		all.Go(func() {
			id := 1000 + i
			ctx, want := as(actor.User(id)), 1
			if i%5 == 0 {
				ctx, want = context.Background(), 0
			}
			for range reads {
				var got []document
				if err := db.WithContext(ctx).Find(&got).Error; err != nil || len(got) != want || want == 1 && got[0].OwnerID != int64(id) {
					t.Errorf("user %d reads %v, %v, want %d of their own", id, got, err, want)
				}
				tx := db.WithContext(ctx).Model(&document{}).Where("true").Update("title", "seen")
				if tx.Error != nil || tx.RowsAffected != int64(want) {
					t.Errorf("user %d changed %d documents, %v, want %d", id, tx.RowsAffected, tx.Error, want)
				}
			}
		})
	}
	all.Wait()
	for range 2 * connections {
		var n int
		must(t, must2(db.DB()).QueryRow("SELECT count(*) FROM documents").Scan(&n))
		if n != 0 {
			t.Errorf("a connection still reads %d documents, want none", n)
		}
	}
}

func TestTheFunctionsOfPolicies(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t, dbtest.Postgres)
	db := d.Open(t)
	must(t, history.Migrate(db, &Note{}))
	for who, want := range map[actor.Actor][2]string{
		ann:                      {"42", "user"},
		bob.As(ann):              {"42", "user"},
		actor.System("archiver"): {"", "system"},
		actor.Service("7"):       {"", "service"},
		{}:                       {"", "anonymous"},
	} {
		tx := must2(must2(db.DB()).Begin())
		must(t, history.PostgreSQL.Tell(as(who), tx, func() error {
			var id, kind sql.NullString
			must(t, tx.QueryRow("SELECT whodunit_user_id()::bigint, whodunit_actor_kind()").Scan(&id, &kind))
			if got := [2]string{id.String, kind.String}; got != want {
				t.Errorf("the functions say %q of %v, want %q", got, who, want)
			}
			return nil
		}))
		must(t, tx.Rollback())
		var id, kind sql.NullString
		must(t, must2(db.DB()).QueryRow("SELECT whodunit_user_id(), whodunit_actor_kind()").Scan(&id, &kind))
		if id.Valid || kind.Valid {
			t.Errorf("the functions say %q, %q of nobody, want NULL", id.String, kind.String)
		}
	}
	var bound int
	must(t, db.Raw(`SELECT count(*) FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
		AND proname IN ('whodunit_user_id', 'whodunit_actor_kind') AND prosqlbody IS NOT NULL AND provolatile = 's' AND proparallel = 's'`).Scan(&bound).Error)
	if bound != 2 {
		t.Errorf("%d of 2 functions are stable, parallel safe and bound at their creation", bound)
	}
}

// Where there is no row-level security, AttributeAll changes nothing.
func TestAttributeAllOnOtherDatabases(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		if d.Kind == dbtest.Postgres {
			return // it has row-level security
		}
		db := d.Open(t)
		must(t, db.Use(history.NewWithConfig(history.Config{AttributeAll: true})))
		must(t, history.Migrate(db, &Note{}))
		must(t, db.WithContext(as(ann)).Create(&Note{ID: 1, Title: "a"}).Error)
		var n int
		must(t, db.Raw("SELECT count(*) FROM notes").Row().Scan(&n))
		if got := last(t, db, &Note{ID: 1}).ChangeSet.Actor; n != 1 || got != ann {
			t.Errorf("%d notes were created, by %v", n, got)
		}
	})
}

func TestSpeedOfAttributeAll(t *testing.T) {
	if !*speed {
		t.Skip("run with -speed, alone on the machine")
	}
	_, db := openSecured(t)
	bare := must2(gorm.Open(postgres.New(postgres.Config{Conn: must2(db.DB())}), &gorm.Config{Logger: logger.Discard}))
	read := func(db *gorm.DB) error { return db.WithContext(as(ann)).Find(&[]documentPage{}, 1).Error }
	times := make([][]time.Duration, 3)
	measure := func(way int, read func() error) {
		start := time.Now()
		must(t, read())
		times[way] = append(times[way], time.Since(start))
	}
	must(t, db.WithContext(as(ann)).Transaction(func(tx *gorm.DB) error {
		for range 500 {
			measure(0, func() error { return read(bare) })
			measure(1, func() error { return read(db) })
			measure(2, func() error { return read(tx) })
		}
		return nil
	}))
	base := p10(times[0])
	t.Logf("a read by key: %.2f×, in a transaction %.2f×  (without: %v)", float64(p10(times[1]))/float64(base), float64(p10(times[2]))/float64(base), base)
}

func TestAMigrationUnderAttributeAll(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t, dbtest.Postgres).Open(t)
	plugin := history.NewWithConfig(history.Config{AttributeAll: true, Models: []any{&Note{}}})
	must(t, db.Use(plugin))
	must2(db.DB()).SetMaxOpenConns(1)
	for range 2 {
		must(t, db.AutoMigrate(&document{}))
		must(t, history.Migrate(db, &Note{}))
		must(t, history.Verify(db, &Note{}))
	}
	note := Note{Title: "a"}
	me := db.WithContext(as(ann))
	must(t, me.Create(&note).Error)
	must(t, me.Model(&note).Update("title", "b").Error)
	changes := must2(history.Of(me, &note))
	must2(history.Ends(me, changes))
	must2(history.Last(me, []Note{note}))
	must(t, history.Revert(signing(t, me), changes[0]))
	must(t, me.Transaction(func(tx *gorm.DB) error {
		was, err := history.At[Note](tx, note.ID, changes[0].At)
		if was.Title != "b" {
			t.Errorf("At = %q, want b", was.Title)
		}
		return err
	}))
	must2(history.Restore[Note](me, note.ID, changes[0].At))
	must2(history.Anonymize(me, ann))
	must2(history.Prune(me, time.Now().Add(time.Hour)))
	var rows [][]Note
	must(t, me.FindInBatches(&[]Note{}, 1, func(tx *gorm.DB, _ int) error {
		rows = append(rows, nil)
		return tx.Model(&Note{}).Where("true").Update("stars", 1).Error
	}).Error)
	if n := must2(db.DB()).Stats().InUse; n != 0 || len(rows) != 1 {
		t.Errorf("%d connections are in use and %d batches were read, want none and 1", n, len(rows))
	}
}

// A read that its context ends says so, and holds no connection.
func TestAReadUnderAttributeAllThatIsCancelled(t *testing.T) {
	t.Parallel()
	_, db := openSecured(t)
	ctx, cancel := context.WithTimeout(as(ann), 50*time.Millisecond)
	defer cancel()
	err := db.WithContext(ctx).Raw("SELECT title FROM documents, pg_sleep(5)").Find(&[]string{}).Error
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the read = %v, want %v", err, context.DeadlineExceeded)
	}
	if err := db.WithContext(as(ann)).Where("owner_id = 7").First(&document{}).Error; !errors.Is(err, gorm.ErrRecordNotFound) {
		t.Errorf("First of bob's = %v, want %v", err, gorm.ErrRecordNotFound)
	}
	for until := time.Now().Add(time.Second); must2(db.DB()).Stats().InUse > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("a connection is still in use")
		}
	}
}
