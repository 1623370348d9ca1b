package app_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// schemaNames are the definitions of docs/commands.schema.json for the commands whose names differ.
var schemaNames = map[string]string{"migrate up": "migrate", "migrate down": "migrate", "migrate status": "migrate"}

// followCommand requires that what a command prints follows docs/commands.schema.json.
func followCommand(t *testing.T, command, printed string) {
	t.Helper()
	schema := readSchema(t, "commands.schema.json")
	defs, ok := schema["$defs"].(map[string]any)
	require.True(t, ok)
	name := command
	if other, ok := schemaNames[command]; ok {
		name = other
	}
	definition, ok := defs[name].(map[string]any)
	require.True(t, ok, "docs/commands.schema.json lacks %s", name)
	decoder := json.NewDecoder(strings.NewReader(printed))
	documents := 0
	for ; decoder.More(); documents++ {
		var document any
		require.NoError(t, decoder.Decode(&document), printed)
		follow(t, schema, definition, document)
	}
	require.NotZero(t, documents, "nothing was printed")
}

// Every command that lists or reports prints JSON, which follows the schema, and nothing else on the standard output.
func TestJSON_EveryCommand_FollowsTheSchema(t *testing.T) {
	t.Parallel()

	gateway := apptest.StartGateway(t)
	gateway.Do(func(c apptest.Call) apptest.Reply {
		switch {
		case c.LookUp:
			return apptest.Reply{Lost: true}
		case strings.HasPrefix(c.OrderID, "stuck"):
			return apptest.Reply{Status: http.StatusInternalServerError}
		}
		return apptest.Reply{}
	})
	p := serve(t, env{"PAYMENTD_GATEWAY": gateway.URL, "PAYMENTD_RETRY_DELAY": "10ms", "PAYMENTD_RECONCILE": "15m"})
	run := func(args ...string) apptest.Output {
		return apptest.RunIn(t, p.Folder, apptest.Build(t), env{"PAYMENTD_GATEWAY": gateway.URL}, args...)
	}
	for _, order := range []string{"paid-1", "paid-2", "stuck-1"} {
		apptest.Pay(t.Context(), p.URL, order, "5.00")
	}
	charges := filepath.Join(p.Folder, "charges")
	require.NoError(t, os.WriteFile(charges, []byte(`{"key":"k-1","order_id":"lost-1","amount":"1.00","currency":"USD","status":"succeeded","transaction_id":"t-1"}
{"key":"k-2","order_id":"paid-1","amount":"9.00","currency":"USD","status":"succeeded","transaction_id":"t-2"}
{"key":"k-3","refund_id":"r-9","order_id":"lost-1","amount":"1.00","currency":"USD","status":"succeeded","transaction_id":"t-3"}
`), 0o600))
	require.Zero(t, run("keys", "create", "--name=shop", "--scopes=pay", "--out=shop.key", "--order-prefix=s-", "--expires=1d").Code)

	for _, c := range []struct {
		command string
		args    string
		code    int
	}{
		{"list", "--limit=2", 0},
		{"show", "paid-1", 0},
		{"show", "stuck-1", 0},
		{"stuck", "", 0},
		{"refund", "paid-1 --reason=test --refund-id=r-1", 0},
		{"show", "paid-1", 0},
		{"resolve", "stuck-1 --failed --reason=test --by=ada", 0},
		{"import", "--dry-run charges", 1},
		{"import", "charges", 1},
		{"archive", "--dry-run --to=archive", 0},
		{"archive", "--older-than=0s --to=archive", 0},
		{"migrate up", "", 0},
		{"migrate status", "", 0},
		{"keys list", "", 0},
		{"keys revoke", "shop", 0},
		{"history", "", 0},
		{"doctor", "--api-keys=0123456789abcdef0123456789abcdef", 1},
		{"health", p.URL + "/healthz", 0},
		{"health", p.URL + "/nowhere", 1},
		{"version", "", 0},
	} {
		out := run(append(strings.Fields(c.command+" "+c.args), "--json")...)
		require.Equal(t, c.code, out.Code, "%s %s: %s", c.command, c.args, out)
		followCommand(t, c.command, out.Stdout)
	}
	require.Zero(t, p.Stop(t))
	down := run("migrate", "down", "--dry-run", "--drop-payments", "--json")
	require.Zero(t, down.Code, down)
	followCommand(t, "migrate down", down.Stdout)
}

// A command with --json is in the schema.
func TestJSON_EveryCommandWithTheFlag_IsInTheSchema(t *testing.T) {
	t.Parallel()

	defs, ok := readSchema(t, "commands.schema.json")["$defs"].(map[string]any)
	require.True(t, ok)
	elsewhere := []string{"gateway-check"} // docs/gateway-check.schema.json
	for _, command := range everyCommand(t) {
		if !strings.Contains(apptest.Run(t, apptest.Build(t), nil, append(strings.Fields(command), "--help")...).Stdout, "--json") {
			continue
		}
		name := command
		if other, ok := schemaNames[command]; ok {
			name = other
		}
		require.Contains(t, append(keysOfMap(defs), elsewhere...), name)
	}
}

func keysOfMap(m map[string]any) (keys []string) {
	for key := range m {
		keys = append(keys, key)
	}
	return keys
}

// everyCommand returns the commands that the completion for bash knows.
func everyCommand(t *testing.T) (commands []string) {
	t.Helper()
	out := apptest.Run(t, apptest.Build(t), nil, "completion", "bash")
	require.Zero(t, out.Code, out)
	for line := range strings.Lines(out.Stdout) {
		if name, _, found := strings.Cut(strings.TrimSpace(line), ") words="); found && name != "''" {
			commands = append(commands, strings.Trim(name, "'"))
		}
	}
	require.Contains(t, commands, "keys create")
	return commands
}
