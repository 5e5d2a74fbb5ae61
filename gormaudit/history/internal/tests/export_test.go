package tests

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// Whoever has stored the JSON of a change can rely on its form.
func TestTheJSONOfAChangeStays(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &typed{}))
		ctx := actor.NewRequestContext(as(ann.As(bob)), actor.Request{ID: "r-1", Method: "PUT", Route: "/typed/:id"})
		row := typed{ID: 9007199254740993, Count: 7, Price: "12.50", Ratio: 0.5, Done: true, Day: time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC), Raw: []byte{0, 255}, Text: "<&>", Secret: "s"}
		must(t, db.WithContext(ctx).Create(&row).Error)
		change := last(t, db, &row)
		change.ID, change.ChangeSet.ID, change.ChangeSet.At = 17, 5, time.Date(2026, 3, 9, 8, 0, 0, 123456000, time.UTC)
		change.At, change.ChangeSet.Transaction = change.ChangeSet.At.Add(time.Microsecond), 4
		change.ChangeSet.DatabaseUser, change.ChangeSet.DatabaseRole = "app", ""
		day := map[string]string{dbtest.Postgres: `"time","before":null,"after":"2026-03-09"`}[d.Kind]
		switch {
		case day != "":
		case d.Kind == dbtest.MariaDB || d.Kind == dbtest.MySQL:
			day = `"time","before":null,"after":"2026-03-09"`
		default: // SQLite has no type for days
			day = `"instant","before":null,"after":"2026-03-09T00:00:00Z"`
		}
		price := `"12.50"`
		if d.Kind == dbtest.SQLite || d.Kind == "sqlite-cgo" {
			price = `"12.5"` // which keeps no digits that say nothing
		}
		want := `{"id":"17","at":"2026-03-09T08:00:00.123457Z","change_set":{"id":"5","transaction":"4","at":"2026-03-09T08:00:00.123456Z","attributed":true,` +
			`"actor":{"kind":"user","id":"7","name":"Bob","impersonator":{"kind":"user","id":"42","name":"Ann"}},` +
			`"request":{"id":"r-1","method":"PUT","route":"/typed/:id"},"database_user":"app"},` +
			`"table":"typeds","key":["9007199254740993"],"action":"create","fields":[` +
			`{"column":"id","type":"integer","before":null,"after":"9007199254740993"},` +
			`{"column":"count","type":"integer","before":null,"after":"7"},` +
			`{"column":"price","type":"decimal","before":null,"after":` + price + `},` +
			`{"column":"ratio","type":"float","before":null,"after":0.5},` +
			`{"column":"done","type":"boolean","before":null,"after":true},` +
			`{"column":"day","type":` + day + `},` +
			`{"column":"raw","type":"bytes","before":null,"after":"00ff"},` +
			`{"column":"text","type":"text","before":null,"after":"<&>"},` +
			`{"column":"secret","redacted":true}]}`
		var out strings.Builder
		must(t, history.WriteNDJSON(&out, func(yield func(history.Change, error) bool) { yield(change, nil) }))
		if got := strings.TrimSuffix(out.String(), "\n"); got != want {
			t.Errorf("JSON =\n%s\nwant\n%s", got, want)
		}
	})
}

type typed struct {
	ID     uint64
	Count  int8
	Price  string  `gorm:"type:decimal(10,2)"`
	Ratio  float64 `gorm:"type:double precision"`
	Done   bool
	Day    time.Time `gorm:"type:date"`
	Raw    []byte
	Text   string
	Maybe  *string
	Secret string `gorm:"history:redact"`
}

// What is read back from JSON has the same values.
func TestChangesComeBackFromJSON(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := d.Open(t), d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Everything{}))
		row := Everything{ID: 1}
		for i, v := range values() {
			v.ID = row.ID
			if i == 0 {
				must(t, db.WithContext(as(ann)).Create(&v).Error)
			}
			must(t, db.WithContext(as(bob)).Save(&v).Error)
		}
		must(t, plain.Delete(&row).Error)
		changes := all(t, plain, history.Query{})
		for _, c := range changes {
			text := must2(json.Marshal(c))
			var got history.Change
			must(t, json.Unmarshal(text, &got))
			if again := must2(json.Marshal(got)); string(again) != string(text) {
				t.Errorf("JSON of what was read from it =\n%s\nwant\n%s", again, text)
			}
			for i, f := range c.Fields {
				g := got.Fields[i]
				if f.Before.IsNull() != g.Before.IsNull() || f.Before.String() != g.Before.String() || f.After.IsNull() != g.After.IsNull() || f.After.String() != g.After.String() {
					t.Errorf("%s from JSON = %v > %v, want %v > %v", f.Column, g.Before, g.After, f.Before, f.After)
				}
			}
		}
		if len(changes) < 5 {
			t.Errorf("%d changes, want 5 or more", len(changes))
		}
	})
}

