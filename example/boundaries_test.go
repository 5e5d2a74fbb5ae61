package main_test

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/seed-3826ef92/whodunit"

// Each half is for people who don't have the other's framework, so neither may
// bring it along.
func TestBoundaries(t *testing.T) {
	for _, tt := range []struct {
		packages string
		allowed  func(dependency string) bool
	}{
		{"/gormaudit/...", func(d string) bool { return !strings.HasPrefix(d, "github.com/labstack/") }},
		{"/echoauth/...", func(d string) bool { return !strings.HasPrefix(d, "gorm.io/") }},
		{"/gormaudit/actor", func(d string) bool { return d == module+"/gormaudit/actor" || isStandard(d) }},
	} {
		t.Run(tt.packages, func(t *testing.T) {
			for _, dependency := range dependencies(t, module+tt.packages) {
				if !tt.allowed(dependency) {
					t.Errorf("%s depends on %s", tt.packages, dependency)
				}
			}
		})
	}
}

func dependencies(t *testing.T, packages string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", packages).Output()
	if err != nil {
		t.Fatalf("go list -deps %s: %v", packages, err)
	}
	list := strings.Fields(string(out))
	if len(list) == 0 {
		t.Fatalf("go list -deps %s matched no package", packages)
	}
	return list
}

// isStandard reports whether a package is the standard library's: the first
// element of its path has no dot.
func isStandard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}
