package app_test

import (
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// wrongSetting is a command with a setting that it refuses.
type wrongSetting struct {
	name, command, variable, value, want string

	more   env  // further variables
	leaves bool // whether the start got far enough to create a file
}

// wrongValues are wrong on any machine.
var wrongValues = []wrongSetting{
	{
		name: "a misspelt variable", command: "serve", variable: "PAYMENTD_GATWAY", value: "https://sesame.example",
		want: "PAYMENTD_GATWAY is not a setting (did you mean PAYMENTD_GATEWAY?): correct or unset the variable; " +
			"paymentd serve --help lists the settings",
	},
	{
		name: "a misspelt variable before its consequence", command: "serve", variable: "PAYMENTD_DATABSE", value: "mysql://u:sesame@h/d",
		more: env{"PAYMENTD_LEASE": "1s"}, want: "PAYMENTD_DATABSE is not a setting (did you mean PAYMENTD_DATABASE?)",
	},
	{
		name: "several", command: "sandbox", variable: "PAYMENTD_SANDBX_ADDR", value: "x", more: env{"PAYMENTD_NOTHING": "sesame"},
		want: "PAYMENTD_NOTHING is not a setting, PAYMENTD_SANDBX_ADDR is not a setting (did you mean PAYMENTD_SANDBOX_ADDR?): ",
	},
	{
		name: "a misspelt variable to a command", command: "resolve order-1 --failed --reason=asked", variable: "PAYMENTD_DATABASE_URL",
		value: "mysql://u:sesame@h/d", want: "PAYMENTD_DATABASE_URL is not a setting (did you mean PAYMENTD_DATABASE?)",
	},
	{
		name: "a misspelt variable to migrate", command: "migrate status", variable: "paymentd_database", value: "sqlite:sesame.db",
		want: "paymentd_database is not a setting (did you mean PAYMENTD_DATABASE?)",
	},
	{
		name: "a misspelt variable to the doctor", command: "doctor", variable: "PAYMENTD_API_KEY", value: "sesame",
		want: "PAYMENTD_API_KEY is not a setting (did you mean PAYMENTD_API_KEYS?)",
	},
	{
		name: "a value with a line feed", command: "serve", variable: "PAYMENTD_DATABASE", value: "sqlite:sesame.db\n",
		want: "PAYMENTD_DATABASE (--database): must not begin or end with a space or a line feed",
	},
	{
		name: "a flag with a space", command: "serve --database=sqlite:sesame.db\u00a0", variable: "PAYMENTD_WORKERS", value: "1",
		want: "PAYMENTD_DATABASE (--database): must not begin or end with a space or a line feed",
	},
	{
		name: "no gateway with MySQL", command: "serve", variable: "PAYMENTD_DATABASE", value: "mysql://u:sesame@h/d",
		want: "PAYMENTD_GATEWAY (--gateway): must be set, because the database is MySQL: to the http:// or https:// address of a " +
			"gateway, or to sandbox: for the simulation",
	},
	{
		name: "no gateway on a public address", command: "serve", variable: "PAYMENTD_ADDR", value: ":3000",
		more: env{"PAYMENTD_API_KEYS": "0123456789-sesame"},
		want: "PAYMENTD_GATEWAY (--gateway): must be set, because :3000 is not a loopback address: to ",
	},
	{
		name: "an unreadable number", command: "serve", variable: "PAYMENTD_WORKERS", value: "many",
		want: `PAYMENTD_WORKERS (--workers): must be a whole number, and is "many"`,
	},
	{
		name: "a bound", command: "serve", variable: "PAYMENTD_LEASE", value: "10s",
		want: "PAYMENTD_LEASE (--lease): must be longer than the gateway timeout, 10s",
	},
	{
		name: "a short key", command: "serve", variable: "PAYMENTD_API_KEYS", value: "sesame",
		want: "PAYMENTD_API_KEYS (--api-keys): must be keys of at least 16 characters each",
	},
	{
		name: "no key on a public address", command: "serve", variable: "PAYMENTD_ADDR", value: "0.0.0.0:0",
		want: "PAYMENTD_API_KEYS (--api-keys): must be set to listen on 0.0.0.0:0, which is not a loopback address, " +
			"or a key be made with `paymentd keys create`",
		more: env{"PAYMENTD_GATEWAY": "sandbox:"}, leaves: true,
	},
	{
		name: "no file of keys", command: "serve", variable: "PAYMENTD_API_KEYS_FILE", value: "/nowhere/keys",
		want: "PAYMENTD_API_KEYS_FILE (--api-keys-file): must be a file that can be read: open /nowhere/keys: no such file",
	},
	{
		name: "a database URL with a wrong port", command: "serve", variable: "PAYMENTD_DATABASE",
		more:  env{"PAYMENTD_GATEWAY": "sandbox:"},
		value: "mysql://user:sesame@host:port/db",
		want:  "PAYMENTD_DATABASE (--database): the database URL must have the form mysql://user:password@host:port/database",
	},
	{
		name: "the same to migrate", command: "migrate up", variable: "PAYMENTD_DATABASE",
		value: "mysql://user:sesame@host:port/db",
		want:  "PAYMENTD_DATABASE (--database): the database URL must have the form mysql://user:password@host:port/database",
	},
	{
		name: "an unknown database", command: "migrate status", variable: "PAYMENTD_DATABASE",
		value: "postgres://user:sesame@host/db", want: "PAYMENTD_DATABASE (--database): must begin with sqlite: or mysql://",
	},
	{
		name: "a gateway with a password", command: "serve", variable: "PAYMENTD_GATEWAY",
		value: "https://user:sesame@gateway",
		want:  "PAYMENTD_GATEWAY (--gateway): gateway URL must hold no user name or password",
	},
	{
		name: "profiles on a public address", command: "serve", variable: "PAYMENTD_PPROF_ADDR", value: "0.0.0.0:6060",
		want: "PAYMENTD_PPROF_ADDR (--pprof-addr): must be a loopback address, such as 127.0.0.1:6060, and is 0.0.0.0:6060",
	},
	{
		name: "a database in no folder", command: "serve", variable: "PAYMENTD_DATABASE", value: "sqlite:/nowhere/x.db",
		want: "PAYMENTD_DATABASE (--database): the database URL names a file in /nowhere, which is not a folder: make it first",
	},
	{
		name: "a latency", command: "sandbox", variable: "PAYMENTD_SANDBOX_LATENCY", value: "-1s",
		want: "PAYMENTD_SANDBOX_LATENCY (--latency): must be from 0s to 30s, and is -1s",
	},
}

// wrongResources name a file or an address that cannot be used.
func wrongResources(t *testing.T) []wrongSetting {
	t.Helper()
	busy, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, busy.Close()) })
	garbage := filepath.Join(t.TempDir(), "garbage")
	require.NoError(t, os.WriteFile(garbage, []byte(strings.Repeat("neither a database nor a ledger ", 100)), 0o600))
	shortKeys := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(shortKeys, []byte("0123456789-sesame\nsesame\n"), 0o600))
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	inUse := filepath.Join(t.TempDir(), "ledger")
	apptest.Start(t, apptest.Build(t), map[string]string{"PAYMENTD_SANDBOX_LEDGER": inUse}, "sandbox").WaitReady(t)
	return []wrongSetting{
		{
			name: "a file of keys", command: "serve", variable: "PAYMENTD_API_KEYS_FILE", value: shortKeys,
			want: "PAYMENTD_API_KEYS_FILE (--api-keys-file): " + shortKeys + ":2: must be a key of at least 16 characters",
		},
		{
			name: "a pipe of keys", command: "serve", variable: "PAYMENTD_API_KEYS_FILE", value: pipe,
			want: "PAYMENTD_API_KEYS_FILE (--api-keys-file): must be a file that can be read again and again, and " + pipe + " is a pipe",
		},
		{
			name: "a port in use", command: "serve", variable: "PAYMENTD_ADDR", value: busy.Addr().String(),
			want: "PAYMENTD_ADDR (--addr): must be an address that can be listened on, and " + busy.Addr().String() + " is not: address already in use",
		},
		{
			name: "profiles on a port in use", command: "serve", variable: "PAYMENTD_PPROF_ADDR", value: busy.Addr().String(),
			want: "PAYMENTD_PPROF_ADDR (--pprof-addr): must be an address that can be listened on, and " + busy.Addr().String() + " is not: address already in use",
		},
		{
			name: "a file that is no database", command: "serve", variable: "PAYMENTD_DATABASE", value: "sqlite:" + garbage,
			want: "PAYMENTD_DATABASE (--database): " + garbage + " is not a SQLite database: name a database of its own for paymentd",
		},
		{
			name: "a file that is no ledger", command: "serve", variable: "PAYMENTD_GATEWAY", value: "sandbox:" + garbage,
			want: "PAYMENTD_GATEWAY (--gateway): the file " + garbage + " is not a sandbox ledger; name another one",
		},
		{
			name: "a ledger in use", command: "serve", variable: "PAYMENTD_GATEWAY", value: "sandbox:" + inUse,
			want: "PAYMENTD_GATEWAY (--gateway): sandbox ledger " + inUse + " is in use by another process",
		},
		{
			name: "the same to the sandbox", command: "sandbox", variable: "PAYMENTD_SANDBOX_LEDGER", value: inUse,
			want: "PAYMENTD_SANDBOX_LEDGER (--ledger): sandbox ledger " + inUse + " is in use by another process",
		},
		{
			name: "a port of the sandbox", command: "sandbox", variable: "PAYMENTD_SANDBOX_ADDR", value: busy.Addr().String(),
			want: "PAYMENTD_SANDBOX_ADDR (--addr): must be an address that can be listened on, and " + busy.Addr().String() + " is not: address already in use",
		},
	}
}

