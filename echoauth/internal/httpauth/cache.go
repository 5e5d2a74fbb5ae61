package httpauth

import (
	"net/http"
	"slices"
	"strings"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

const (
	cacheControl = "Cache-Control"
	vary         = "Vary"
)

// FromSession is echoauth.FromSession and, with the key of a value, FromSessionValue.
func (ad *Adapter) FromSession(valueKey string) Source { return ad.varying(fromSession(valueKey)) }

// varying tells caches that what read answers, nobody included, depends on the
// request's cookies.
func (ad *Adapter) varying(read Source) Source {
	return func(c Context) (actor.Actor, bool, error) {
		if c.Get(storeKey) != nil {
			varyByCookie(ad.Response(c).Header())
		}
		return read(c)
	}
}

func varyByCookie(header http.Header) {
	for _, line := range header[vary] {
		for field := range strings.SplitSeq(line, ",") {
			if field = strings.TrimSpace(field); field == "*" || strings.EqualFold(field, "Cookie") {
				return
			}
		}
	}
	if len(header[vary]) == 0 {
		header[vary] = byCookie
		return
	}
	header[vary] = append(header[vary], "Cookie")
}

// byCookie saves most requests an allocation. It has no room for a second
// field, so that who adds one gets a copy.
var byCookie = slices.Clip([]string{"Cookie"})

// keepOutOfCaches is for an answer that changes who is signed in.
func keepOutOfCaches(header http.Header) {
	varyByCookie(header)
	if header.Get(cacheControl) == "" {
		header.Set(cacheControl, "no-store")
	}
}
