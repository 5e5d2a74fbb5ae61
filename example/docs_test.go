package main_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocumentedCodeCompiles holds that every Go block of the README and of
// the package comments stands, line by line and in order, in a file that is
// compiled.
func TestDocumentedCodeCompiles(t *testing.T) {
	compiled := compiledFiles(t)
	for _, block := range append(readmeBlocks(t), commentBlocks(t)...) {
		want := codeLines(block.text)
		if len(want) == 0 || strings.HasPrefix(want[0], "go ") {
			continue // nothing but comments, or a command
		}
		found := false
		for _, file := range compiled {
			found = found || containsInOrder(file, want)
		}
		if !found {
			t.Errorf("%s: no compiled file has this block:\n%s", block.file, block.text)
		}
	}
}

// TestDocumentedCodeCompilesOnEchoV5 holds that the blocks of echoauth's pages, which
// are for Echo v4 unless they import v5, need nothing on v5 but what these pages say:
// other imports, and a *echo.Context.
func TestDocumentedCodeCompilesOnEchoV5(t *testing.T) {
	compiled := slices.DeleteFunc(compiledFiles(t), func(file []string) bool {
		return slices.ContainsFunc(file, func(line string) bool { return strings.Contains(line, `"github.com/labstack/echo/v4"`) })
	})
	blocks := 0
	for _, block := range readmeBlocks(t) {
		if filepath.Base(filepath.Dir(block.file)) != "echoauth" {
			continue
		}
		blocks++
		text := block.text
		if !strings.Contains(text, `"github.com/labstack/echo/v5"`) {
			text = strings.ReplaceAll(text, "echo.Context", "*echo.Context")
		}
		want := codeLines(text)
		if !slices.ContainsFunc(compiled, func(file []string) bool { return containsInOrder(file, want) }) {
			t.Errorf("%s: no compiled file has this block for Echo v5:\n%s", block.file, strings.Join(want, "\n"))
		}
	}
	if blocks == 0 {
		t.Error("echoauth's pages have no blocks")
	}
}

// TestSecurityNamesTests holds that the tests by which SECURITY.md says that
// something is held are there.
func TestSecurityNamesTests(t *testing.T) {
	names := regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`).FindAllString(read(t, "../.github/SECURITY.md"), -1)
	if len(names) < 40 {
		t.Errorf("%d tests are named, want many", len(names))
	}
	all := map[string]bool{}
	declaration := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	for _, file := range goFiles(t) {
		for _, match := range declaration.FindAllStringSubmatch(read(t, file), -1) {
			all[match[1]] = true
		}
	}
	for _, name := range names {
		if !all[name] {
			t.Errorf("SECURITY.md names %s, which is nowhere", name)
		}
	}
}

type block struct{ file, text string }

func readmeBlocks(t *testing.T) []block {
	t.Helper()
	var blocks []block
	pattern := regexp.MustCompile("(?s)```go\n(.*?)```")
	pages := []string{"../README.md"}
	for _, pattern := range []string{"../gormaudit/*.md", "../gormaudit/*/*.md", "../echoauth/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	for _, page := range pages {
		for _, match := range pattern.FindAllStringSubmatch(read(t, page), -1) {
			blocks = append(blocks, block{page, match[1]})
		}
	}
	return blocks
}

// commentBlocks returns what doc.go files indent.
func commentBlocks(t *testing.T) []block {
	t.Helper()
	var blocks []block
	for _, file := range goFiles(t) {
		if filepath.Base(file) != "doc.go" {
			continue
		}
		var text strings.Builder
		for _, line := range append(strings.Split(read(t, file), "\n"), "") {
			code, ok := strings.CutPrefix(line, "//\t")
			switch {
			case ok:
				text.WriteString(code + "\n")
			case line == "//" && text.Len() > 0:
				text.WriteByte('\n')
			case text.Len() > 0:
				blocks = append(blocks, block{file, text.String()})
				text.Reset()
			}
		}
	}
	return blocks
}

func compiledFiles(t *testing.T) [][]string {
	t.Helper()
	var files [][]string
	for _, file := range goFiles(t) {
		if filepath.Base(file) != "doc.go" {
			files = append(files, codeLines(read(t, file)))
		}
	}
	return files
}

func goFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && entry.Name() != ".." && entry.Name() != ".ci" {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".go" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var (
	lineComment = regexp.MustCompile(`(^|\s)//.*`)
	spaces      = regexp.MustCompile(`\s+`)
)

// codeLines returns the lines of code without comments and alignment.
func codeLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line = lineComment.ReplaceAllString(line, "")
		if line = spaces.ReplaceAllString(strings.TrimSpace(line), " "); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

func containsInOrder(file, want []string) bool {
	for _, line := range file {
		if line == want[0] {
			if want = want[1:]; len(want) == 0 {
				return true
			}
		}
	}
	return false
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
