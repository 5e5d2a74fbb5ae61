package echoauth

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"

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
		if id == "0" {
			return actor.Actor{}, nil
		}
		return actor.User(id), nil
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

// userFromFloat refuses what a float64 may have rounded: 2^53 is also what
// becomes of 2^53+1, another user.
func userFromFloat(id float64) (actor.Actor, error) {
	if id != math.Trunc(id) || math.Abs(id) >= 1<<53 {
		return actor.Actor{}, fmt.Errorf("%g is no exact integer id (JSON numbers are exact below 2^53: send ids as strings)", id)
	}
	return actor.User(int64(id)), nil
}
