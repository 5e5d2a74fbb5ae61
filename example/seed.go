package main

import (
	"context"
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
	db = db.WithContext(actor.NewContext(context.Background(), seeder))
	var seeded User
	seeded.setPassword(seedPassword) // once: each takes a processor a moment
	return db.Transaction(func(tx *gorm.DB) error {
		for _, user := range []User{{Name: "alice", Role: Admin}, {Name: "bob", Role: Member}, {Name: "carol", Role: Member}} {
			user.PasswordHash = seeded.PasswordHash
			if err := tx.Create(&user).Error; err != nil {
				return err
			}
		}
		lastYear := tx.NowFunc().Add(-300 * 24 * time.Hour)
		return tx.Create(&[]Note{
			{Version: 1, Title: "Welcome", Body: "Every note says who wrote it, who changed it and who threw it away.\n\nSign in as somebody else and change this one."},
			{Version: 1, Title: "Summer party", Body: "The archiver puts away what nobody has touched for a month.", CreatedAt: lastYear, UpdatedAt: lastYear},
		}).Error
	})
}
