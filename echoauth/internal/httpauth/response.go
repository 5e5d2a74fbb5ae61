package httpauth

import (
	"iter"
	"net/http"
	"reflect"
)

// isSent tells whether w, or any response that it is wrapped around, can't take
// a cookie any more.
func (ad *Adapter) isSent(w http.ResponseWriter) bool {
	for layer := range layers(w) {
		if ad.Committed(layer) || wroteHeader(layer) {
			return true
		}
	}
	return false
}

// layers yields w and what it is wrapped around, as http.ResponseController
// finds it.
func layers(w http.ResponseWriter) iter.Seq[http.ResponseWriter] {
	return func(yield func(http.ResponseWriter) bool) {
		for w != nil && yield(w) {
			wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
			if !ok {
				return
			}
			w = wrapper.Unwrap()
		}
	}
}

// wroteHeader looks into the responses of net/http, which tell nobody that they
// were flushed or hijacked; Echo doesn't notice either. What it does not know it
// takes for unsent.
func wroteHeader(w http.ResponseWriter) bool {
	response := reflect.ValueOf(w)
	return flag(response, "wroteHeader") || // HTTP/1, TimeoutHandler, httptest
		flag(response, "rws", "wroteHeader") || // HTTP/2
		flag(response, "conn", "hijackedv")
}

// flag returns the bool at the end of path, which leads through the fields of
// structs and pointers to them, or false where there is none.
func flag(v reflect.Value, path ...string) bool {
	for _, name := range path {
		if v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			return false
		}
		v = v.FieldByName(name)
	}
	return v.Kind() == reflect.Bool && v.Bool()
}
