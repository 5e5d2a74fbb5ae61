package tests

import (
	"fmt"
	"strings"
	"testing"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

type sheet struct {
	ID    uint
	Title string `gorm:"size:100"`
	Body  string
	Other string
	Scan  []byte
	Long  string `gorm:"column:a_name_as_long_as_the_database_takes_one_which_is_64_signs_long"`
	Draft string `gorm:"history:-"`
	Token string `gorm:"history:redact"`
}

// A change that no packet holds is refused, whatever is done to the row, and says
// which column to leave out: the one that takes most of it.
func TestAChangeLargerThanAPacket(t *testing.T) {
	skipUnderRace(t, "the database refuses the same changes")
	t.Parallel()
	db, plain := open(t, dbtest.New(t, dbtest.MariaDB))
	must(t, history.Migrate(db, &sheet{}))
	var packet int
	must(t, plain.Raw("SELECT @@max_allowed_packet").Scan(&packet).Error)
	// xs and ys are texts of n sixteenths of a packet.
	xs := func(n int) string { return fmt.Sprintf("REPEAT('x', %d)", n*packet/16) }
	ys := func(n int) string { return fmt.Sprintf("REPEAT('y', %d)", n*packet/16) }
	const long = "a_name_as_long_as_the_database_takes_one_which_is_64_signs_long"
	for what, test := range map[string]struct {
		row    map[string]string // the row before
		change string
		column string // that the error names
	}{
		"an insert of bytes, which take twice their size": {nil, "INSERT INTO sheets (id, title, scan) VALUES (1, 'new', " + xs(9) + ")", "scan"},
		"an insert of two":       {nil, "INSERT INTO sheets (id, body, other) VALUES (1, " + xs(8) + ", " + xs(9) + ")", "other"},
		"an update of one":       {map[string]string{"body": xs(9)}, "UPDATE sheets SET body = " + ys(9), "body"},
		"an update of two":       {map[string]string{"body": xs(4), "other": xs(5)}, "UPDATE sheets SET body = " + ys(4) + ", other = " + ys(5), "other"},
		"beside bytes":           {map[string]string{"body": xs(4), "scan": xs(3)}, "UPDATE sheets SET body = " + ys(4) + ", scan = " + ys(3), "scan"},
		"beside a larger one":    {map[string]string{"body": xs(9), "other": xs(14)}, "UPDATE sheets SET title = 'b', body = " + ys(9), "body"},
		"a long name":            {map[string]string{long: xs(9)}, "UPDATE sheets SET " + long + " = " + ys(9), long},
		"a delete of two":        {map[string]string{"body": xs(8), "other": xs(9)}, "DELETE FROM sheets", "other"},
		"a delete beside bytes":  {map[string]string{"body": xs(7), "scan": xs(6)}, "DELETE FROM sheets", "scan"},
		"what is not recorded":   {map[string]string{"draft": xs(15), "token": xs(15)}, "UPDATE sheets SET title = 'b', draft = " + ys(15) + ", token = " + ys(15), ""},
		"a delete of such a row": {map[string]string{"draft": xs(15), "token": xs(15)}, "DELETE FROM sheets", ""},
	} {
		for _, table := range []string{"sheets", "whodunit_changes", "whodunit_change_sets"} {
			must(t, plain.Exec("TRUNCATE TABLE "+table).Error)
		}
		if test.row != nil {
			must(t, plain.Exec("INSERT INTO sheets (id, title) VALUES (1, 'a')").Error)
		}
		for column, value := range test.row {
			must(t, plain.Exec("UPDATE sheets SET "+column+" = "+value).Error)
		}
		before := count(t, plain, "whodunit_changes")
		err := db.WithContext(as(ann)).Transaction(func(tx *gorm.DB) error { return tx.Exec(test.change).Error })
		if test.column == "" {
			if n := count(t, plain, "whodunit_changes") - before; err != nil || n != 1 {
				t.Errorf("%s: %v, and %d changes, want none and 1", what, err, n)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "leave out or redact "+test.column+":") {
			t.Errorf("%s = %v, want an error that names the column %s", what, err, test.column)
		}
		if n, rows := count(t, plain, "whodunit_changes"), count(t, plain, "sheets WHERE title = 'a'"); n != before || rows != min(before, 1) {
			t.Errorf("%s: %d changes are recorded and %d rows are as before, want %d and %d", what, n, rows, before, min(before, 1))
		}
	}
	must(t, db.WithContext(as(bob)).Create(&sheet{ID: 2, Title: "afterwards"}).Error)
	if c := last(t, plain, &sheet{ID: 2}); c.ChangeSet.Actor != bob {
		t.Errorf("a write after these is by %v, want %v", c.ChangeSet.Actor, bob)
	}
}
