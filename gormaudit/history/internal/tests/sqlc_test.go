package tests

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// SaleStatus is an enum as sqlc generates it.
type SaleStatus string

func (s *SaleStatus) Scan(src any) error {
	*s = SaleStatus(fmt.Sprint(src))
	return nil
}

// generated is a struct as sqlc generates it for pgx.
type generated struct {
	ID     int64          `json:"id"`
	Buyer  pgtype.UUID    `json:"buyer"`
	Amount pgtype.Numeric `json:"amount"`
}

func (generated) TableName() string { return "sales" }

type Sale struct {
	ID       int64
	Buyer    pgtype.UUID `gorm:"type:uuid"`
	Seller   uuid.UUID   `gorm:"type:uuid"`
	Note     pgtype.Text
	Labels   string         `gorm:"type:text[]"` // sqlc has a []string
	Amount   pgtype.Numeric `gorm:"type:numeric(12,2)"`
	Day      pgtype.Date    `gorm:"type:date"`
	PlacedAt pgtype.Timestamptz
	Status   SaleStatus `gorm:"type:sale_status"`
	Extra    []byte     `gorm:"type:jsonb"`
}

// plainSale is a model with PostgreSQL's types in its tags, for SQLite, too.
type plainSale struct {
	ID       int64
	Buyer    string `gorm:"type:uuid"`
	Note     *string
	Labels   string    `gorm:"type:text[]"`
	Amount   string    `gorm:"type:numeric(12,2)"`
	Day      time.Time `gorm:"type:date"`
	PlacedAt time.Time `gorm:"type:timestamptz"`
	Paid     bool
	Extra    []byte `gorm:"type:jsonb"`
}

func (plainSale) TableName() string { return "sales" }

// One model serves for PostgreSQL and SQLite, if SQLite's times are declared so.
func TestOneModelForPostgresAndSQLite(t *testing.T) {
	kinds := slices.DeleteFunc(dbtest.Kinds(), func(kind string) bool { return kind == dbtest.MariaDB || kind == dbtest.MySQL })
	dbtest.Beside(t, kinds, func(t *testing.T, d *dbtest.Database) {
		config, warnings := logged()
		db := d.Open(t, config)
		columns := "id integer PRIMARY KEY, buyer text, note text, labels text, amount numeric, day date, placed_at timestamp, paid boolean, extra text"
		if d.Kind == dbtest.Postgres {
			columns = "id bigint PRIMARY KEY, buyer uuid, note text, labels text[], amount numeric(12,2), day date, placed_at timestamptz, paid boolean, extra jsonb"
		}
		must(t, db.Exec("CREATE TABLE sales ("+columns+")").Error)
		_, create, err := history.SQL(db, &plainSale{})
		must(t, err)
		must(t, second(must2(db.DB()).Exec(create)))
		must(t, history.Verify(db, &plainSale{}))
		if warnings.Len() > 0 {
			t.Errorf("Verify warns of %s", warnings)
		}
		note := "n"
		first := plainSale{
			ID: 1, Buyer: "11111111-1111-1111-1111-111111111111", Note: &note, Labels: "{a}", Amount: "1.50", Paid: true, Extra: []byte(`{"a": 1}`),
			Day: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), PlacedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		}
		must(t, db.Create(&first).Error)
		created := last(t, db, &plainSale{ID: 1}).At.Add(time.Millisecond)
		time.Sleep(5 * time.Millisecond)
		must(t, db.Exec("UPDATE sales SET amount = 2.75, note = NULL, labels = '{}', day = '2026-01-03', placed_at = '2026-01-03', paid = false, extra = NULL").Error)
		was, err := history.At[plainSale](db, 1, created)
		if err != nil || was.Buyer != first.Buyer || *was.Note != note || !strings.HasPrefix(was.Amount, "1.5") || !was.Day.Equal(first.Day) || !was.PlacedAt.Equal(first.PlacedAt) || !was.Paid || string(was.Extra) != `{"a": 1}` {
			t.Errorf("At = %+v, %v, want what was created", was, err)
		}
	})
}

// The struct of attribution.md records and puts back what sqlc with pgx writes. What
// sqlc generates, without tags, makes Verify warn.
func TestAModelOfWhatSqlcGenerates(t *testing.T) {
	ctx := context.Background()
	pool := must2(pgxpool.New(ctx, dbtest.New(t, dbtest.Postgres).DSN))
	t.Cleanup(pool.Close)
	config, warnings := logged()
	db, err := gorm.Open(postgres.New(postgres.Config{Conn: stdlib.OpenDBFromPool(pool)}), config)
	must(t, err)
	must2(pool.Exec(ctx, `CREATE TYPE sale_status AS ENUM ('new', 'sent');
		CREATE TABLE sales (id bigint PRIMARY KEY, buyer uuid, seller uuid, note text, labels text[], amount numeric(12,2),
		day date, placed_at timestamptz, status sale_status NOT NULL, extra jsonb)`))
	install := func(model any) (warned string, err error) {
		t.Helper()
		_, create, err := history.SQL(db, model)
		must(t, err)
		must2(pool.Exec(ctx, create))
		warnings.Reset()
		err = history.Verify(db, model)
		return warnings.String(), err
	}
	warned, err := install(&generated{})
	if !errors.Is(err, history.ErrOutdated) || !strings.Contains(err.Error(), "a tag type:uuid?") || !strings.Contains(warned, "a tag type:numeric(12,2)?") {
		t.Errorf("Verify of the generated struct = %v, and warns of %q", err, warned)
	}
	if _, err := pool.Exec(ctx, "INSERT INTO sales (id, status) VALUES (1, 'new')"); err == nil {
		t.Error("a write that can't be recorded did not fail")
	}
	if warned, err := install(&Sale{}); warned != "" || err != nil {
		t.Errorf("Verify of the copy = %v, and warns of %q", err, warned)
	}
	write := func(statement string) {
		must(t, inTransaction(as(ann), pool, func(tx pgx.Tx) error { return second(tx.Exec(ctx, statement)) }))
	}
	var first, again string
	read := func(into *string) { must(t, pool.QueryRow(ctx, "SELECT sales::text FROM sales").Scan(into)) }

	write(`INSERT INTO sales VALUES (1, '11111111-1111-1111-1111-111111111111', '21111111-1111-1111-1111-111111111111', 'n',
		'{a,"b c"}', 1.50, '2026-01-02', '2026-01-02 03:04:05Z', 'new', '{"a": 1}')`)
	read(&first)
	created := last(t, db, &Sale{ID: 1}).At.Add(time.Millisecond)
	time.Sleep(2 * time.Millisecond)
	write(`UPDATE sales SET buyer = seller, seller = buyer, note = NULL, labels = '{}', amount = 2.75, day = '2026-01-03',
		placed_at = now(), status = 'sent', extra = NULL`)
	c := last(t, db, &Sale{ID: 1})
	if amount, _ := c.Field("amount"); c.ChangeSet.Actor != ann || len(c.Fields) != 9 || amount.Before.String() != "1.50" {
		t.Errorf("the change = %s, want 9 columns by ann", line(c))
	}
	if was, err := history.At[Sale](db, 1, created); err != nil || was.Labels != `{a,"b c"}` || was.Status != "new" {
		t.Errorf("At = %+v, %v", was, err)
	}
	must(t, second(history.Restore[Sale](signing(t, db), 1, created)))
	if read(&again); again != first {
		t.Errorf("after Restore the row is %s, want %s", again, first)
	}
}
