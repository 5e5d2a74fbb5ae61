package writes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit/internal/plugins"
)

// transaction is one that is rolled back, seen through the user's db and
// through a plain DB, without plugins other than that of gormaudit/history.
type transaction struct {
	db, plain *gorm.DB
	begun     bool
	attempts  int
	first     *firstError
}

// firstError is a logger that prints nothing and keeps the error of the first
// statement that failed. PostgreSQL answers all later ones of the transaction
// with one that tells nothing.
type firstError struct {
	logger.Interface
	err error
}

func (f *firstError) LogMode(logger.LogLevel) logger.Interface { return f }

func (f *firstError) Trace(_ context.Context, _ time.Time, _ func() (string, int64), err error) {
	if f.err == nil && !errors.Is(err, gorm.ErrRecordNotFound) {
		f.err = err
	}
}

// because returns err, after the error of the statement that failed first, where
// that is another one.
func (f *firstError) because(err error) error {
	if err == nil || f.err == nil || strings.Contains(err.Error(), f.err.Error()) {
		return err
	}
	return fmt.Errorf("%w; then %w", f.err, err)
}

// begin opens a transaction. Where db is one already, it uses that. Under ctx
// somebody acts, as whom the plain DB writes.
func begin(ctx context.Context, db *gorm.DB) (*transaction, error) {
	plain, err := openPlain(db)
	if err != nil {
		return nil, err
	}
	// Failures and forged values are expected, and not for the log.
	f := &firstError{Interface: logger.Discard}
	t := &transaction{first: f, db: db.Session(&gorm.Session{NewDB: true, Context: context.Background(), Logger: f})}
	if _, within := db.Statement.ConnPool.(gorm.TxCommitter); !within {
		t.db, t.begun = t.db.Begin(), true
		if t.db.Error != nil {
			return nil, fmt.Errorf("begin: %w", t.db.Error)
		}
	}
	t.plain = plain.Session(&gorm.Session{NewDB: true, Context: ctx, Logger: f})
	t.plain.Statement.ConnPool = t.db.Statement.ConnPool
	if err := t.savePoint("audittest"); err != nil {
		_ = t.end()
		return nil, err
	}
	return t, nil
}

// openPlain opens the database of db and gives the pool back that this opened. Of
// the plugins it has the history's alone: tables may refuse what nobody said who did.
func openPlain(db *gorm.DB) (*gorm.DB, error) {
	plain, err := gorm.Open(db.Dialector, &gorm.Config{
		NamingStrategy: db.NamingStrategy, NowFunc: db.NowFunc, Logger: logger.Discard, TranslateError: db.TranslateError,
		SkipDefaultTransaction: true, AllowGlobalUpdate: db.AllowGlobalUpdate, QueryFields: db.QueryFields,
		DisableNestedTransaction: db.DisableNestedTransaction,
	})
	if err != nil {
		return nil, fmt.Errorf("open the database without plugins: %w", err)
	}
	if history := db.Plugins[plugins.History]; history != nil {
		if err := plain.Use(history); err != nil {
			return nil, fmt.Errorf("open the database without plugins: %w", err)
		}
	}
	own, err := plain.DB()
	if err != nil {
		return nil, fmt.Errorf("open the database without plugins: %w", err)
	}
	if theirs, err := db.DB(); err != nil || own != theirs {
		if _, within := db.Statement.ConnPool.(gorm.TxCommitter); err == nil || within {
			_ = own.Close()
		}
	}
	return plain, nil
}

func (t *transaction) savePoint(name string) error { return t.plain.SavePoint(name).Error }

// rollbackTo goes through the user's db, whose plugins may keep what they did in
// the transaction.
func (t *transaction) rollbackTo(name string) error { return t.db.RollbackTo(name).Error }

// attempt undoes what f did when it fails.
func (t *transaction) attempt(f func() error) error {
	t.attempts++
	name := fmt.Sprintf("attempt%d", t.attempts)
	if err := t.savePoint(name); err != nil {
		return err
	}
	t.first.err = nil
	err := t.first.because(f())
	if err != nil {
		if undo := t.rollbackTo(name); undo != nil {
			return fmt.Errorf("%w (and %w)", err, undo)
		}
	}
	return err
}

// end undoes everything.
func (t *transaction) end() error {
	if !t.begun {
		return t.rollbackTo("audittest")
	}
	return t.db.Rollback().Error
}
