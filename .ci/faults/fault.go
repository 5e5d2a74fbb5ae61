package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// fault is a small mistake, and the test that must notice it.
type fault struct {
	name  string
	tests string   // the directory of the tests
	code  []string // the directories of the code
	in    string   // the name of a declaration
	edit  string   // what happens to it
	test  string   // a pattern of go test's -run
}

func (f fault) String() string { return filepath.ToSlash(f.tests) + ": " + f.name }

// readAll reads the faults of every package below a directory.
func readAll(root string, match *regexp.Regexp) ([]fault, error) {
	var matching []fault
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(filepath.ToSlash(path), "/testdata/faults.txt") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		faults, err := parseFaults(filepath.Dir(filepath.Dir(path)), string(text))
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, f := range faults {
			if match.MatchString(f.String()) {
				matching = append(matching, f)
			}
		}
		return nil
	})
	return matching, err
}

// parseFaults reads those of one file.
func parseFaults(tests, text string) ([]fault, error) {
	var faults []fault
	var code []string
	f := fault{}
	for n, line := range strings.Split(text, "\n") {
		indented := strings.TrimLeft(line, " \t") != line
		line = strings.TrimSpace(line)
		dir, isCode := strings.CutPrefix(line, "code ")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case isCode && !indented:
			code = append(code, filepath.Join(tests, filepath.FromSlash(dir)))
		case !indented && f.name == "":
			f = fault{name: line, tests: tests, code: code}
		case indented && f.name != "" && f.edit == "":
			var found bool
			if f.in, f.edit, found = strings.Cut(line, ": "); !found {
				return nil, fmt.Errorf("line %d: it does not begin with a name and a colon", n+1)
			}
		case indented && f.edit != "":
			f.test = line
			faults, f = append(faults, f.withCode()), fault{}
		default:
			return nil, fmt.Errorf("line %d: a fault has three lines, the last two indented", n+1)
		}
	}
	if f.name != "" {
		return nil, fmt.Errorf("the fault %q has no test", f.name)
	}
	return faults, nil
}

func (f fault) withCode() fault {
	if f.code == nil {
		f.code = []string{f.tests}
	}
	return f
}
