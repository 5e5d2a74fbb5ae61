// Package audittest tests that by-columns hold on an application's own models
// and database: that created_by, updated_by and deleted_by say who acted,
// whatever way GORM is called, and whatever callers forge into them.
//
//	func TestAudit(t *testing.T) {
//		db := openTestDB(t) // as the application opens it, with all its plugins
//		audittest.Run(t, db,
//			audittest.Model(func(i int) *Invoice { return &Invoice{Number: fmt.Sprint("invoice ", i)} }),
//			audittest.Model(func(i int) *Line { return &Line{Text: fmt.Sprint("line ", i)} }),
//		)
//	}
//
// [Run] makes about two hundred calls on each model: Create, Save, Update,
// upserts, deletes, associations, [gorm.G] and sessions, with structs, maps,
// slices and structs of other types. After each call it reads the rows back
// without the plugin. All of this happens in transactions that are rolled back.
package audittest