// TestCommands_WrongSetting_ExitWithTwo checks that the process prints one line, which names the setting and no
// secret, exits with 2, and creates no file.
func TestCommands_WrongSetting_ExitWithTwo(t *testing.T) {
	t.Parallel()

	for _, c := range slices.Concat(wrongValues, wrongResources(t)) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			variables := env{c.variable: c.value}
			maps.Copy(variables, c.more)
			out := apptest.RunIn(t, folder, apptest.Build(t), variables, strings.Split(c.command, " ")...)
			require.Equal(t, 2, out.Code, out)
			require.Empty(t, out.Stdout)
			lines := strings.Split(strings.TrimSuffix(out.Stderr, "\n"), "\n")
			last := lines[len(lines)-1]
			require.Contains(t, last, "paymentd: "+c.want)
			require.NotContains(t, out.Stderr, "sesame")
			if !c.leaves {
				require.Len(t, lines, 1, "more than one line: %s", out.Stderr)
				files, err := os.ReadDir(folder)
				require.NoError(t, err)
				require.Empty(t, files, "the start created files")
			}
		})
	}
}

func TestCommands_WrongCommandLine_ExitWithTwo(t *testing.T) {
	t.Parallel()

	for _, c := range []struct{ args, want string }{
		{"serve --leese=30s", "unknown flag --leese"},
		{"serve now", "unexpected argument now"},
		{"serve --lease", "--lease: expected"},
		{"charge", "unexpected argument charge"},
		{"migrate", `expected one of "up", "down", "status"`},
		{"stuck --limit=0", "--limit: must be above zero"},
		{"resolve order-1", "missing flags: --succeeded=TXN or --authorized=TXN or --failed"},
		{"resolve order-1 --failed --succeeded=txn-1", "--succeeded and --failed can't be used together"},
		{"resolve order-1 --failed", "a failed payment needs a reason"},
		{"resolve order-1 --succeeded=txn-\u00e9", "the transaction id must have at most 255 printable ASCII characters"},
		{"import", `expected "<file>"`},
		{"archive", "missing flags: --to=FILE"},
		{"archive --to=x --older-than=-1h", "--older-than: must not be negative"},
		{"import /nowhere/charges.jsonl", "the list /nowhere/charges.jsonl cannot be read: no such file or directory"},
		{"archive --to=/nowhere/x", "--to: names a file in /nowhere, which is not a folder: create it first"},
		{"migrate down --all", "unknown flag --all"},
		{"migrate down --heartbeat-timeout=0s", "--heartbeat-timeout): must be above zero"},
		{"migrate sideways", "unexpected argument sideways"},
		{"version now", "unexpected argument now"},
		{"health http://127.0.0.1:1/healthz now", "unexpected argument now"},
		{"health --ca=/nowhere/ca.pem https://127.0.0.1:1", "--ca: must be a file that can be read, and /nowhere/ca.pem is not: no such file or directory"},
		{"doctor --replicas=many", `--replicas: must be a whole number, and is "many"`},
		{"archive --to=x --older-than=1y", `--older-than: must be a duration, such as 500ms, 30s or 5m, and is "1y"`},
		{"sandbox --ledger=/dev/null", "/dev/null is a folder, a device or a pipe"},
		{"resolve --failed --reason=asked", `expected "<order>"`},
		{"keys", `expected one of "create", "list", "rotate", "revoke"`},
		{"keys create --scopes=pay", "--name: must not be empty"},
		{"keys create --name=a/b --scopes=pay", "--name: must consist of at most 64 letters"},
		{"keys create --name=shop", "--scopes: must be one or more of pay,capture,refund,read,admin"},
		{"keys create --name=shop --scopes=pay,write", `--scopes: must be scopes among pay,capture,refund,read,admin, separated by commas; "write" is not one`},
		{"keys list --limit=0", "--limit: must be above zero"},
		{"keys revoke", `expected "<id-or-name>"`},
	} {
		out := apptest.Run(t, apptest.Build(t), nil, strings.Fields(c.args)...)
		require.Equal(t, 2, out.Code, c.args)
		require.Empty(t, out.Stdout)
		require.Contains(t, out.Stderr, c.want)
		require.Equal(t, 1, strings.Count(out.Stderr, "\n"), out.Stderr)
	}
}

