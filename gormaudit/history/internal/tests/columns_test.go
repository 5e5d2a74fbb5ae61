package tests

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// A TIMESTAMP is what the reading session's clock shows, whatever zone the session
// that wrote it was in. An unsigned number may be greater than an int64.
func TestTimestampsOfMariaDB(t *testing.T) {
	type Instant struct {
		ID    uint
		At    time.Time `gorm:"type:timestamp(6) NULL"`
		Short time.Time `gorm:"type:timestamp(2) NULL"`
		Big   uint64
	}
	d := dbtest.New(t, dbtest.MariaDB)
	config := must2(mysqldriver.ParseDSN(d.DSN))
	config.Loc = must2(time.LoadLocation("Asia/Tokyo"))
	db := openDialector(t, mysql.Open(config.FormatDSN()))
	must2(db.DB()).SetMaxOpenConns(1)
	must(t, history.Migrate(db, &Instant{}))
	const insert = "INSERT INTO instants VALUES (?, FROM_UNIXTIME(1709528767.012345), FROM_UNIXTIME(1709528767.01), 18446744073709551615)"
	for id, zone := range map[uint]string{1: "+00:00", 2: "+05:45"} {
		must(t, db.Exec("SET time_zone = ?", zone).Error)
		must(t, db.Exec(insert, id).Error)
	}
	for _, zone := range []string{"+00:00", "-03:30", "SYSTEM"} {
		must(t, db.Exec("SET time_zone = ?", zone).Error)
		for id := range uint(2) {
			var now Instant
			must(t, db.First(&now, id+1).Error)
			c := last(t, db, &now)
			at, _ := c.Field("at")
			short, _ := c.Field("short")
			big, _ := c.Field("big")
			if got := must2(history.ValueAs[time.Time](at.After)); !got.Equal(now.At) {
				t.Errorf("in the zone %s: at = %v, want %v", zone, got, now.At)
			}
			if got := must2(history.ValueAs[time.Time](short.After)); !got.Equal(now.Short) {
				t.Errorf("in the zone %s: short = %v, want %v", zone, got, now.Short)
			}
			if got := must2(history.ValueAs[uint64](big.After)); got != math.MaxUint64 {
				t.Errorf("big = %d, want 2^64-1", got)
			}
		}
	}
	must(t, db.Exec("SET time_zone = '+11:00'").Error)
	must(t, db.Exec("UPDATE instants SET at = FROM_UNIXTIME(5), short = NULL WHERE id = 1").Error)
	must(t, history.Revert(signing(t, db), last(t, db, &Instant{ID: 1})))
	must(t, db.Exec("DELETE FROM instants WHERE id = 1").Error)
	c := last(t, db, &Instant{ID: 1})
	must(t, db.Exec("SET time_zone = '-02:00'").Error)
	must(t, history.Revert(db, c))
	var unix string
	must(t, db.Raw("SELECT CONCAT(UNIX_TIMESTAMP(at), ' ', UNIX_TIMESTAMP(short)) FROM instants WHERE id = 1").Scan(&unix).Error)
	if unix != "1709528767.012345 1709528767.01" {
		t.Errorf("after Revert in another zone, the instants are %s", unix)
	}
}

// What PostgreSQL's types hold beside what Go's do.
func TestTypesOfPostgres(t *testing.T) {
	type Rare struct {
		ID    string `gorm:"type:uuid;primaryKey"`
		Tags  string `gorm:"type:text[]"`
		Until string `gorm:"type:timestamp with time zone"`
	}
	db := dbtest.New(t, dbtest.Postgres).Open(t)
	must(t, history.Migrate(db, &Rare{}))
	row := Rare{ID: "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6", Tags: `{"a,b",NULL}`, Until: "infinity"}
	must(t, db.Create(&row).Error)
	sameLines(t, "trail", trail(t, db, &row), `create; nobody said; id NULL>"f81d4fae-7dec-11d0-a765-00a0c91e6bf6"; tags NULL>"{\"a,b\",NULL}"; until NULL>"infinity"`)
	must(t, db.Exec("UPDATE rares SET until = '2024-03-04 05:06:07+03', tags = '{}'").Error)
	must(t, history.Revert(signing(t, db), last(t, db, &row)))
	var same bool
	must(t, db.Raw("SELECT until = 'infinity' AND tags = ARRAY['a,b', NULL] FROM rares").Scan(&same).Error)
	if !same {
		t.Error("Revert did not put the values back")
	}
}

