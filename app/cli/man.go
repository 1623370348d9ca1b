package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"

	"paymentd/app/config"
	"paymentd/app/internal/cause"
)

type manCommand struct {
	Out string `placeholder:"FOLDER" help:"Write a page for each command into this folder, such as /usr/local/share/man/man1, instead of the page of the program to the standard output. Pages of the same names are replaced."`
}

// Help describes the exit codes.
func (manCommand) Help() string {
	return "The pages are made from the help. To read one: paymentd man | man -l -\n\n" +
		"Exit code 0: written. 1: a page cannot be written. 2: --out is no folder."
}

// Validate checks the settings. kong calls it.
func (c *manCommand) Validate() error {
	if c.Out == "" {
		return nil
	}
	if info, err := os.Stat(c.Out); err != nil || !info.IsDir() {
		return config.InvalidFlag("out", "must be a folder that exists, and %s is none", c.Out)
	}
	return nil
}

func (c *manCommand) Run(parsed *kong.Context, s stdio) error {
	root := parsed.Model.Node
	if c.Out == "" {
		return writeManPage(s.stdout, root, s.version)
	}
	pages := []*kong.Node{root}
	for len(pages) > 0 {
		n := pages[0]
		pages = append(pages[1:], visibleChildren(n)...)
		if err := c.writeFile(n, s.version); err != nil {
			return err
		}
	}
	return nil
}

func (c *manCommand) writeFile(n *kong.Node, version string) error {
	var page strings.Builder
	if err := writeManPage(&page, n, version); err != nil {
		return err
	}
	name := filepath.Join(c.Out, manName(n)+".1")
	if err := os.WriteFile(name, []byte(page.String()), 0o644); err != nil { //nolint:gosec // a manual page is for every user
		return fmt.Errorf("%s cannot be written: %s", name, cause.Of(err))
	}
	return nil
}

// manName is the name of a command's page, such as paymentd-keys-create.
func manName(n *kong.Node) string { return strings.ReplaceAll(n.FullPath(), " ", "-") }

// writeManPage writes a page in the macros of man(7).
func writeManPage(out io.Writer, n *kong.Node, version string) error {
	w := &scriptWriter{out: out}
	name, help := manName(n), n.Help
	if n.Parent == nil {
		help, _, _ = strings.Cut(description, "\n")
	}
	w.line(`.TH %s 1 "" "paymentd %s" "paymentd"`, strings.ToUpper(roff(name)), roff(version))
	w.line(".SH NAME\n%s \\- %s", roff(name), roff(oneLine(help)))
	w.line(".SH SYNOPSIS\n.B %s", roff(n.FullPath()))
	w.line("%s", roff(strings.TrimSpace(strings.TrimPrefix(n.Summary(), n.Path()))))
	writeManText(w, ".SH DESCRIPTION", help, manDetail(n))
	if len(n.Positional) > 0 {
		w.line(".SH ARGUMENTS")
		for _, p := range n.Positional {
			w.line(".TP\n.I %s\n%s", roff(p.Name), roff(p.Help))
		}
	}
	if children := visibleChildren(n); len(children) > 0 {
		w.line(".SH COMMANDS")
		for _, child := range children {
			w.line(".TP\n.BR %s (1)\n%s", roff(manName(child)), roff(child.Help))
		}
	}
	w.line(".SH OPTIONS")
	for _, flags := range n.AllFlags(true) {
		for _, f := range flags {
			w.line(".TP\n.B %s\n%s", roff("--"+manFlag(f)), roff(manFlagHelp(f)))
		}
	}
	w.line(".SH EXIT STATUS\n0: done, or the answer is yes. 1: the answer is no, or it could not be done. 2: the command line or a setting is wrong.")
	if n.Parent != nil {
		w.line(".SH SEE ALSO\n.BR paymentd (1)")
	}
	return w.err
}

// manDetail is the text after the first sentence.
func manDetail(n *kong.Node) string {
	if n.Parent == nil {
		_, detail, _ := strings.Cut(description, "\n")
		return strings.TrimSpace(detail)
	}
	return n.Detail
}

// writeManText writes paragraphs that empty lines separate.
func writeManText(w *scriptWriter, heading string, texts ...string) {
	w.line("%s", heading)
	for i, paragraph := range strings.Split(strings.Join(texts, "\n\n"), "\n\n") {
		if paragraph = strings.TrimSpace(paragraph); paragraph == "" {
			continue
		}
		if i > 0 {
			w.line(".PP")
		}
		for line := range strings.Lines(paragraph) {
			w.line("%s", roff(strings.TrimSpace(line)))
		}
	}
}

// manFlag is the flag with its placeholder.
func manFlag(f *kong.Flag) string {
	if f.IsBool() {
		return f.Name
	}
	return f.Name + "=" + strings.Trim(f.FormatPlaceHolder(), `"`)
}

// manFlagHelp is the help of a flag with its variable.
func manFlagHelp(f *kong.Flag) string {
	if len(f.Envs) == 0 {
		return f.Help
	}
	return fmt.Sprintf("%s Variable: %s.", f.Help, strings.Join(f.Envs, ", "))
}

// roff escapes a line for roff(7): backslashes, hyphens, which would be printed as dashes, and a leading control
// character.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n", " ").Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}
