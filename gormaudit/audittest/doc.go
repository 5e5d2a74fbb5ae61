// Package audittest tests that by-columns hold on an application's own models
// and database: that created_by, updated_by and deleted_by say who acted,
// whatever way GORM is called, and whatever callers forge into them.
//
//	func TestAudit(t *testing.T) {
//		db := openTestDatabase(t) // as the application opens it, plugins included
//		audittest.Run(t, db,
//			audittest.Model(func(i int) *Note { return &Note{Title: fmt.Sprint("note ", i)} }),
//			audittest.Model(func(i int) *Tag { return &Tag{Name: fmt.Sprint("tag ", i)} }),
//		)
//	}
//
// Some two hundred calls are made on each model: Create, Save, Update, upserts,
// deletes, associations, [gorm.G] and sessions, with structs, maps, slices and
// structs of other types. After each one the rows are read back without the
// plugin. All happens in transactions that are rolled back.
package audittest
