package tests

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

type requiredPrice struct {
	ID     uint
	Amount int
}

type unrequiredPrice struct {
	ID     uint
	Amount int
}

// openRequiring returns a database in which requiredPrice requires what o says.
func openRequiring(tb testing.TB, d *dbtest.Database, o history.Options) (db, plain *gorm.DB) {
	tb.Helper()
	db = d.Open(tb)
	must2(db.DB()).SetMaxOpenConns(1)
	must(tb, db.Use(history.New()))
	must(tb, o.Migrate(db, &requiredPrice{}))
	must(tb, history.Migrate(db, &unrequiredPrice{}))
	return db, d.Open(tb)
}

func isRefused(tb testing.TB, what string, err error, words ...string) {
	tb.Helper()
	if err == nil {
		tb.Errorf("%s was not refused", what)
		return
	}
	for _, word := range append(words, "required_prices") {
		if !strings.Contains(err.Error(), word) {
			tb.Errorf("%s = %v, want %q in it", what, err, word)
		}
	}
}

func TestRequireActor(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := openRequiring(t, d, history.Options{RequireActor: true})
		price := requiredPrice{ID: 1, Amount: 1}
		isRefused(t, "Create by nobody", db.Create(&price).Error, "(db.WithContext? a transaction? Tell or TellSQL?)")
		must(t, db.WithContext(as(ann)).Create(&price).Error)
		must(t, db.WithContext(as(actor.Actor{})).Model(&price).Update("amount", 2).Error)
		must(t, db.WithContext(as(actor.System("migration"))).Exec("SELECT 1").Error)
		must(t, db.WithContext(as(actor.System("migration"))).Exec("UPDATE required_prices SET amount = 2").Error)
		for name, write := range map[string]func() error{
			"Update by nobody":       func() error { return db.Model(&price).Update("amount", 3).Error },
			"Delete by nobody":       func() error { return db.Delete(&price).Error },
			"Update past the plugin": func() error { return plain.Exec("UPDATE required_prices SET amount = 3").Error },
			"Update after somebody's on the connection": func() error {
				must(t, db.WithContext(as(ann)).Model(&price).Update("amount", 4).Error)
				return rawOn(db, "UPDATE required_prices SET amount = 3")
			},
			"Update in somebody's request": func() error {
				return db.WithContext(actor.NewRequestContext(context.Background(), actor.Request{ID: "r-1"})).Model(&price).Update("amount", 3).Error
			},
			"Update by nobody in somebody's transaction": func() error {
				return db.Transaction(func(tx *gorm.DB) error {
					must(t, tx.WithContext(as(ann)).Model(&unrequiredPrice{}).Create(&unrequiredPrice{Amount: 1}).Error)
					return tx.Model(&price).Update("amount", 3).Error
				})
			},
			"Upsert by nobody": func() error { return db.Save(&requiredPrice{ID: 1, Amount: 3}).Error },
		} {
			isRefused(t, name, write(), "Tell")
		}
		must(t, db.Create(&unrequiredPrice{Amount: 1}).Error)
		var now requiredPrice
		must(t, plain.First(&now, 1).Error)
		if now.Amount != 4 {
			t.Errorf("the price is %d, want what was last attributed, 4", now.Amount)
		}
		for _, c := range must2(history.Of(plain, &price)) {
			if !c.ChangeSet.Attributed {
				t.Errorf("%s is recorded by nobody", c.Action)
			}
		}
	})
}

func rawOn(db *gorm.DB, statement string) error {
	_, err := must2(db.DB()).Exec(statement)
	return err
}