func TestNoCommand_PrintsHelp(t *testing.T) {
	t.Parallel()

	out := apptest.Run(t, apptest.Build(t), nil)
	require.Equal(t, 2, out.Code)
	require.Empty(t, out.Stdout)
	for _, command := range []string{
		"serve", "sandbox", "migrate", "keys", "doctor", "stuck", "resolve", "import", "archive", "health", "version",
	} {
		require.Contains(t, out.Stderr, "\n  "+command)
	}
}

// TestLog_DebugLevel_HasNoSecrets uses the level with the most lines.
func TestLog_DebugLevel_HasNoSecrets(t *testing.T) {
	t.Parallel()

	const key, password = "sesame-0123456789", "open-sesame"
	p := apptest.Start(t, apptest.Build(t), map[string]string{
		"PAYMENTD_API_KEYS":  key + ",another-sesame-0123",
		"PAYMENTD_DATABASE":  "mysql://user:" + password + "@" + apptest.FreeAddress(t) + "/payments", // no server listens there
		"PAYMENTD_LOG_LEVEL": "debug", "PAYMENTD_GATEWAY": "sandbox:",
	}, "serve")
	p.WaitLog(t, "paymentd listens")
	answer := apptest.Pay(t.Context(), p.URL, "order-1", "1.00", "Authorization", "Bearer "+key)
	require.Equal(t, http.StatusServiceUnavailable, answer.Code, answer)
	require.Equal(t, http.StatusUnauthorized, apptest.Pay(t.Context(), p.URL, "order-1", "1.00").Code)
	answer = apptest.Pay(t.Context(), p.URL, "order-1", "1.00", "Authorization", "Bearer wrong-"+key)
	require.Equal(t, http.StatusUnauthorized, answer.Code, answer)
	require.Zero(t, p.Stop(t))
	require.Contains(t, p.Log(), `"route":"/payments/process"`)
	require.NotContains(t, p.Log(), "sesame")

	out := apptest.Run(t, apptest.Build(t), map[string]string{
		"PAYMENTD_DATABASE": "mysql://user:" + password + "@" + apptest.FreeAddress(t) + "/payments",
	}, "migrate", "status")
	require.Equal(t, 1, out.Code)
	require.Equal(t, "paymentd: the database cannot be reached: connection refused; "+
		"check that it runs and that PAYMENTD_DATABASE names it\n", out.Stderr)
	require.NotContains(t, out.Stdout+out.Stderr, "sesame")
}

