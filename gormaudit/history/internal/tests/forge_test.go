package tests

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// rightsOf are the rights that schema.md grants an account on an engine.
func rightsOf(t *testing.T, engine, account, home string) (rights []string) {
	t.Helper()
	_, section, _ := strings.Cut(string(must2(os.ReadFile("../../schema.md"))), "\n### "+engine+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	section, _, _ = strings.Cut(section, "\n### ")
	for _, found := range regexp.MustCompile(`(?m)^GRANT (.*) TO `+account+`;$`).FindAllStringSubmatch(section, -1) {
		rights = append(rights, regexp.MustCompile(`\bapp\b`).ReplaceAllString(found[1], home))
	}
	if len(rights) == 0 {
		t.Fatalf("schema.md grants %s nothing on %s", account, engine)
	}
	return rights
}

// forger is an account with the rights that schema.md names for one that writes,
// and a change of alice's that it was to add to.
func forger(t *testing.T, kind string) (db, plain *gorm.DB) {
	t.Helper()
	d := dbtest.New(t, kind)
	owner, plain := open(t, d)
	must(t, owner.WithContext(as(actor.User("alice"))).Create(&Note{ID: 1, Title: "alice's"}).Error)
	if kind != dbtest.Postgres {
		return mysqlAccount(t, d, logger.Discard, rightsOf(t, "MariaDB and MySQL", "writer", homeOf(t, plain))...), plain
	}
	mine, _ := postgresAccount(t)
	name := strings.TrimPrefix(must2(url.Parse(mine)).Path, "/")
	home := homeOf(t, plain)
	for _, grant := range rightsOf(t, "PostgreSQL", "writer", home) {
		must(t, plain.Exec("GRANT "+grant+" TO "+name).Error)
	}
	t.Cleanup(func() { must(t, plain.Exec("DROP OWNED BY "+name).Error) })
	address := must2(url.Parse(d.DSN))
	address.User = must2(url.Parse(mine)).User
	return openDialector(t, postgres.Open(address.String())), plain
}

// refused runs statements that the account has no right to.
func refused(t *testing.T, db *gorm.DB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if err := db.Exec(statement).Error; err == nil {
			t.Errorf("%s was allowed", statement)
		}
	}
}

// nobodys checks that the change that a forger made in a note is neither in
// alice's set nor of another time, user or table.
func nobodys(t *testing.T, plain *gorm.DB, id uint, since time.Time, user string) {
	t.Helper()
	c := last(t, plain, &Note{ID: id})
	if c.ChangeSet.Attributed || c.ChangeSet.Actor.ID == "alice" {
		t.Errorf("the forged change is by %v", c.ChangeSet.Actor)
	}
	if c.ChangeSet.At.Before(since.Add(-time.Second)) || c.ChangeSet.At.After(time.Now().Add(time.Second)) {
		t.Errorf("the forged change is of %v, want about %v", c.ChangeSet.At, since)
	}
	if !strings.HasPrefix(c.ChangeSet.DatabaseUser, user) || user == "" {
		t.Errorf("the forged change is by the database's user %q, want %q", c.ChangeSet.DatabaseUser, user)
	}
	if n := len(by(t, plain, actor.User("alice"))); n != 1 {
		t.Errorf("By(alice) has %d changes, want 1", n)
	}
}

