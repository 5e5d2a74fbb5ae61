package writes

import (
	"context"
	"database/sql"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Users are the people in paths: who wrote the rows that are there, who acts,
// and whom callers name in forged by-columns.
type Users struct {
	Author, Actor, Forged string
	// Context returns a context in which the user with an id acts. By default
	// that of [actor.NewContext].
	Context func(id string) context.Context
}

func (u Users) context(id string) context.Context {
	if u.Context != nil {
		return u.Context(id)
	}
	return actor.NewContext(context.Background(), actor.User(id))
}

// say writes an id for people to read.
func (u Users) say(token, held string) string {
	switch token {
	case "author":
		return fmt.Sprintf("%q (who wrote the row before)", u.Author)
	case "actor":
		return fmt.Sprintf("%q (who acts)", u.Actor)
	case "forged":
		return fmt.Sprintf("%q (the caller's forged value)", u.Forged)
	case "-":
		return "nobody"
	}
	return strconv.Quote(held)
}

var someUsers = []Users{
	{Author: "5", Actor: "7", Forged: "66"},
	{
		Author: "55555555-5555-4555-8555-555555555555", Actor: "77777777-7777-4777-8777-777777777777",
		Forged: "66666666-6666-4666-8666-666666666666",
	},
}

var errNoUsers = errors.New("no id that the tests make up fits all by-columns: name three users with audittest.Users, and give models that hold other kinds of ids a Run of their own")

// fit returns u, or users whose ids fit all fields where u names none.
func (u Users) fit(fields []*schema.Field) (Users, error) {
	if u.Author != "" {
		for _, field := range fields {
			if err := u.fits(field); err != nil {
				return u, fmt.Errorf("%s.%s: %w", field.Schema.Table, field.DBName, err)
			}
		}
		return u, nil
	}
	for _, some := range someUsers {
		fits := true
		for _, field := range fields {
			fits = fits && some.fits(field) == nil
		}
		if fits {
			some.Context = u.Context
			return some, nil
		}
	}
	return u, errNoUsers
}

func (u Users) fits(field *schema.Field) error {
	for _, id := range []string{u.Author, u.Actor, u.Forged} {
		if strings.Contains(strings.ToLower(string(field.DataType)+field.TagSettings["TYPE"]), "uuid") && len(id) != 36 {
			return fmt.Errorf("the user %q is not a UUID", id)
		}
		if field.GORMDataType == schema.String && field.Size > 0 && len(id) > field.Size {
			return fmt.Errorf("the user %q is longer than the column", id)
		}
		if err := fill(reflect.New(field.FieldType).Elem(), id); err != nil {
			return fmt.Errorf("the user %q: %w", id, err)
		}
	}
	return nil
}

// fill sets a by-field to an id. Unlike the plugin it need not be careful: what
// a column then holds is read back before the first path.
func fill(v reflect.Value, id string) error {
	for v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if scanner, ok := v.Addr().Interface().(sql.Scanner); ok {
		if n, err := strconv.ParseInt(id, 10, 64); err == nil && scanner.Scan(n) == nil {
			return nil
		}
		if scanner.Scan(id) == nil {
			return nil
		}
	}
	if text, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok && text.UnmarshalText([]byte(id)) == nil {
		return nil
	}
	return fillKind(v, id)
}

func fillKind(v reflect.Value, id string) error {
	switch kind := v.Kind(); {
	case kind == reflect.String:
		v.SetString(id)
	case v.CanInt():
		n, err := strconv.ParseInt(id, 10, v.Type().Bits())
		if err != nil {
			return err
		}
		v.SetInt(n)
	case v.CanUint():
		n, err := strconv.ParseUint(id, 10, v.Type().Bits())
		if err != nil {
			return err
		}
		v.SetUint(n)
	case kind == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		v.SetBytes([]byte(id))
	case kind == reflect.Array && v.Type().Elem().Kind() == reflect.Uint8:
		b, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
		if err != nil || len(b) != v.Len() {
			return fmt.Errorf("it does not fit %s", v.Type())
		}
		reflect.Copy(v, reflect.ValueOf(b))
	default:
		return fmt.Errorf("it does not fit %s", v.Type())
	}
	return nil
}
