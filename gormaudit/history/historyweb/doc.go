// Package historyweb shows the history on web pages, which you mount in your
// application: what happened, all changes of one row with readable differences, and a
// row as it was, which can be restored.
//
//	page := historyweb.Handler(db, historyweb.Config{
//		Tables: []historyweb.Table{historyweb.For[Note](historyweb.Table{Title: "title"})},
//	})
//	mux.Handle("/history/", page)               // net/http
//	e.Any("/history/*", echo.WrapHandler(page)) // Echo, v4 and v5
//	e.GET("/history", echo.WrapHandler(http.RedirectHandler("/history/", http.StatusSeeOther)))
//
// [Handler] returns a [net/http.Handler] that depends on no framework. It takes the
// last segment of the path as the name of the page. So you can mount it anywhere, at
// a path that ends in a slash, with or without [net/http.StripPrefix]. Its links,
// forms and redirects are relative, and stay below that path. Templates and the
// stylesheet are embedded. It needs no JavaScript.
//
// # What it says
//
// Each change is a sentence: who did what to which row, from what to what. The page of
// all tables has the changes of one [history.ChangeSet] in one place, at the newest of
// them. If another page has a part of them, it says so. People's names come from
// [Config.Names], and rows' names from [Table.Title]. If a key has several columns,
// their labels are beside the values, for the tables of [Config.Tables]. A column that
// holds another row's key, such as customer_id, shows the key. There is no way yet to
// show that row's name.
//
// "Unknown" stands for whoever wrote without saying who acts: psql, a migration, a job
// without an actor in its context. The database's account is shown beside it: give psql
// and jobs accounts of their own, and you can tell them apart. Whoever does say who
// acts is shown as that person, even in psql. If the account is not one of
// [Config.Accounts], it is shown too: "alice, through the database account postgres".
//
// A row as it was is known for as long as changes of its table are recorded: since the
// history began, or since what [history.Prune] has left. For an earlier time the page
// says that it is not known how the row was, and shows the oldest state that is known.
//
// Restoring is a write like any other, see [history.Restore]. The page asks, in one
// form, for the metadata that a table requires ([history.Options]) and that the
// program does not set itself. A column that counts versions for an optimistic lock
// must not go back with the row: [history.Restore] says what to do. If requests are
// recorded, the request of a restore has the page's route, in Echo "POST /history/*".
//
// # Links to it
//
// Your application can link to the page of a row of [Config.Tables]. These are the
// addresses below the path of the pages:
//
//   - what happened to order 17: row?table=orders&key=17
//   - order 17 as it was: moment?table=orders&key=17&at=2026-03-09T08:00:00Z
//   - what happened to a row whose key is two columns: row?table=lines&key=3&key=17
//   - the orders that were deleted: ./?table=orders&action=delete
//
// table is the table's name as the model has it, "acme.orders" if that names a schema.
// When a table is renamed, addresses with its old name stop working.
// key is the row's key as [history.Change] has it: a UUID as text, bytes in
// hexadecimal. If several columns are the key, each has its own key parameter, in the
// order of the columns' names. The third address is that of the line whose "no" is 3
// and whose "order_id" is 17. [net/url.Values] writes what a key holds safely:
//
//	link := "/history/row?" + url.Values{"table": {"lines"}, "key": {"3", "17"}}.Encode()
//
// For a row that the database does not have, and of which nothing is recorded, the
// answer is 404.
//
// # Who sees it
//
// The handler authenticates nobody. It uses the actor in the request's context, where
// echoauth's middleware puts one. If nobody is signed in, the answer is 401. A
// browser that has only a bearer token needs it in a cookie: see echoauth's jwt.md.
// With the zero [Config] everybody who is signed in sees the changes of all tables.
// [Config.MayRead] narrows that, for the exports too. Nobody restores a row unless
// [Config.MayRestore] says so.
//
// # Security
//
// A history shows what was deleted, and what others wrote. Let few people read it:
// set MayRead. Redacted columns are shown as hidden. Columns left out of the history
// are not shown at all.
//
// Answers carry a Content-Security-Policy that allows nothing but the page's own
// stylesheet, and Cache-Control: no-store. A form sent by another site's page is
// refused by [net/http.CrossOriginProtection]. If an export fails in the middle, the
// handler breaks the connection off, so that nobody takes a part for the whole.
package historyweb
