package main

import (
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"
)

// event is what a by-column and its at-column say together.
type event struct {
	avatar
	At time.Time
}

// newEvent takes a by-column, the names to look it up in, and the at-column.
func newEvent(id *uint, names map[uint]string, at time.Time) event {
	if id == nil {
		return event{avatar{Name: "nobody"}, at}
	}
	return event{newAvatar(*id, nameOf(*id, names)), at}
}

// nameOf returns a user's name. Somebody whose account is gone has none.
func nameOf(id uint, names map[uint]string) string {
	if name, ok := names[id]; ok {
		return name
	}
	return fmt.Sprintf("user %d", id)
}

// Time is when, for programs.
func (e event) Time() string { return e.At.UTC().Format(time.RFC3339) }

// Ago is when, for people.
func (e event) Ago() string { return ago(e.At) }

// avatar is how somebody looks in a page.
type avatar struct {
	Name  string
	Color uint // the same for the same person
}

const avatarColors = 8

func newAvatar(id uint, name string) avatar { return avatar{name, id % avatarColors} }

// Initial is the letter in the avatar.
func (a avatar) Initial() string {
	r, _ := utf8.DecodeRuneInString(a.Name)
	return string(unicode.ToUpper(r))
}

// ago is when t was, for people.
func ago(t time.Time) string {
	switch d := time.Since(t); {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return count(int(d/time.Minute), "minute") + " ago"
	case d < 24*time.Hour:
		return count(int(d/time.Hour), "hour") + " ago"
	case d < 30*24*time.Hour:
		return count(int(d/(24*time.Hour)), "day") + " ago"
	}
	return t.UTC().Format("2 January 2006")
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
