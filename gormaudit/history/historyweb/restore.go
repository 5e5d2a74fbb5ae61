package historyweb

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/internal/keyed"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/internal/tagged"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/plugins"
)

// confirmPage asks whether a row is to be written as it was.
type confirmPage struct {
	Filter  filter
	Row     rowRef
	At      moment
	Values  []value // that change
	Words   []word  // that the table requires of a change
	Problem string
	Unknown bool // nothing is recorded from before At
	Lost    bool // not all of it is recorded, so that it can't be written
}

// restoration is a row that whoever is here may write as it was at a time.
type restoration struct {
	table  *Table
	row    any
	filter filter
	at     time.Time
	words  []word // that the table was found to require
}

// restorable is what an address asks to be restored.
func (h *handler) restorable(v *visit) (r restoration, err error) {
	if r.table, r.row, r.filter, err = h.rowOf(v); err != nil {
		return r, err
	}
	may, err := h.config.MayRestore(v.ctx, v.actor, r.row)
	if err == nil && !may {
		err = errForbidden
	}
	if r.at = h.readTime(r.filter, "at", v.r.Form.Get("at")); err == nil && r.at.IsZero() {
		err = errNotFound
	}
	if err == nil {
		err = plugins.SayWho(v.db, r.table.schema)
	}
	return r, err
}

func (h *handler) confirm(v *visit) error {
	r, err := h.restorable(v)
	if err != nil {
		return err
	}
	return h.ask(v, r, http.StatusOK, "")
}

// ask shows what restoring would change.
func (h *handler) ask(v *visit, r restoration, status int, problem string) error {
	then, err := h.then(v, r.table, r.row, r.at)
	if err != nil {
		return err
	}
	values, err := h.values(v, r.table, r.row, then, nil)
	if err != nil {
		return err
	}
	page := confirmPage{Filter: r.filter, At: h.at(r.at), Words: r.words, Problem: problem}
	if page.Row, err = h.refer(v, r.table, r.row, r.filter); err != nil {
		return err
	}
	if page.Unknown, err = h.unknown(v, r.table, r.row, r.at); err != nil {
		return err
	}
	for _, value := range values {
		if value.differs() {
			page.Values = append(page.Values, value)
		}
	}
	if page.Lost, err = h.unrecorded(v, r); err != nil {
		return err
	}
	return h.renderWith(v, status, "confirm", "Restore "+page.Row.Label, page)
}

// unrecorded reports whether something would have to be written that is not recorded:
// a redacted column that has changed since, or one left out, of a row that is gone.
func (h *handler) unrecorded(v *visit, r restoration) (bool, error) {
	var redacted []string
	leftOut := false
	for _, f := range r.table.schema.Fields {
		switch tag := tagged.Of(f); {
		case f.DBName == "":
		case tag.Redact:
			redacted = append(redacted, f.DBName)
		case tag.LeftOut && !f.PrimaryKey:
			leftOut = true
		}
	}
	q := history.Query{Rows: []any{keyed.Row{Model: r.row}}, Limit: 1}
	newest, err := history.Find(v.db, q)
	if err != nil || leftOut && len(newest) > 0 && newest[0].Action == history.ActionDelete {
		return err == nil, err
	}
	if q.Columns = redacted; len(redacted) == 0 {
		return false, nil
	}
	if newest, err = history.Find(v.db, q); err != nil || len(newest) == 0 {
		return false, err
	}
	ends, err := history.Ends(v.db, newest)
	return err == nil && ends[0].After(r.at), err
}

