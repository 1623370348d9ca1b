package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"regexp"
	"strings"
)

// habits are counted by lines. "Where" counts all uses, because no pattern separates places from conditions.
var habits = []struct {
	name    string
	pattern *regexp.Regexp
}{
	{"where", regexp.MustCompile(`(?i)\bwhere\b`)},
	{"told", regexp.MustCompile(`(?i)\btold\b`)},
	{"nobody/somebody/whoever", regexp.MustCompile(`(?i)\b((no|some|any|every)body|who(so)?ever|whatever)\b`)},
	{"its/their/an-end", regexp.MustCompile(`(?i)\b(its|their|an)\s+end\b`)},
}

// count prints how many of a thousand lines of Go comments have each habit.
func count(from string, out io.Writer) error {
	lines, found := 0, make([]int, len(habits))
	err := walk(from, func(name string, content []byte) error {
		if kind(name) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, content, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, group := range file.Comments {
			for _, comment := range group.List {
				for line := range strings.SplitSeq(comment.Text, "\n") {
					lines++
					for i, habit := range habits {
						if habit.pattern.MatchString(line) {
							found[i]++
						}
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%-28s %6s  %s\n", "habit", "lines", "per thousand comment lines")
	for i, habit := range habits {
		fmt.Fprintf(&table, "%-28s %6d  %.1f\n", habit.name, found[i], 1000*float64(found[i])/float64(max(lines, 1)))
	}
	fmt.Fprintf(&table, "%-28s %6d\n", "comment lines", lines)
	_, err = io.WriteString(out, table.String())
	return err
}
