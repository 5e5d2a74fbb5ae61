package historyweb

import (
	"bufio"
	"io"
	"iter"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/internal/keyed"
)

func (h *handler) exportCSV(v *visit) error {
	return h.export(v, "text/csv; charset=utf-8", "csv", history.WriteCSV)
}

func (h *handler) exportNDJSON(v *visit) error {
	return h.export(v, "application/x-ndjson", "ndjson", history.WriteNDJSON)
}

// export writes all that a filter asks for, or a row's changes, as it is read.
func (h *handler) export(v *visit, contentType, extension string, write func(io.Writer, iter.Seq2[history.Change, error]) error) error {
	f := readFilter(v.r.URL.Query())
	q := history.Query{}
	var err error
	if len(f.Key) > 0 {
		var row any
		_, row, _, err = h.rowOf(v)
		q.Rows = []any{keyed.Row{Model: row}}
	} else if q, err = h.query(v, f); err == nil {
		q, err = h.mayRead(v, q)
	}
	if err != nil {
		return err
	}
	if v.nameless { // what is missing could not be seen
		return errNoNames
	}
	if len(f.Problems) > 0 {
		return errNotFound
	}
	header := v.w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Disposition", `attachment; filename="history.`+extension+`"`)
	out := bufio.NewWriterSize(&answer{v}, 32<<10)
	if err := write(out, history.All(v.db, q)); err != nil {
		return err
	}
	return out.Flush()
}

// answer notes that something is on its way: no other answer can be given then.
type answer struct{ *visit }

// Write implements [io.Writer].
func (a *answer) Write(p []byte) (int, error) {
	a.wrote = true
	return a.w.Write(p)
}
