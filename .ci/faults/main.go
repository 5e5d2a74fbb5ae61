// Faults plants small faults in the code, one at a time, and runs the test that
// must go red for each. A fault that no test catches is a missing test.
//
//	go run ./.ci/faults             # all of them
//	go run ./.ci/faults upsert      # those whose package or name matches a regular expression
//
// They are the faults that a mutation tool (.ci/mutants) does not think of: a
// call left out, a constant one too high, SQL that says something else. Those
// of a package's tests stand beside them in testdata/faults.txt, three lines
// each:
//
//	a service is the same as a user of its id
//		Identity.Same: i.Kind == other.Kind -> true
//		TestIdentity
//
// The first line says what is wrong. The second names a function, a Type.Method, a
// constant or a variable, and what happens to it:
//
//	Same: A -> B      puts the expression B in place of A. If both are string
//	                  literals, B takes the place of A within one
//	Same: not A       negates the innermost condition that mentions A
//	Same: drop A      leaves out the statement, or the case, that mentions A
//	Same: return A    returns A at once
//
// A mention is an expression or a simple statement of the same syntax, such as a
// name, a call or an assignment, or a string literal that contains A. It must be
// the only one there. The third line is a pattern of go test's -run.
//
// Where the tests stand in another package than the code, a line before the
// faults says so: "code ..", for each directory that holds code.
//
// The working tree is not changed: the compiler is given the file with the
// fault in place of the other (go help build, -overlay). It is a failure if a
// name or a mention is gone or not unique, if a fault does not compile, if a
// test is red without a fault, and if it stays green or skips itself with one.
// Tests of PostgreSQL, MariaDB and Redis take their addresses from
// WHODUNIT_POSTGRES, WHODUNIT_MYSQL and WHODUNIT_REDIS.
package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
)

func main() {
	if err := run(strings.Join(os.Args[1:], " ")); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

// run tries the faults that match filter, if there is a place for each.
func run(filter string) error {
	match, err := regexp.Compile(filter)
	if err != nil {
		return err
	}
	faults, err := readAll(".", match)
	if err != nil {
		return err
	}
	if len(faults) == 0 {
		return fmt.Errorf("no fault matches %q", filter)
	}
	for _, f := range faults {
		if _, _, placeErr := f.plant(); placeErr != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", f, placeErr))
		}
	}
	if err != nil {
		return err // at once: trying the others takes minutes
	}
	return tryAll(faults)
}

func tryAll(faults []fault) error {
	b, err := newBench()
	if err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	missed := 0
	for _, f := range faults {
		red, err := b.try(f)
		if err != nil {
			missed++
			fmt.Printf("FAIL  %s: %v\n", f, err)
			continue
		}
		fmt.Printf("ok    %s: %s\n", f, red)
	}
	if missed > 0 {
		return fmt.Errorf("%d of %d were not caught", missed, len(faults))
	}
	fmt.Printf("all %d were caught\n", len(faults))
	return nil
}
