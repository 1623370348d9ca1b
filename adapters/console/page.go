package console

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"
	"time"

	"paymentd/core/apikey"
)

// pages are the parsed templates, by the name of the page. Each has the layout.
type pages map[string]*template.Template

// layoutFile has the frame of all pages, and partsFile what several of them have.
const (
	layoutFile = "templates/layout.html"
	partsFile  = "templates/parts.html"
)

func parsePages() pages {
	all := make(pages)
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		panic(fmt.Errorf("list the templates: %w", err)) // only for a malformed pattern
	}
	for _, name := range names {
		if name == layoutFile || name == partsFile {
			continue
		}
		t := template.New("layout.html").Funcs(functions)
		all[strings.TrimSuffix(path.Base(name), ".html")] = template.Must(t.ParseFS(files, layoutFile, partsFile, name))
	}
	return all
}

// frame is what the layout needs, and the page in it.
type frame struct {
	Title string
	Nav   string // the name of the page in the navigation
	Body  any    // the page's own

	Now      time.Time
	CSRF     string
	SignedIn bool
	Open     bool // no API key is required
	ReadOnly bool
	By       string
	Replica  string
	Version  string
	Sandbox  bool
}

func (c *Console) frame(v *visit, title, nav string, body any) frame {
	return frame{
		Title: title, Nav: nav, Body: body, Now: v.now.UTC(), CSRF: csrfToken(v.session.token),
		SignedIn: v.session.key != nil, Open: v.session.open, ReadOnly: !v.session.allows(apikey.ScopeAdmin), By: v.session.by(),
		Replica: c.options.Replica, Version: c.options.Version, Sandbox: c.options.Sandbox,
	}
}

// render writes a page. The name is that of its template file; title is its heading, and nav the entry of the
// navigation that it belongs to.
func (c *Console) render(v *visit, status int, name, title, nav string, body any) error {
	return c.execute(v, status, name, "layout.html", c.frame(v, title, nav, body))
}

func (c *Console) execute(v *visit, status int, name, part string, f frame) error {
	var page bytes.Buffer // whole, so that an error becomes an error page
	if err := c.pages[name].ExecuteTemplate(&page, part, f); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	return v.HTMLBlob(status, page.Bytes())
}
