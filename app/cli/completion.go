package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

// Help describes how to use the scripts.
func (completionCommand) Help() string {
	return "bash: source <(paymentd completion bash), in ~/.bashrc. zsh: paymentd completion zsh > \"${fpath[1]}/_paymentd\". fish: " +
		"paymentd completion fish > ~/.config/fish/completions/paymentd.fish.\n\nExit code 0: printed. 2: another shell."
}

func (c *completionCommand) Run(parsed *kong.Context, s stdio) error {
	write := map[string]func(io.Writer, []completedNode) error{"bash": writeBash, "zsh": writeZsh, "fish": writeFish}[c.Shell]
	return write(s.stdout, completedNodes(parsed.Model.Node))
}

// completedNode is a command with what may follow it.
type completedNode struct {
	path     string // such as "keys create"; empty for the program itself
	commands []completedWord
	flags    []completedWord
}

// completedWord is a word that may follow.
type completedWord struct {
	word        string // with -- for a flag
	description string
	takesValue  bool
}

// completedNodes returns the program and its commands, the outer ones first.
func completedNodes(root *kong.Node) []completedNode {
	var all []completedNode
	var visit func(n *kong.Node, path string)
	visit = func(n *kong.Node, path string) {
		c := completedNode{path: path}
		for _, flags := range n.AllFlags(true) {
			for _, f := range flags {
				c.flags = append(c.flags, completedWord{"--" + f.Name, oneLine(f.Help), !f.IsBool()})
			}
		}
		children := visibleChildren(n)
		for _, child := range children {
			c.commands = append(c.commands, completedWord{child.Name, oneLine(child.Help), false})
		}
		all = append(all, c)
		for _, child := range children {
			visit(child, strings.TrimSpace(path+" "+child.Name))
		}
	}
	visit(root, "")
	return all
}

func visibleChildren(n *kong.Node) (children []*kong.Node) {
	for _, child := range n.Children {
		if !child.Hidden {
			children = append(children, child)
		}
	}
	return children
}

// oneLine is the first sentence of a help text.
func oneLine(help string) string {
	help = strings.Join(strings.Fields(help), " ")
	if sentence, _, more := strings.Cut(help, ". "); more {
		return sentence
	}
	return strings.TrimSuffix(help, ".")
}

// commandPaths are the paths of all commands, as patterns of a shell's case.
func commandPaths(nodes []completedNode) string {
	var paths []string
	for _, n := range nodes {
		if n.path != "" {
			paths = append(paths, quoted(n.path))
		}
	}
	return strings.Join(paths, "|")
}

// quoted returns the text as one word of a POSIX shell, in quotes always.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// scriptWriter keeps the first error.
type scriptWriter struct {
	out io.Writer
	err error
}

func (w *scriptWriter) line(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.out, format+"\n", args...)
	}
}

// writeBash writes a script for bash. After a word that completes nothing, bash completes the names of files.
func writeBash(out io.Writer, nodes []completedNode) error {
	w := &scriptWriter{out: out}
	w.line("# bash completion of paymentd\n_paymentd() {\n  local line= word words i")
	w.line("  for ((i = 1; i < COMP_CWORD; i++)); do\n    word=${COMP_WORDS[i]}")
	w.line("    case \"${line:+$line }$word\" in\n      %s) line=\"${line:+$line }$word\" ;;\n    esac\n  done", commandPaths(nodes))
	w.line("  case $line in")
	for _, n := range nodes {
		var words []string
		for _, word := range append(n.commands, n.flags...) {
			words = append(words, word.word)
		}
		w.line("    %s) words=%s ;;", quoted(n.path), quoted(strings.Join(words, " ")))
	}
	w.line("  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}")
	w.line("complete -o bashdefault -o default -F _paymentd paymentd")
	return w.err
}

// writeZsh writes a script for zsh, to be a file of fpath or to be sourced.
func writeZsh(out io.Writer, nodes []completedNode) error {
	w := &scriptWriter{out: out}
	w.line("#compdef paymentd\n_paymentd() {\n  local line= word\n  local -a commands flags\n  local -i i")
	w.line("  for ((i = 2; i < CURRENT; i++)); do\n    word=$words[i]")
	w.line("    case \"${line:+$line }$word\" in\n      (%s) line=\"${line:+$line }$word\" ;;\n    esac\n  done", commandPaths(nodes))
	w.line("  case $line in")
	described := func(words []completedWord) string {
		var all []string
		for _, word := range words {
			all = append(all, quoted(strings.ReplaceAll(word.word, ":", `\:`)+":"+word.description))
		}
		return strings.Join(all, " ")
	}
	for _, n := range nodes {
		w.line("    (%s) commands=(%s); flags=(%s) ;;", quoted(n.path), described(n.commands), described(n.flags))
	}
	w.line("  esac\n  if [[ $words[CURRENT] == -* ]]; then\n    _describe flag flags\n  elif (( $#commands )); then\n    _describe command commands")
	w.line("  else\n    _files\n  fi\n}")
	w.line("if [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n  _paymentd \"$@\"\nelse\n  compdef _paymentd paymentd\nfi")
	return w.err
}

// writeFish writes a script for fish.
func writeFish(out io.Writer, nodes []completedNode) error {
	w := &scriptWriter{out: out}
	w.line("# fish completion of paymentd\nfunction __paymentd_at\n  set -l line ''\n  for word in (commandline -opc)[2..-1]")
	w.line("    switch (string trim \"$line $word\")\n      case %s\n        set line (string trim \"$line $word\")\n    end",
		strings.ReplaceAll(commandPaths(nodes), "|", " "))
	w.line("  end\n  test \"$line\" = \"$argv[1]\"\nend")
	fish := func(text string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'" }
	for _, n := range nodes {
		at := "complete -c paymentd -n " + fish("__paymentd_at "+fish(n.path))
		for _, c := range n.commands {
			w.line("%s -f -a %s -d %s", at, fish(c.word), fish(c.description))
		}
		for _, f := range n.flags {
			value := ""
			if f.takesValue {
				value = " -r"
			}
			w.line("%s -l %s%s -d %s", at, strings.TrimPrefix(f.word, "--"), value, fish(f.description))
		}
	}
	return w.err
}
