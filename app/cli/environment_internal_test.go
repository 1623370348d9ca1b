package cli

import (
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	"paymentd/app/config"
)

func TestCheckEnvironment_UnknownVariable_ReturnsError(t *testing.T) {
	t.Parallel()
	parser, err := kong.New(&commands{}, new(config.Reader).Options()...)
	require.NoError(t, err)
	command := func(name string) *kong.Node {
		for _, child := range parser.Model.Children {
			if child.Name == name {
				return child
			}
		}
		require.Fail(t, "no command", name)
		return nil
	}
	const advice = ": correct or unset the variable; paymentd serve --help lists the settings"
	for entry, want := range map[string]string{
		"PAYMENTD_GATEWAY=sandbox:":      "",
		"PAYMENTD_SANDBOX_ADDR=x":        "",
		"PAYMENTD_API_KEYS= a, b\n":      "",
		"PAYMENTD_WORKERS=":              "",
		"PAYMENTD=1":                     "",
		"PATH=/bin":                      "",
		"paymentd_home=/":                "",
		"MY_PAYMENTD_GATWAY=1":           "",
		"PAYMENTD_SERVICE_PORT_ALL_1=1":  "",
		"PAYMENTD_X_Y_PORT_1_TCP_PORT=1": "",
		"PAYMENTD_GATWAY=1":              "PAYMENTD_GATWAY is not a setting (did you mean PAYMENTD_GATEWAY?)" + advice,
		"PAYMENTD_GATEWYA=1":             "PAYMENTD_GATEWYA is not a setting (did you mean PAYMENTD_GATEWAY?)" + advice,
		"PAYMENTD_RETRIES_MAX=1":         "PAYMENTD_RETRIES_MAX is not a setting" + advice,
		"PAYMENTD_TLS_CERT=1":            "PAYMENTD_TLS_CERT is not a setting (did you mean PAYMENTD_TLS_CERTIFICATE?)" + advice,
		"PAYMENTD_TLS=1":                 "PAYMENTD_TLS is not a setting" + advice,
		"PAYMENTD_API_KEYS_FILES=1":      "PAYMENTD_API_KEYS_FILES is not a setting (did you mean PAYMENTD_API_KEYS_FILE?)" + advice,
		"PAYMENTD_X=1":                   "PAYMENTD_X is not a setting" + advice,
		"PAYMENTD_=1":                    "PAYMENTD_ is not a setting" + advice,
		"Paymentd_Gateway=1":             "Paymentd_Gateway is not a setting (did you mean PAYMENTD_GATEWAY?)" + advice,
		"PAYMENTD_GATEWAY =1":            `"PAYMENTD_GATEWAY " is not a setting (did you mean PAYMENTD_GATEWAY?)` + advice,
		"PAYMENTD_GATEWAY\n=1":           `"PAYMENTD_GATEWAY\n" is not a setting (did you mean PAYMENTD_GATEWAY?)` + advice,
		"PAYMENTD_SERVICE_NAME=1":        "PAYMENTD_SERVICE_NAME is not a setting" + advice,
		"PAYMENTD_PORT_NAME=1":           "PAYMENTD_PORT_NAME is not a setting" + advice,
		"PAYMENTD_PORT_1_QUIC=1":         "PAYMENTD_PORT_1_QUIC is not a setting" + advice,
		"PAYMENTD_WORKERS=1\r":           "PAYMENTD_WORKERS (--workers): must not begin or end with a space or a line feed",
		"PAYMENTD_SANDBOX_LEDGER= l":     "PAYMENTD_SANDBOX_LEDGER (--ledger): must not begin or end with a space or a line feed",
	} {
		for _, name := range []string{"serve", "doctor", "sandbox", "migrate", "keys", "stuck", "resolve", "import", "audit", "archive"} {
			err := config.CheckEnvironment(parser, command(name), []string{entry})
			if want == "" {
				require.NoError(t, err, entry)
			} else {
				require.EqualError(t, err, want, name)
			}
		}
		require.NoError(t, config.CheckEnvironment(parser, command("health"), []string{entry}), "health has no settings")
		require.NoError(t, config.CheckEnvironment(parser, command("version"), []string{entry}), "version has no settings")
		require.NoError(t, config.CheckEnvironment(parser, nil, []string{entry}), "no command")
	}
}
