package tests

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of write paths into writes.md")

const (
	writesMD  = "../../writes.md"
	pathsFrom = "<!-- write paths -->\n"
	pathsTo   = "<!-- /write paths -->"
)

func TestWritesTable(t *testing.T) {
	text, err := os.ReadFile(writesMD)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(text), pathsFrom)
	table, tail, closed := strings.Cut(rest, pathsTo)
	if !found || !closed {
		t.Fatalf("%s has no %s … %s", writesMD, strings.TrimSpace(pathsFrom), pathsTo)
	}
	want := writesTable()
	if n := strings.Count(want, "\n"); n > 60 {
		t.Errorf("the table has %d lines, want at most 60: group some paths or call them minor", n)
	}
	if table == want {
		return
	}
	if !*update {
		t.Fatalf("the table of write paths in %s is not that of the tests; go test ./gormaudit/internal/tests -run TestWritesTable -update writes it", writesMD)
	}
	if err := os.WriteFile(writesMD, []byte(head+pathsFrom+want+pathsTo+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// writesTable lists the paths by section and, within one, by what they do to
// the by-columns.
func writesTable() string {
	lines := []string{"| write | created_by | updated_by | deleted_by |", "| --- | --- | --- | --- |"}
	for _, section := range sections[texts]() {
		calls := map[string][]string{}
		var outcomes []string
		for _, p := range section.paths {
			if p.minor {
				continue
			}
			outcome := p.outcome()
			if !slices.Contains(outcomes, outcome) {
				outcomes = append(outcomes, outcome)
			}
			calls[outcome] = append(calls[outcome], p.cell())
		}
		if len(outcomes) > 0 {
			lines = append(lines, "| **"+section.title+"** | | | |")
		}
		for _, outcome := range outcomes {
			lines = append(lines, "| "+strings.Join(calls[outcome], "<br>")+" | "+outcome+" |")
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// cell is the path's call, and what is said about it after a comma.
func (p path) cell() string {
	end := strings.LastIndexAny(p.call, ")}")
	return "`" + p.call[:end+1] + "`" + p.call[end+1:]
}

// outcome is what a path does to the by-columns of the row it is about.
func (p path) outcome() string {
	if p.fails {
		return "error | error | error"
	}
	keys := slices.Sorted(maps.Keys(p.want))
	about := p.about
	for _, key := range keys {
		if about == "" && strings.Contains(key, "+") {
			about = key
		}
	}
	if about == "" && len(keys) > 0 {
		about = keys[0]
	}
	now, changed := p.want[about]
	was, old := before()[about]
	switch {
	case !changed:
		return "kept | kept | kept"
	case now == "gone":
		return "row gone | row gone | row gone"
	}
	var cells []string
	for n, by := range strings.Fields(now) {
		switch {
		case by == "7":
			cells = append(cells, "**actor**")
		case old && by == strings.Fields(was.by)[n]:
			cells = append(cells, "kept")
		case by == "-":
			cells = append(cells, "NULL")
		default:
			cells = append(cells, by)
		}
	}
	return strings.Join(cells, " | ")
}
