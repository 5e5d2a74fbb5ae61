package historyweb

import (
	"context"
	"net/http"
	"time"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

// Config says what the pages show, and to whom. Its zero value shows the changes
// of all tables to everybody who is signed in, and lets nobody restore.
type Config struct {
	// Title is the heading of the pages. By default "History".
	Title string
	// Home is the address to which the pages lead back. By default they lead
	// nowhere.
	Home string
	// Tables are the tables to show, made by [For]. Changes of other tables are left
	// out, and so are the records of [history.Anonymize]. By default all tables are
	// shown, but their rows have no pages of their own.
	Tables []Table
	// Names returns people's names by the ids that actors have and by-columns hold. Of
	// other columns that hold ids of users, such as owner_id, the page shows the ids.
	// It is called once for a page. If somebody writes a name into the filter, it is
	// called once more: the name is looked for among those who made the latest 200
	// changes. An id that Names does not know is shown with the name that was
	// recorded, if any. Without Names, all ids are shown like that. Names is not
	// asked for the ids of programs. If Names returns an error, the page shows the
	// ids and says that it has no names, and the error is logged by
	// [log/slog.Default]. The filter and the exports then refuse to look for a name.
	// The ids are what programs said, so they may be any text: leave out those that
	// your database would refuse, such as "42" if your ids are UUIDs.
	// Look for deleted users, too: if their rows have a DeletedAt, use
	// db.Unscoped(). The exports have the names that were recorded, not these.
	Names func(ctx context.Context, ids []string) (map[string]string, error)
	// Accounts are the accounts of the database that the application writes with. If
	// somebody's change was made with another account, the page names the account,
	// because whoever uses psql can say that they are anybody. On PostgreSQL an
	// account is the role that logs in, as session_user says it: "app", without
	// quotes. On MariaDB and MySQL the host does not count: "app", "app@%" and
	// "app@10.0.0.7" are the same, and a name that has an @ itself needs a host.
	// Upper and lower case differ. SQLite has no accounts. By default the account
	// that the page reads with.
	Accounts []string
	// MayRead reports whether somebody may see what a query asks for, on a page or in
	// an export. It is called before anything is read for the query. q.Tables or
	// q.Rows holds one pointer to a model. Both are empty if Config.Tables is empty.
	// What MayRead refuses is left out, and if nothing is left, the answer is 403. By
	// default everybody who is signed in may see all.
	MayRead func(ctx context.Context, a actor.Actor, q history.Query) (bool, error)
	// MayRestore reports whether somebody may write a row as it was. row is a pointer
	// to a model with its key set. The db of [Handler] needs the plugin of
	// gormaudit/history, and that of gormaudit for a model with an updated_by. Without
	// them nothing would say who restored the row: the answer is 409, and the log names
	// the plugin. By default nobody may.
	MayRestore func(ctx context.Context, a actor.Actor, row any) (bool, error)
	// CrossOrigin says from which other origins the form that restores may come. Set
	// it behind a proxy that changes the Host header: the origin that people see is
	// then another one. By default from none.
	CrossOrigin *http.CrossOriginProtection
	// Location is the time zone that times are shown and read in. By default
	// [time.Local].
	Location *time.Location
}

func (c Config) withDefaults() Config {
	if c.Title == "" {
		c.Title = "History"
	}
	if c.Names == nil {
		c.Names = func(context.Context, []string) (map[string]string, error) { return nil, nil }
	}
	if c.MayRead == nil {
		c.MayRead = func(context.Context, actor.Actor, history.Query) (bool, error) { return true, nil }
	}
	if c.MayRestore == nil {
		c.MayRestore = func(context.Context, actor.Actor, any) (bool, error) { return false, nil }
	}
	if c.CrossOrigin == nil {
		c.CrossOrigin = http.NewCrossOriginProtection()
	}
	if c.Location == nil {
		c.Location = time.Local
	}
	return c
}
