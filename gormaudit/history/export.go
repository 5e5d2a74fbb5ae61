package history

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// WriteNDJSON writes changes as JSON, one on each line, see [Change.MarshalJSON]:
//
//	err := history.WriteNDJSON(w, history.All(db, history.Query{}))
//
// The names of people are those that the actors carried, see [actor.Identity]. An
// export of historyweb does not ask its Config.Names for them either.
//
// It writes while it reads, and returns the first error of reading or writing. Unless
// w failed, it has written whole lines until then.
func WriteNDJSON(w io.Writer, changes iter.Seq2[Change, error]) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for c, err := range changes {
		if err != nil {
			return err
		}
		if err := encoder.Encode(c); err != nil {
			return err
		}
	}
	return nil
}

// csvColumns are the columns of [WriteCSV].
var csvColumns = []string{
	"id", "at", "change_set", "change_set_at", "transaction", "table", "key", "action",
	"attributed", "actor_kind", "actor_id", "actor_name", "impersonator_kind", "impersonator_id", "impersonator_name",
	"request_id", "ip", "user_agent", "method", "route", "metadata", "database_user", "database_role",
	"column", "type", "before", "after", "redacted", "bookkeeping", "error",
}

// WriteCSV writes changes as CSV for spreadsheets. The first line has the names of
// the columns, in their order. Then it writes a line for each column that changed,
// and for a change without such columns a line without one. These are the columns of
// the CSV:
//
//   - id, at, table, key, action: of the [Change]. The parts of a key of several
//     columns are joined by commas, with ~1 for a comma in one and ~0 for ~
//   - change_set, change_set_at, transaction, attributed, database_user,
//     database_role: of its [ChangeSet]
//   - actor_kind, actor_id, actor_name, impersonator_kind, impersonator_id,
//     impersonator_name: who did it. A name is the one that the actor carried, as in
//     [WriteNDJSON]
//   - request_id, ip, user_agent, method, route: in which request
//   - metadata: as JSON
//   - column, redacted, bookkeeping, error: of the [Field]
//   - type: of the column, as in [Change.MarshalJSON]
//   - before, after: the texts of [Value.String]. NULL and an empty text are both an
//     empty cell. [WriteNDJSON] tells them apart
//
// A text that a spreadsheet would take for a formula, because it begins with =, +,
// - or @, gets an apostrophe in front.
//
// It writes while it reads, and returns the first error of reading or writing.
func WriteCSV(w io.Writer, changes iter.Seq2[Change, error]) error {
	out := csv.NewWriter(w)
	if err := out.Write(csvColumns); err != nil {
		return err
	}
	for c, err := range changes {
		if err != nil {
			out.Flush()
			return err
		}
		fields := c.Fields
		if len(fields) == 0 {
			fields = []Field{{}}
		}
		for _, f := range fields {
			if err := out.Write(csvLine(c, f)); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}

func csvLine(c Change, f Field) []string {
	set, who := c.ChangeSet, c.ChangeSet.Actor
	kindOf := func(i actor.Identity, is bool) string {
		if !is {
			return ""
		}
		return i.Kind.String()
	}
	typeName := ""
	if f.Column != "" && !f.Redacted {
		typeName = kindNames[f.kind()]
	}
	line := []string{
		strconv.FormatInt(c.ID, 10), c.At.Format(time.RFC3339Nano),
		strconv.FormatInt(set.ID, 10), set.At.Format(time.RFC3339Nano), strconv.FormatInt(set.Transaction, 10), c.Table, joinKey(c.Key), string(c.Action),
		strconv.FormatBool(set.Attributed), kindOf(who.Identity, set.Attributed), who.ID, who.Name,
		kindOf(who.Impersonator, who.Impersonator != actor.Identity{}), who.Impersonator.ID, who.Impersonator.Name,
		set.Request.ID, set.Request.IP, set.Request.UserAgent, set.Request.Method, set.Request.Route, metadataCell(set.Metadata), set.DatabaseUser, set.DatabaseRole,
		f.Column, typeName, f.Before.String(), f.After.String(), strconv.FormatBool(f.Redacted), strconv.FormatBool(f.Bookkeeping), "",
	}
	if f.Err != nil {
		line[len(line)-1] = f.Err.Error()
	}
	for i, cell := range line {
		line[i] = safeCell(cell)
	}
	return line
}

// metadataCell is metadata as JSON, "" where there is none.
func metadataCell(metadata map[string]string) string {
	if len(metadata) == 0 {
		return ""
	}
	text, _ := json.Marshal(metadata) // of texts: can't fail
	return string(text)
}

// safeCell is a cell that is no formula. A number is none, whatever its sign.
func safeCell(cell string) string {
	if cell == "" || !strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return cell
	}
	if _, err := strconv.ParseFloat(cell, 64); err == nil {
		return cell
	}
	return "'" + cell
}
