package historyweb

import (
	"log/slog"
	"slices"
	"strings"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

// people are the names of users by their ids, as far as a page has asked for them.
type people map[string]string

// people returns the names of users, and of whoever is acted as, which every page
// says. It asks for those that the page does not know yet, until that fails.
func (h *handler) people(v *visit, ids []string) people {
	if by := v.actor.Impersonator; !by.IsAnonymous() && v.actor.Kind == actor.KindUser {
		ids = append(ids, v.actor.ID)
	}
	var unknown []string
	for _, id := range ids {
		if _, known := v.people[id]; !known && id != "" && !slices.Contains(unknown, id) {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) == 0 || v.nameless {
		return v.people
	}
	names, err := h.config.Names(v.ctx, unknown)
	if err != nil {
		v.nameless, names = true, nil
		if v.ctx.Err() == nil { // else nobody waits for them any more
			slog.ErrorContext(v.ctx, "historyweb: Config.Names failed", "path", v.r.URL.Path, "error", err)
		}
	}
	for _, id := range unknown {
		v.people[id] = names[id]
	}
	return v.people
}

// idsIn are the ids of users that changes show: of those who made them, and in
// by-columns.
func (h *handler) idsIn(changes []history.Change) []string {
	ids := history.Users(changes)
	for _, c := range changes {
		t := h.tables[c.Table]
		for _, f := range c.Fields {
			if t.isBy(f.Column) {
				ids = append(ids, idIn(f.Before), idIn(f.After))
			}
		}
	}
	return ids
}

// name is what somebody is called now, or was called then.
func (p people) name(i actor.Identity) string {
	switch {
	case i.IsAnonymous():
		return "Somebody not signed in"
	case i.Kind == actor.KindUser && p[i.ID] != "":
		return p[i.ID]
	case i.Name != "":
		return i.Name
	case i.Kind == actor.KindUser:
		return "user " + i.ID
	}
	return i.ID
}

// named is the name of the user whose id a by-column holds, "" for nobody's.
func (p people) named(id string) string {
	if name := p[id]; name != "" {
		return name
	}
	return id
}

// choice is somebody as the filter takes and shows them: "bob (user:2)".
func (p people) choice(i actor.Identity) string {
	if name := p.name(i); !i.IsAnonymous() && name != i.ID && name != "user "+i.ID {
		return name + " (" + i.String() + ")"
	}
	return i.String()
}

// choices are those who made changes, for the filter to choose from.
func (p people) choices(changes []history.Change) (all []string) {
	for _, who := range whoMade(changes) {
		all = append(all, p.choice(who))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// whoMade are all who made changes, or are acted as.
func whoMade(changes []history.Change) (all []actor.Identity) {
	for _, c := range changes {
		if !c.ChangeSet.Attributed {
			continue
		}
		for _, who := range []actor.Identity{c.ChangeSet.Actor.Identity, c.ChangeSet.Actor.Impersonator} {
			if who != (actor.Identity{}) && !slices.Contains(all, who) {
				all = append(all, who)
			}
		}
	}
	return all
}

// latest is among how many changes a name is looked for.
const latest = 200

// called are those among who made the latest changes whose name is name.
func (h *handler) called(v *visit, q history.Query, name string) (found []actor.Identity, err error) {
	q.Actors, q.Unattributed, q.Before, q.Limit = nil, false, 0, latest
	if q, err = h.mayRead(v, q); err != nil {
		return nil, err
	}
	changes, err := history.Find(v.db, q)
	if err != nil {
		return nil, err
	}
	p := h.people(v, history.Users(changes))
	for _, who := range whoMade(changes) {
		if !who.IsAnonymous() && strings.EqualFold(p.name(who), name) {
			found = append(found, who)
		}
	}
	return found, nil
}

// who is somebody as people see them.
type who struct {
	Name   string
	As     string // in whose name they acted
	Note   string // what kind of somebody it is
	Filter string // the address of what they did
}

// who says who made a change set. Where no program said, the account of the
// database is all that is known: psql, a migration and a job that forgot to say who
// it is look alike. Where somebody said, the account tells the application from psql
// in somebody's name, unless it is one of the application's own.
func (p people) who(s history.ChangeSet, own func(user string) bool) who {
	if !s.Attributed {
		return who{Name: "Unknown", Note: account(s), Filter: filter{Unattributed: true}.Address("./")}
	}
	acted, as := s.Actor.Identity, ""
	if by := s.Actor.Impersonator; by != (actor.Identity{}) {
		acted, as = by, p.name(s.Actor.Identity)
	}
	w := who{Name: p.name(acted), As: as, Filter: filter{Actor: acted.String()}.Address("./")}
	var notes []string
	if acted.Kind == actor.KindService || acted.Kind == actor.KindSystem {
		notes = append(notes, "a program")
	}
	if by := account(s); by != "" && !own(s.DatabaseUser) {
		notes = append(notes, by)
	}
	w.Note = strings.Join(notes, ", ")
	return w
}

// account is by which account of the database a change set was written, "" where
// there are none.
func account(s history.ChangeSet) string {
	switch {
	case s.DatabaseUser == "":
		return ""
	case s.DatabaseRole != "" && s.DatabaseRole != s.DatabaseUser:
		return "through the database account " + s.DatabaseUser + " as " + s.DatabaseRole
	}
	return "through the database account " + s.DatabaseUser
}

// ownAccounts reports of a user of the database whether it is one of Config.Accounts,
// or the one that the page reads with. Where no change needs them, none is.
func (h *handler) ownAccounts(v *visit, changes []history.Change) (own func(user string) bool, err error) {
	query := map[string]string{"postgres": "SELECT session_user", "mysql": "SELECT user()"}[v.db.Name()]
	said := func(c history.Change) bool { return c.ChangeSet.Attributed && c.ChangeSet.DatabaseUser != "" }
	if query == "" || !slices.ContainsFunc(changes, said) {
		return func(string) bool { return false }, nil
	}
	accounts := h.config.Accounts
	if len(accounts) == 0 {
		accounts = make([]string, 1)
		if err := v.db.Raw(query).Find(&accounts[0]).Error; err != nil { // not Scan, which AttributeAll refuses
			return nil, err
		}
	}
	name := func(account string) string { return account }
	if v.db.Name() == "mysql" {
		name = withoutHost
	}
	return func(user string) bool {
		return slices.ContainsFunc(accounts, func(account string) bool { return name(account) == name(user) })
	}, nil
}

// withoutHost is the name of an account of MariaDB or MySQL: the host from which it
// comes does not count, and the name may have a sign like that before it.
func withoutHost(account string) string {
	if at := strings.LastIndex(account, "@"); at >= 0 {
		return account[:at]
	}
	return account
}
