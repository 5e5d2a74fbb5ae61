package gormaudit

import (
	"reflect"
	"runtime"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// builder is what built a clause before the plugin came.
type builder struct {
	custom clause.ClauseBuilder // nil if nobody registered one
	// standard says that it does what GORM does without one. Then the plugin writes
	// the usual clause itself: the same text, from names that were quoted once.
	standard bool
}

func builderOf(db *gorm.DB, name string) builder {
	custom := db.ClauseBuilders[name]
	return builder{custom: custom, standard: custom == nil || name == "VALUES" && isOfMySQL(custom)}
}

// isOfMySQL reports whether a builder is that of gorm.io/driver/mysql, and no
// plugin's. Its VALUES differ only where there are no columns.
func isOfMySQL(custom clause.ClauseBuilder) bool {
	f := runtime.FuncForPC(reflect.ValueOf(custom).Pointer())
	return f != nil && strings.HasPrefix(f.Name(), "gorm.io/driver/mysql.")
}

func (b builder) build(c clause.Clause, to clause.Builder) {
	if b.custom != nil {
		b.custom(c, to)
	} else {
		c.Build(to)
	}
}

// buildsStandard reports whether of a clause only its name and its expression would be
// built.
func (b builder) buildsStandard(c *clause.Clause) bool {
	return b.standard && c.BeforeExpression == nil && c.AfterNameExpression == nil && c.AfterExpression == nil
}

// quoter quotes names as a dialect does.
func quoter(d gorm.Dialector) func(name string) string {
	return func(name string) string {
		var b strings.Builder
		d.QuoteTo(&b, name)
		return b.String()
	}
}
