package tests

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// inTransaction runs write by whoever acts under ctx.
func inTransaction(ctx context.Context, pool *pgxpool.Pool, write func(tx pgx.Tx) error) error {
	begin, _, err := history.PostgreSQL.TellSQL(ctx)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, begin.SQL, begin.Args...); err != nil {
			return err
		}
		return write(tx)
	})
}

// repriced is what a program answers that wrote without a reason.
func repriced(err error) error {
	if refused := (*pgconn.PgError)(nil); errors.As(err, &refused) && refused.Code == "WD001" {
		return errors.New("please give a reason")
	}
	return err
}

// The program of attribution.md, which writes with pgx alone.
func TestAProgramWithPgx(t *testing.T) {
	ctx := context.Background()
	pool := must2(pgxpool.New(ctx, dbtest.New(t, dbtest.Postgres).DSN))
	t.Cleanup(pool.Close)
	db, err := gorm.Open(postgres.New(postgres.Config{Conn: stdlib.OpenDBFromPool(pool)}))
	must(t, err)
	must(t, history.Options{RequireMetadata: []string{"reason"}}.Migrate(db, &requiredPrice{}))
	insert := func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO required_prices (id, amount) VALUES (1, 1)")
		return err
	}
	if err := repriced(inTransaction(as(ann), pool, insert)); err == nil || err.Error() != "please give a reason" {
		t.Errorf("an insert without a reason = %v, want a question for one", err)
	}
	must(t, inTransaction(because(as(ann), map[string]string{"reason": "new"}), pool, insert))
	if c := last(t, db, &requiredPrice{ID: 1}); c.ChangeSet.Actor != ann || c.ChangeSet.Metadata["reason"] != "new" {
		t.Errorf("the change is by %v, with %v", c.ChangeSet.Actor, c.ChangeSet.Metadata)
	}
}

// priced inserts a row, with the id in place of its parameter.
const priced = "INSERT INTO unrequired_prices (id, amount) VALUES ($1, 1)"

// openPgx returns a pool of one connection to a database with a history of
// unrequiredPrice.
func openPgx(t *testing.T, mode string) (*pgxpool.Pool, *gorm.DB) {
	t.Helper()
	d := dbtest.New(t, dbtest.Postgres)
	db := d.Open(t)
	must(t, history.Migrate(db, &unrequiredPrice{}))
	config := must2(pgxpool.ParseConfig(d.DSN + "&default_query_exec_mode=" + mode))
	config.MaxConns = 1
	pool := must2(pgxpool.NewWithConfig(t.Context(), config))
	t.Cleanup(pool.Close)
	return pool, db
}

// inBatch sends statements in one round trip, by whoever acts under ctx.
func inBatch(ctx context.Context, pool *pgxpool.Pool, batch *pgx.Batch) error {
	begin, _, err := history.PostgreSQL.TellSQL(ctx)
	if err != nil {
		return err
	}
	all := &pgx.Batch{}
	all.Queue(begin.SQL, begin.Args...)
	all.QueuedQueries = append(all.QueuedQueries, batch.QueuedQueries...)
	return pool.SendBatch(ctx, all).Close()
}

// A batch on the pool is one transaction, in each of pgx's modes.
func TestTellingInAPgxBatch(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		pool, db := openPgx(t, mode)
		prices := func(ids ...int) *pgx.Batch {
			batch := &pgx.Batch{}
			for _, id := range ids {
				batch.Queue(priced, id)
			}
			return batch
		}
		must(t, inBatch(as(ann), pool, prices(1, 2)))
		must(t, inBatch(as(bob), pool, prices(3)))
		must2(pool.Exec(t.Context(), priced, 4))
		if err := inBatch(as(ann), pool, prices(5, 1)); err == nil {
			t.Errorf("%s: the same row twice = nil, want an error", mode)
		}
		got := []string{}
		for _, c := range must2(history.Find(db, history.Query{Tables: []any{&unrequiredPrice{}}})) {
			got = append(got, c.Key[0]+" "+line(c)[:len("create; user:7")])
		}
		sameLines(t, mode, got, "4 create; nobody", "3 create; user:7", "2 create; user:4", "1 create; user:4")
		if sets := by(t, db, ann); len(sets) != 2 || sets[0].ChangeSet.ID != sets[1].ChangeSet.ID {
			t.Errorf("%s: the rows of a batch have %d changes in several sets, want 2 in one", mode, len(sets))
		}
	}
}

// What was told after a savepoint holds after its release, and is taken back by its
// rollback.
func TestTellingInANestedPgxTransaction(t *testing.T) {
	t.Parallel()
	pool, db := openPgx(t, "cache_statement")
	ctx := t.Context()
	price := func(tx pgx.Tx, id int) { must2(tx.Exec(ctx, priced, id)) }
	tell := func(tx pgx.Tx, who actor.Actor) {
		begin, _, err := history.PostgreSQL.TellSQL(as(who))
		must(t, err)
		must2(tx.Exec(ctx, begin.SQL, begin.Args...))
	}
	must(t, pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		tell(tx, ann)
		price(tx, 1)
		nested := func(id int, err error) error {
			return pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
				tell(tx, bob)
				price(tx, id)
				return err
			})
		}
		if err := nested(2, errRollback); !errors.Is(err, errRollback) {
			t.Errorf("the nested transaction = %v, want %v", err, errRollback)
		}
		price(tx, 3)
		must(t, nested(4, nil))
		price(tx, 5)
		tell(tx, ann)
		price(tx, 6)
		return nil
	}))
	for id, want := range map[uint]actor.Actor{1: ann, 3: ann, 4: bob, 5: bob, 6: ann} {
		if got := last(t, db, &unrequiredPrice{ID: id}).ChangeSet.Actor; !got.Same(want.Identity) {
			t.Errorf("row %d is by %v, want %v", id, got, want)
		}
	}
}
