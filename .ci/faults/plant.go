package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// plant returns the path of the file that the fault is in, and its text with
// the fault.
func (f fault) plant() (path string, text []byte, err error) {
	fset := token.NewFileSet()
	node, err := f.declaration(fset)
	if err != nil {
		return "", nil, err
	}
	path = fset.Position(node.Pos()).Filename
	if text, err = os.ReadFile(path); err != nil {
		return "", nil, err
	}
	d := declaration{fset: fset, node: node, text: text}
	c, err := d.change(f.edit)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", f.in, err)
	}
	return path, bytes.Join([][]byte{text[:c.from], []byte(c.with), text[c.to:]}, nil), nil
}

// declaration finds what f.in names: Name or Receiver.Name.
func (f fault) declaration(fset *token.FileSet) (ast.Node, error) {
	var found []ast.Node
	for _, dir := range f.code {
		paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			found = append(found, named(file, f.in)...)
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%d declarations are called %s in %s", len(found), f.in, strings.Join(f.code, ", "))
	}
	return found[0], nil
}

// named returns the declarations of a file that have a name.
func named(file *ast.File, name string) (found []ast.Node) {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && name == d.Name.Name || d.Recv != nil && name == receiver(d)+"."+d.Name.Name {
				found = append(found, d)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				values, ok := spec.(*ast.ValueSpec)
				if ok && len(values.Names) == 1 && values.Names[0].Name == name {
					found = append(found, values)
				}
			}
		}
	}
	return found
}

// receiver returns the name of a method's type.
func receiver(d *ast.FuncDecl) string {
	t := d.Recv.List[0].Type
	for {
		switch typed := t.(type) {
		case *ast.StarExpr:
			t = typed.X
		case *ast.IndexExpr:
			t = typed.X
		case *ast.IndexListExpr:
			t = typed.X
		case *ast.Ident:
			return typed.Name
		default:
			return ""
		}
	}
}

// declaration is where a fault is planted.
type declaration struct {
	fset *token.FileSet
	node ast.Node
	text []byte // of the whole file
}

// change is a part of the text, and what takes its place.
type change struct {
	from, to int
	with     string
}

// change reads an edit and finds its place.
func (d declaration) change(edit string) (change, error) {
	if old, with, ok := strings.Cut(edit, " -> "); ok {
		return d.replace(old, with)
	}
	verb, operand, _ := strings.Cut(edit, " ")
	switch verb {
	case "not":
		return d.negate(operand)
	case "drop":
		return d.drop(operand)
	case "return":
		return d.returnAtOnce(operand)
	}
	return change{}, fmt.Errorf("unknown edit %q", edit)
}

func (d declaration) replace(old, with string) (change, error) {
	path, err := d.mention(old)
	if err != nil {
		return change{}, err
	}
	node := path[len(path)-1]
	if whole, ok := text(node); ok {
		part, errOld := strconv.Unquote(old)
		other, errWith := strconv.Unquote(with)
		if errOld == nil && errWith == nil {
			with = strconv.Quote(strings.Replace(whole, part, other, 1))
		}
	}
	return d.at(node, with), nil
}

func (d declaration) negate(mentioned string) (change, error) {
	path, err := d.mention(mentioned)
	if err != nil {
		return change{}, err
	}
	for n := len(path) - 1; n > 0; n-- {
		if isCondition(path[n], path[n-1]) {
			return d.at(path[n], "!("+d.source(path[n])+")"), nil
		}
	}
	return change{}, fmt.Errorf("no condition mentions %s", mentioned)
}

// isCondition reports whether node is a bool, as far as syntax tells.
func isCondition(node, parent ast.Node) bool {
	if b, ok := node.(*ast.BinaryExpr); ok {
		switch b.Op {
		case token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ, token.LAND, token.LOR:
			return true
		}
	}
	switch p := parent.(type) {
	case *ast.BinaryExpr:
		return p.Op == token.LAND || p.Op == token.LOR
	case *ast.UnaryExpr:
		return p.Op == token.NOT
	case *ast.IfStmt:
		return p.Cond == node
	case *ast.ForStmt:
		return p.Cond == node
	}
	return false
}

