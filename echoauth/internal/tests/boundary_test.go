package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDependencies keeps what an application with echoauth compiles to its own
// Echo, and to what is needed to read its sessions and tokens.
func TestDependencies(t *testing.T) {
	never := []string{
		"gorm.io/", "testing", "github.com/boj/", "github.com/gomodule/", "github.com/coder/",
		"github.com/labstack/echo-contrib", "github.com/labstack/echo-jwt",
	}
	for path, test := range map[string]struct {
		has   string
		lacks []string
	}{
		"echoauth":                   {"github.com/labstack/echo/v4", []string{"github.com/labstack/echo/v5"}},
		"echoauth/v5":                {"github.com/labstack/echo/v5", []string{"github.com/labstack/echo/v4", "github.com/labstack/gommon"}},
		"echoauth/internal/httpauth": {"github.com/gorilla/sessions", []string{"github.com/labstack/"}},
	} {
		packages := strings.Fields(string(goCommand(t, "list", "-deps", module+"/"+path)))
		if !slices.Contains(packages, test.has) {
			t.Errorf("%s does not depend on %s", path, test.has)
		}
		for _, pkg := range packages {
			for _, prefix := range append(test.lacks, never...) {
				if pkg == strings.TrimSuffix(prefix, "/") || strings.HasPrefix(pkg, strings.TrimSuffix(prefix, "/")+"/") {
					t.Errorf("%s depends on %s", path, pkg)
				}
			}
		}
	}
}

// TestConsumers looks into go.mod and go.sum of applications on either version:
// after go mod tidy, which reads the tests beside the packages too, they have
// their own Echo only, and nothing that only our tests need.
func TestConsumers(t *testing.T) {
	for _, test := range []struct {
		name, echo, auth string
		never            string
	}{
		{"v4", "github.com/labstack/echo/v4", "echoauth", "github.com/labstack/echo/v5"},
		{"v5", "github.com/labstack/echo/v5", "echoauth/v5", "github.com/labstack/echo/v4"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "main.go"), `package main

import (
	"`+test.echo+`"

	"`+module+"/"+test.auth+`"
)

func main() {
	e := echo.New()
	e.Use(echoauth.Middleware())
}
`)
			tidy(t, dir)
			lines := readFile(t, filepath.Join(dir, "go.mod")) + readFile(t, filepath.Join(dir, "go.sum"))
			if !strings.Contains(lines, test.echo+" v") {
				t.Errorf("go.mod and go.sum lack %s:\n%s", test.echo, lines)
			}
			for _, never := range []string{
				test.never, "gorm.io/", "github.com/boj/", "github.com/gomodule/", "github.com/coder/", "github.com/chromedp/",
				"modernc.org/", "github.com/mattn/go-sqlite3", "github.com/jackc/", "github.com/go-sql-driver/",
			} {
				if strings.Contains(lines, never) {
					t.Errorf("go.mod or go.sum has %s:\n%s", never, lines)
				}
			}
		})
	}
}

// tidy makes a module of dir that uses this one as it stands, from what the
// module cache has. The test is skipped where that lacks something.
func tidy(t *testing.T, dir string) {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	// The versions of the main module are in the cache, later ones need not be.
	requires := readFile(t, filepath.Join(root, "go.mod"))
	requires = requires[strings.Index(requires, "\ngo "):]
	writeFile(t, filepath.Join(dir, "go.mod"), "module consumer\n"+requires+
		"\nrequire "+module+" v0.0.0\n\nreplace "+module+" => "+root+"\n")
	writeFile(t, filepath.Join(dir, "go.sum"), readFile(t, filepath.Join(root, "go.sum")))
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not on the PATH")
	}
	cmd := exec.Command(goTool, "mod", "tidy")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("go mod tidy, without a network: %v\n%s", err, out)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