func TestRequireActorIsMetOnEachRoad(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := openRequiring(t, d, history.Options{RequireActor: true})
		must(t, db.WithContext(as(ann)).Create(&requiredPrice{ID: 1, Amount: 1}).Error)
		for _, r := range roads {
			s := must2(r.open(t, d).begin(context.Background()))
			must(t, s.as(as(actor.System("migration")), func() error { return s.exec("UPDATE required_prices SET amount = amount + 1") }))
			must(t, s.commit())
		}
		tx := must2(must2(db.DB()).Begin())
		must(t, dialectOf(d).Tell(as(ann), tx, func() error { return nil }))
		_, err := tx.Exec("UPDATE required_prices SET amount = 0")
		if dialectOf(d) == history.PostgreSQL { // where what is told lasts as long as the transaction
			must(t, err)
		} else {
			isRefused(t, "an update after Tell", err, "Tell")
		}
		must(t, tx.Rollback())
		var now requiredPrice
		if must(t, plain.First(&now, 1).Error); now.Amount != 1+len(roads) {
			t.Errorf("the price is %d, want %d", now.Amount, 1+len(roads))
		}
	})
}

// A begin and an end with nothing between leave nobody acting.
func TestRequireActorAfterAnEmptyTellSQL(t *testing.T) {
	t.Parallel()
	eachSQLite(t, func(t *testing.T, d *dbtest.Database) {
		for _, o := range []history.Options{{RequireActor: true}, {RequireActor: true, AppendOnly: true}} {
			db, _ := openRequiring(t, dbtest.New(t, d.Kind), o)
			pool := must2(db.DB())
			begin, end, err := history.SQLite.TellSQL(as(ann))
			must(t, err)
			must2(pool.Exec(begin.SQL, begin.Args...))
			must2(pool.Exec(end.SQL, end.Args...))
			isRefused(t, "an insert after it", rawOn(db, "INSERT INTO required_prices (amount) VALUES (1)"), "Tell")
			must(t, db.WithContext(as(ann)).Create(&requiredPrice{Amount: 1}).Error)
		}
	})
}

func TestRequireMetadata(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := openRequiring(t, d, history.Options{RequireMetadata: []string{"ticket.no", "reason"}})
		price := requiredPrice{ID: 1, Amount: 1}
		both := map[string]string{"reason": "refund", "ticket.no": "4711"}
		must(t, db.WithContext(because(context.Background(), both)).Create(&price).Error)
		for name, test := range map[string]struct {
			metadata map[string]string
			lacks    string
		}{
			"none":         {nil, "reason"},
			"one of two":   {map[string]string{"reason": "refund"}, "ticket.no"},
			"white space":  {map[string]string{"reason": " \t\r\n\v\f", "ticket.no": "1"}, "reason"},
			"another case": {map[string]string{"Reason": "refund", "ticket.no": "1"}, "reason"},
		} {
			err := db.WithContext(because(as(ann), test.metadata)).Model(&price).Update("amount", 2).Error
			isRefused(t, "Update with "+name, err, test.lacks, "NewMetadataContext")
		}
		must(t, db.WithContext(because(as(ann), both)).Model(&price).Update("amount", 3).Error)
		if got := last(t, plain, &price).ChangeSet.Metadata["reason"]; got != "refund" {
			t.Errorf("the reason is %q, want refund", got)
		}
		for _, key := range []string{"", `a"b`, "a'b", "a b", strings.Repeat("a", 65)} {
			if err := (history.Options{RequireMetadata: []string{key}}).Migrate(db, &requiredPrice{}); err == nil || !strings.Contains(err.Error(), "RequireMetadata") {
				t.Errorf("Migrate that requires %q = %v, want an error that names RequireMetadata", key, err)
			}
		}
	})
}

