package historyweb

import (
	"cmp"
	"maps"
	"math"
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
	Newer   bool // the page of newer changes has a part of it
	Older   bool // that of older ones has
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
	found, err := h.find(v, &page)
	if err != nil {
		return err
	}
	older := found.olderThan()
	found.changes = bySet(found.changes)
	if page.Days, err = h.days(v, found); err != nil {
		return err
	}
	if page.Who = f.Actor; f.user() != "" {
		page.Who = v.people.choice(actor.Identity{Kind: actor.KindUser, ID: f.user()})
	}
	page.People = v.people.choices(found.changes)
	if older > 0 {
		page.Older = f.Older("./", older)
	}
	if f.Before > 0 {
		page.Newest = f.Address("./")
	}
	return h.render(v, "activity", h.config.Title, page)
}

// find is what the filter of a page asks for. It fills in the tables that may be asked
// for.
func (h *handler) find(v *visit, page *activityPage) (found part, err error) {
	f := page.Filter
	q, err := h.query(v, f)
	if err != nil {
		return found, err
	}
	wanted := q.Tables
	q.Tables = h.models()
	if q, err = h.mayRead(v, q); err != nil {
		return found, err
	}
	for _, name := range h.names {
		if t := h.tables[name]; slices.Contains(q.Tables, t.model) {
			page.Tables = append(page.Tables, tableOption{name, t.Label})
		}
	}
	q.Tables = slices.DeleteFunc(q.Tables, func(model any) bool { return !slices.Contains(wanted, model) })
	switch {
	case len(q.Tables) == 0 && len(wanted) > 0:
		return found, errForbidden
	case len(f.Problems) > 0:
		page.Unasked = true
		return found, nil
	}
	found, err = h.part(v, q)
	if len(found.changes) == 0 && f.Actor != "" && len(q.Actors) < 2 && !isExact(f.Actor) {
		f.Problems["actor"] = "Nobody who made the latest changes has this name or this id."
	}
	return found, err
}

// part is one page of the changes that a query asks for.
type part struct {
	changes []history.Change
	more    bool // there are older changes
	// The change sets of which pages of newer and of older changes have a part.
	newer, older map[int64]bool
}

// near is how many changes beyond the borders of a page are looked at, to say which
// change sets go on there.
const near = 10

func (h *handler) part(v *visit, q history.Query) (p part, err error) {
	before := cmp.Or(q.Before, math.MaxInt64)
	q.Limit = pageSize + near
	if q.Before > 0 {
		q.Before, q.Limit = min(before, math.MaxInt64-near)+near, q.Limit+near
	}
	all, err := history.Find(v.db, q)
	if err != nil {
		return p, err
	}
	first := len(all)
	if i := slices.IndexFunc(all, func(c history.Change) bool { return c.ID < before }); i >= 0 {
		first = i
	}
	last := min(first+pageSize, len(all))
	p.changes, p.more = all[first:last], last < len(all)
	p.newer, p.older = setsOf(all[:first]), setsOf(all[last:])
	return p, nil
}

// olderThan is the change after which an older page begins, 0 if there is none.
func (p part) olderThan() int64 {
	if !p.more {
		return 0
	}
	return p.changes[len(p.changes)-1].ID
}

func setsOf(changes []history.Change) map[int64]bool {
	sets := map[int64]bool{}
	for _, c := range changes {
		sets[c.ChangeSet.ID] = c.ChangeSet.ID != 0 // which says that it is of no set
	}
	return sets
}

// bySet moves the changes of each change set to its newest one: those of transactions
// that run at the same time take turns.
func bySet(changes []history.Change) []history.Change {
	var sets [][]history.Change
	places := map[int64]int{}
	for _, c := range changes {
		place, known := places[c.ChangeSet.ID]
		if !known || c.ChangeSet.ID == 0 {
			place = len(sets)
			places[c.ChangeSet.ID], sets = place, append(sets, nil)
		}
		sets[place] = append(sets[place], c)
	}
	return slices.Concat(sets...)
}

// days groups the changes of a page by their day, and those of a change set that
// follow each other.
func (h *handler) days(v *visit, p part) (days []day, err error) {
	changes := p.changes
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
			today.Sets = append(today.Sets, set{Who: people.who(c.ChangeSet, own), At: at, Route: route(c.ChangeSet.Request), Words: wordsOf(c.ChangeSet), Newer: p.newer[c.ChangeSet.ID], Older: p.older[c.ChangeSet.ID]})
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
