package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
	_ "modernc.org/sqlite" // SQLite without a C compiler, as the driver "sqlite"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

const sqliteFile = "notes.db"

// openDatabase connects, makes or upgrades the tables, seeds what an empty
// database lacks, and returns a database that writes down who did what.
func openDatabase(address string) (*gorm.DB, error) {
	dialector, err := dialectorOf(address)
	if err != nil {
		return nil, err
	}
	db, err := gorm.Open(dialector, &gorm.Config{
		Logger:  logger.Discard, // an error here is returned, once is enough
		NowFunc: func() time.Time { return time.Now().UTC() },
	})
	if err == nil {
		err = prepare(db)
	}
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", dialector.Name(), err)
	}
	db.Logger = logger.NewSlogLogger(slog.New(slog.NewTextHandler(os.Stderr, nil)), logger.Config{
		LogLevel:                  logger.Warn,
		SlowThreshold:             time.Second,
		IgnoreRecordNotFoundError: true,
		ParameterizedQueries:      true, // notes are nobody's business in a log
	})
	return db, nil
}

func prepare(db *gorm.DB) error {
	pool, err := db.DB()
	if err != nil {
		return err
	}
	pool.SetMaxOpenConns(20)
	pool.SetMaxIdleConns(20)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	return alone(db, func(tx *gorm.DB) error {
		if err := tx.AutoMigrate(&User{}); err != nil {
			return err
		}
		if err := history.Migrate(tx, &Note{}); err != nil {
			return err
		}
		programs, err := programIDs(tx)
		if err != nil {
			return err
		}
		if err := db.Use(history.New()); err != nil {
			return err
		}
		// From here on every write says who, or is refused.
		err = db.Use(gormaudit.NewWithConfig(gormaudit.Config{
			ID:      programs.column,
			Missing: gormaudit.Reject,
			Models:  []any{&User{}, &Note{}},
		}))
		if err != nil {
			return err
		}
		return seed(tx)
	})
}

// alone runs f on one connection while no other process does the same: two
// that start together would both create the tables.
func alone(db *gorm.DB, f func(tx *gorm.DB) error) error {
	lock, unlock := "", ""
	switch db.Name() {
	case "postgres":
		lock, unlock = "SELECT pg_advisory_lock(2076)", "SELECT pg_advisory_unlock(2076)"
	case "mysql":
		lock, unlock = "DO GET_LOCK('notes', 60)", "DO RELEASE_LOCK('notes')"
	default: // SQLite: one process has the file
		return f(db)
	}
	return db.Connection(func(tx *gorm.DB) error {
		tx = tx.Session(&gorm.Session{}) // for more than one statement
		if err := tx.Exec(lock).Error; err != nil {
			return err
		}
		defer tx.Exec(unlock)
		return f(tx)
	})
}

func dialectorOf(address string) (gorm.Dialector, error) {
	scheme, _, _ := strings.Cut(address, "://")
	switch {
	case address == "":
		return sqlite.New(sqlite.Config{DriverName: "sqlite", DSN: "file:" + sqliteFile +
			"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)" +
			"&_txlock=immediate&_time_format=sqlite"}), nil
	case scheme == "postgres", scheme == "postgresql":
		return postgres.Open(address), nil
	case scheme == "mysql":
		dsn, err := mysqlDSN(address)
		return mysql.Open(dsn), err
	}
	return nil, fmt.Errorf("DATABASE_URL: it starts with neither postgres:// nor mysql://")
}

// mysqlDSN turns a URL into the form that the driver takes.
func mysqlDSN(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("DATABASE_URL: it is no URL") // its text may hold a password
	}
	c, err := mysqldriver.ParseDSN("/?" + u.RawQuery)
	if err != nil {
		return "", fmt.Errorf("DATABASE_URL: %w", err)
	}
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.Net, c.Addr = "tcp", u.Host
	if u.Port() == "" {
		c.Addr += ":3306"
	}
	c.DBName = strings.TrimPrefix(u.Path, "/")
	c.ParseTime = true
	return c.FormatDSN(), nil
}

// closeDatabase lets SQLite tidy its files up.
func closeDatabase(db *gorm.DB) {
	if pool, err := db.DB(); err == nil {
		_ = pool.Close()
	}
}

// answers reports whether the database can be reached.
func answers(ctx context.Context, db *gorm.DB) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	pool, err := db.DB()
	return err == nil && pool.PingContext(ctx) == nil
}
