package bycolumn_test

import (
	"strings"
	"sync"
	"testing"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit/internal/bycolumn"
)

type by struct{ CreatedBy, UpdatedBy, DeletedBy string }

type bys struct{ CreatedByID, UpdatedByID, DeletedByID uint }

func TestFind(t *testing.T) {
	for name, tt := range map[string]struct {
		model any
		want  string
	}{
		"none":       {&struct{ ID, Created uint }{}, ""},
		"by name":    {&by{}, "created_by updated_by deleted_by"},
		"by name ID": {&bys{}, "created_by_id updated_by_id deleted_by_id"},
		"by tag": {&struct {
			Author string `gorm:"autoCreateBy"`
			Editor string `gorm:"autoUpdateBy:true"`
			Eraser string `gorm:"autoDeleteBy"`
		}{}, "author editor eraser"},
		"deleted only": {&struct{ DeletedBy string }{}, "deleted_by"},
		"updated only": {&struct{ UpdatedBy string }{}, "updated_by"},
		"turned off": {&struct {
			CreatedBy string `gorm:"autoCreateBy:false"`
			UpdatedBy string
		}{}, "updated_by"},
		"no column": {&struct {
			ID        uint
			CreatedBy string `gorm:"-"`
			UpdatedBy string `gorm:"-:all"`
			DeletedBy string `gorm:"-: migration"`
		}{}, "deleted_by"},
		"one in each struct": {&struct {
			New by  `gorm:"embedded;embeddedPrefix:new_"`
			Old bys `gorm:"embedded;embeddedPrefix:old_"`
		}{}, "new_created_by old_created_by_id new_updated_by old_updated_by_id new_deleted_by old_deleted_by_id"},
		"a tag beside a name": {&struct {
			CreatedBy string
			Author    string `gorm:"autoCreateBy"`
		}{}, "created_by author"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := bycolumn.Find(parse(t, tt.model))
			var names []string
			for _, field := range found.All() {
				names = append(names, field.DBName)
			}
			if got := strings.Join(names, " "); err != nil || got != tt.want || found.None() != (tt.want == "") {
				t.Errorf("Find = %q (none: %t), error %v, want %q", got, found.None(), err, tt.want)
			}
		})
	}
}

func TestFindRefusesTwoNamesInOneStruct(t *testing.T) {
	for want, model := range map[string]any{
		"CreatedBy and CreatedByID: turn one off with the tag gorm:\"autoCreateBy:false\"": &struct {
			CreatedBy   string
			CreatedByID uint
		}{},
		"DeletedByID and DeletedBy: turn one off with the tag gorm:\"autoDeleteBy:false\"": &struct {
			In struct {
				DeletedByID uint
				DeletedBy   string
			} `gorm:"embedded"`
		}{},
	} {
		if found, err := bycolumn.Find(parse(t, model)); err == nil || !strings.HasSuffix(err.Error(), want) || !found.None() {
			t.Errorf("Find = %v, error %v, want one that ends in %q", found, err, want)
		}
	}
}

func TestSoftDeletes(t *testing.T) {
	for want, model := range map[string]any{
		"":                   &struct{ DeletedAt string }{},
		"deleted_at":         &struct{ DeletedAt gorm.DeletedAt }{},
		"gone":               &struct{ Gone *gorm.DeletedAt }{},
		"gone,in_deleted_at": &twice{},
	} {
		var names []string
		for _, field := range bycolumn.SoftDeletes(parse(t, model)) {
			names = append(names, field.DBName)
		}
		if got := strings.Join(names, ","); got != want {
			t.Errorf("SoftDeletes(%T) = %q, want %q", model, got, want)
		}
	}
}

type twice struct {
	Gone gorm.DeletedAt
	Note string
	In   struct{ DeletedAt gorm.DeletedAt } `gorm:"embedded;embeddedPrefix:in_"`
}

func parse(t *testing.T, model any) *schema.Schema {
	t.Helper()
	// Types without a name are tables of this name.
	s, err := schema.ParseWithSpecialTableName(model, &sync.Map{}, schema.NamingStrategy{}, "notes")
	if err != nil {
		t.Fatal(err)
	}
	return s
}
