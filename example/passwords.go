package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"github.com/labstack/echo/v4/middleware"
	"golang.org/x/crypto/bcrypt"
)

const (
	minPassword = 8  // characters
	maxPassword = 72 // bytes: bcrypt reads no more
)

// passwords compares passwords with their hashes. That takes a processor a
// moment, on purpose, so it bounds how often somebody may try, and how many
// processors are taken.
//
// It counts in memory: each process allows as much. Somebody who tries for an
// account again and again also keeps its owner from signing in, but ends no
// session.
type passwords struct {
	byAddress, byAccount middleware.RateLimiterStore
	turns                chan struct{} // holds one for each that is compared just now
}

const (
	perMinute  = 1.0 / 60
	waitInLine = 5 * time.Second // for a processor
)

func newPasswords() *passwords {
	return &passwords{
		byAddress: middleware.NewRateLimiterMemoryStoreWithConfig(middleware.RateLimiterMemoryStoreConfig{
			Rate: 20 * perMinute, Burst: 20, ExpiresIn: 5 * time.Minute,
		}),
		byAccount: middleware.NewRateLimiterMemoryStoreWithConfig(middleware.RateLimiterMemoryStoreConfig{
			Rate: 6 * perMinute, Burst: 10, ExpiresIn: 5 * time.Minute,
		}),
		turns: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), // the rest is for everything else
	}
}

var (
	errWrongPassword = errors.New("wrong name or password")
	errTooManyTries  = errors.New("too many tries to sign in")
	errBusy          = errors.New("too much to do")
)

// admit counts a try from an address, and returns errTooManyTries for one too
// many.
func (p *passwords) admit(address string) error {
	if ok, err := p.byAddress.Allow(network(address)); !ok {
		return errors.Join(errTooManyTries, err)
	}
	return nil
}

// check returns nil if password is the user's, or errWrongPassword,
// errTooManyTries, errBusy. A user who has no password, or does not even exist,
// takes as long as everybody else: the time tells nobody who has an account.
func (p *passwords) check(ctx context.Context, user *User, password string) error {
	if ok, err := p.byAccount.Allow(account(user)); !ok {
		return errors.Join(errTooManyTries, err)
	}
	hash, tooLong := user.PasswordHash, len(password) > maxPassword
	if hash == "" {
		hash = nobodysHash
	}
	if tooLong {
		password = password[:maxPassword]
	}
	matches := false
	err := p.inTurn(ctx, func() {
		matches = bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
	})
	if err == nil && (!matches || tooLong || user.PasswordHash == "") {
		return errWrongPassword
	}
	return err
}

// inTurn runs f when there is a processor for it, or returns errBusy.
func (p *passwords) inTurn(ctx context.Context, f func()) error {
	ctx, cancel := context.WithTimeout(ctx, waitInLine)
	defer cancel()
	select {
	case p.turns <- struct{}{}:
	case <-ctx.Done():
		return errBusy
	}
	defer func() { <-p.turns }()
	f()
	return nil
}

// account is what tries are counted by: a name, whether somebody has it or nobody,
// so that the count tells nobody who has an account.
func account(user *User) string { return strings.ToLower(fmt.Sprintf("%.100s", user.Name)) }

// network is what one client can choose its addresses from: with IPv6, 2^64.
func network(address string) string {
	addr, err := netip.ParseAddr(address)
	if addr = addr.Unmap(); err != nil || addr.Is4() {
		return addr.String()
	}
	prefix, _ := addr.WithZone("").Prefix(64)
	return prefix.String()
}

// nobodysHash is compared where there is no hash, and costs as much as those of
// setPassword.
const nobodysHash = "$2a$10$DUcun4//WAumn6tqjDmn/uDdlTD2YhcKRC4jLpub62ISBmYXpz9o."
