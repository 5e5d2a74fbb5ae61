// Package tagged reads what a field's history tag says.
package tagged

import (
	"strings"

	"gorm.io/gorm/schema"
)

// Tag is what a field's tag says, in parts joined by commas.
type Tag struct {
	LeftOut bool     // history:-
	Redact  bool     // history:redact
	Was     []string // history:was:name
}

// Of reads the tag of a field.
func Of(f *schema.Field) (t Tag) {
	for part := range strings.SplitSeq(f.TagSettings["HISTORY"], ",") {
		part = strings.TrimSpace(part)
		name, renamed := strings.CutPrefix(part, "was:")
		switch {
		case renamed:
			t.Was = append(t.Was, name)
		case part == "-":
			t.LeftOut = true
		case strings.EqualFold(part, "redact"):
			t.Redact = true
		}
	}
	return t
}

// Hides reports whether the history does not have the field's values.
func (t Tag) Hides() bool { return t.LeftOut || t.Redact }
