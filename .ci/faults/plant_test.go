package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const code = `package p

const most = 63

type box struct{}

func (b *box) put(a, c int) (int, error) {
	if a < most && c != 0 {
		send("SELECT a FROM b WHERE NOT c")
	}
	switch {
	case a == 7:
		return 7, nil
	}
	return a, nil
}
`

func TestPlant(t *testing.T) {
	for edit, want := range map[string]string{
		"most: 63 -> 64":                       "const most = 64",
		"box.put: a < most -> a > most":        "if a > most && c != 0 {",
		"box.put: not most":                    "if !(a < most) && c != 0 {",
		`box.put: "NOT " -> ""`:                `send("SELECT a FROM b WHERE c")`,
		"box.put: drop send":                   "if false { send(",
		"box.put: drop 7":                      "", // an error: there are two
		"box.put: drop a == 7":                 "switch {\n\t\n\t}",
		"box.put: return 0, nil":               "{ if true { return 0, nil };\n\tif a",
		"box.put: drop return a, nil":          "if false { return a, nil }",
		"box.put: not c":                       "if a < most && !(c != 0)",
		"gone: not c":                          "",
		"put: not c":                           "", // of box
		"box.put: not gone":                    "",
		"box.put: shuffle c":                   "",
		"box: not c":                           "",
		`box.put: drop send("something else")`: "",
	} {
		text, err := planted(t, edit)
		if want == "" && err == nil {
			t.Errorf("%q is not an error", edit)
		}
		if want != "" && (err != nil || !strings.Contains(text, want)) {
			t.Errorf("%q: error %v, and the text lacks %q:\n%s", edit, err, want, text)
		}
	}
}

func planted(t *testing.T, edit string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	faults, err := parseFaults(dir, "# comment\n\nwrong\n\t"+edit+"\n\tTestIt\n")
	if err != nil {
		t.Fatal(err)
	}
	_, text, err := faults[0].plant()
	return string(text), err
}

func TestFaultsThatAreNotComplete(t *testing.T) {
	for _, text := range []string{"a", "a\nb", "a\n\tput: not c", "a\n\tnot c\n\tTestIt", "\tput: not c\n\tTestIt"} {
		if faults, err := parseFaults(".", text); err == nil {
			t.Errorf("%q is read as %v", text, faults)
		}
	}
}