// A JSON that is not of a change is an error, as is one from a later release that
// has types which this one does not know.
func TestOtherJSONIsNoChange(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"fields":[{"column":"a"}]}`, `{"fields":[{"column":"a","type":"text"}]}`, `{"fields":[{"column":"a","type":"text","before":[1],"after":null}]}`,
		`{"fields":[{"column":"a","type":"vector","before":null,"after":null}]}`, `{"fields":[{"column":"a","type":"text","before":{"hex":"x"},"after":null}]}`, `{"id":1}`,
	} {
		var c history.Change
		if err := json.Unmarshal([]byte(text), &c); err == nil {
			t.Errorf("Unmarshal(%s) = %+v, want an error", text, c)
		}
	}
}

func TestWriteCSV(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		ctx := actor.NewMetadataContext(as(ann.As(bob)), map[string]string{"reason": "sale"})
		must(t, db.WithContext(ctx).Create(&Note{ID: 1, Title: "=1+2", Stars: -5, Secret: "s"}).Error)
		must(t, plain.Exec("UPDATE notes SET title = '@a, \"b\"', body = '-' WHERE id = 1").Error)
		var out strings.Builder
		must(t, history.WriteCSV(&out, history.All(plain, history.Query{})))
		lines := must2(csv.NewReader(strings.NewReader(out.String())).ReadAll())
		column := func(line []string, name string) string {
			for i, is := range lines[0] {
				if is == name {
					return line[i]
				}
			}
			t.Fatalf("no column %q in %v", name, lines[0])
			return ""
		}
		var got []string
		for _, line := range lines[1:] {
			if c := column(line, "column"); c == "created_at" || c == "updated_at" {
				continue
			}
			var cells []string
			for _, name := range []string{"table", "key", "action", "attributed", "actor_id", "impersonator_name", "metadata", "column", "before", "after", "redacted"} {
				cells = append(cells, column(line, name))
			}
			got = append(got, strings.Join(cells, "|"))
		}
		sameLines(t, "lines", got,
			`notes|1|update|false||||title|'=1+2|'@a, "b"|false`,
			`notes|1|update|false||||body||'-|false`,
			`notes|1|create|true|7|Ann|{"reason":"sale"}|id||1|false`,
			`notes|1|create|true|7|Ann|{"reason":"sale"}|title||'=1+2|false`,
			`notes|1|create|true|7|Ann|{"reason":"sale"}|stars||-5|false`,
			`notes|1|create|true|7|Ann|{"reason":"sale"}|secret|||true`)
	})
}

// Whatever a change knows is in its JSON, which gives it back, and in its lines of
// CSV.
func TestExportsHaveAllThatAChangeKnows(t *testing.T) {
	t.Parallel()
	const text = `{"id":"17","at":"2026-03-09T08:00:00.5Z","change_set":{"id":"5","transaction":"4","at":"2026-03-09T08:00:00.25Z","attributed":true,` +
		`"actor":{"kind":"user","id":"7","name":"Bob","impersonator":{"kind":"service","id":"42","name":"Ann"}},` +
		`"request":{"id":"r-1","ip":"192.0.2.1","user_agent":"curl","method":"PUT","route":"/prices/:id"},"metadata":{"reason":"sale"},` +
		`"database_user":"app","database_role":"writer"},"table":"prices","key":["a,~b","c"],"action":"update","fields":[` +
		`{"column":"day","type":"time","before":"2026-03-09","after":null},` +
		`{"column":"hour","type":"time","before":null,"after":"2026-03-09T08:00:00"},` +
		`{"column":"token","redacted":true},` +
		`{"column":"updated_at","type":"instant","before":null,"after":"2026-03-09T08:00:00Z","bookkeeping":true},` +
		`{"column":"price","type":"decimal","before":"1.50","after":null,"error":"damaged"}]}`
	var c history.Change
	must(t, json.Unmarshal([]byte(text), &c))
	for _, known := range []any{c, c.ChangeSet, c.ChangeSet.Actor, c.ChangeSet.Actor.Identity, c.ChangeSet.Actor.Impersonator, c.ChangeSet.Request} {
		for i, v := 0, reflect.ValueOf(known); i < v.NumField(); i++ {
			if f := v.Type().Field(i); f.IsExported() && v.Field(i).IsZero() {
				t.Errorf("this test knows nothing of %s.%s", v.Type(), f.Name)
			}
		}
	}
	var again, lines strings.Builder
	one := func(yield func(history.Change, error) bool) { yield(c, nil) }
	must(t, history.WriteNDJSON(&again, one))
	if got := strings.TrimSuffix(again.String(), "\n"); got != text {
		t.Errorf("JSON =\n%s\nwant\n%s", got, text)
	}
	must(t, history.WriteCSV(&lines, one))
	const start = `17,2026-03-09T08:00:00.5Z,5,2026-03-09T08:00:00.25Z,4,prices,"a~1~0b,c",update,true,user,7,Bob,service,42,Ann,` +
		`r-1,192.0.2.1,curl,PUT,/prices/:id,"{""reason"":""sale""}",app,writer,`
	sameLines(t, "CSV", strings.Split(strings.TrimSpace(lines.String()), "\n")[1:],
		start+"day,time,2026-03-09,,false,false,",
		start+"hour,time,,2026-03-09T08:00:00,false,false,",
		start+"token,,,,true,false,",
		start+"updated_at,instant,,2026-03-09T08:00:00Z,false,true,",
		start+"price,decimal,1.50,,false,false,damaged")
}