func TestForgersOnPostgres(t *testing.T) {
	db, plain := forger(t, dbtest.Postgres)
	home := homeOf(t, plain)
	var user string
	must(t, db.Raw("SELECT session_user").Scan(&user).Error)
	alice := must2(history.Of(plain, &Note{ID: 1}))[0].ChangeSet
	refused(t, db,
		"INSERT INTO whodunit_change_sets (actor_id, at) VALUES ('eve', '2020-01-01')",
		"INSERT INTO whodunit_changes (change_set, table_name, row_key, action, fields) VALUES (1, 'notes', '1', 'update', '[]')",
		"UPDATE whodunit_changes SET action = 'x'", "DELETE FROM whodunit_changes", "SELECT * FROM whodunit_changes",
		"SELECT whodunit_open_set()", "SELECT whodunit_record_notes()",
		"CREATE TRIGGER mine BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION whodunit_record_notes()",
	)
	must(t, db.Connection(func(conn *gorm.DB) error {
		must(t, conn.Exec("CREATE TEMP TABLE notes (LIKE "+home+".notes)").Error)
		refused(t, conn.Session(&gorm.Session{NewDB: true}), "CREATE TRIGGER mine AFTER INSERT ON pg_temp.notes FOR EACH ROW EXECUTE FUNCTION "+home+".whodunit_record_notes()")
		return conn.Exec("DROP TABLE pg_temp.notes").Error
	}))
	var oid string
	must(t, plain.Raw("SELECT 'whodunit_change_sets'::regclass::oid::text").Scan(&oid).Error)
	must(t, db.Connection(func(conn *gorm.DB) error {
		for _, shadow := range []string{
			"CREATE FUNCTION pg_temp.concat_ws(text, VARIADIC text[]) RETURNS text LANGUAGE sql AS $$ SELECT 'forged' $$",
			"CREATE FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '2020-01-01'::timestamptz $$",
			"CREATE FUNCTION pg_temp.txid_current() RETURNS bigint LANGUAGE sql AS $$ SELECT 1::bigint $$",
			"CREATE TEMP TABLE whodunit_changes (LIKE pg_class)", "CREATE TEMP TABLE whodunit_change_sets (LIKE pg_class)",
			"SET search_path = pg_temp, " + home + ", pg_catalog",
		} {
			must(t, conn.Exec(shadow).Error)
		}
		since := time.Now()
		must(t, conn.Transaction(func(tx *gorm.DB) error {
			for _, name := range []string{"whodunit.change_set", "whodunit.change_set_" + oid} {
				for _, value := range []string{" " + fmt.Sprint(alice.ID), fmt.Sprint(alice.ID)} {
					must(t, tx.Exec("SELECT set_config(?, ?, true)", name, value).Error)
				}
			}
			must(t, tx.Exec("SELECT set_config(?, ?, true)", "whodunit.change_set_"+oid, " "+fmt.Sprint(alice.ID)).Error)
			return tx.Exec("INSERT INTO " + home + ".notes (id, title) VALUES (7, 'forged')").Error
		}))
		nobodys(t, plain, 7, since, user)
		return nil
	}))
	sameLines(t, "values", titles(t, plain, &Note{ID: 7}), `create; nobody said; title NULL>"forged"`)
}

// SET ROLE changes the current user, and not who logged in.
func TestTheRoleOfASessionIsRecorded(t *testing.T) {
	db, plain := forger(t, dbtest.Postgres)
	var user string
	must(t, db.Raw("SELECT session_user").Scan(&user).Error)
	must(t, plain.Exec("CREATE ROLE "+user+"_role").Error)
	t.Cleanup(func() {
		must(t, plain.Exec("DROP OWNED BY "+user+"_role").Error)
		must(t, plain.Exec("DROP ROLE "+user+"_role").Error)
	})
	for _, grant := range []string{user + "_role TO " + user, "USAGE ON SCHEMA " + homeOf(t, plain) + " TO " + user + "_role", dml + " TO " + user + "_role"} {
		must(t, plain.Exec("GRANT "+grant).Error)
	}
	must(t, db.Exec("INSERT INTO notes (id, title) VALUES (8, 'a')").Error)
	must(t, db.Transaction(func(tx *gorm.DB) error {
		must(t, tx.Exec("SET LOCAL ROLE "+user+"_role").Error)
		return tx.Exec("INSERT INTO notes (id, title) VALUES (9, 'a')").Error
	}))
	for id, role := range map[uint]string{8: user, 9: user + "_role"} {
		if set := last(t, plain, &Note{ID: id}).ChangeSet; set.DatabaseUser != user || set.DatabaseRole != role {
			t.Errorf("note %d is by %q as %q, want %q as %q", id, set.DatabaseUser, set.DatabaseRole, user, role)
		}
	}
}