// What strings.TrimSpace leaves nothing of says nothing, on each database. Any other
// character does.
func TestWhiteSpaceIsNoMetadata(t *testing.T) {
	t.Parallel()
	var blank strings.Builder
	for r := rune(1); r <= unicode.MaxRune; r++ {
		if unicode.IsSpace(r) {
			blank.WriteRune(r)
		}
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, _ := openRequiring(t, d, history.Options{RequireMetadata: []string{"reason"}})
		price := requiredPrice{ID: 1}
		say := func(reason string) error {
			price.Amount++
			return db.WithContext(because(as(ann), map[string]string{"reason": reason})).Save(&price).Error
		}
		for _, r := range blank.String() {
			isRefused(t, fmt.Sprintf("a reason of %U", r), say(string(r)), "reason")
			if err := say(string(r) + "é" + string(r)); err != nil {
				t.Errorf("a reason between two %U = %v", r, err)
			}
		}
		isRefused(t, "a reason of all white space", say(blank.String()), "reason")
		for _, r := range "u0-x\\{}\u200b\u180e\u2060\ufeff…世😀" {
			if err := say(string(r)); err != nil {
				t.Errorf("a reason of %U = %v", r, err)
			}
		}
	})
}

func TestAnOlderReleaseTakesNoRequirementAway(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := openRequiring(t, d, history.Options{RequireActor: true})
		withReason := because(as(ann), map[string]string{"reason": "refund"})
		must(t, history.Options{RequireMetadata: []string{"reason"}}.Migrate(db, &requiredPrice{}))
		must(t, history.Migrate(db, &requiredPrice{}))
		must(t, history.Verify(db, &requiredPrice{}))
		isRefused(t, "Create by nobody", plain.Create(&requiredPrice{Amount: 1}).Error, "Tell")
		isRefused(t, "Create without a reason", db.WithContext(as(ann)).Create(&requiredPrice{Amount: 1}).Error, "reason")
		must(t, db.WithContext(withReason).Create(&requiredPrice{Amount: 1}).Error)
		must(t, history.Options{Exact: true, RequireMetadata: []string{"reason"}}.Migrate(db, &requiredPrice{}))
		must(t, db.WithContext(because(context.Background(), map[string]string{"reason": "refund"})).Create(&requiredPrice{Amount: 1}).Error)
		must(t, history.Options{Exact: true}.Migrate(db, &requiredPrice{}))
		must(t, plain.Create(&requiredPrice{Amount: 1}).Error)
	})
}

// A forger can set the variables in which MariaDB's triggers keep who acts.
func TestRequireActorAgainstVariables(t *testing.T) {
	t.Parallel()
	db, _ := openRequiring(t, dbtest.New(t, dbtest.MariaDB), history.Options{RequireActor: true})
	conn := must2(must2(db.DB()).Conn(context.Background()))
	defer func() { _ = conn.Close() }()
	for _, statement := range []string{
		"SET timestamp = 1700000000",
		"SET @whodunit_at = UTC_TIMESTAMP(6), @whodunit_home = SCHEMA(), @whodunit_set = 1, @whodunit_token = 1",
	} {
		must2(conn.ExecContext(context.Background(), statement))
	}
	_, err := conn.ExecContext(context.Background(), "INSERT INTO required_prices (amount) VALUES (1)")
	isRefused(t, "an insert with forged variables", err, "Tell")
}

