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
