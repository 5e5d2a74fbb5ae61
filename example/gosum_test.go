package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Whoever uses gormaudit needs no module but those of GORM and its driver. go
// mod tidy counts the tests beside an imported package, too.
func TestGoSumIsNoLongerThanGORMs(t *testing.T) {
	alone := goSum(t, "gorm.io/gorm", "gorm.io/driver/sqlite")
	for name, packages := range map[string][]string{
		"gormaudit": {"/gormaudit", "/gormaudit/actor"},
		"history":   {"/gormaudit", "/gormaudit/history"},
	} {
		t.Run(name, func(t *testing.T) {
			imports := []string{"gorm.io/gorm", "gorm.io/driver/sqlite"}
			for _, p := range packages {
				imports = append(imports, module+p)
			}
			sum := goSum(t, imports...)
			more := slices.DeleteFunc(slices.Clone(sum), func(line string) bool { return slices.Contains(alone, line) })
			if len(more) > 0 {
				t.Errorf("go.sum has %d lines, %d with GORM alone. What came:\n%s", len(sum), len(alone), strings.Join(more, "\n"))
			}
		})
	}
}

// goSum returns go.sum, without hashes, of a module with some imports and the
// versions of this one.
func goSum(t *testing.T, imports ...string) []string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	mod := regexp.MustCompile(`(?m)^module .*`).ReplaceAllString(read(t, "../go.mod"), "module consumer")
	mod += fmt.Sprintf("\nrequire %s v0.0.0\n\nreplace %[1]s => %q\n", module, root)
	program := "package consumer\n\nimport (\n\t_ \"" + strings.Join(imports, "\"\n\t_ \"") + "\"\n)\n"
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": mod, "consumer.go": program} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tidy := exec.Command("go", "mod", "tidy")
	tidy.Dir, tidy.Env = dir, append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "GOPROXY=off", "GOSUMDB=off")
	if output, err := tidy.CombinedOutput(); err != nil {
		t.Skipf("go mod tidy needs what is not in the module cache: %s", output)
	}
	sum := regexp.MustCompile(`(?m) h1:\S+$`).ReplaceAllString(read(t, filepath.Join(dir, "go.sum")), "")
	return strings.Split(strings.TrimSpace(sum), "\n")
}
