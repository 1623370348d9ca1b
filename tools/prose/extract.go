package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

func extract(from, to string) error {
	return walk(from, func(name string, content []byte) error {
		path := filepath.Join(to, name)
		switch kind(name) {
		case ".md":
			return write(path, content)
		case ".go":
			if err := write(path, content); err != nil || strings.HasSuffix(name, "_test.go") {
				return err
			}
			text, err := literals(name, content)
			if err != nil {
				return err
			}
			content = text
		case ".sql":
			content = comments(content, "--")
		case ".text":
		default:
			content = comments(content, "#")
		}
		return write(path+".txt", content)
	})
}

func write(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}

// comments returns the text of the comments that begin with mark, each on its line.
func comments(content []byte, mark string) []byte {
	lines := strings.Split(string(content), "\n")
	for i, line := range lines {
		_, comment, found := strings.Cut(" "+strings.TrimLeft(line, " \t"), " "+mark+" ")
		if !found {
			_, comment, _ = strings.Cut(line, " ## ") // the help of a target in a Makefile
		}
		lines[i] = comment
	}
	return []byte(strings.Join(lines, "\n"))
}

// literals returns the string literals of a Go file that have a space in them, each on its line.
func literals(name string, content []byte) ([]byte, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, content, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	lines := make([][]string, bytes.Count(content, []byte("\n"))+1)
	ast.Inspect(file, func(node ast.Node) bool {
		literal, ok := node.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING || !strings.Contains(literal.Value, " ") {
			return true
		}
		text, err := strconv.Unquote(literal.Value)
		if err != nil {
			return true
		}
		if literal.Value[0] != '`' { // one line in the source, and more than one in the text
			text = strings.ReplaceAll(text, "\n", " ")
		}
		at := files.Position(literal.Pos()).Line - 1
		for line := range strings.SplitSeq(text, "\n") {
			lines[at] = append(lines[at], line)
			at++
		}
		return true
	})
	var b bytes.Buffer
	for _, line := range lines {
		b.WriteString(strings.Join(line, " | "))
		b.WriteByte('\n')
	}
	return b.Bytes(), nil
}