// A program asks why a write was refused by errors.Is, or by the SQLSTATE of a
// driver's error.
func TestRefusalsHaveSentinels(t *testing.T) {
	t.Parallel()
	const update, forget = "UPDATE required_prices SET amount = 2", "DELETE FROM whodunit_changes"
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, _ := openRequiring(t, d, history.Options{AppendOnly: true, RequireActor: true, RequireMetadata: []string{"reason"}})
		me := db.WithContext(as(ann))
		must(t, db.WithContext(because(as(ann), map[string]string{"reason": "new"})).Create(&requiredPrice{ID: 1, Amount: 1}).Error)
		told := func(statement string) error {
			tx := must2(must2(db.DB()).Begin())
			defer func() { must(t, tx.Rollback()) }()
			return dialectOf(d).Tell(as(ann), tx, func() error {
				_, err := tx.Exec(statement)
				return err
			})
		}
		for name, test := range map[string]struct{ got, want error }{
			"Create by nobody":           {db.Create(&requiredPrice{ID: 2}).Error, history.ErrRequired},
			"Update without a reason":    {me.Model(&requiredPrice{ID: 1}).Update("amount", 2).Error, history.ErrRequired},
			"Delete without a reason":    {me.Delete(&requiredPrice{ID: 1}).Error, history.ErrRequired},
			"Exec by nobody":             {db.Exec(update).Error, history.ErrRequired},
			"Exec outside a transaction": {me.Exec(update).Error, history.ErrRequired},
			"Exec in a transaction":      {me.Transaction(func(tx *gorm.DB) error { return tx.Exec(update).Error }), history.ErrRequired},
			"Tell":                       {told(update), history.ErrRequired},
			"Exec on the history":        {me.Exec(forget).Error, history.ErrAppendOnly},
			"Tell on the history":        {told(forget), history.ErrAppendOnly},
		} {
			for _, sentinel := range []error{history.ErrRequired, history.ErrAppendOnly} {
				if got := errors.Is(test.got, sentinel); got != errors.Is(test.want, sentinel) {
					t.Errorf("%s = %v, which is %v: %t", name, test.got, sentinel, got)
				}
			}
		}
		for statement, state := range map[string]string{update: "WD001", forget: "WD002"} {
			err := rawOn(db, statement)
			if isSQLite := dialectOf(d) == history.SQLite; err == nil || strings.Contains(err.Error(), state) == isSQLite {
				t.Errorf("the driver's error of %s is %v, want %s in it: %t", statement, err, state, !isSQLite)
			}
		}
	})
}

// What migrations.md says of texts with other Options: what they require is for the
// models of one call, AppendOnly for the whole history.
func TestSQLOfTablesWithOtherRequirements(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, db.AutoMigrate(&requiredPrice{}, &unrequiredPrice{}))
		run := func(o history.Options, model any) {
			t.Helper()
			_, create, err := o.SQL(db, model)
			must(t, err)
			runScript(t, db, strings.TrimSuffix(create, ";\n"))
		}
		run(history.Options{AppendOnly: true, RequireMetadata: []string{"reason"}}, &requiredPrice{})
		run(history.Options{AppendOnly: true}, &unrequiredPrice{})
		must(t, history.Verify(db, &requiredPrice{}, &unrequiredPrice{}))
		isRefused(t, "Create without a reason", db.WithContext(as(ann)).Create(&requiredPrice{ID: 1}).Error, "reason")
		must(t, db.WithContext(as(ann)).Create(&unrequiredPrice{ID: 1}).Error)
		if err := db.Exec("DELETE FROM whodunit_changes").Error; err == nil {
			t.Error("the history is not append-only")
		}
		run(history.Options{}, &unrequiredPrice{})
		must(t, db.Exec("DELETE FROM whodunit_changes").Error)
	})
}

// One file may hold the texts of several calls, one after the other.
func TestTextsOfTwoCallsInOneFile(t *testing.T) {
	t.Parallel()
	type Plain struct{ ID uint }
	for _, kind := range []string{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			db := dbtest.New(t, kind).Open(t)
			must(t, db.AutoMigrate(&Plain{}, &Note{}))
			run := func(text string) {
				for statement := range strings.SplitSeq(text, "\n\n") {
					must(t, db.Exec(statement).Error)
				}
			}
			for range 2 {
				drop, create, err := history.SQL(db, &Plain{})
				must(t, err)
				drop2, create2, err := history.Options{RequireMetadata: []string{"reason"}}.SQL(db, &Note{})
				must(t, err)
				run(drop + "\n" + drop2)
				run(create + "\n" + create2)
				must(t, history.Verify(db, &Plain{}, &Note{}))
				must(t, db.Create(&Plain{}).Error)
				if db.Create(&Note{}).Error == nil {
					t.Error("a note was written without a reason")
				}
			}
		})
	}
}
