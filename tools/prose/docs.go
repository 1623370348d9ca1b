package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// logPage documents the log lines at WARN and ERROR, as rows of a table: level, message, meaning.
const logPage = "docs/monitoring.md"

// docs checks the documents of a checkout: each relative link leads to a file and a heading, each page that
// other files mention exists, each test that a page mentions exists, each message of logPage is in the code,
// and each message that is logged at WARN or ERROR is in logPage.
func docs(from string) error {
	pages, literal, logged := map[string]string{}, map[string]bool{}, map[string]string{}
	tests := map[string]bool{"TestThing_ConditionResult": true} // the pattern of the names
	var found []error
	err := walk(from, func(name string, content []byte) error {
		if kind(name) == ".md" {
			pages[name] = string(content)
			return nil
		}
		found = append(found, checkMentions(from, name, string(content))...)
		for _, match := range testFunc.FindAllStringSubmatch(string(content), -1) {
			tests[match[1]] = true
		}
		if kind(name) == ".go" && !strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(name, "tools/") {
			return collectMessages(name, content, literal, logged)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		found = append(found, checkLinks(from, name, pages)...)
		for _, match := range testName.FindAllStringSubmatch(pages[name], -1) {
			if !tests[match[1]] {
				found = append(found, fmt.Errorf("%s: there is no test %s", name, match[1]))
			}
		}
	}
	return errors.Join(append(found, checkMessages(pages[logPage], literal, logged)...)...)
}

var (
	testFunc = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	testName = regexp.MustCompile("`(Test\\w+)`")
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]*)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	dropped = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	fence   = regexp.MustCompile("(?ms)^[ ]*```.*?^[ ]*```$")
)

// checkLinks returns an error for each relative link of a page that leads nowhere.
func checkLinks(from, name string, pages map[string]string) []error {
	var found []error
	for _, match := range link.FindAllStringSubmatch(fence.ReplaceAllString(pages[name], ""), -1) {
		target, anchor, _ := strings.Cut(match[1], "#")
		if strings.Contains(target, "://") {
			continue
		}
		path := name
		if target != "" {
			path = filepath.Join(filepath.Dir(name), target)
		}
		if _, err := os.Stat(filepath.Join(from, path)); err != nil {
			found = append(found, fmt.Errorf("%s: the link %s leads to no file", name, match[1]))
		} else if anchor != "" && !slices.Contains(anchors(pages[path]), anchor) {
			found = append(found, fmt.Errorf("%s: the link %s leads to no heading", name, match[1]))
		}
	}
	return found
}

var mention = regexp.MustCompile(`\bdocs/[a-z0-9/-]+\.md\b`)

// checkMentions returns an error for each page in docs/ that a file mentions and that does not exist.
func checkMentions(from, name, content string) []error {
	var found []error
	for i, line := range strings.Split(content, "\n") {
		for _, page := range mention.FindAllString(line, -1) {
			if _, err := os.Stat(filepath.Join(from, page)); err != nil {
				found = append(found, fmt.Errorf("%s:%d: there is no %s", name, i+1, page))
			}
		}
	}
	return found
}

// anchors returns the names by which links address the headings of a page, made as GitHub makes them.
func anchors(page string) []string {
	var names []string
	for _, match := range heading.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		names = append(names, strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(match[1]), ""), " ", "-"))
	}
	return names
}

// levels are the methods of slog.Logger that log at WARN and ERROR, by the index of their message.
var levels = map[string]int{"Warn": 0, "Error": 0, "WarnContext": 1, "ErrorContext": 1}

// collectMessages adds the string literals of a Go file to literal, and those that are logged at WARN or
// ERROR, with their position, to logged.
func collectMessages(name string, content []byte, literal map[string]bool, logged map[string]string) error {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, content, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.BasicLit:
			if text, err := strconv.Unquote(node.Value); err == nil && node.Kind == token.STRING {
				literal[text] = true
			}
		case *ast.CallExpr:
			if text := message(node); text != "" {
				logged[text] = files.Position(node.Pos()).String()
			}
		}
		return true
	})
	return nil
}

// message returns the message of a call that logs at WARN or ERROR, up to its first part that is no literal.
func message(call *ast.CallExpr) string {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	index, ok := levels[method.Sel.Name]
	if method.Sel.Name == "LogAttrs" && len(call.Args) > 2 {
		level, isSelector := call.Args[1].(*ast.SelectorExpr)
		index, ok = 2, isSelector && (level.Sel.Name == "LevelWarn" || level.Sel.Name == "LevelError")
	}
	if !ok || len(call.Args) <= index {
		return ""
	}
	text := call.Args[index]
	for sum, ok := text.(*ast.BinaryExpr); ok; sum, ok = text.(*ast.BinaryExpr) {
		text = sum.X
	}
	lit, ok := text.(*ast.BasicLit)
	if !ok {
		return ""
	}
	unquoted, err := strconv.Unquote(lit.Value)
	if err != nil || !strings.Contains(unquoted, " ") { // testify's Error, http.Error and the like
		return ""
	}
	return unquoted
}

var (
	logRow  = regexp.MustCompile(`(?m)^\| (?:WARN|ERROR) \| (.*?) \|`)
	quoted  = regexp.MustCompile("`([^`]*)`")
	variant = strings.NewReplacer("N ", "", "…", "")
)

// checkMessages returns an error for each documented message that is not in the code, and for each logged
// one that is not documented.
func checkMessages(page string, literal map[string]bool, logged map[string]string) []error {
	var found []error
	var documented []string
	for _, row := range logRow.FindAllStringSubmatch(page, -1) {
		for _, match := range quoted.FindAllStringSubmatch(row[1], -1) {
			text := strings.TrimSpace(variant.Replace(match[1]))
			documented = append(documented, text)
			if !slices.ContainsFunc(slices.Collect(maps.Keys(literal)), func(l string) bool { return strings.Contains(l, text) }) &&
				text != "http:" {
				found = append(found, fmt.Errorf("%s: no code logs %q", logPage, match[1]))
			}
		}
	}
	if len(documented) == 0 {
		found = append(found, errors.New(logPage+" has no table of log lines"))
	}
	for _, text := range slices.Sorted(maps.Keys(logged)) {
		if !slices.ContainsFunc(documented, func(d string) bool { return strings.HasPrefix(text, d) }) {
			found = append(found, fmt.Errorf("%s: %s lacks the log line %q", logged[text], logPage, text))
		}
	}
	return found
}
