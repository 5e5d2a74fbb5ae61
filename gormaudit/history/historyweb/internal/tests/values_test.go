package tests

import (
	"encoding/json"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

type shelf struct {
	Room json.RawMessage `gorm:"type:json"`
}

// sheet has columns whose Go values are bytes, and some that are near to that.
type sheet struct {
	ID      uint
	Raw     json.RawMessage  `gorm:"type:json"`
	Pointer *json.RawMessage `gorm:"type:json"`
	Plain   []byte           `gorm:"type:json"`
	Blob    []byte
	Text    []byte `gorm:"type:text"`
	Noise   []byte
	None    []byte
	Missing *json.RawMessage `gorm:"type:json"`
	Address net.IP           `gorm:"size:16"`
	Nowhere net.IP           `gorm:"size:16"`
	Packed  map[string]int   `gorm:"serializer:json;type:json"`
	Owner   uuid.UUID        `gorm:"type:char(36)"`
	Shelf   shelf            `gorm:"embedded;embeddedPrefix:shelf_"`
	Attic   *shelf           `gorm:"embedded;embeddedPrefix:attic_"`
}

func (sheet) TableName() string { return "sheets" }

// Bytes that hold a text, such as JSON, are shown as that text.
func TestBytesThatAreATextAreShownAsIt(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &sheet{}))
		raw := json.RawMessage(`{"size":1}`)
		was := sheet{
			ID: 17, Raw: raw, Pointer: &raw, Plain: raw, Blob: raw, Text: raw, Noise: []byte{0xff, 0, 1}, Address: net.IPv4(192, 0, 2, 1).To4(),
			Packed: map[string]int{"size": 1}, Owner: uuid.MustParse("6ba7b810-9dad-41d1-80b4-00c04fd430c8"), Shelf: shelf{Room: raw},
		}
		must(t, db.WithContext(as(alice)).Create(&was).Error)
		time.Sleep(5 * time.Millisecond)
		query := url.Values{"table": {"sheets"}, "key": {"17"}, "at": {time.Now().Format(time.RFC3339Nano)}}.Encode()
		time.Sleep(5 * time.Millisecond)
		is, now := was, json.RawMessage(`{"size":2}`)
		is.Raw, is.Pointer, is.Plain, is.Blob, is.Text, is.Shelf.Room = now, &now, now, now, now, now
		is.Noise, is.Packed = []byte{0xff, 0, 2}, map[string]int{"size": 2}
		must(t, db.WithContext(as(bob)).Save(&is).Error)
		h := historyweb.Handler(db, historyweb.Config{Tables: []historyweb.Table{historyweb.For[sheet](historyweb.Table{})}, MayRestore: anybodyMay})
		columns := []string{"Raw", "Pointer", "Plain", "Blob", "Text", "Shelf room"}
		moment, list, question := text(get(h, alice, "/moment?"+query)), text(get(h, alice, "/row?"+query)), text(get(h, alice, "/restore?"+query))
		for _, column := range columns {
			expect(t, "moment", moment, column+` {"size":1} changed since {"size":[deleted: 1][inserted: 2]}`)
			expect(t, "list", list, column+` changed from {"size":1} → to {"size":2}`, column+` [inserted: {"size":1}]`)
			expect(t, "question", question, column+` {"size":[deleted: 2][inserted: 1]}`)
		}
		expect(t, "moment", moment, "Noise 3 bytes: ff0001", "None nothing", "Missing nothing", "Address 192.0.2.1", "Nowhere nothing",
			`Packed {"size":1}`, "Owner 6ba7b810-9dad-41d1-80b4-00c04fd430c8", "Attic room nothing")
		expect(t, "list", list, "Noise changed from 3 bytes: ff0001 → to 3 bytes: ff0002", "Owner [inserted: 6ba7b810-9dad-41d1-80b4-00c04fd430c8]")
		if strings.Contains(moment+list+question, "[123 ") || strings.Contains(moment+list+question, "7b22") {
			t.Errorf("a text is shown as bytes:\n%s\n%s\n%s", moment, list, question)
		}
	})
}
