package main

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// User is a person with an account, or one of the programs that work on notes.
type User struct {
	ID           uint
	Name         string `gorm:"size:100;uniqueIndex"`
	Role         Role   `gorm:"size:20"`
	PasswordHash string `gorm:"size:100"`
	CreatedAt    time.Time
	UpdatedAt    time.Time
	gormaudit.By[uint]
}

// Role is what a user may do.
type Role string

// The roles. A program has a row so that by-columns can name it; nobody signs
// in as one.
const (
	Member  Role = "member"
	Admin   Role = "admin"
	Program Role = "program"
)

// IsAdmin reports whether u may see the users and act as one.
func (u *User) IsAdmin() bool { return u.Role == Admin }

// actor is u with the name that the history keeps, for those who read it when the
// account is gone.
func (u *User) actor() actor.Actor {
	a := actor.User(u.ID)
	a.Name = u.Name
	return a
}

// IsPerson reports whether u is somebody who can sign in.
func (u *User) IsPerson() bool { return u.Role != Program }

// setPassword changes the hash in memory. It returns what is wrong with the
// password, for its owner to read.
func (u *User) setPassword(password string) (problem string) {
	switch {
	case utf8.RuneCountInString(password) < minPassword:
		return "Use at least 8 characters."
	case len(password) > maxPassword:
		return "Use at most 72 characters, and fewer where they are not the English alphabet's."
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return "This password can't be used."
	}
	u.PasswordHash = string(hash)
	return ""
}

// authenticate returns the person of that name who signs in from an address. It
// returns what passwords.admit and passwords.check do.
func (a *app) authenticate(ctx context.Context, address, name, password string) (*User, error) {
	if err := a.passwords.admit(address); err != nil {
		return nil, err
	}
	name = strings.TrimSpace(name)
	user, err := &User{}, gorm.ErrRecordNotFound
	if isText(name) {
		err = a.db.WithContext(ctx).Where("role <> ?", Program).Take(user, "name = ?", name).Error
	}
	if err != nil && !errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, err
	}
	if user.Name != name { // MySQL also finds bób where somebody asks for Bob
		user = &User{Name: name}
	}
	if err := a.passwords.check(ctx, user, password); err != nil {
		return nil, err
	}
	return user, nil
}

// user returns the user with an id, or gorm.ErrRecordNotFound.
func (a *app) user(ctx context.Context, id string) (*User, error) {
	var user User
	err := a.db.WithContext(ctx).Take(&user, "id = ?", id).Error
	return &user, err
}

// loadUser reads the record of whoever is signed in. echoauth calls it when a
// handler first asks.
func (a *app) loadUser(ctx context.Context, who actor.Actor) (any, error) {
	return a.user(ctx, who.ID)
}

// sessionStamp is asked by echoauth for every signed-in request. It changes with
// the password, which ends every session begun with the old one.
func (a *app) sessionStamp(ctx context.Context, who actor.Actor) (string, error) {
	var user User
	err := a.db.WithContext(ctx).Select("password_hash").Take(&user, "id = ? AND role <> ?", who.ID, Program).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return "", echoauth.ErrAnonymous // the account is gone, and so is the session
	}
	return user.PasswordHash, err
}
