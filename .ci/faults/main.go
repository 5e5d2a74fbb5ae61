// Faults plants small faults in the code, one at a time, and runs the test that
// must go red for each. A fault that no test catches is a missing test.
//
//	go run .ci/faults/main.go             # all of them
//	go run .ci/faults/main.go mysql       # those whose name or file matches a regular expression
//
// The faults are in the text files beside this one, a file for each package:
//
//	fault the id 0 is somebody
//	file gormaudit/actor/actor.go
//	- case v.IsZero():
//	-         return ""
//	+ case v.IsZero():
//	+         return "0"
//	test TestUser/zero
//
// What follows "- " is the exact old text, which must occur once in the file,
// and what follows "+ " replaces it. The test is a pattern of go test's -run,
// in the package of the file; where it is in another one, that comes before it,
// as in "test ./gormaudit TestUser".
//
// The working tree is not changed: the compiler is given the file with the
// fault in place of the other (go help build, -overlay). It is a failure if a
// test is red without a fault, if a fault does not compile, if its old text is
// gone, or if its test stays green or skips itself. Tests of PostgreSQL, MariaDB
// and Redis take their addresses from WHODUNIT_POSTGRES, WHODUNIT_MYSQL and
// WHODUNIT_REDIS.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

func main() {
	caught, missed, err := run(strings.Join(os.Args[1:], " "))
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
	fmt.Printf("%d faults, %d not caught\n", caught+missed, missed)
	if missed > 0 {
		os.Exit(1)
	}
}

// run plants the faults that match filter.
func run(filter string) (caught, missed int, err error) {
	match, err := regexp.Compile(filter)
	if err != nil {
		return 0, 0, err
	}
	b, err := newBench()
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(b.dir)
	faults, err := readAll(filepath.Join(b.root, ".ci", "faults"), match)
	if err != nil {
		return 0, 0, err
	}
	for _, f := range faults {
		red, err := b.try(f)
		if err != nil {
			missed++
			fmt.Printf("FAIL  %s: %s: %v\n", f.file, f.name, err)
			continue
		}
		caught++
		fmt.Printf("ok    %s: %s: %s\n", f.file, f.name, red)
	}
	if len(faults) == 0 {
		return 0, 0, fmt.Errorf("no fault matches %q", filter)
	}
	return caught, missed, nil
}

// fault is a small mistake, and the test that must notice it.
type fault struct {
	name, file    string
	old, new      []string // lines
	pkg, patterns string
}

// readAll reads the faults of all text files in a directory.
func readAll(dir string, match *regexp.Regexp) ([]fault, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	var matching []fault
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		faults, err := parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for _, f := range faults {
			if match.MatchString(f.file + ": " + f.name) {
				matching = append(matching, f)
			}
		}
	}
	return matching, nil
}

func parse(text string) ([]fault, error) {
	var faults []fault
	var f fault
	for n, line := range strings.Split(text, "\n") {
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "fault":
			f = fault{name: rest}
		case "file":
			f.file, f.pkg = rest, "./"+filepath.ToSlash(filepath.Dir(rest))
		case "-":
			f.old = append(f.old, rest)
		case "+":
			f.new = append(f.new, rest)
		case "test":
			f.patterns = rest
			if pkg, patterns, ok := strings.Cut(rest, " "); ok {
				f.pkg, f.patterns = pkg, patterns
			}
			if f.name == "" || f.file == "" || f.old == nil || f.new == nil || f.patterns == "" {
				return nil, fmt.Errorf("line %d: the fault before it is not complete", n+1)
			}
			faults, f = append(faults, f), fault{}
		case "", "#":
		default:
			return nil, fmt.Errorf("line %d: unknown word %q", n+1, word)
		}
	}
	if f.name != "" {
		return nil, fmt.Errorf("the fault %q has no test", f.name)
	}
	return faults, nil
}

// bench is where faults are tried.
type bench struct {
	root, dir string
	sound     map[string]string // the test program of each package without faults
	green     map[string]error  // what each test says without faults
}

func newBench() (*bench, error) {
	module, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "faults")
	if err != nil {
		return nil, err
	}
	root := filepath.Dir(strings.TrimSpace(string(module)))
	return &bench{root: root, dir: dir, sound: map[string]string{}, green: map[string]error{}}, nil
}

// try plants f and returns the test that went red.
func (b *bench) try(f fault) (red string, err error) {
	if err := b.mustBeGreen(f.pkg, f.patterns); err != nil {
		return "", err
	}
	overlay, err := b.plant(f)
	if err != nil {
		return "", err
	}
	program := filepath.Join(b.dir, "faulty.test")
	if err := b.compile(f.pkg, program, "-overlay", overlay); err != nil {
		return "", fmt.Errorf("does not compile: %w", err)
	}
	output, err := b.test(f.pkg, program, f.patterns)
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return "", err
	}
	if err != nil {
		return failed(output), nil
	}
	if skip := regexp.MustCompile(`(?m)^.* is not set: .*$`).FindString(output); skip != "" {
		return "", fmt.Errorf("%s skips itself: %s", f.patterns, strings.TrimSpace(skip))
	}
	return "", fmt.Errorf("nothing went red in %s", f.patterns)
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

// mustBeGreen runs a test without a fault, once for all faults that name it.
func (b *bench) mustBeGreen(pkg, patterns string) error {
	key := pkg + " " + patterns
	if err, done := b.green[key]; done {
		return err
	}
	if b.sound[pkg] == "" {
		program := filepath.Join(b.dir, strings.Trim(strings.NewReplacer("/", "_", ".", "").Replace(pkg), "_")+".test")
		if err := b.compile(pkg, program); err != nil {
			return err
		}
		b.sound[pkg] = program
	}
	output, err := b.test(pkg, b.sound[pkg], patterns)
	switch {
	case err != nil:
		err = fmt.Errorf("%s is red without a fault: %s", patterns, failed(output))
	case !strings.Contains(output, "=== RUN"):
		err = fmt.Errorf("no test matches %s", patterns)
	}
	b.green[key] = err
	return err
}

// plant writes the file with the fault and returns the overlay that names it.
func (b *bench) plant(f fault) (overlay string, err error) {
	path := filepath.Join(b.root, filepath.FromSlash(f.file))
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	old, replacement := strings.Join(f.old, "\n"), strings.Join(f.new, "\n")
	if n := strings.Count(string(text), old); n != 1 {
		return "", fmt.Errorf("its old text occurs %d times", n)
	}
	faulty := filepath.Join(b.dir, "faulty.go")
	if err := os.WriteFile(faulty, bytes.Replace(text, []byte(old), []byte(replacement), 1), 0o600); err != nil {
		return "", err
	}
	content, err := json.Marshal(map[string]map[string]string{"Replace": {path: faulty}})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(b.dir, "overlay.json")
	return overlay, os.WriteFile(overlay, content, 0o600)
}

// compile makes the test program of a package.
func (b *bench) compile(pkg, program string, flags ...string) error {
	args := append([]string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-o", program}, flags...)
	cmd := exec.Command("go", append(args, pkg)...)
	cmd.Dir = b.root
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, output)
	}
	if _, err := os.Stat(program); err != nil {
		return fmt.Errorf("%s has no tests", pkg)
	}
	return nil
}

func (b *bench) test(pkg, program, patterns string) (output string, err error) {
	cmd := exec.Command(program, "-test.v", "-test.failfast", "-test.timeout=2m", "-test.run", anchored(patterns))
	cmd.Dir = filepath.Join(b.root, filepath.FromSlash(pkg))
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
