package dbtest

import "gorm.io/gorm"

// Save creates a row, for tests that ask who is seen as the caller.
func Save(db *gorm.DB, row any) error { return db.Create(row).Error }

// SaveDeep does so through two more functions of the package.
func SaveDeep(db *gorm.DB, row any) error { return saveInside(db, row) }

func saveInside(db *gorm.DB, row any) error { return Save(db, row) }