// columnOfItsOwn says itself what its column is.
type columnOfItsOwn string

func (columnOfItsOwn) GormDBDataType(db *gorm.DB, _ *schema.Field) string {
	if db.Name() == "mysql" {
		return "varchar(20)"
	}
	return "character varying(20)"
}

// gone is a soft delete of another shape: true or false.
type gone bool

func (gone) DeleteClauses(*schema.Field) []clause.Interface { return nil }

func TestSoftDeletesOfOtherTypes(t *testing.T) {
	type True struct {
		ID   uint
		Own  columnOfItsOwn
		Flag bool `gorm:"type:boolean"`
		Gone gone
	}
	type Zeroed struct {
		ID        uint
		DeletedAt gorm.DeletedAt `gorm:"type:varchar(30);zeroValue:1970-01-01"`
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, history.Migrate(db, &True{}, &Zeroed{}))
		must(t, db.Create(&True{ID: 1, Own: "a", Flag: true}).Error)
		must(t, db.Exec("UPDATE trues SET gone = ?", true).Error)
		must(t, db.Exec("UPDATE trues SET gone = ?, flag = ?", false, false).Error)
		must(t, db.Exec("INSERT INTO zeroeds VALUES (1, '1970-01-01')").Error)
		must(t, db.Exec("UPDATE zeroeds SET deleted_at = '2024-01-01'").Error)
		must(t, db.Exec("UPDATE zeroeds SET deleted_at = '1970-01-01'").Error)
		sameLines(t, "trail", trail(t, db, &True{ID: 1}),
			`create; nobody said; id NULL>"1"; own NULL>"a"; flag NULL>"true"; gone NULL>"false"`,
			`soft_delete; nobody said; gone "false">"true"`, `restore; nobody said; flag "true">"false"; gone "true">"false"`)
		sameLines(t, "trail of zeros", trail(t, db, &Zeroed{ID: 1})[1:],
			`soft_delete; nobody said; deleted_at "1970-01-01">"2024-01-01"`, `restore; nobody said; deleted_at "2024-01-01">"1970-01-01"`)
	})
}

// A redacted column and one that was NULL have no value of their own to go
// back to, and a soft-deleted row is a row.
func TestAtKeepsNoValueOfLater(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		must(t, db.Create(&Note{ID: 1, Title: "a", Secret: "s"}).Error)
		created := last(t, plain, &Note{ID: 1}).At.In(time.FixedZone("NPT", 5*3600+45*60))
		time.Sleep(3 * time.Millisecond)
		must(t, db.Model(&Note{ID: 1}).Update("secret", "later").Error)
		must(t, db.Delete(&Note{ID: 1}).Error)
		if got, err := history.At[Note](plain, 1, created); err != nil || got.Title != "a" || got.Secret != "" || got.DeletedAt.Valid {
			t.Errorf("At = %+v, %v, want title a, no secret, not deleted", got, err)
		}
		must(t, db.Unscoped().Delete(&Note{ID: 1}).Error)
		must(t, db.Create(&Note{ID: 1, Title: "b", Body: ptr("later")}).Error)
		if got, err := history.At[Note](plain, 1, created); err != nil || got.Title != "a" || got.Body != nil {
			t.Errorf("At of a row that was created again = %+v, %v, want title a and no body", got, err)
		}
	})
}

// That a redacted column changed is recorded, and nothing else of it.
func TestRedactedValuesAreNowhere(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		must(t, db.Create(&Note{ID: 1, Secret: "hush-hush"}).Error)
		must(t, db.Model(&Note{ID: 1}).Update("secret", "hush-hush 2").Error)
		must(t, db.Unscoped().Delete(&Note{ID: 1}).Error)
		var rows []map[string]any
		must(t, plain.Table("whodunit_changes").Find(&rows).Error)
		for _, row := range rows {
			if text := fmt.Sprint(row); strings.Contains(text, "hush-hush") {
				t.Errorf("a change holds %s", text)
			}
		}
		if len(rows) != 3 {
			t.Errorf("%d changes, want 3", len(rows))
		}
	})
}

// A name that a database can't hold does not fail the write.
func TestNamesAreMadeStorable(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		who := ann
		who.Name = "A\x00n\xffn"
		must(t, db.WithContext(as(who)).Create(&Note{ID: 1}).Error)
		if got := last(t, plain, &Note{ID: 1}).ChangeSet.Actor; got != ann {
			t.Errorf("the actor is %+v, want %+v", got, ann)
		}
	})
}
