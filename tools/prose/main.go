// Command prose prepares the prose of a checkout for a prose linter, counts writing habits in it, and checks
// its documents against the code.
//
//	prose extract FROM TO
//	prose count FROM
//	prose docs FROM
//
// Extract writes the prose of the folder FROM into the folder TO, with the same paths. Markdown and Go
// files are copied, because the linter reads Markdown and the comments of Go. Text that it does not find
// by itself goes to a file with the suffix .txt, on the same lines as in the original:
//
//   - the string literals of a Go file that is not a test: errors, log lines, help;
//   - the comments of SQL, shell scripts, YAML, Dockerfiles and Makefiles;
//   - openapi.yaml and the alert rules as a whole.
//
// Count prints how often a thousand lines of Go comments have each habit. Docs checks that links lead
// somewhere, and that docs/monitoring.md has the log lines of the code.
//
// All skip generated files, hidden folders, and folders named testdata, node_modules, bin or secrets.
package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	var err error
	switch {
	case len(os.Args) == 4 && os.Args[1] == "extract":
		err = extract(os.Args[2], os.Args[3])
	case len(os.Args) == 3 && os.Args[1] == "count":
		err = count(os.Args[2], os.Stdout)
	case len(os.Args) == 3 && os.Args[1] == "docs":
		err = docs(os.Args[2])
	default:
		fmt.Fprintln(os.Stderr, "usage: prose extract FROM TO, prose count FROM, or prose docs FROM")
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "prose:", err)
		os.Exit(1)
	}
}

var (
	skipped   = []string{"testdata", "node_modules", "bin", "secrets"}
	generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)
)

// walk calls visit for each file below from that is not skipped, with its path relative to from.
func walk(from string, visit func(name string, content []byte) error) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			hidden := strings.HasPrefix(entry.Name(), ".") && entry.Name() != ".github" && entry.Name() != ".ci"
			if name != "." && (hidden || slices.Contains(skipped, entry.Name())) {
				return fs.SkipDir
			}
			return nil
		}
		if kind(name) == "" {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil || generated.Match(content) {
			return err
		}
		return visit(name, content)
	})
}

// kind returns the extension that says how a file is read, or "" if it has no prose.
func kind(name string) string {
	switch base := filepath.Base(name); base {
	case "Makefile", "Dockerfile":
		return ".sh"
	case "openapi.yaml", "paymentd.rules.yml":
		return ".text"
	default:
		ext := filepath.Ext(base)
		if slices.Contains([]string{".md", ".go", ".sql", ".sh", ".yml", ".yaml"}, ext) {
			return ext
		}
		return ""
	}
}
