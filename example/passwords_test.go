package main_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// tryToken asks for a token from an address, and returns the status.
func tryToken(t *testing.T, s *server, address, name, password string) int {
	t.Helper()
	p := &program{tb: t, url: s.URL, from: address}
	return p.call("POST", "/api/token", fmt.Sprintf(`{"name":%q,"password":%q}`, name, password), nil)
}

// expectTries checks how many of 25 tries at the same time are let in before
// the others are refused.
func expectTries(t *testing.T, what string, want int, try func(n int) (status int)) {
	t.Helper()
	var admitted, refused atomic.Int32
	var tries sync.WaitGroup
	for n := range 25 {
		tries.Go(func() {
			switch status := try(n); status {
			case http.StatusUnauthorized, http.StatusServiceUnavailable: // looked at, or waited too long to be
				admitted.Add(1)
			case http.StatusTooManyRequests:
				refused.Add(1)
			default:
				t.Errorf("%s = %d, want 401 or 429", what, status)
			}
		})
	}
	tries.Wait()
	if got := int(admitted.Load()); got < want || got > want+2 { // some are granted again after seconds
		t.Errorf("%s: %d tries were let in, %d refused, want %d let in", what, got, refused.Load(), want)
	}
}

// Nobody tries passwords by the thousand: neither from one address, nor for one
// account, by pages and by the API together.
func TestTriesAreCounted(t *testing.T) {
	long(t)
	s := startServer(t, behindProxy)
	expectTries(t, "one address", 20, func(n int) int {
		return tryToken(t, s, "192.0.2.1", fmt.Sprintf("nobody%d", n), "wrong")
	})
	expectTries(t, "one network of IPv6", 20, func(n int) int {
		return tryToken(t, s, fmt.Sprintf("2001:db8::%x:1", n+1), fmt.Sprintf("nobody6%d", n), "wrong")
	})
	expectTries(t, "one account", 10, func(n int) int {
		return tryToken(t, s, fmt.Sprintf("198.51.100.%d", n), "bob", "wrong")
	})
	expectTries(t, "a name that nobody has", 10, func(n int) int {
		return tryToken(t, s, fmt.Sprintf("198.51.100.%d", n), "nobody", "wrong")
	})

	b := newBrowser(t, s).from("203.0.113.1")
	form := url.Values{"name": {"bob"}, "password": {"not his"}, "draft_action": {"/notes"}, "draft_fields": {"title=Kept"}}
	a := b.post("/signin", form)
	for range 5 { // a try may have been granted again
		if a.Status != http.StatusTooManyRequests {
			a = b.post("/signin", form)
		}
	}
	expect(t, "the page, for the same account", a, http.StatusTooManyRequests, "too many tries", `value="bob"`, "title=Kept")
	if a.Header.Get("Retry-After") == "" || strings.Contains(a.Body, "not his") {
		t.Errorf("the page says %q when to try again, and shows:\n%s", a.Header.Get("Retry-After"), a.Body)
	}
	if status := tryToken(t, s, "203.0.113.1", "carol", seedPassword); status != http.StatusOK {
		t.Errorf("somebody else, from elsewhere = %d, want 200", status)
	}
}

// What is counted does not tell who has an account either: a name that is written
// otherwise, and that some databases find all the same, is counted alike whether
// somebody has it or nobody.
func TestTriesTellNothing(t *testing.T) {
	for database, open := range map[string]func(testing.TB) *database{"sqlite": nil, "mysql": newMySQL} {
		t.Run(database, func(t *testing.T) {
			env := []string{behindProxy}
			if open != nil {
				env = append(env, open(t).env...)
			}
			s := startServer(t, env...)
			answers := map[string][]int{}
			for n, name := range []string{"bob", "nob"} {
				var tries sync.WaitGroup
				for range 12 {
					tries.Go(func() { tryToken(t, s, fmt.Sprintf("192.0.2.%d", n), name, "wrong") })
				}
				tries.Wait()
				for _, written := range []string{name, " " + name, strings.ToUpper(name), strings.ReplaceAll(name, "o", "ó")} {
					answers[name] = append(answers[name], tryToken(t, s, fmt.Sprintf("198.51.100.%d", n), written, "wrong"))
				}
			}
			if !slices.Equal(answers["bob"], answers["nob"]) {
				t.Errorf("after too many tries for bob, others = %d, for nobody %d, want the same", answers["bob"], answers["nob"])
			}
		})
	}
}

// Without a proxy that is trusted, an address is where the request comes from,
// whatever it says.
func TestTriesAreCountedByTheRealAddress(t *testing.T) {
	s := startServer(t)
	expectTries(t, "many addresses", 20, func(n int) int {
		return tryToken(t, s, fmt.Sprintf("198.51.100.%d", n), fmt.Sprintf("nobody%d", n), "wrong")
	})
}