// A day is a day, not its first moment in some zone.
func TestDaysAreDaysInCSV(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		type Trip struct {
			ID  uint
			Day time.Time `gorm:"type:date"`
		}
		db := d.Open(t)
		must(t, history.Migrate(db, &Trip{}))
		must(t, db.Create(&Trip{ID: 1, Day: time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC)}).Error)
		want := ",2026-03-09,"
		if d.Kind == dbtest.SQLite || d.Kind == "sqlite-cgo" { // where the column holds a moment
			want = ",2026-03-09T00:00:00Z,"
		}
		var out strings.Builder
		must(t, history.WriteCSV(&out, history.All(db, history.Query{})))
		if !strings.Contains(out.String(), want) {
			t.Errorf("CSV has no %q:\n%s", want, &out)
		}
	})
}

// broken fails after some bytes.
type broken struct{ left int }

var errBroken = errors.New("broken")

func (b *broken) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

func TestExportsEndAtTheFirstError(t *testing.T) {
	t.Parallel()
	db, plain := open(t, dbtest.New(t, dbtest.SQLite))
	notes := make([]Note, 300)
	must(t, db.Create(&notes).Error)
	failing := func(yield func(history.Change, error) bool) {
		for c, err := range history.All(plain, history.Query{Limit: 2}) {
			if !yield(c, err) {
				return
			}
		}
		yield(history.Change{}, errBroken)
	}
	for name, write := range map[string]func(b *broken, changes iter.Seq2[history.Change, error]) error{
		"WriteNDJSON": func(b *broken, changes iter.Seq2[history.Change, error]) error {
			return history.WriteNDJSON(b, changes)
		},
		"WriteCSV": func(b *broken, changes iter.Seq2[history.Change, error]) error { return history.WriteCSV(b, changes) },
	} {
		if err := write(&broken{5000}, history.All(plain, history.Query{})); !errors.Is(err, errBroken) {
			t.Errorf("%s to what fails = %v, want its error", name, err)
		}
		if err := write(&broken{1 << 20}, failing); !errors.Is(err, errBroken) {
			t.Errorf("%s of what fails = %v, want its error", name, err)
		}
	}
}

// The last change of each row of a page is one query, after one for the table's names.
func TestLastOfAListPage(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t, kind)
			db, _ := open(t, d)
			notes := make([]Note, 50)
			must(t, db.WithContext(as(ann)).Create(&notes).Error)
			for i := range 3 {
				must(t, db.WithContext(as(bob)).Model(&Note{}).Where("id % 2 = 0").Update("stars", i+1).Error)
			}
			counted, trips := counting(t, d)
			must2(history.Last(counted, notes[:1]))
			rows := append(notes, Note{ID: 999})
			before := trips.Load()
			last := must2(history.Last(counted, rows))
			if n := trips.Load() - before; kind == dbtest.Postgres && n != 2 || n > 3 { // SQLite and MySQL prepare; one is for the table's names
				t.Errorf("Last of %d rows takes %d round trips", len(rows), n)
			}
			for i, note := range notes {
				who, stars := ann, "0"
				if note.ID%2 == 0 {
					who, stars = bob, "3"
				}
				f, _ := last[i].Field("stars")
				if last[i].ChangeSet.Actor != who || last[i].Key[0] != fmt.Sprint(note.ID) || f.After.String() != stars {
					t.Errorf("Last of note %d = %s", note.ID, line(last[i]))
				}
			}
			if c := last[len(notes)]; c.ID != 0 {
				t.Errorf("Last of a note without history = %+v, want the zero Change", c)
			}
			if _, err := history.Last(counted, []*Note{{ID: 1}, {}}); !errors.Is(err, gorm.ErrPrimaryKeyRequired) {
				t.Errorf("Last of a note without key = %v, want ErrPrimaryKeyRequired", err)
			}
			many := make([]*Note, 450)
			for i := range many {
				many[i] = &Note{ID: notes[i%50].ID}
			}
			for i, c := range must2(history.Last(counted, many)) {
				if c.ID != last[i%50].ID {
					t.Fatalf("Last of many rows [%d] = change %d, want %d", i, c.ID, last[i%50].ID)
				}
			}
			if none := must2(history.Last[Note](counted, nil)); len(none) != 0 {
				t.Errorf("Last of no rows = %v", none)
			}
		})
	}
}

func TestUsersAreThoseOfUsers(t *testing.T) {
	t.Parallel()
	db, plain := open(t, dbtest.New(t, dbtest.SQLite))
	for _, who := range []actor.Actor{ann, bob.As(ann), actor.Service(9), actor.System("job"), {}, ann.As(actor.Actor{})} {
		must(t, db.WithContext(as(who)).Create(&Note{}).Error)
	}
	must(t, plain.Create(&Note{}).Error)
	if got := fmt.Sprint(history.Users(all(t, plain, history.Query{}))); got != "[42 7]" {
		t.Errorf("Users = %s, want [42 7]", got)
	}
}
