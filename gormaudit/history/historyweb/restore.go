package historyweb

import (
	"net/http"
	"time"
)

// confirmPage asks whether a row is to be written as it was.
type confirmPage struct {
	Filter filter
	Row    rowRef
	At     moment
	Values []value // that change
}

// restorable is a row that whoever is here may write as it was at a time.
func (h *handler) restorable(v *visit) (t *Table, row any, f filter, at time.Time, err error) {
	if t, row, f, err = h.rowOf(v); err != nil {
		return t, row, f, at, err
	}
	may, err := h.config.MayRestore(v.ctx, v.actor, row)
	if err == nil && !may {
		err = errForbidden
	}
	if at = h.readTime(f, "at", v.r.Form.Get("at")); err == nil && at.IsZero() {
		err = errNotFound
	}
	return t, row, f, at, err
}

func (h *handler) confirm(v *visit) error {
	t, row, f, at, err := h.restorable(v)
	if err != nil {
		return err
	}
	then, err := h.then(v, t, row, at)
	if err != nil {
		return err
	}
	values, err := h.values(v, t, row, then)
	if err != nil {
		return err
	}
	page := confirmPage{Filter: f, At: h.at(at)}
	if page.Row, err = h.refer(v, t, row, f); err != nil {
		return err
	}
	for _, value := range values {
		if value.differs() {
			page.Values = append(page.Values, value)
		}
	}
	return h.render(v, "confirm", "Restore "+page.Row.Label, page)
}

func (h *handler) restore(v *visit) error {
	t, row, f, at, err := h.restorable(v)
	if err != nil {
		return err
	}
	if err := t.restore(v.db, row, at); err != nil {
		return err
	}
	v.w.Header().Set("Location", f.Address("row")) // relative, which http.Redirect would make absolute
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}
