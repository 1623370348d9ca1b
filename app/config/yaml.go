package config

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yamlFile is a file in a strict subset of YAML: one document of mappings, sequences and scalars, without
// aliases. Its errors name the file and the line.
type yamlFile struct{ path string }

// errorAt returns an error about a node.
func (f yamlFile) errorAt(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", f.path, n.Line, fmt.Sprintf(format, args...))
}

// syntaxLine is how the parser names the line of an error in the syntax.
var syntaxLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// parse returns the root of the only document.
func (f yamlFile) parse(content []byte) (*yaml.Node, error) {
	var document, second yaml.Node
	decoder := yaml.NewDecoder(strings.NewReader(string(content)))
	if err := decoder.Decode(&document); err != nil {
		found := syntaxLine.FindStringSubmatch(err.Error())
		if found == nil {
			return nil, fmt.Errorf("%s: must hold a YAML document", f.path)
		}
		return nil, fmt.Errorf("%s:%s: is not valid YAML: %s", f.path, cmp.Or(found[1], "1"), found[2])
	}
	if err := decoder.Decode(&second); err == nil {
		return nil, f.errorAt(&second, "must hold one YAML document, and a second one begins")
	}
	return document.Content[0], nil
}

// yamlField is a field of a mapping.
type yamlField struct {
	name  string
	key   *yaml.Node // for errors
	value *yaml.Node
}

// fields returns the fields of a mapping in their order. what names the mapping in errors.
func (f yamlFile) fields(n *yaml.Node, what string) ([]yamlField, error) {
	if n.Kind == yaml.AliasNode {
		return nil, f.errorAlias(n)
	}
	if n.Kind != yaml.MappingNode {
		return nil, f.errorAt(n, "%s must be fields, such as name: value", what)
	}
	var all []yamlField
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			return nil, f.errorAt(key, "%s has a field whose name is no text", what)
		}
		if slices.ContainsFunc(all, func(other yamlField) bool { return other.name == key.Value }) {
			return nil, f.errorAt(key, "%s has the field %s twice; remove one of them", what, quoteField(key.Value))
		}
		all = append(all, yamlField{name: key.Value, key: key, value: n.Content[i+1]})
	}
	return all, nil
}

// list returns the elements of a sequence of 1 to limit elements.
func (f yamlFile) list(n *yaml.Node, what string, limit int) ([]*yaml.Node, error) {
	if n.Kind == yaml.AliasNode {
		return nil, f.errorAlias(n)
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 || len(n.Content) > limit {
		return nil, f.errorAt(n, "%s must be a list with 1 to %d elements", what, limit)
	}
	return n.Content, nil
}

// texts returns the elements of a list of scalars. A single scalar is a list of one.
func (f yamlFile) texts(n *yaml.Node, what string, limit int) ([]string, error) {
	elements := []*yaml.Node{n}
	if n.Kind != yaml.ScalarNode {
		var err error
		if elements, err = f.list(n, what, limit); err != nil {
			return nil, err
		}
	}
	var all []string
	for _, element := range elements {
		text, err := f.text(element, what)
		if err != nil {
			return nil, err
		}
		if slices.Contains(all, text) {
			return nil, f.errorAt(element, "%s has %q twice; remove one of them", what, text)
		}
		all = append(all, text)
	}
	return all, nil
}

// text returns a scalar as it is written, so that 1000.00 keeps its decimals.
func (f yamlFile) text(n *yaml.Node, what string) (string, error) {
	switch {
	case n.Kind == yaml.AliasNode:
		return "", f.errorAlias(n)
	case n.Kind != yaml.ScalarNode || n.Tag == "!!null":
		return "", f.errorAt(n, "%s must have a value: one text or number", what)
	case n.Value != strings.TrimSpace(n.Value):
		return "", f.errorAt(n, "%s must not begin or end with a space or a line feed", what)
	}
	return n.Value, nil
}

func (f yamlFile) errorAlias(n *yaml.Node) error {
	return f.errorAt(n, "an alias (*%s) must not be used: write the value again", n.Value)
}

// quoteField quotes the name of a field, which may be anything.
func quoteField(name string) string {
	const longest = 40
	if len(name) > longest {
		name = name[:longest] + "…"
	}
	return fmt.Sprintf("%q", name)
}

// errUnknownField is the error of a field that a mapping must not have.
func errUnknownField(name string, known []string) error {
	best, edits := "", maxEdits+1
	for _, k := range known {
		if d := distance(name, k); d < edits {
			best, edits = k, d
		}
	}
	if best != "" {
		return fmt.Errorf("has the unknown field %s (did you mean %s?)", quoteField(name), best)
	}
	return errors.New("has the unknown field " + quoteField(name) + "; its fields are " + strings.Join(known, ", "))
}
