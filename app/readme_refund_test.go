package app_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// paySection and refundSection are the sections of the README whose examples follow each other.
const (
	paySection    = "\n## One payment\n"
	refundSection = "\n## Refunds\n"
)

// readmeBlock returns the console lines of a section of the README.
func readmeBlock(t *testing.T, section string) string {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	_, text, found := strings.Cut(string(readme), section)
	require.True(t, found, section)
	_, block, _ := strings.Cut(text, "```console\n")
	block, _, found = strings.Cut(block, "```")
	require.True(t, found)
	return strings.TrimSpace(block)
}

// readmeRequest is a line that sends a request: pay BODY, or refund ORDER BODY.
var readmeRequest = regexp.MustCompile(`^\$ (?:pay|refund (\S+)) '(\{.*?\})'`)

// TestReadme_PaymentsAndRefunds_AreAnsweredAsShown sends the requests of the two sections, in order, and compares
// the answers.
func TestReadme_PaymentsAndRefunds_AreAnsweredAsShown(t *testing.T) {
	t.Parallel()
	p := serve(t, nil)
	sent := 0
	for _, section := range []string{paySection, refundSection} {
		block := readmeBlock(t, section)
		var got strings.Builder
		for line := range strings.SplitSeq(block, "\n") {
			request := readmeRequest.FindStringSubmatch(line)
			switch {
			case request != nil:
				path := "/payments/process"
				if order := request[1]; order != "" {
					path = "/payments/" + order + "/refunds"
				}
				a := apptest.Ask(t.Context(), http.MethodPost, p.URL+path, request[2])
				got.WriteString(line + "\n" + shown(a) + "\n")
				sent++
			case strings.HasPrefix(line, "$ ") || line == "": // the functions pay and refund
				got.WriteString(line + "\n")
			}
		}
		require.Equal(t, block, strings.TrimSpace(got.String()))
	}
	require.Equal(t, 7, sent)
	require.Zero(t, p.Stop(t))
}