// TestServe_KubernetesVariables_AreAccepted covers the variables that Kubernetes sets for the Services of a namespace.
func TestServe_KubernetesVariables_AreAccepted(t *testing.T) {
	t.Parallel()

	p := serve(t, env{
		"PAYMENTD_SERVICE_HOST": "10.0.0.11", "PAYMENTD_SERVICE_PORT": "3000", "PAYMENTD_SERVICE_PORT_HTTP": "3000",
		"PAYMENTD_PORT": "tcp://10.0.0.11:3000", "PAYMENTD_PORT_3000_TCP": "tcp://10.0.0.11:3000",
		"PAYMENTD_PORT_3000_TCP_PROTO": "tcp", "PAYMENTD_PORT_3000_TCP_PORT": "3000", "PAYMENTD_PORT_3000_TCP_ADDR": "10.0.0.11",
		"PAYMENTD_API_SERVICE_HOST": "10.0.0.12", "PAYMENTD_API_PORT": "udp://10.0.0.12:53",
		"PAYMENTD_API_PORT_53_UDP_ADDR": "10.0.0.12", "PAYMENTD_API_PORT_9_SCTP_PORT": "9",
	})
	require.Zero(t, p.Stop(t))
	require.NotContains(t, p.Log(), "Kubernetes")

	p = serve(t, env{"PAYMENTD_PORT": "8080"})
	require.Zero(t, p.Stop(t))
	require.Contains(t, lineWith(t, p.Log(), `"variable":"PAYMENTD_PORT"`), "PAYMENTD_ADDR sets the address to listen on")
}

// TestServe_SandboxIsNamed_StartsOnPublicAddress names the sandbox by its variable and by its flag.
func TestServe_SandboxIsNamed_StartsOnPublicAddress(t *testing.T) {
	t.Parallel()

	address := apptest.FreeAddress(t)
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	for name, start := range map[string]struct {
		variables env
		args      []string
	}{
		"by the variable": {env{"PAYMENTD_GATEWAY": "sandbox:"}, nil},
		"by the flag":     {nil, []string{"--gateway=sandbox:"}},
	} {
		variables := env{"PAYMENTD_API_KEYS": "0123456789abcdef", "PAYMENTD_ADDR": "0.0.0.0:" + port}
		maps.Copy(variables, start.variables)
		p := apptest.Start(t, apptest.Build(t), variables, append([]string{"serve"}, start.args...)...)
		p.WaitReady(t)
		require.Zero(t, p.Stop(t), name)
	}
}
