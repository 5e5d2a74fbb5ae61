// Package gormaudit is a GORM plugin that fills created_by, updated_by and
// deleted_by with the actor found in the statement's context.
//
//	type Note struct {
//		gorm.Model
//		gormaudit.SoftBy[uint]
//		Title string
//	}
//
//	if err := db.Use(gormaudit.New()); err != nil {
//		return err
//	}
//	ctx = actor.NewContext(ctx, actor.User(42)) // a middleware's job
//	return db.WithContext(ctx).Create(&Note{Title: "Hello"}).Error
//
// # By follows At
//
// created_by is written where GORM writes created_at, updated_by where it
// writes updated_at, deleted_by where it writes deleted_at: in the same
// statement, on the same rows. There is no second query.
//
// So UpdateColumn, updates with SkipHooks, the foreign keys that GORM sets for
// associations, and soft deletes don't change updated_by. In three places GORM
// forgets updated_at, and the plugin stamps updated_by all the same, because
// the row does change: an upsert's DoUpdates that the caller wrote, a
// clause.Set that the caller wrote (gorm.G's Set(…).Update among them), and
// db.Table("…") on the table of a known model.
//
// # What callers can't do
//
// No GORM call changes created_by once the row exists, and no caller's value
// reaches a by-column: not through a forged field, a map under any spelling of
// the column, Select, Save or an upsert. The assignment is dropped and the
// rest of the statement runs. [Preserve] is the one explicit way to write
// by-columns, for imports.
//
// On models with by-columns the plugin refuses statements that would break
// this. INSERT OR REPLACE and REPLACE would delete the row that says who created
// it. The drivers of SQL Server and ClickHouse do not send an INSERT as GORM's
// clauses build it, so every create fails there. So does each operation that
// another driver sends that way. To know, db.Use looks at what the driver would
// send for a create, an update and a soft delete, and sends nothing.
//
// # Security
//
// Raw SQL is sent as it is: Exec and Raw, and fragments such as gorm.Expr and
// other expressions as values, a clause.Column that is Raw, expressions that a
// hook or a plugin puts before or after a clause, a Table with more than a
// name. Keep what comes from a request out of raw SQL, as always. The file
// triggers.md beside this package has triggers for PostgreSQL, SQLite, MariaDB
// and MySQL that guard created_by even there.
//
// # Which columns
//
// By-columns are the fields named CreatedBy, UpdatedBy and DeletedBy, or one of
// these with ID at the end. The plugin finds them as GORM finds its timestamps.
// The tags autoCreateBy, autoUpdateBy and autoDeleteBy make any other field a
// by-column. With the value false they turn a field off:
//
//	Author    string `gorm:"autoCreateBy"`
//	UpdatedBy string `gorm:"autoUpdateBy:false"`
//
// The type can be anything an id fits: strings, integers of every size,
// uuid.UUID, pointers to them, sql.Null types, types with a Scan method, and
// fields with a serializer. An id that doesn't fit fails the statement with a
// [ColumnError] before it is sent.
//
// [Verify] compares models with the tables of the database. The file columns.md
// beside this package says more about types, foreign keys and indexes.
//
// # Who
//
// An actor who is a user is stamped by id. A service or a system is stamped as
// "service:42" or "system:archiver" in a text column, and as NULL in one that
// holds users' ids only. Set [Config.ID] to stamp other ids. An anonymous actor
// is stamped as NULL. [MissingPolicy] decides about a context without an actor.
//
// # Diagnostics
//
// The plugin reports, and tells apart, a write without a context, a write with
// a context in which nobody acts, and a caller's value for a by-column that is
// dropped. The log names up to three lines of the application: the call of GORM and
// its callers, up to the first one outside that call's package. It has each place
// the 1st, 10th, 100th time and so on. [Config.Observe] gets an [Event] each time,
// whatever the log's level. A *gin.Context hides the actor of its request: pass
// c.Request.Context().
//
// With [Config.DryRun] the plugin changes nothing, and tells Observe what it
// would change. The file adopting.md beside this package leads an existing
// application from DryRun through [Warn] to [Reject].
//
// A second db.Use on the same gorm.DB returns [gorm.ErrRegistered], GORM's bare
// "registered": the first plugin stays, with its Config.
package gormaudit
