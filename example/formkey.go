package main

import (
	"crypto/rand"
	"regexp"

	"github.com/labstack/echo/v4"
)

// A form that creates something has a key, and what it creates keeps it in a
// column that is unique. So a form that is sent twice, by an impatient finger
// or after an answer that was lost, creates it once, whichever process it
// comes to.

func newFormKey() *string {
	key := rand.Text()
	return &key
}

var formKeys = regexp.MustCompile(`^[A-Z2-7]{26}$`)

// formKey returns the key that a form was sent with. A program sends none, and
// gets nil.
func formKey(c echo.Context) *string {
	key := c.FormValue("key")
	if !formKeys.MatchString(key) {
		return nil
	}
	return &key
}
