package historyweb

import (
	"maps"
	"slices"
	"time"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

// pageSize is how many changes a page has.
const pageSize = 50

// activity is the page of all tables.
type activityPage struct {
	Filter  filter
	Who     string   // what the filter says of it, for people to read
	People  []string // to choose from
	Tables  []tableOption
	Actions []actionOption
	Days    []day
	Older   string
	Newest  string // the address of the first page, on others
	Unasked bool   // the filter can't be read, so that nothing was looked for
}

type tableOption struct{ Name, Label string }

type actionOption struct{ Name, Label string }

// actionLabels are the actions in the order of a row's life.
var actionLabels = []actionOption{
	{string(history.ActionCreate), "created"},
	{string(history.ActionUpdate), "changed"},
	{string(history.ActionSoftDelete), "put in the trash"},
	{string(history.ActionRestore), "taken out of the trash"},
	{string(history.ActionDelete), "deleted for good"},
	{string(history.ActionTruncate), "emptied a table"},
	{string(history.ActionRename), "renamed a table"},
}

// day is what happened on one day, newest first.
type day struct {
	Date string
	Sets []set
}

// set is a change set: somebody's changes of one moment.
type set struct {
	Who     who
	At      moment
	Route   string
	Words   []word
	Changes []change
}

// word is one of the application's own about a change set.
type word struct{ Name, Text string }

// Label is the word's name for people to read.
func (w word) Label() string { return humanize(w.Name) }

func (h *handler) activity(v *visit) error {
	page := activityPage{Filter: readFilter(v.r.URL.Query()), Actions: actionLabels}
	if len(h.names) == 0 { // it is of no table that could be named
		page.Actions = append(slices.Clone(actionLabels), actionOption{string(history.ActionAnonymize), "anonymized a person"})
	}
	f := &page.Filter
	changes, more, err := h.find(v, &page)
	if err != nil {
		return err
	}
	if page.Days, err = h.days(v, changes); err != nil {
		return err
	}
	if page.Who = f.Actor; f.user() != "" {
		page.Who = v.people.choice(actor.Identity{Kind: actor.KindUser, ID: f.user()})
	}
	page.People = v.people.choices(changes)
	if more {
		page.Older = f.Older("./", changes[len(changes)-1].ID)
	}
	if f.Before > 0 {
		page.Newest = f.Address("./")
	}
	return h.render(v, "activity", h.config.Title, page)
}

// find is what the filter of a page asks for, and whether there is more. It fills in
// the tables that may be asked for.
func (h *handler) find(v *visit, page *activityPage) (changes []history.Change, more bool, err error) {
	f := page.Filter
	q, err := h.query(v, f)
	if err != nil {
		return nil, false, err
	}
	wanted := q.Tables
	q.Tables = h.models()
	if q, err = h.mayRead(v, q); err != nil {
		return nil, false, err
	}
	for _, name := range h.names {
		if t := h.tables[name]; slices.Contains(q.Tables, t.model) {
			page.Tables = append(page.Tables, tableOption{name, t.Label})
		}
	}
	q.Tables = slices.DeleteFunc(q.Tables, func(model any) bool { return !slices.Contains(wanted, model) })
	switch {
	case len(q.Tables) == 0 && len(wanted) > 0:
		return nil, false, errForbidden
	case len(f.Problems) > 0:
		page.Unasked = true
		return nil, false, nil
	}
	q.Limit = pageSize + 1
	if changes, err = history.Find(v.db, q); len(changes) > pageSize {
		return changes[:pageSize], true, err
	}
	if len(changes) == 0 && f.Actor != "" && len(q.Actors) < 2 && !isExact(f.Actor) {
		f.Problems["actor"] = "Nobody who made the latest changes has this name or this id."
	}
	return changes, false, err
}

// days groups changes by their day and change set.
func (h *handler) days(v *visit, changes []history.Change) (days []day, err error) {
	people := h.people(v, h.idsIn(changes))
	titles, err := h.titles(v, changes)
	if err != nil {
		return nil, err
	}
	own, err := h.ownAccounts(v, changes)
	if err != nil {
		return nil, err
	}
	last := int64(0)
	for i, c := range changes {
		at := h.at(c.ChangeSet.At)
		if date := at.Date(); len(days) == 0 || days[len(days)-1].Date != date {
			days = append(days, day{Date: date})
			last = 0
		}
		today := &days[len(days)-1]
		if i == 0 || last != c.ChangeSet.ID || last == 0 {
			today.Sets = append(today.Sets, set{Who: people.who(c.ChangeSet, own), At: at, Route: route(c.ChangeSet.Request), Words: wordsOf(c.ChangeSet)})
		}
		last = c.ChangeSet.ID
		s := &today.Sets[len(today.Sets)-1]
		s.Changes = append(s.Changes, h.change(c, people, titles))
	}
	return days, nil
}

// wordsOf are a change set's, by their names.
func wordsOf(s history.ChangeSet) (all []word) {
	for _, name := range slices.Sorted(maps.Keys(s.Metadata)) {
		all = append(all, word{name, s.Metadata[name]})
	}
	return all
}

func route(r actor.Request) string {
	if r.Method == "" && r.Route == "" {
		return ""
	}
	return r.Method + " " + r.Route
}

// moment is a time as people see it.
type moment struct{ at time.Time }

func (h *handler) at(t time.Time) moment { return moment{t.In(h.config.Location)} }

// Machine is the time for programs, and exact.
func (m moment) Machine() string { return m.at.UTC().Format(time.RFC3339Nano) }

// Date is its day.
func (m moment) Date() string { return m.at.Format("Monday, 2 January 2006") }

// Clock is the time of day.
func (m moment) Clock() string { return m.at.Format("15:04") }

// Full is day and time, to the second.
func (m moment) Full() string { return m.at.Format("2 January 2006, 15:04:05 MST") }

// Input is the time as a form's field has it.
func (m moment) Input() string { return m.at.Format("2006-01-02T15:04:05") }
