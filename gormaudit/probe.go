package gormaudit

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// probe is a statement with forged by-columns, which shows whether a dialect
// sends them as they are stamped. A dialect may build the statement around
// GORM's clauses, as SQL Server's does with INSERT, or send other arguments
// than the clauses were built with, as ClickHouse's does from the second row
// on. A probe runs in db.Use, before anything is written, over a connection
// that sends nothing.
type probe struct {
	model   *probedRow
	dest    any
	clauses []clause.Expression
	// names are the columns that the SQL has to name, and stamps is how often
	// the actor has to be among the arguments.
	names  []string
	stamps int
}

// The forged value must not be sent, the actor's id must.
const (
	probedForgery = "gormaudit-forged"
	probedActor   = "gormaudit-actor"
)

type probedRow struct {
	ID        uint           `gorm:"column:id;primaryKey"`
	Title     string         `gorm:"column:title"`
	CreatedBy string         `gorm:"column:created_by"`
	UpdatedBy string         `gorm:"column:updated_by"`
	DeletedBy string         `gorm:"column:deleted_by"`
	DeletedAt gorm.DeletedAt `gorm:"column:deleted_at"`
}

func (probedRow) TableName() string { return "gormaudit_probes" }

// createProbes are two rows at once, a map, and an upsert.
func createProbes() []probe {
	columns := []string{"created_by", "updated_by"}
	row := func() probedRow {
		return probedRow{ID: 1, Title: "x", CreatedBy: probedForgery, UpdatedBy: probedForgery}
	}
	rows, one := []probedRow{row(), row()}, row()
	upsert := clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, DoUpdates: clause.Assignments(probedValues())}
	return []probe{
		{model: &probedRow{}, dest: &rows, names: columns, stamps: 4},
		{model: &probedRow{}, dest: probedValues(), names: columns, stamps: 2},
		{model: &one, dest: &one, clauses: []clause.Expression{upsert}, names: columns, stamps: 2},
	}
}

func updateProbes() []probe {
	return []probe{{model: &probedRow{ID: 1}, dest: probedValues(), names: []string{"updated_by"}, stamps: 1}}
}

func deleteProbes() []probe {
	row := &probedRow{ID: 1}
	return []probe{{model: row, dest: row, names: []string{"deleted_by"}, stamps: 1}}
}

func probedValues() map[string]any {
	return map[string]any{"title": "x", "created_by": probedForgery, "updated_by": probedForgery}
}

// wrapper puts an auditor into the builders of a DB.
type wrapper func(a *auditor, db *gorm.DB)

// trusted reports whether everything is stamped that a callback of db sends.
func trusted(db *gorm.DB, wrap wrapper, callback func(*gorm.DB), clauses []string, probes []probe) bool {
	for _, p := range probes {
		if callback == nil || !p.isStamped(db, wrap, callback, clauses) {
			return false
		}
	}
	return true
}

func (p probe) isStamped(db *gorm.DB, wrap wrapper, callback func(*gorm.DB), clauses []string) (ok bool) {
	defer func() {
		if recover() != nil { // nobody said that a dialect bears being offline
			ok = false
		}
	}()
	var conn offline
	tx := probing(db, wrap, &conn).Model(p.model).Clauses(p.clauses...)
	stmt := tx.Statement
	stmt.Dest, stmt.BuildClauses = p.dest, clauses
	if err := stmt.Parse(p.model); err != nil {
		return false
	}
	stmt.ReflectValue = reflect.ValueOf(p.model).Elem()
	if dest := reflect.ValueOf(p.dest); dest.Kind() == reflect.Pointer {
		stmt.ReflectValue = dest.Elem()
	}
	callback(tx)
	return conn.sentStamped(p.names, p.stamps)
}

// probing returns a DB like db over conn, whose statements are stamped for an
// actor of the probe's own.
func probing(db *gorm.DB, wrap wrapper, conn *offline) *gorm.DB {
	tx := db.Session(&gorm.Session{NewDB: true, Context: context.Background(), SkipDefaultTransaction: true, Logger: logger.Discard})
	tx.ClauseBuilders = maps.Clone(db.ClauseBuilders)
	tx.ConnPool, tx.Statement.ConnPool = conn, conn
	tx.DryRun, tx.PrepareStmt = false, false
	a := &auditor{registry: newRegistry(tx), places: newPlaces()}
	a.config.Actor = func(context.Context) (actor.Actor, bool) { return actor.User(probedActor), true }
	wrap(a, tx)
	return tx
}

// offline is a connection that keeps what it is asked to send. It has no rows to
// return.
type offline struct {
	sql  strings.Builder
	args []any
	// unknown says that arguments went another way.
	unknown bool
}

var errOffline = errors.New("gormaudit: a probe sends nothing")

func (o *offline) keep(query string, args []any) {
	o.sql.WriteString(query + "\n")
	o.args = append(o.args, args...)
}

// PrepareContext implements [gorm.ConnPool].
func (o *offline) PrepareContext(context.Context, string) (*sql.Stmt, error) {
	o.unknown = true
	return nil, errOffline
}

// ExecContext implements [gorm.ConnPool].
func (o *offline) ExecContext(_ context.Context, query string, args ...any) (sql.Result, error) {
	o.keep(query, args)
	return driver.RowsAffected(1), nil
}

// QueryContext implements [gorm.ConnPool].
func (o *offline) QueryContext(_ context.Context, query string, args ...any) (*sql.Rows, error) {
	o.keep(query, args)
	return nil, errOffline
}

// QueryRowContext implements [gorm.ConnPool].
func (o *offline) QueryRowContext(_ context.Context, query string, args ...any) *sql.Row {
	o.keep(query, args)
	return &sql.Row{}
}

func (o *offline) sentStamped(names []string, stamps int) bool {
	query := strings.ToLower(o.sql.String())
	for _, name := range names {
		if !strings.Contains(query, name) {
			return false
		}
	}
	for _, arg := range o.args {
		if arg == any(probedActor) {
			stamps--
		} else if strings.Contains(fmt.Sprint(arg), probedForgery) {
			return false
		}
	}
	return stamps == 0 && !o.unknown && !strings.Contains(query, probedForgery)
}
