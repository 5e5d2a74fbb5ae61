package historyweb

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"time"
)

//go:embed templates style.css
var files embed.FS

// page is what the layout shows around every page.
type page struct {
	Title string
	Name  string // of the whole
	Home  string
	Zone  string
	As    string // in whose name whoever is here acts, "" in their own
	Body  any

	Nameless bool // names can't be looked up
}

// templates are the pages by their names, each with the layout around it.
var templates = func() map[string]*template.Template {
	all := map[string]*template.Template{}
	layout := template.Must(template.ParseFS(files, "templates/layout.html"))
	for _, name := range []string{"activity", "story", "moment", "confirm", "problem"} {
		all[name] = template.Must(template.Must(layout.Clone()).ParseFS(files, "templates/"+name+".html"))
	}
	return all
}()

func (h *handler) render(v *visit, name, title string, body any) error {
	return h.renderWith(v, http.StatusOK, name, title, body)
}

func (h *handler) renderWith(v *visit, status int, name, title string, body any) error {
	var out bytes.Buffer
	as := h.actsAs(v) // which may ask for a name
	err := templates[name].ExecuteTemplate(&out, "layout.html", page{
		Title: title, Name: h.config.Title, Home: h.config.Home, Zone: h.zone(), As: as, Body: body, Nameless: v.nameless,
	})
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	v.wrote = true
	_, err = v.w.Write(out.Bytes())
	return err
}

// actsAs is the name in which whoever is here acts, if that is another's.
func (h *handler) actsAs(v *visit) string {
	if v.actor.Impersonator.IsAnonymous() {
		return ""
	}
	return h.people(v, nil).name(v.actor.Identity)
}

// zone is the time zone that times are shown in.
func (h *handler) zone() string { return time.Now().In(h.config.Location).Format("MST (-07:00)") }

// problem says why there is no page.
func (h *handler) problem(v *visit, status int, text string) {
	if v.actor.IsAnonymous() { // who is to see nothing, no heading either
		http.Error(v.w, text, status)
		return
	}
	if err := h.renderWith(v, status, "problem", http.StatusText(status), text); err != nil && !v.wrote {
		http.Error(v.w, text, status)
	}
}

func (h *handler) style(v *visit) error {
	text, err := files.ReadFile("style.css")
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/css; charset=utf-8")
	v.w.Header().Set("Cache-Control", "private, max-age=3600")
	_, err = v.w.Write(text)
	return err
}
