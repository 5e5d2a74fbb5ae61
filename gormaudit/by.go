package gormaudit

// By gives a model the columns created_by and updated_by, to be embedded
// beside gorm.Model or instead of it. T is the type of a user's id.
//
// The fields are nil, and the columns NULL, where nobody is known: nobody was
// signed in, or nobody said who.
//
// By[string] becomes a varchar(191) where the database has one, which MySQL
// can index in any character set. By[uuid.UUID] becomes the database's own
// uuid type, where there is one, for models named in [Config.Models]; else it
// is a varchar too. There are no indexes and no foreign keys: fields of your
// own have those that you tag them with.
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
	// DeletedBy is who deleted the row softly, nil while it lives.
	DeletedBy *T `gorm:"size:191" json:"deleted_by"`
}
