package gormaudit

// By gives a model the columns created_by and updated_by. Embed it beside
// gorm.Model or instead of it. T is the type of a user's id.
//
// The fields are nil, and the columns NULL, where nobody was signed in, or
// nobody said who acts.
//
// By[string] becomes a varchar(191) where the database has one. MySQL can index
// that in any character set. By[uuid.UUID] becomes the database's own uuid type,
// where there is one, for models named in [Config.Models]. For other models it
// is a varchar too. There are no indexes and no foreign keys. If you want some,
// use fields of your own in place of By, and tag them.
type By[T any] struct {
	// CreatedBy is who inserted the row. It is written once.
	CreatedBy *T `gorm:"size:191" json:"created_by"`
	// UpdatedBy is who changed the row last; at first, who inserted it.
	UpdatedBy *T `gorm:"size:191" json:"updated_by"`
}

// SoftBy is [By] with the column deleted_by, for models with a soft-delete
// field such as gorm.DeletedAt.
type SoftBy[T any] struct {
	// CreatedBy is who inserted the row. It is written once.
	CreatedBy *T `gorm:"size:191" json:"created_by"`
	// UpdatedBy is who changed the row last; at first, who inserted it.
	UpdatedBy *T `gorm:"size:191" json:"updated_by"`
	// DeletedBy is who deleted the row softly. It is nil while the row is not
	// deleted.
	DeletedBy *T `gorm:"size:191" json:"deleted_by"`
}