func (h *handler) restore(v *visit) error {
	r, err := h.restorable(v)
	if err != nil {
		return err
	}
	lacking, err := r.write(v)
	if err != nil {
		return err
	}
	if lacking {
		return h.ask(v, r, http.StatusUnprocessableEntity, "Nothing has changed yet. Each change of this table must also say:")
	}
	v.w.Header().Set("Location", r.filter.Address("row")) // relative, which http.Redirect would make absolute
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// write restores the row, with the words that the table requires, from the form. It
// reports whether the form lacks one: nothing is written then.
func (r *restoration) write(v *visit) (lacking bool, err error) {
	said := map[string]string{}
	for {
		db := v.db.Session(&gorm.Session{Context: actor.NewMetadataContext(v.ctx, said), Logger: askingLogger{v.db.Logger}})
		if lacking {
			err = r.try(db)
		} else {
			err = r.table.restore(db, r.row, r.at)
		}
		key := lacks(err)
		switch {
		case (key == "" || said[key] != "") && lacking: // what else is wrong comes up when it is written
			return true, nil
		case key == "" || said[key] != "":
			return false, err
		}
		// What the form says counts only where the database wants it: it replaces
		// nothing that the program says itself.
		said[key] = strings.TrimSpace(v.r.PostForm.Get("metadata." + key))
		r.words = append(r.words, word{key, said[key]})
		if said[key] == "" {
			said[key], lacking = "?", true
		}
	}
}

// askingLogger leaves out the refusals from which a page learns what to ask for: they
// are no errors, and have the row's values in their SQL.
type askingLogger struct{ logger.Interface }

func (l askingLogger) Trace(ctx context.Context, begin time.Time, sql func() (string, int64), err error) {
	if lacks(err) == "" {
		l.Interface.Trace(ctx, begin, sql, err)
	}
}

// ParamsFilter implements [gorm.ParamsFilter], as the logger itself does.
func (l askingLogger) ParamsFilter(ctx context.Context, sql string, params ...any) (string, []any) {
	if filter, ok := l.Interface.(gorm.ParamsFilter); ok {
		return filter.ParamsFilter(ctx, sql, params...)
	}
	return sql, params
}

// errTried takes back what was only tried.
var errTried = errors.New("historyweb: tried")

// try is a restore that is taken back, to learn what else the table requires. The
// model's hooks don't run: a mail that they send can't be taken back.
func (r *restoration) try(db *gorm.DB) error {
	return db.Session(&gorm.Session{SkipHooks: true}).Transaction(func(tx *gorm.DB) error {
		return errors.Join(r.table.restore(tx, r.row, r.at), errTried)
	})
}

// lacks is the key of the metadata without which a table's triggers refuse a change,
// "" if err says something else.
func lacks(err error) string {
	if err == nil {
		return ""
	}
	if match := withoutMetadata.FindStringSubmatch(err.Error()); match != nil {
		return match[1]
	}
	return ""
}

// What the triggers say of a change that they refuse. MariaDB may cut it off.
var (
	withoutMetadata = regexp.MustCompile(`whodunit: table ".*": refused without metadata "([^"]+)"`)
	withoutActor    = regexp.MustCompile(`whodunit: table ".*": refused, nobody said`)
)

// refusal says why a row can't be written, "" if there is another reason.
func (h *handler) refusal(err error) string {
	var column *gormaudit.ColumnError
	switch text := err.Error(); {
	case damageIn(err) != nil:
		return "This can't be restored. " + cantRead(damageIn(err))
	case errors.Is(err, history.ErrMetadata):
		return "This can't be restored: what you wrote is too long."
	case errors.Is(err, plugins.ErrMissing), errors.Is(err, gormaudit.ErrNoActor), withoutActor.MatchString(text):
		return "This can't be restored: the program does not tell the database who does it."
	case errors.As(err, &column):
		return "This can't be restored: the row must say who did it, and its column has no room for your id."
	case strings.Contains(text, "whodunit: "):
		return "This can't be restored: the database refuses the change. The reason is in the program's log."
	case h.breaksRule(err):
		return "This can't be restored: it would break a rule of the database. Another row may have its name by now, or what it belongs to may be gone."
	}
	return ""
}

// breaksRule reports whether the database refuses a row for a rule of its table.
func (h *handler) breaksRule(err error) bool {
	if translator, ok := h.db.Dialector.(gorm.ErrorTranslator); ok {
		err = errors.Join(err, translator.Translate(err))
	}
	for _, rule := range []error{gorm.ErrDuplicatedKey, gorm.ErrForeignKeyViolated, gorm.ErrCheckConstraintViolated} {
		if errors.Is(err, rule) {
			return true
		}
	}
	return strings.Contains(err.Error(), "constraint failed") // SQLite, in any driver
}
