package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/labstack/echo/v4"
)

// files are what the pages need: the style sheet, and htmx with its extension for server-sent events as published on
// npm, which tools/npm.sh compares.
//
//go:embed assets templates
var files embed.FS

// mediaTypes are the content types of the assets, by extension.
var mediaTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
}

// asset is static content.
type asset struct {
	mediaType string
	content   []byte
	tag       string // an entity tag (RFC 9110, section 8.8.3)
}

// assetFiles returns the embedded assets by name.
func assetFiles() map[string]asset {
	entries, err := fs.ReadDir(files, "assets")
	if err != nil {
		panic(fmt.Errorf("read the assets of the console: %w", err)) // they are embedded
	}
	all := make(map[string]asset)
	for _, entry := range entries {
		content, err := files.ReadFile("assets/" + entry.Name())
		if err != nil {
			panic(fmt.Errorf("read the assets of the console: %w", err))
		}
		hash := sha256.Sum256(content)
		all[entry.Name()] = asset{
			mediaType: mediaTypes[path.Ext(entry.Name())], content: content, tag: `"` + hex.EncodeToString(hash[:16]) + `"`,
		}
	}
	return all
}

// asset serves f, or 304 if the client has it. It needs no session, because it has nothing of a payment.
func (c *Console) asset(f asset) echo.HandlerFunc {
	return func(x echo.Context) error {
		header := x.Response().Header()
		header.Set("Etag", f.tag)
		header.Set("Cache-Control", "no-cache") // it may be stored, but must be revalidated
		if c.needsHost(x.Request()) {
			return x.String(http.StatusMisdirectedRequest, misdirected)
		}
		if strings.Contains(x.Request().Header.Get("If-None-Match"), f.tag) {
			return x.NoContent(http.StatusNotModified)
		}
		return x.Blob(http.StatusOK, f.mediaType, f.content)
	}
}
