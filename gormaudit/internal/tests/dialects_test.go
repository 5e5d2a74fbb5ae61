package tests

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gorm.io/gorm"
	"gorm.io/gorm/callbacks"
	"gorm.io/gorm/clause"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// dialect is SQLite's with callbacks of its own, as those of other databases
// have them.
type dialect struct {
	gorm.Dialector
	create, update, remove func(db *gorm.DB)
}

func (d dialect) Name() string { return "homegrown" }

func (d dialect) Initialize(db *gorm.DB) error {
	errs := []error{d.Dialector.Initialize(db)}
	if d.create != nil {
		errs = append(errs, db.Callback().Create().Replace("gorm:create", d.create))
	}
	if d.update != nil {
		errs = append(errs, db.Callback().Update().Replace("gorm:update", d.update))
	}
	if d.remove != nil {
		errs = append(errs, db.Callback().Delete().Replace("gorm:delete", d.remove))
	}
	return errors.Join(errs...)
}

func exec(db *gorm.DB, query string, args ...any) {
	result, err := db.Statement.ConnPool.ExecContext(db.Statement.Context, query, args...)
	if db.AddError(err) == nil {
		n, _ := result.RowsAffected()
		db.RowsAffected += n
	}
}

// insertValues writes an INSERT without asking anybody's clause builder.
func insertValues(db *gorm.DB, values clause.Values) {
	stmt := db.Statement
	stmt.SQL.Reset()
	stmt.Vars = nil
	_, _ = stmt.WriteString("INSERT INTO ")
	stmt.WriteQuoted(stmt.Table)
	_ = stmt.WriteByte(' ')
	values.Build(stmt)
	exec(db, stmt.SQL.String(), stmt.Vars...)
}

// theirOwn creates without GORM's clauses, as SQL Server's dialect does.
func theirOwn(db *gorm.DB) {
	if db.Error == nil {
		insertValues(db, callbacks.ConvertToCreateValues(db.Statement))
	}
}

// build builds an INSERT as GORM does.
func build(db *gorm.DB, clauses ...string) {
	db.Statement.AddClauseIfNotExists(clause.Insert{})
	db.Statement.AddClause(callbacks.ConvertToCreateValues(db.Statement))
	db.Statement.Build(clauses...)
}

// standard creates as GORM does.
func standard(db *gorm.DB) {
	if db.Error != nil {
		return
	}
	if build(db, "INSERT", "VALUES", "ON CONFLICT"); db.Error == nil {
		exec(db, db.Statement.SQL.String(), db.Statement.Vars...)
	}
}

// firstRow asks for the clause of the first row, and sends the others' values
// as they came, as ClickHouse's dialect does. It does not ask for DryRun.
func firstRow(db *gorm.DB) {
	if db.Error != nil {
		return
	}
	stmt, values := db.Statement, callbacks.ConvertToCreateValues(db.Statement)
	stmt.AddClauseIfNotExists(clause.Insert{})
	stmt.AddClause(clause.Values{Columns: values.Columns, Values: values.Values[:1]})
	stmt.Build("INSERT", "VALUES", "ON CONFLICT")
	for n, row := range values.Values {
		if n == 0 {
			row = stmt.Vars
		}
		exec(db, stmt.SQL.String(), row...)
	}
}

// eachRow asks for the clause of every row, and sends them one by one.
func eachRow(db *gorm.DB) {
	if db.Error != nil {
		return
	}
	stmt, values := db.Statement, callbacks.ConvertToCreateValues(db.Statement)
	stmt.AddClauseIfNotExists(clause.Insert{})
	for _, row := range values.Values {
		stmt.SQL.Reset()
		stmt.Vars = nil
		stmt.AddClause(clause.Values{Columns: values.Columns, Values: [][]any{row}})
		if stmt.Build("INSERT", "VALUES", "ON CONFLICT"); db.Error == nil {
			exec(db, stmt.SQL.String(), stmt.Vars...)
		}
	}
}

func mapsTheirOwn(db *gorm.DB) {
	if _, ok := db.Statement.Dest.(map[string]any); ok {
		theirOwn(db)
	} else {
		standard(db)
	}
}

// inlined puts the values into the SQL.
func inlined(db *gorm.DB) {
	if db.Error == nil {
		build(db, "INSERT", "VALUES", "ON CONFLICT")
		exec(db, db.Explain(db.Statement.SQL.String(), db.Statement.Vars...))
	}
}

// upsertsTheirOwn writes DO UPDATE itself.
func upsertsTheirOwn(db *gorm.DB) {
	stmt := db.Statement
	conflict, ok := stmt.Clauses["ON CONFLICT"].Expression.(clause.OnConflict)
	if !ok || db.Error != nil {
		standard(db)
		return
	}
	build(db, "INSERT", "VALUES")
	_, _ = stmt.WriteString(" ON CONFLICT (id) DO UPDATE SET ")
	conflict.DoUpdates.Build(stmt)
	if db.Error == nil {
		exec(db, stmt.SQL.String(), stmt.Vars...)
	}
}

// prepares sends what GORM would, through a statement that it prepares.
func prepares(db *gorm.DB) {
	pool := db.Statement.ConnPool
	if prepared, err := pool.PrepareContext(db.Statement.Context, "SELECT 1"); db.AddError(err) == nil {
		_ = prepared.Close()
		standard(db)
	}
}

// updatesTheirOwn writes SET itself.
func updatesTheirOwn(db *gorm.DB) {
	if db.Error != nil {
		return
	}
	stmt := db.Statement
	set := callbacks.ConvertToAssignments(stmt)
	_, _ = stmt.WriteString("UPDATE ")
	stmt.WriteQuoted(stmt.Table)
	_, _ = stmt.WriteString(" SET ")
	set.Build(stmt)
	_ = stmt.WriteByte(' ')
	stmt.Build("WHERE")
	exec(db, stmt.SQL.String(), stmt.Vars...)
}

