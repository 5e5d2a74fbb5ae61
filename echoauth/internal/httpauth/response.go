package httpauth

import (
	"net/http"
	"reflect"
)

// isSent tells whether w, or any response that it is wrapped around, can't take
// a cookie any more.
func (ad *Adapter) isSent(w http.ResponseWriter) bool {
	for ; w != nil; w = unwrap(w) {
		if ad.Committed(w) || wroteHeader(w) {
			return true
		}
	}
	return false
}

// unwrap returns what w is wrapped around, as http.ResponseController finds it,
// or nil.
func unwrap(w http.ResponseWriter) http.ResponseWriter {
	if wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok {
		return wrapper.Unwrap()
	}
	return nil
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
