package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/echoauth"
)

// A form that creates notes has a key, and each note keeps what was made of it
// in a column that is unique. So a form that is sent twice, by an impatient
// finger or after an answer that was lost, creates its notes once, whichever
// process it comes to.

// formKey is the key of the form that a request sent, or a new one.
func formKey(c echo.Context) string {
	if key := c.FormValue("key"); key != "" {
		return key
	}
	return rand.Text()
}

// noteKey is the key of a note at a position of the form that a request sent. It
// is another for another person, and for another text: whoever goes back to a
// form and writes something else there means another note.
func noteKey(c echo.Context, position int, note *Note) *string {
	who := echoauth.Current(c).ID
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d %q %q", formKey(c), who, position, note.Title, note.Body))
	key := hex.EncodeToString(sum[:])
	return &key
}
