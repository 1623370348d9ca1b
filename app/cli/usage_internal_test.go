package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/app/config"
)

// A command line that is wrong gets exit code 2 and one line, before a database is opened.
func TestRun_WrongArgument_IsUsage(t *testing.T) {
	t.Parallel()
	const endpoint, event = "endpoints replay ep_0123456789abcdef", "evt_5f_0123456789abcdef"
	for _, test := range []struct{ args, problem string }{
		{"endpoints deliveries ep_0", "16 hexadecimal digits"},
		{"endpoints replay ep_0 --since=2026-01-31", "16 hexadecimal digits"},
		{"endpoints delete ep_0", "16 hexadecimal digits"},
		{"endpoints enable shop", "16 hexadecimal digits"},
		{"endpoints disable EP_0123456789ABCDEF", "16 hexadecimal digits"},
		{"endpoints rotate ep_0", "16 hexadecimal digits"},
		{"endpoints create --url=https://metadata.google.internal/ --events=*", "is not public"},
		{"endpoints create --url=https://2130706433/ --events=*", "must have a host that can be resolved"},
		{"endpoints create --url=https://shop.example:99999/ --events=*", "must have a port"},
		{endpoint + " --event=", "--event: must not be empty"},
		{endpoint + " --since=", "--since: must not be empty"},
		{endpoint + " --undelivered --event=" + event, "--undelivered: selects among"},
		{"keys create --name=a --scopes=pay --expires=", "--expires: must not be empty"},
		{"keys create --name=a --scopes=pay --expires=1ns", "--expires: must be in the future"},
		{"keys create --name=a --scopes=pay --expires=2001-01-01", "--expires: must be in the future"},
		{"keys create --name=a --scopes=pay --order-prefix=", "--order-prefix: must not be empty"},
		{"keys create --name=a --scopes=pay --gateway=", "--gateway: must not be empty"},
		{"keys create --name=a --scopes=pay --out=", "--out: must not be empty"},
		{"keys create --name=a --scopes=pay --by=", "--by: must not be empty"},
		{"keys rotate a --expires=", "--expires: must not be empty"},
		{"list --from=", "--from: must not be empty"},
		{"list --before=", "--before: must not be empty"},
		{"list --gateway=", "--gateway: must not be empty"},
		{"list --state=", "--state"},
		{"list --q=", "--q: must not be empty"},
		{"audit --from= --to=", "--from: must be a date"},
		{"capture order-1 --reason=x --amount=", "--amount: must not be empty"},
		{"resolve order-1 --reason=x --succeeded=", "--succeeded: must not be empty"},
	} {
		t.Run(test.args, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := Run(t.Context(), strings.Fields(test.args), &stdout, &stderr, "test")
			require.Equal(t, exitUsage, code, stderr.String())
			require.Contains(t, stderr.String(), test.problem)
			require.Empty(t, stdout.String())
		})
	}
}

// Every command either changes something, or ends quietly when the reader of its output leaves.
func TestOnlyReads_EveryCommand(t *testing.T) {
	t.Parallel()
	changing := []string{
		"serve", "sandbox", "migrate up", "migrate down", "keys create", "keys rotate", "keys revoke", "gateway-check", "resolve",
		"capture", "void", "refund", "import", "archive", "endpoints create", "endpoints disable", "endpoints enable",
		"endpoints delete", "endpoints rotate", "endpoints replay",
	}
	reading := []string{
		"migrate status", "keys list", "doctor", "list", "show", "stuck", "audit", "history", "endpoints list",
		"endpoints deliveries", "health", "version", "completion", "man",
	}
	var only, others []string
	for _, leaf := range newParser(new(config.Reader), io.Discard, io.Discard, "test").Model.Leaves(false) {
		if onlyReads(leaf) {
			only = append(only, leaf.Path())
		} else {
			others = append(others, leaf.Path())
		}
	}
	require.ElementsMatch(t, reading, only)
	require.ElementsMatch(t, changing, others)
}