func TestForgersOnMariaDB(t *testing.T) {
	for _, kind := range []string{dbtest.MariaDB, dbtest.MySQL} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			db, plain := forger(t, kind)
			alice := must2(history.Of(plain, &Note{ID: 1}))[0].ChangeSet
			refused(t, db,
				"INSERT INTO whodunit_change_sets (id, token, at, actor_id) VALUES (1, 1, '2020-01-01', 'eve')",
				"INSERT INTO whodunit_changes (change_set, token, at, table_name, row_key, action, fields) VALUES (1, 1, now(), 'notes', '1', 'update', '[]')",
				"UPDATE whodunit_context SET active = true", "SELECT * FROM whodunit_change_sets",
				"CREATE TRIGGER mine BEFORE UPDATE ON notes FOR EACH ROW SET NEW.title = 'x'",
			)
			must(t, db.Connection(func(conn *gorm.DB) error {
				since := time.Now()
				home := homeOf(t, conn)
				for i, before := range []string{
					"SET timestamp = 1577836800", "SET timestamp = 1577836800, time_zone = '+13:00'", "SET timestamp = DEFAULT, time_zone = '-11:00'",
				} {
					must(t, conn.Exec(before).Error)
					if i < 2 {
						must(t, conn.Exec("SET @whodunit_at = UTC_TIMESTAMP(6), @whodunit_home = ?, @whodunit_set = ?, @whodunit_token = 1", home, alice.ID).Error)
					}
					must(t, conn.Exec(fmt.Sprintf("INSERT INTO notes (id, title) VALUES (%d, 'forged')", 7+i)).Error)
					nobodys(t, plain, uint(7+i), since, "w")
				}
				return nil
			}))
		})
	}
}

// A publication of all tables asks for a primary key of each that is deleted from.
func TestAPublicationOfAllTables(t *testing.T) {
	mine, owners := postgresAccount(t)
	admin := openDialector(t, postgres.Open(owners))
	_ = mine
	must(t, history.Migrate(admin, &Note{}))
	must(t, admin.Exec("CREATE PUBLICATION everything FOR ALL TABLES").Error)
	withPlugin := admin.Session(&gorm.Session{})
	must(t, withPlugin.Use(history.New()))
	must(t, withPlugin.WithContext(as(ann)).Create(&Note{Title: "a"}).Error)
	if n := must2(history.Anonymize(admin.WithContext(as(bob)), ann)); n != 1 {
		t.Errorf("Anonymize = %d, want 1", n)
	}
	if n := must2(history.Prune(admin, time.Now().Add(time.Hour))); n != 2 {
		t.Errorf("Prune = %d, want 2", n)
	}
}

// definer makes a role for triggers to run as.
func definer(t *testing.T, d *dbtest.Database) (owner *gorm.DB, home, role string) {
	t.Helper()
	owner = d.Open(t)
	must(t, owner.AutoMigrate(&Note{}))
	home = homeOf(t, owner)
	role = home + "_r"
	must(t, owner.Exec("CREATE ROLE "+role).Error)
	t.Cleanup(func() { owner.Exec("DROP ROLE IF EXISTS " + role) })
	return owner, home, role
}

// Without models, Migrate makes what the rights are granted on. So no write fails
// between the migration and the GRANTs, and the keeper may work under AppendOnly.
func TestTheRightsOfARoleAsTheDefinerAreGrantedFirst(t *testing.T) {
	d := dbtest.New(t, dbtest.MariaDB)
	owner, home, role := definer(t, d)
	migrator := mysqlAccount(t, d, logger.Discard, "ALL ON "+home+".*", "SET USER ON *.*")
	options := history.Options{Definer: role, AppendOnly: true}
	must(t, options.Migrate(migrator))
	for _, right := range rightsOf(t, "MariaDB and MySQL", "definer", home) {
		must(t, owner.Exec("GRANT "+right+" TO "+role).Error)
	}
	must(t, options.Migrate(migrator, &Note{}))
	db := mysqlAccount(t, d, logger.Discard, rightsOf(t, "MariaDB and MySQL", "writer", home)...)
	must(t, db.Use(history.New()))
	must(t, db.WithContext(as(ann)).Create(&Note{ID: 1, Title: "a"}).Error)
	keeper := mysqlAccount(t, d, logger.Discard, rightsOf(t, "MariaDB and MySQL", "keeper", home)...)
	if n, err := history.Anonymize(keeper, ann); n != 1 || err != nil {
		t.Errorf("Anonymize by the keeper = %d, %v", n, err)
	}
	if n, err := history.Prune(keeper, time.Now().Add(time.Minute)); n == 0 || err != nil {
		t.Errorf("Prune by the keeper = %d, %v", n, err)
	}
	if n := count(t, owner, "whodunit_changes"); n != 0 {
		t.Errorf("%d changes are left", n)
	}
}