// deletesTheirOwn knows soft deletes by itself.
func deletesTheirOwn(db *gorm.DB) {
	if db.Error == nil {
		exec(db, "UPDATE pages SET deleted_at = CURRENT_TIMESTAMP WHERE id = 1")
	}
}

func TestDialectsAreTrustedByWhatTheySend(t *testing.T) {
	tests := []struct {
		name    string
		dialect dialect
		refused string // operations
	}{
		{"GORM's own", dialect{}, ""},
		{"as GORM does", dialect{create: standard}, ""},
		{"row by row", dialect{create: eachRow}, ""},
		{"around the clauses", dialect{create: theirOwn}, "create"},
		{"the first row by the clauses", dialect{create: firstRow}, "create"},
		{"maps around the clauses", dialect{create: mapsTheirOwn}, "create"},
		{"upserts around the clauses", dialect{create: upsertsTheirOwn}, "create"},
		{"values in the SQL", dialect{create: inlined}, "create"},
		{"prepared", dialect{create: prepares}, "create"},
		{"a panic offline", dialect{create: func(db *gorm.DB) {
			var one int
			_ = db.Statement.ConnPool.QueryRowContext(context.Background(), "SELECT 1").Scan(&one)
			standard(db)
		}}, "create"},
		{"nothing", dialect{create: func(*gorm.DB) {}}, "create"},
		{"updates around the clauses", dialect{update: updatesTheirOwn}, "update"},
		{"deletes around the clauses", dialect{remove: deletesTheirOwn}, "delete"},
		{"all around the clauses", dialect{create: theirOwn, update: updatesTheirOwn, remove: deletesTheirOwn}, "create update delete"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := dbtest.New(t, dbtest.SQLite)
			s := &stage{plain: d.Open(t), kind: d.Kind}
			must(t, s.plain.AutoMigrate(&page{}, &freePage{}))
			var err error
			test.dialect.Dialector = s.plain.Dialector
			if s.DB, err = gorm.Open(test.dialect, &gorm.Config{Logger: s.plain.Logger}); err != nil {
				t.Fatal(err)
			}
			closeAfter(t, s.DB)
			log := record(s.DB)
			must(t, s.Use(gormaudit.NewWithConfig(gormaudit.Config{Models: []any{&page{}}})))
			if sent := log.take(); len(sent) != 0 {
				t.Errorf("db.Use sent %v, want nothing", sent)
			}
			ok(t, s.plain.Create(&page{ID: 1, SoftBy: gormaudit.SoftBy[string]{CreatedBy: ptr("5"), UpdatedBy: ptr("5")}}))
			refusals := tryWrites(t, s)
			if got := strings.Join(refusals, " "); got != test.refused {
				t.Errorf("refused %q, want %q", got, test.refused)
			}
			for _, row := range s.rows(t, "pages") {
				if strings.Contains(row, "_by:66") {
					t.Errorf("a row holds %s", row)
				}
			}
			for _, tx := range []*gorm.DB{ // without by-columns nobody is asked
				s.user(7).Create(&freePage{ID: 1}), s.user(7).Model(&freePage{ID: 1}).Update("title", "x"), s.user(7).Unscoped().Delete(&freePage{ID: 1}),
			} {
				must(t, tx.Error)
			}
		})
	}
}

// tryWrites writes to pages and returns the operations that were refused.
// Each is refused always or never.
func tryWrites(t *testing.T, s *stage) (refused []string) {
	t.Helper()
	as := s.user(7)
	upsert := clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, DoUpdates: clause.Assignments(forged{"title": "x", "created_by": "66", "updated_by": "66"})}
	forgedRow := func(id uint) page {
		return page{ID: id, SoftBy: gormaudit.SoftBy[string]{CreatedBy: ptr("66"), UpdatedBy: ptr("66")}}
	}
	one, two := forgedRow(1), []page{forgedRow(2), forgedRow(3)}
	answers := map[string]bool{}
	for _, w := range []struct {
		operation string
		tx        *gorm.DB
	}{
		{"create", as.Create(&two)},
		{"create", as.Model(&page{}).Create(map[string]any{"id": 4, "created_by": "66"})},
		{"create", as.Table("pages").Create(map[string]any{"id": 5, "created_by": "66"})},
		{"create", as.Clauses(upsert).Create(&one)},
		{"create", as.Clauses(clause.Insert{Table: clause.Table{Name: "pages"}}).Model(&freePage{}).Create(map[string]any{"id": 6, "created_by": "66"})},
		{"update", as.Model(&page{ID: 1}).Updates(map[string]any{"title": "x", "created_by": "66"})},
		{"update", as.Table("pages").Where("id = 1").Updates(map[string]any{"title": "x", "created_by": "66"})},
		{"update", as.Model(&freePage{}).Clauses(clause.Update{Table: clause.Table{Name: "pages"}}).Where("1 = 1").Updates(map[string]any{"title": "x", "created_by": "66"})},
		{"delete", as.Delete(&page{ID: 1})},
	} {
		said := w.tx.Error != nil && strings.Contains(w.tx.Error.Error(), fmt.Sprintf(`%s on "pages": the dialect homegrown builds`, w.operation))
		if w.tx.Error != nil && !said {
			t.Errorf("%s = %v", w.operation, w.tx.Error)
		}
		if before, ok := answers[w.operation]; ok && before != said {
			t.Errorf("%s is refused once and then not", w.operation)
		}
		if answers[w.operation] = said; said && !slices.Contains(refused, w.operation) {
			refused = append(refused, w.operation)
		}
	}
	return refused
}
