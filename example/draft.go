package main

import (
	"net/http"
	"net/url"
	"slices"
	"sort"

	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/echoauth"
)

// draft is a form that could not be accepted, because the session had ended or
// the database was gone, kept for its writer to send again.
type draft struct {
	Action string
	Fields []draftField
}

type draftField struct{ Name, Value string }

// secretFields never come back in a page.
var secretFields = []string{"username", "password", "current", "new", "again", "draft_action", "draft_fields"}

// draftOf returns what a request sent, or nil for one that sent no form.
func draftOf(c echo.Context) *draft {
	request := c.Request()
	if request.Method != http.MethodPost || isAPI(c) || request.ParseForm() != nil {
		return nil
	}
	return newDraft(request.URL.Path, request.PostForm)
}

func newDraft(action string, form url.Values) *draft {
	d := &draft{Action: action}
	for name, values := range form {
		for _, value := range values {
			if !slices.Contains(secretFields, name) {
				d.Fields = append(d.Fields, draftField{name, value})
			}
		}
	}
	sort.Slice(d.Fields, func(i, j int) bool { return d.Fields[i].Name > d.Fields[j].Name })
	return d
}

// Encoded is the fields as one, to ride along in the sign-in form.
func (d *draft) Encoded() string {
	form := url.Values{}
	for _, field := range d.Fields {
		form.Add(field.Name, field.Value)
	}
	return form.Encode()
}

// decodeDraft is the other direction, of what a browser says.
func decodeDraft(action, fields string) *draft {
	form, err := url.ParseQuery(fields)
	if action == "" || err != nil || echoauth.SafeNext(action) != action {
		return nil
	}
	return newDraft(action, form)
}
