package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// bench is where faults are tried.
type bench struct {
	dir   string
	sound map[string]string // the test program of each package without faults
	green map[string]error  // what each test says without faults
}

func newBench() (*bench, error) {
	dir, err := os.MkdirTemp("", "faults")
	if err != nil {
		return nil, err
	}
	return &bench{dir: dir, sound: map[string]string{}, green: map[string]error{}}, nil
}

// try plants f and returns the test that went red.
func (b *bench) try(f fault) (red string, err error) {
	if err := b.mustBeGreen(f); err != nil {
		return "", err
	}
	overlay, err := b.overlay(f)
	if err != nil {
		return "", err
	}
	program := filepath.Join(b.dir, "faulty.test")
	if err := b.compile(f.tests, program, "-overlay", overlay); err != nil {
		return "", fmt.Errorf("does not compile: %w", err)
	}
	output, err := b.run(f, program)
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return "", err
	}
	if err != nil {
		return failed(output), nil
	}
	if skip := regexp.MustCompile(`--- SKIP: \S+`).FindString(output); skip != "" {
		return "", fmt.Errorf("%s skips itself: %s", f.test, skip)
	}
	return "", fmt.Errorf("nothing went red in %s", f.test)
}

// mustBeGreen runs a test without a fault, once for all faults that name it.
func (b *bench) mustBeGreen(f fault) error {
	key := f.tests + " " + f.test
	if err, done := b.green[key]; done {
		return err
	}
	if b.sound[f.tests] == "" {
		program := filepath.Join(b.dir, fmt.Sprintf("sound%d.test", len(b.sound)))
		if err := b.compile(f.tests, program); err != nil {
			return err
		}
		b.sound[f.tests] = program
	}
	output, err := b.run(f, b.sound[f.tests])
	switch {
	case err != nil:
		err = fmt.Errorf("%s is red without a fault: %s", f.test, failed(output))
	case !strings.Contains(output, "=== RUN"):
		err = fmt.Errorf("no test matches %s", f.test)
	}
	b.green[key] = err
	return err
}

// overlay writes the file with the fault, and the overlay that names it.
func (b *bench) overlay(f fault) (string, error) {
	path, text, err := f.plant()
	if err != nil {
		return "", err
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	faulty, overlay := filepath.Join(b.dir, "faulty.go"), filepath.Join(b.dir, "overlay.json")
	content, err := json.Marshal(map[string]map[string]string{"Replace": {path: faulty}})
	if err != nil {
		return "", err
	}
	return overlay, errors.Join(os.WriteFile(faulty, text, 0o600), os.WriteFile(overlay, content, 0o600))
}

// compile makes the test program of a package.
func (b *bench) compile(dir, program string, flags ...string) error {
	args := append([]string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-o", program}, flags...)
	output, err := exec.Command("go", append(args, "./"+filepath.ToSlash(dir))...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, output)
	}
	if _, err := os.Stat(program); err != nil {
		return fmt.Errorf("%s has no tests", dir)
	}
	return nil
}

func (b *bench) run(f fault, program string) (output string, err error) {
	cmd := exec.Command(program, "-test.v", "-test.failfast", "-test.timeout=2m", "-test.run", anchored(f.test))
	cmd.Dir = f.tests
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// anchored makes each part of a pattern match a whole name.
func anchored(patterns string) string {
	parts := strings.Split(patterns, "/")
	for i, part := range parts {
		parts[i] = "^(" + part + ")$"
	}
	return strings.Join(parts, "/")
}

// failed names the innermost test that failed first, or the last one that ran
// if the program ended in it.
func failed(output string) string {
	if names := regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`).FindAllStringSubmatch(output, -1); names != nil {
		first := names[0][1]
		for _, name := range names {
			if strings.HasPrefix(name[1], first+"/") {
				first = name[1]
			}
		}
		return first
	}
	if names := regexp.MustCompile(`(?m)^=== RUN\s+(\S+)`).FindAllStringSubmatch(output, -1); names != nil {
		return names[len(names)-1][1] + " (it never ended)"
	}
	return "the test program"
}