// The account that migrates is the definer by default: its rights are those of
// the triggers, too.
func TestRightsOfTheAccountThatMigratesOnMariaDB(t *testing.T) {
	d := dbtest.New(t, dbtest.MariaDB)
	owner := d.Open(t)
	home := homeOf(t, owner)
	migrator := mysqlAccount(t, d, logger.Discard, rightsOf(t, "MariaDB and MySQL", "migrator", home)...)
	for _, model := range []any{&Note{}, &noteV1{}, &noteV2{}} {
		must(t, history.Options{AppendOnly: true}.Migrate(migrator, model))
		must(t, history.Verify(migrator, model))
	}
	db := mysqlAccount(t, d, logger.Discard, rightsOf(t, "MariaDB and MySQL", "writer", home)...)
	must(t, db.Use(history.New()))
	must(t, db.WithContext(as(ann)).Create(&Note{ID: 1, Title: "a"}).Error)
	sameLines(t, "trail", titles(t, owner, &Note{ID: 1}), `create; user:42; title NULL>"a"`)
}

// A role as the definer outlives the account that migrates. Where it is dropped,
// every write fails, which Verify says.
func TestARoleAsTheDefinerOnMariaDB(t *testing.T) {
	d := dbtest.New(t, dbtest.MariaDB)
	owner, home, role := definer(t, d)
	config, logs := logged()
	migrator := mysqlAccount(t, d, config.Logger, "ALL ON "+home+".*", "SET USER ON *.*")
	must(t, history.Options{Definer: role}.Migrate(migrator, &Note{}))
	for _, right := range rightsOf(t, "MariaDB and MySQL", "definer", home) {
		must(t, owner.Exec("GRANT "+right+" TO "+role).Error)
	}
	db := mysqlAccount(t, d, config.Logger, rightsOf(t, "MariaDB and MySQL", "writer", home)...)
	must(t, db.Use(history.New()))
	note := Note{ID: 1, Title: "a"}
	must(t, db.WithContext(as(ann)).Create(&note).Error)
	must(t, db.WithContext(as(ann)).Model(&note).Update("title", "b").Error)
	must(t, history.Migrate(migrator, &Note{}, &noteV1{})) // keeps the role
	var definers []string
	must(t, owner.Raw("SELECT DISTINCT DEFINER FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE()").Scan(&definers).Error)
	if len(definers) != 1 || !strings.HasPrefix(definers[0], role) {
		t.Errorf("definers are %q, want the role", definers)
	}
	created := objectsOf(t, owner)
	must(t, history.Options{Definer: role}.Migrate(migrator, &Note{}, &noteV1{}))
	if objectsOf(t, owner) != created {
		t.Error("the definer that is chosen already was chosen again")
	}
	sameLines(t, "trail", titles(t, owner, &note), `create; user:42; title NULL>"a"`, `update; user:42; title "a">"b"`)
	must(t, history.Verify(db, &Note{}))
	if !strings.Contains(logs.String(), `"notes": this account may not see what its triggers record`) {
		t.Errorf("Verify by the account that writes does not say that it can't see the triggers:\n%s", logs)
	}
	if strings.Contains(logs.String(), "may change what is recorded") {
		t.Errorf("the account with rights on tables is warned of:\n%s", logs)
	}
	must(t, history.Verify(migrator, &Note{}))
	if !strings.Contains(logs.String(), "may change what is recorded") {
		t.Errorf("the account with rights on the database is not warned of:\n%s", logs)
	}
	must(t, owner.Exec("DROP ROLE "+role).Error)
	if err := history.Verify(owner, &Note{}); !errors.Is(err, history.ErrDefiner) {
		t.Errorf("Verify without the definer = %v, want ErrDefiner", err)
	}
}

