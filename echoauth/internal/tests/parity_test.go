package tests

import (
	"bufio"
	"bytes"
	"go/ast"
	"go/doc"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/seed-3826ef92/whodunit"

// ownSignatures are what Echo v5 itself has otherwise.
var ownSignatures = map[string]string{
	"BasicAuth": "func(validate func(c echo.Context, user string, password string) (actor.Actor, bool, error)) middleware.BasicAuthValidator",
	"KeyAuth":   "func(validate func(c echo.Context, key string, source middleware.ExtractorSource) (actor.Actor, bool, error)) middleware.KeyAuthValidator",
}

// TestSameAPI holds echoauth and echoauth/v5 to each other: the same names, of
// the same types but for Echo's own.
func TestSameAPI(t *testing.T) {
	v4, v5 := declarations(t, module+"/echoauth"), declarations(t, module+"/echoauth/v5")
	for name := range ownSignatures {
		if v4[name] == v5[name] || v5[name] != ownSignatures[name] {
			t.Errorf("v5's %s is %s, want %s", name, v5[name], ownSignatures[name])
		}
		delete(v4, name)
		delete(v5, name)
	}
	if len(v4) < 40 {
		t.Errorf("%d declarations, want many", len(v4))
	}
	compare(t, v4, v5)
}

// TestSameDocs holds the documentation of both to each other, that of the
// packages aside.
func TestSameDocs(t *testing.T) {
	v4, v5 := docTexts(t, "../.."), docTexts(t, "../../v5")
	if len(v4) < 30 {
		t.Errorf("%d documented names, want many", len(v4))
	}
	compare(t, v4, v5)
}

func compare(t *testing.T, v4, v5 map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(v4)) {
		if got, ok := v5[name]; !ok || got != v4[name] {
			t.Errorf("v5's %s = %q, want v4's %q", name, got, v4[name])
		}
	}
	for name := range v5 {
		if _, ok := v4[name]; !ok {
			t.Errorf("v4 has no %s", name)
		}
	}
}

// declarations returns the type of each exported name, field and method of a
// package, spelled as if there were one version of Echo.
func declarations(t *testing.T, path string) map[string]string {
	t.Helper()
	pkg, err := importer.ForCompiler(token.NewFileSet(), "gc", exportData(t, path)).Import(path)
	if err != nil {
		t.Fatal(err)
	}
	spell := func(typ types.Type) string {
		text := types.TypeString(typ, func(p *types.Package) string { return p.Name() })
		return strings.ReplaceAll(text, "*echo.Context", "echo.Context")
	}
	all := map[string]string{}
	for _, name := range pkg.Scope().Names() {
		object := pkg.Scope().Lookup(name)
		if !object.Exported() {
			continue
		}
		all[name] = spell(object.Type())
		named, ok := object.Type().(*types.Named)
		if !ok || object.Pkg() != named.Obj().Pkg() {
			continue
		}
		all[name+" underlying"] = spell(named.Underlying())
		for method := range named.Methods() {
			all[name+"."+method.Name()] = spell(method.Type())
		}
		if fields, ok := named.Underlying().(*types.Struct); ok {
			for field := range fields.Fields() {
				all[name+"."+field.Name()] = spell(field.Type())
			}
		}
	}
	return all
}

// exportData returns a look-up of what the compiler knows of path and of all
// that it imports.
func exportData(t *testing.T, path string) importer.Lookup {
	t.Helper()
	files := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(goCommand(t, "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", path)))
	for lines.Scan() {
		name, file, _ := strings.Cut(lines.Text(), " ")
		files[name] = file
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(files[path]) }
}

// goCommand returns what the go command prints. The test is skipped where there
// is none.
func goCommand(t *testing.T, args ...string) []byte {
	t.Helper()
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not on the PATH")
	}
	out, err := exec.Command(goTool, args...).Output()
	if err != nil {
		t.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// docTexts returns the documentation of each exported name and field in the
// package of dir.
func docTexts(t *testing.T, dir string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(dir + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	pkg, err := doc.NewFromFiles(fset, files, module+"/echoauth")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, f := range pkg.Funcs {
		texts[f.Name] = f.Doc
	}
	for _, value := range append(pkg.Vars, pkg.Consts...) {
		addFieldDocs(texts, "", value.Decl)
	}
	for _, typ := range pkg.Types {
		texts[typ.Name] = typ.Doc
		for _, f := range append(typ.Funcs, typ.Methods...) {
			texts[f.Recv+f.Name] = f.Doc
		}
		addFieldDocs(texts, typ.Name+".", typ.Decl)
	}
	return texts
}

// addFieldDocs adds the comments of decl's fields or values.
func addFieldDocs(texts map[string]string, prefix string, decl ast.Node) {
	ast.Inspect(decl, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.Field:
			for _, name := range node.Names {
				texts[prefix+name.Name] = node.Doc.Text()
			}
		case *ast.ValueSpec:
			for _, name := range node.Names {
				texts[prefix+name.Name] = node.Doc.Text()
			}
		}
		return true
	})
}