// Whoever has somebody's session can't try passwords by the form that changes
// them.
func TestCurrentPasswordIsCounted(t *testing.T) {
	s := startServer(t)
	bob := signIn(t, s, "bob", seedPassword)
	expectTries(t, "the form, after a sign-in", 9, func(int) int {
		status := bob.post("/account/password", url.Values{"current": {"wrong"}}).Status
		if status == http.StatusUnprocessableEntity {
			return http.StatusUnauthorized // as pages and tokens say it
		}
		return status
	})
	expect(t, "the session", bob.get("/notes"), http.StatusOK)
}

// Many who sign in at the same time leave processors for everybody else.
func TestHealthWhileManySignIn(t *testing.T) {
	long(t)
	if raceEnabled {
		t.Skip("it is about time, of which the race detector takes most")
	}
	for range 3 { // what else the machine does costs time, too
		if slow := slowWhileManySignIn(t); slow <= 0.01 {
			return
		}
	}
	t.Error("more than one in a hundred answers took longer than 300ms, each of three times")
}

// slowWhileManySignIn is the part of answers to others that take long meanwhile.
func slowWhileManySignIn(t *testing.T) float64 {
	t.Helper()
	s := startServer(t, behindProxy)
	var crowd sync.WaitGroup
	signingIn := make(chan struct{})
	for i := range 50 {
		crowd.Go(func() {
			status := tryToken(t, s, fmt.Sprintf("192.0.2.%d", i), fmt.Sprintf("nobody%d", i), "wrong")
			if status != http.StatusUnauthorized && status != http.StatusServiceUnavailable {
				t.Errorf("sign in = %d, want 401, or 503 for who would wait too long", status)
			}
		})
	}
	go func() { crowd.Wait(); close(signingIn) }()
	var answers, slow int
	var longest time.Duration
	for done := false; !done; {
		select {
		case <-signingIn:
			done = true
		default:
			started := time.Now()
			status := newBrowser(t, s).get("/healthz").Status
			took := time.Since(started)
			if answers++; status != http.StatusOK || took > 300*time.Millisecond {
				slow++
			}
			longest = max(longest, took)
			time.Sleep(10 * time.Millisecond)
		}
	}
	t.Logf("%d answers, %d of them slow, the slowest after %v", answers, slow, longest)
	return float64(slow) / float64(answers)
}

// bcrypt reads 72 bytes. Nobody has a password of which the rest is ignored.
func TestLongPasswords(t *testing.T) {
	s := startServer(t)
	bob := signIn(t, s, "bob", seedPassword)
	change := func(current, password string) answer {
		return bob.submit("/account", "/account/password", url.Values{"current": {current}, "new": {password}, "again": {password}})
	}
	longest := strings.Repeat("long", 18)
	expect(t, "73 bytes", change(seedPassword, longest+"x"), http.StatusUnprocessableEntity, "at most 72")
	expect(t, "73 bytes in 25 letters", change(seedPassword, strings.Repeat("密", 24)+"x"), http.StatusUnprocessableEntity, "at most 72")
	expect(t, "8 bytes in 4 letters", change(seedPassword, "éééé"), http.StatusUnprocessableEntity, "at least 8")
	expect(t, "72 bytes", change(seedPassword, longest), http.StatusOK, "Your password is changed.")
	for password, want := range map[string]int{longest: http.StatusOK, longest + "x": http.StatusUnauthorized} {
		if got := tryToken(t, s, "", "bob", password); got != want {
			t.Errorf("sign in with %d bytes = %d, want %d", len(password), got, want)
		}
	}
	expect(t, "change it with 73 bytes", change(longest+"x", "another password"), http.StatusUnprocessableEntity, "This is not your password.")
}

// Neither the answer nor its time tells who has an account, and of what kind. The
// shortest of many times is without what else the machine does.
func TestRefusalsTakeAsLong(t *testing.T) {
	s := startServer(t, behindProxy)
	execute(t, s.database(t), "INSERT INTO users (name, role, password_hash) VALUES ('invited', 'member', '')")
	shortest := map[string]time.Duration{"bob": time.Hour, "invited": time.Hour, "archiver": time.Hour, "nobody": time.Hour}
	differs := func() bool {
		for _, took := range shortest {
			if took < shortest["bob"]/2 || took > 2*shortest["bob"] {
				return true
			}
		}
		return false
	}
	for n := 0; n < 5 || n < 30 && differs(); n++ {
		for name := range shortest {
			started := time.Now()
			var body map[string]string
			p := &program{tb: t, url: s.URL, from: fmt.Sprintf("192.0.2.%d", n)}
			status := p.call("POST", "/api/token", fmt.Sprintf(`{"name":%q,"password":""}`, name), &body)
			shortest[name] = min(shortest[name], time.Since(started))
			if status != http.StatusUnauthorized || body["error"] != "This name and this password don't belong together." {
				t.Errorf("%s without a password = %d %v, want 401 as for everybody", name, status, body)
			}
		}
	}
	if differs() {
		t.Errorf("they are refused after %v, want the same time", shortest)
	}
}
