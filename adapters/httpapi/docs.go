package httpapi

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
)

// openAPI is the contract: every route, status and header.
//
//go:embed openapi.yaml
var openAPI []byte

// The page: Swagger UI as published on npm, which tools/npm.sh compares, and the script that starts
// it.
var (
	//go:embed docs/index.html
	pageIndex string
	//go:embed docs/start.js
	pageStart []byte
	//go:embed docs/swagger-ui-bundle.js
	pageBundle []byte
	//go:embed docs/swagger-ui-bundle.js.LICENSE.txt
	pageBundleLicense []byte
	//go:embed docs/swagger-ui.css
	pageStyle []byte
	//go:embed docs/LICENSE
	pageLicense []byte
	//go:embed docs/NOTICE
	pageNotice []byte
)

const (
	mediaTypeYAML   = "application/yaml" // RFC 9512
	mediaTypeHTML   = "text/html; charset=utf-8"
	mediaTypeScript = "text/javascript; charset=utf-8"
	mediaTypeStyle  = "text/css; charset=utf-8"
	mediaTypeText   = "text/plain; charset=utf-8"
)

// The content security policies. Swagger UI has its icons in data URLs.
const (
	policyNothing = "default-src 'none'; frame-ancestors 'none'"
	policyPage    = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
		"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// file is static content.
type file struct {
	mediaType string
	policy    string
	content   []byte
	tag       string // an entity tag (RFC 9110, section 8.8.3)
}

func newFile(mediaType, policy string, content []byte) file {
	hash := sha256.Sum256(content)
	return file{mediaType: mediaType, policy: policy, content: content, tag: `"` + hex.EncodeToString(hash[:16]) + `"`}
}

// serveDocs serves the contract, and the page that displays it.
func (a *api) serveDocs(e *echo.Echo) {
	serve := func(route, mediaType, policy string, content []byte) {
		get(e, route, a.requireHost(a.file(newFile(mediaType, policy, content))))
	}
	index := strings.Replace(pageIndex, "CHARGE", strconv.FormatBool(a.options.ChargesSandbox), 1)
	serve("/openapi.yaml", mediaTypeYAML, policyNothing, openAPI)
	serve("/docs", mediaTypeHTML, policyPage, []byte(index))
	serve("/docs/start.js", mediaTypeScript, policyNothing, pageStart)
	serve("/docs/swagger-ui-bundle.js", mediaTypeScript, policyNothing, pageBundle)
	serve("/docs/swagger-ui-bundle.js.LICENSE.txt", mediaTypeText, policyNothing, pageBundleLicense)
	serve("/docs/swagger-ui.css", mediaTypeStyle, policyNothing, pageStyle)
	serve("/docs/LICENSE", mediaTypeText, policyNothing, pageLicense)
	serve("/docs/NOTICE", mediaTypeText, policyNothing, pageNotice)
}

// file serves f, or 304 if the client has it.
func (a *api) file(f file) echo.HandlerFunc {
	return func(c echo.Context) error {
		header := c.Response().Header()
		header.Set("Etag", f.tag)
		header.Set("Cache-Control", "no-cache") // it may be stored, but must be revalidated
		header.Set("Content-Security-Policy", f.policy)
		if strings.Contains(c.Request().Header.Get("If-None-Match"), f.tag) {
			return c.NoContent(http.StatusNotModified)
		}
		header.Set("Content-Type", f.mediaType)
		return a.send(c, http.StatusOK, f.content)
	}
}
