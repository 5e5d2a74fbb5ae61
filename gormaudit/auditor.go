package gormaudit

// auditor is a Plugin at work on one gorm.DB.
type auditor struct {
	config   Config
	registry *registry
	places   *places
	// ownActor says that Config.Actor is the application's.
	ownActor bool
}