func (d declaration) drop(mentioned string) (change, error) {
	path, err := d.mention(mentioned)
	if err != nil {
		return change{}, err
	}
	for n := len(path) - 1; n >= 0; n-- {
		switch stmt := path[n].(type) {
		case *ast.CaseClause:
			return d.at(stmt, ""), nil
		case ast.Stmt:
			if _, inHead := path[n-1].(*ast.BlockStmt); inHead || isClause(path[n-1]) {
				// Not left out altogether: what is used there stays used.
				return d.at(stmt, "if false { "+d.source(stmt)+" }"), nil
			}
		}
	}
	return change{}, fmt.Errorf("no statement mentions %s", mentioned)
}

func isClause(node ast.Node) bool {
	switch node.(type) {
	case *ast.CaseClause, *ast.CommClause:
		return true
	}
	return false
}

func (d declaration) returnAtOnce(values string) (change, error) {
	f, ok := d.node.(*ast.FuncDecl)
	if !ok {
		return change{}, fmt.Errorf("it is not a function, so it can't return %s", values)
	}
	start := d.fset.Position(f.Body.Lbrace).Offset + 1
	return change{start, start, " if true { return " + values + " };"}, nil
}

// mention returns the way from the declaration to the only expression or simple
// statement of the given syntax in it.
func (d declaration) mention(source string) ([]ast.Node, error) {
	wanted, err := parse(source)
	if err != nil {
		return nil, fmt.Errorf("%q is neither an expression nor a statement: %w", source, err)
	}
	within := d.node
	if f, ok := within.(*ast.FuncDecl); ok {
		within = f.Body
	}
	var path []ast.Node
	var found [][]ast.Node
	ast.Inspect(within, func(node ast.Node) bool {
		if node == nil {
			path = path[:len(path)-1]
			return true
		}
		path = append(path, node)
		if matches(node, wanted) {
			found = append(found, slices.Clone(path))
		}
		return true
	})
	if len(found) != 1 {
		return nil, fmt.Errorf("%s occurs %d times", source, len(found))
	}
	return found[0], nil
}

// parse reads an expression or a simple statement.
func parse(source string) (ast.Node, error) {
	if expr, err := parser.ParseExpr(source); err == nil {
		return expr, nil
	}
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p; func _() {\n"+source+"\n}", 0)
	if err != nil {
		return nil, err
	}
	if list := file.Decls[0].(*ast.FuncDecl).Body.List; len(list) == 1 {
		return list[0], nil
	}
	return nil, errors.New("not one statement")
}

// matches reports whether two nodes have the same syntax, or are string
// literals of which one contains the other.
func matches(node, wanted ast.Node) bool {
	part, isText := text(wanted)
	if whole, ok := text(node); isText && ok {
		return strings.Contains(whole, part)
	}
	switch node.(type) {
	case ast.Expr, ast.Stmt:
		return print(node) == print(wanted)
	}
	return false
}

func (d declaration) at(node ast.Node, with string) change {
	return change{d.fset.Position(node.Pos()).Offset, d.fset.Position(node.End()).Offset, with}
}

func (d declaration) source(node ast.Node) string {
	c := d.at(node, "")
	return string(d.text[c.from:c.to])
}

// text returns the value of a string literal.
func text(node ast.Node) (value string, ok bool) {
	lit, ok := node.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	value, err := strconv.Unquote(lit.Value)
	return value, err == nil
}

// print writes a node in one way, however it is laid out.
func print(node ast.Node) string {
	var b strings.Builder
	_ = printer.Fprint(&b, token.NewFileSet(), node)
	return strings.Join(strings.Fields(b.String()), " ")
}
