package gormaudit

import (
	"net/url"
	"reflect"
	"regexp"
	"strings"

	"gorm.io/gorm"
)

// defaultSchema returns the schema, or MySQL's database, that unqualified names
// are in, "" where db's address does not say.
func defaultSchema(db *gorm.DB) string {
	switch db.Name() {
	case "sqlite":
		return "main"
	case "sqlserver":
		return "dbo"
	case "mysql":
		return strings.ToLower(setting(db.Dialector, "DSNConfig", "DBName"))
	case "postgres":
		if m := searchPath.FindStringSubmatch(setting(db.Dialector, "DSN")); m != nil {
			return singleSchema(m[1])
		}
		return "public"
	}
	return ""
}

var searchPath = regexp.MustCompile(`search_path(?:=|%3D)('[^']*'|[^&\s]*)`)

// singleSchema returns the schema in a search_path of one, in lower case, or "".
func singleSchema(path string) string {
	if unescaped, err := url.QueryUnescape(path); err == nil {
		path = unescaped
	}
	path = strings.ToLower(strings.Trim(path, `'" `))
	if strings.ContainsAny(path, ",$") {
		return ""
	}
	return path
}

// setting reads a text from the exported fields of a dialector, whose package
// is not imported.
func setting(dialector any, fields ...string) string {
	v := reflect.ValueOf(dialector)
	for _, name := range fields {
		for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			return ""
		}
		field, ok := v.Type().FieldByName(name)
		if !ok {
			return ""
		}
		var err error
		if v, err = v.FieldByIndexErr(field.Index); err != nil {
			return ""
		}
	}
	if v.Kind() != reflect.String {
		return ""
	}
	return v.String()
}
