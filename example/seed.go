package main

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// seedPassword is the first password of the people in an empty database.
const seedPassword = "whodunit"

// seed gives an empty database people who can sign in, and notes. They are
// written like everything else: by somebody.
func seed(db *gorm.DB) error {
	var people int64
	if err := db.Model(&User{}).Where("role <> ?", Program).Count(&people).Error; err != nil || people > 0 {
		return err
	}
	users := []User{{Name: "alice", Role: Admin}, {Name: "bob", Role: Member}, {Name: "carol", Role: Member}}
	err := past(db, 170*time.Hour, seeder, func(tx *gorm.DB) error {
		for i := range users {
			users[i].setPassword(seedPassword)
			if err := tx.Create(&users[i]).Error; err != nil {
				return err
			}
		}
		lastYear := tx.NowFunc().Add(-300 * 24 * time.Hour)
		return tx.Create(&[]Note{
			{Version: 1, Title: "Welcome", Body: "Every note says who wrote it, who changed it and who threw it away.\n\nSign in as somebody else and change this one."},
			{Version: 1, Title: "Summer party", Body: "The archiver puts away what nobody has touched for a month.", CreatedAt: lastYear, UpdatedAt: lastYear},
		}).Error
	})
	if err != nil {
		return err
	}
	return seedWeek(db, users[0], users[1], users[2])
}

const trip = "Thursday 12 May, the hut by the lake.\nWe meet at the station at nine.\nBring boots."

// seedWeek is what three people did in a week. It took no week: what is written
// is real, and recorded as it happens, but then its time is put back.
func seedWeek(db *gorm.DB, alice, bob, carol User) error {
	me := func(u User) actor.Actor { return actor.User(u.ID) }
	plan := Note{Version: 1, Title: "Trip to the lake", Body: trip}
	prices := Note{Version: 1, Title: "Price list", Body: "Rope 9.00\nTorch 12.50\nMap 4.00"}
	agenda := Note{Version: 1, Title: "Agenda of Monday", Body: "1. Numbers\n2. The trip"}
	change := func(note *Note, title, body string) func(db *gorm.DB) error {
		return func(db *gorm.DB) error {
			return db.Model(note).Updates(Note{Title: title, Body: body, Version: note.Version + 1}).Error
		}
	}
	steps := []struct {
		ago string
		who actor.Actor
		do  func(db *gorm.DB) error
	}{
		{"153h", me(alice), func(db *gorm.DB) error { return db.Create(&plan).Error }},
		{"148h", me(bob), func(db *gorm.DB) error { return db.Create(&prices).Error }},
		{"125h", me(bob), change(&plan, "", "Thursday 12 May, the hut by the lake.\nWe meet at the station at nine.\nBring boots and a torch.")},
		{"98h", me(carol), func(db *gorm.DB) error { return db.Create(&agenda).Error }},
		{"97h", me(carol), change(&plan, "", "Thursday 19 May, the hut by the lake.\nWe meet at the station at nine.\nBring boots and a torch.")},
		{"74h", me(alice).As(me(carol)), change(&plan, "Trip to the lake in May", "")},
		{"51h", actor.Actor{}, func(db *gorm.DB) error { // at a prompt, past the application
			return db.Exec("UPDATE notes SET body = ? WHERE id = ?", "Rope 9.00\nTorch 11.50\nMap 4.00", prices.ID).Error
		}},
		{"26h", me(carol), func(db *gorm.DB) error { return db.Delete(&agenda).Error }},
	}
	for _, step := range steps {
		ago, err := time.ParseDuration(step.ago)
		if err != nil {
			return err
		}
		if err := past(db, ago, step.who, step.do); err != nil {
			return err
		}
	}
	return nil
}

// past does something as somebody, some time ago. The zero actor says nothing of
// who it is.
func past(db *gorm.DB, ago time.Duration, who actor.Actor, do func(db *gorm.DB) error) error {
	ctx, now := context.Background(), db.NowFunc()
	if who != (actor.Actor{}) {
		ctx = actor.NewContext(ctx, who)
	}
	db = db.Session(&gorm.Session{Context: ctx, NowFunc: func() time.Time { return now.Add(-ago) }})
	return db.Transaction(func(tx *gorm.DB) error {
		var last int64
		if err := tx.Table("whodunit_changes").Select("coalesce(max(id), 0)").Scan(&last).Error; err != nil {
			return err
		}
		if err := do(tx); err != nil {
			return err
		}
		return backdate(tx, last, ago)
	})
}

// backdate puts back the time of what the history has recorded since a change. No
// application does that but one that invents its past.
func backdate(tx *gorm.DB, since int64, ago time.Duration) error {
	seconds := int64(ago / time.Second)
	earlier, setEarlier := "", ""
	switch tx.Name() {
	case "sqlite":
		earlier, setEarlier = "at - %d / 86400.0", "strftime('%%Y-%%m-%%d %%H:%%M:%%f', at, '-%d seconds')"
	case "postgres":
		earlier, setEarlier = "at - interval '%d seconds'", "at - interval '%d seconds'"
	default:
		earlier, setEarlier = "at - INTERVAL %d SECOND", "at - INTERVAL %d SECOND"
	}
	sets := "(SELECT change_set FROM whodunit_changes WHERE id > ?)"
	if tx.Name() == "sqlite" { // where a set has the id of its first change
		sets = "(SELECT id FROM whodunit_changes WHERE id > ?)"
	}
	err := tx.Exec(fmt.Sprintf("UPDATE whodunit_change_sets SET at = "+setEarlier+" WHERE id IN "+sets, seconds), since).Error
	if err != nil {
		return err
	}
	return tx.Exec(fmt.Sprintf("UPDATE whodunit_changes SET at = "+earlier+" WHERE id > ?", seconds), since).Error
}
