package echoauth_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestDependencies keeps what an application with echoauth compiles to Echo
// and what is needed to read its sessions and tokens.
func TestDependencies(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not on the PATH")
	}
	out, err := exec.Command(goTool, "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range strings.Fields(string(out)) {
		for _, prefix := range []string{
			"gorm.io/", "testing", "github.com/boj/", "github.com/gomodule/", "github.com/coder/", "github.com/labstack/echo-jwt",
		} {
			if pkg == strings.TrimSuffix(prefix, "/") || strings.HasPrefix(pkg, prefix) {
				t.Errorf("echoauth depends on %s", pkg)
			}
		}
	}
	if !strings.Contains(string(out), "github.com/labstack/echo/v4\n") {
		t.Errorf("dependencies = %s, want Echo among them", out)
	}
}