// The rights that schema.md grants those who read, who restore, and who prune and
// anonymize.
func TestRightsOfReadersAndKeepers(t *testing.T) {
	for kind, engine := range map[string]string{dbtest.Postgres: "PostgreSQL", dbtest.MariaDB: "MariaDB and MySQL"} {
		t.Run(kind, func(t *testing.T) {
			d := dbtest.New(t, kind)
			owner, plain := open(t, d)
			must(t, history.Options{AppendOnly: true}.Migrate(owner, &Note{}, &patron{}))
			must(t, owner.WithContext(as(ann)).Create(&Note{ID: 1, Title: "a"}).Error)
			must(t, owner.WithContext(as(bob)).Create(&patron{ID: 7}).Error)
			account := func(names ...string) *gorm.DB {
				var rights []string
				for _, name := range names {
					rights = append(rights, rightsOf(t, engine, name, homeOf(t, plain))...)
				}
				if kind == dbtest.MariaDB {
					return mysqlAccount(t, d, logger.Discard, rights...)
				}
				mine, _ := postgresAccount(t)
				role := strings.TrimPrefix(must2(url.Parse(mine)).Path, "/")
				for _, right := range rights {
					must(t, plain.Exec("GRANT "+right+" TO "+role).Error)
				}
				t.Cleanup(func() { must(t, plain.Exec("DROP OWNED BY "+role).Error) })
				address := must2(url.Parse(d.DSN))
				address.User = must2(url.Parse(mine)).User
				return openDialector(t, postgres.Open(address.String()))
			}
			reader, keeper := account("reader"), account("keeper")
			if n := len(by(t, reader, ann)); n != 1 {
				t.Errorf("By(ann) has %d changes, want 1", n)
			}
			refused(t, reader, "DELETE FROM whodunit_changes", "UPDATE whodunit_change_sets SET actor_id = 'eve'")
			restorer, created := account("reader", "writer"), last(t, reader, &Note{ID: 1}).At.Add(time.Millisecond)
			must(t, restorer.Use(history.New()))
			time.Sleep(2 * time.Millisecond)
			must(t, plain.Exec("UPDATE notes SET title = 'b'").Error)
			if c := must2(history.Restore[Note](signing(t, restorer.WithContext(as(bob))), 1, created)); c.ChangeSet.Actor != bob {
				t.Errorf("Restore is by %v, want bob", c.ChangeSet.Actor)
			}
			if erase(t, keeper, ""); len(trail(t, plain, &patron{ID: 7})) != 0 {
				t.Error("keeper has erased nothing")
			}
			if n := must2(history.Anonymize(keeper.WithContext(as(bob)), ann)); n != 1 {
				t.Errorf("Anonymize = %d, want 1", n)
			}
			if n := must2(history.Prune(keeper, time.Now().Add(time.Hour))); n != 5 {
				t.Errorf("Prune = %d, want 5", n)
			}
		})
	}
}

// A definer may be an account, and be chosen later.
func TestAnAccountAsTheDefinerOnMariaDB(t *testing.T) {
	d := dbtest.New(t, dbtest.MariaDB)
	owner, plain := open(t, d)
	home := homeOf(t, plain)
	account := mysqlAccount(t, d, logger.Discard, "ALL ON "+home+".*")
	var definer string
	must(t, account.Raw("SELECT CURRENT_USER()").Scan(&definer).Error)
	must(t, history.Options{Definer: definer}.Migrate(owner, &Note{}))
	var definers []string
	must(t, plain.Raw(`SELECT DISTINCT DEFINER FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE()
UNION SELECT DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE()`).Scan(&definers).Error)
	if len(definers) != 1 || definers[0] != definer {
		t.Errorf("definers are %q, want %q", definers, definer)
	}
	must(t, history.Verify(plain, &Note{}))
	must(t, owner.WithContext(as(ann)).Create(&Note{ID: 1, Title: "a"}).Error)
	sameLines(t, "trail", titles(t, plain, &Note{ID: 1}), `create; user:42; title NULL>"a"`)
}
