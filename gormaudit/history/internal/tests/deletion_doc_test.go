package tests

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// The triggers of attribution.md, as they are printed: deletions need a reason, and
// nothing else does.
func TestTheDeletionTriggersOfThePage(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t, dbtest.Postgres)
	db, plain := d.Open(t), d.Open(t)
	must(t, db.Use(history.New()))
	must(t, history.Migrate(db, &Note{}))
	output, err := psql(t, d, snippet(t, "attribution.md", "CREATE OR REPLACE FUNCTION")).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	must(t, history.Options{Exact: true}.Migrate(db, &Note{})) // leaves them
	must(t, history.Verify(plain, &Note{}))

	me := db.WithContext(as(ann))
	why := db.WithContext(because(as(ann), map[string]string{"reason": "cleaning up"}))
	must(t, me.Create(&[]Note{{ID: 1}, {ID: 2}}).Error)
	must(t, me.Model(&Note{ID: 1}).Update("title", "b").Error)
	blank := db.WithContext(because(as(ann), map[string]string{"reason": " "}))
	for what, err := range map[string]error{
		"a soft deletion":            me.Delete(&Note{ID: 1}).Error,
		"a deletion":                 me.Unscoped().Delete(&Note{ID: 1}).Error,
		"a deletion for a blank":     blank.Unscoped().Delete(&Note{ID: 1}).Error,
		"a soft deletion by nobody":  plain.Delete(&Note{ID: 1}).Error,
		"a soft deletion in raw SQL": plain.Exec("UPDATE notes SET deleted_at = now()").Error,
	} {
		if err == nil || !strings.Contains(err.Error(), "table notes: a deletion needs a reason") {
			t.Errorf("%s without a reason = %v, want it refused", what, err)
		}
	}
	must(t, why.Delete(&Note{ID: 1}).Error)
	must(t, why.Unscoped().Delete(&Note{ID: 2}).Error)
	then := time.Now()
	must(t, me.Unscoped().Model(&Note{ID: 1}).Update("deleted_at", nil).Error)
	if got := restoreOnPage(t, db, then); got != http.StatusConflict {
		t.Errorf("the page answers a deletion without a reason by %d, want 409", got)
	}
	var left []Note
	must(t, plain.Unscoped().Find(&left).Error)
	if len(left) != 1 || left[0].ID != 1 || left[0].DeletedAt.Valid {
		t.Errorf("%+v is left, want note 1, not deleted", left)
	}
}

// restoreOnPage is the history's page's answer to who restores note 1 as it was.
func restoreOnPage(t *testing.T, db *gorm.DB, then time.Time) int {
	t.Helper()
	page := historyweb.Handler(db, historyweb.Config{
		Tables:     []historyweb.Table{historyweb.For[Note](historyweb.Table{})},
		MayRestore: func(context.Context, actor.Actor, any) (bool, error) { return true, nil },
	})
	form := url.Values{"table": {"notes"}, "key": {"1"}, "at": {then.Format(time.RFC3339Nano)}}
	r := httptest.NewRequest(http.MethodPost, "/history/restore", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	page.ServeHTTP(w, r.WithContext(as(ann)))
	return w.Code
}
