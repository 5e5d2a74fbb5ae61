package httpauth

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// userFrom returns the user whose id is v: a string, any kind of integer, or
// what a JSON decoder makes of one. Zero values give the anonymous actor.
func userFrom(v any) (actor.Actor, error) {
	switch id := v.(type) {
	case nil:
		return actor.Actor{}, nil
	case string:
		return actor.User(id), nil
	case float64:
		return userFromFloat(id)
	case json.Number:
		return userFromNumber(string(id))
	}
	switch id := reflect.ValueOf(v); {
	case id.Kind() == reflect.String:
		return actor.User(id.String()), nil
	case id.CanInt():
		return actor.User(id.Int()), nil
	case id.CanUint():
		return actor.User(id.Uint()), nil
	}
	return actor.Actor{}, fmt.Errorf("a user's id is a string or an integer, not a %T", v)
}

// userFromNumber takes the digits as they stand, of any size: nothing rounds
// them. A fraction of 0 is left out, as a float64 has none, and any other
// spelling refused, which would be the same user under another id.
func userFromNumber(number string) (actor.Actor, error) {
	id, fraction, _ := strings.Cut(number, ".")
	digits := strings.TrimPrefix(id, "-")
	switch {
	case number == "" || digits == "0" && strings.Trim(fraction, "0") == "":
		return actor.Actor{}, nil
	case digits == "" || digits[0] == '0' || strings.Trim(digits, "0123456789") != "" || strings.Trim(fraction, "0") != "":
		return actor.Actor{}, fmt.Errorf("the number %q is not an integer id (send ids as strings)", number)
	}
	return actor.User(id), nil
}

// userFromFloat refuses what a float64 may have rounded: 2^53 is also what
// becomes of 2^53+1, another user.
func userFromFloat(id float64) (actor.Actor, error) {
	if id != math.Trunc(id) || math.Abs(id) >= 1<<53 {
		return actor.Actor{}, fmt.Errorf("%g is not an exact integer id (JSON numbers are exact below 2^53: send ids as strings)", id)
	}
	return actor.User(int64(id)), nil
}
