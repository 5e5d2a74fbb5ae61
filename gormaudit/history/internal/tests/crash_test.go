package tests

import (
	"bufio"
	"os"
	"os/exec"
	"testing"
	"time"

	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

const crashKind, crashDSN = "WHODUNIT_TEST_CRASH_KIND", "WHODUNIT_TEST_CRASH_DSN"

// TestMain is also the child of the test below.
func TestMain(m *testing.M) {
	if kind := os.Getenv(crashKind); kind != "" {
		hang(kind, os.Getenv(crashDSN))
		return
	}
	os.Exit(m.Run())
}

// hang stops between the write and the end of what was told for it.
func hang(kind, dsn string) {
	dialectors := map[string]gorm.Dialector{
		dbtest.SQLite:   sqlite.New(sqlite.Config{DriverName: "sqlite", DSN: dsn}),
		dbtest.Postgres: postgres.Open(dsn),
		dbtest.MariaDB:  mysql.Open(dsn),
	}
	db := must2(gorm.Open(dialectors[kind], &gorm.Config{Logger: logger.Discard}))
	if err := db.Use(history.New()); err != nil {
		panic(err)
	}
	stop := func(*gorm.DB) {
		_, _ = os.Stdout.WriteString("written\n")
		time.Sleep(time.Minute)
	}
	if err := db.Callback().Update().After("gorm:update").Before("gormaudit/history:clear_actor").Register("test:stop", stop); err != nil {
		panic(err)
	}
	db.WithContext(as(ann)).Model(&Note{ID: 1}).Update("title", "never")
}

func TestAKilledProcessLeavesNothing(t *testing.T) {
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t, kind)
			db, plain := open(t, d)
			must(t, db.Create(&Note{ID: 1, Title: "a"}).Error)
			child := exec.Command(os.Args[0], "-test.run=^$")
			child.Env = append(os.Environ(), crashKind+"="+kind, crashDSN+"="+d.DSN)
			out := must2(child.StdoutPipe())
			must(t, child.Start())
			if line, err := bufio.NewReader(out).ReadString('\n'); line != "written\n" {
				t.Fatalf("the child said %q, %v", line, err)
			}
			must(t, child.Process.Kill())
			_ = child.Wait()
			must(t, plain.Exec("UPDATE notes SET title = 'raw' WHERE id = 1").Error)
			sameLines(t, "trail", trail(t, plain, &Note{ID: 1})[1:], `update; nobody said; title "a">"raw"`)
		})
	}
}
