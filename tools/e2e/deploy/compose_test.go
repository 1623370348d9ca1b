package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type compose struct {
	Services map[string]struct {
		Image       string
		Build       any
		User        string
		Profiles    []string
		Environment map[string]string
		Secrets     []string
		Command     []string
		ReadOnly    bool     `yaml:"read_only"`
		CapDrop     []string `yaml:"cap_drop"`
		CapAdd      []string `yaml:"cap_add"`
		Security    []string `yaml:"security_opt"`
		Memory      string   `yaml:"mem_limit"`
		Processes   int      `yaml:"pids_limit"`
		Ports       []string
	}
	Secrets map[string]struct{ File string }
}

func TestCompose_ContainersAreConfined(t *testing.T) {
	t.Parallel()
	var c compose
	read(t, "../../../docker-compose.yml", &c)
	require.Len(t, c.Services, 5)
	for name, s := range c.Services {
		require.Equal(t, []string{"no-new-privileges:true"}, s.Security, name)
		require.Regexp(t, `^[0-9]+[mg]$`, s.Memory, name)
		require.Positive(t, s.Processes, name)
		for _, port := range s.Ports {
			require.True(t, strings.HasPrefix(port, "127.0.0.1:"), "%s publishes %s", name, port)
		}
		if len(s.Profiles) > 0 { // the tests compile and start servers
			continue
		}
		require.True(t, s.ReadOnly, name)
		require.Equal(t, []string{"ALL"}, s.CapDrop, name)
		if name != "mysql" {
			require.Empty(t, s.CapAdd, name)
		}
	}
}

// The file contains no password and no key, and no default for one. A missing secret stops the start with
// an error message.
func TestCompose_HasNoSecret(t *testing.T) {
	t.Parallel()
	var c compose
	read(t, "../../../docker-compose.yml", &c)
	required := regexp.MustCompile(`^\$\{PAYMENTD_SECRETS:\?is not set; run .make compose/up., .*\}/`)
	for name, secret := range c.Secrets {
		require.Regexp(t, required, secret.File)
		require.Equal(t, name, filepath.Base(secret.File))
	}
	for name, s := range c.Services {
		for _, secret := range s.Secrets {
			require.Contains(t, c.Secrets, secret, name)
		}
		for variable, value := range s.Environment {
			if regexp.MustCompile(`PASSWORD|KEY|DATABASE_FILE|PAYMENTD_DATABASE`).MatchString(variable) {
				require.True(t, strings.HasSuffix(variable, "_FILE"), "%s has %s", name, variable)
				require.Contains(t, c.Secrets, strings.TrimPrefix(value, "/run/secrets/"), variable)
				require.Contains(t, s.Secrets, strings.TrimPrefix(value, "/run/secrets/"), variable)
			}
		}
	}
	for _, replica := range []string{"paymentd-1", "paymentd-2"} {
		require.Regexp(t, `^\$\{PAYMENTD_USER:\?`, c.Services[replica].User)
		require.Equal(t, []string{"database_url", "api_keys"}, c.Services[replica].Secrets)
	}
}

func TestSecrets_SecondRunKeepsThem(t *testing.T) {
	t.Parallel()
	var c compose
	read(t, "../../../docker-compose.yml", &c)
	run := func(folder string) map[string]string {
		out, err := exec.CommandContext(t.Context(), "../../../tools/secrets.sh", folder).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Empty(t, string(out), "no secret is printed")
		info, err := os.Stat(folder)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
		files, err := os.ReadDir(folder)
		require.NoError(t, err)
		found := make(map[string]string)
		for _, file := range files {
			info, err := file.Info()
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), file.Name())
			text, err := os.ReadFile(filepath.Join(folder, file.Name()))
			require.NoError(t, err)
			found[file.Name()] = string(text)
		}
		return found
	}
	folder := filepath.Join(t.TempDir(), "secrets")
	made := run(folder)
	require.Len(t, made, len(c.Secrets)+1)
	for name := range c.Secrets {
		require.Contains(t, made, name)
	}
	require.Equal(t, "mysql://paymentd:"+strings.TrimSpace(made["mysql_password"])+"@mysql:3306/paymentd\n", made["database_url"])
	require.Regexp(t, "^[0-9a-f]{48}\n$", made["api_keys"])
	require.Regexp(t, `^PAYMENTD_SECRETS=`+folder+`\nPAYMENTD_USER=[0-9]+:[0-9]+\n$`, made["compose.env"])
	require.Equal(t, made, run(folder), "existing files are not changed")
	other := run(filepath.Join(t.TempDir(), "secrets"))
	for _, name := range []string{"mysql_root_password", "mysql_password", "api_keys"} {
		require.NotEqual(t, made[name], other[name])
	}
}

// Payments and secrets are excluded from git and from images.
func TestIgnoreFiles_ExcludePaymentsAndSecrets(t *testing.T) {
	t.Parallel()
	git, err := os.ReadFile("../../../.gitignore")
	require.NoError(t, err)
	image, err := os.ReadFile("../../../.dockerignore")
	require.NoError(t, err)
	for _, pattern := range []string{
		"*.db", "*.db-*", "*.sqlite", "*.sqlite-*", "*.ledger", "*.jsonl", ".env", ".env.*", "*.key", "*.pem", "*.crt", "*.p12",
	} {
		require.Contains(t, "\n"+string(git), "\n"+pattern+"\n")
		require.Contains(t, "\n"+string(image), "\n**/"+pattern+"\n")
	}
	require.Contains(t, string(git), "\n/secrets/\n")
	require.Contains(t, string(image), "\nsecrets\n")
}

// No target deletes payments without a confirmation.
func TestMake_DeletesNoPayments(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"clean", "compose/down"} {
		out, err := exec.CommandContext(t.Context(), "make", "-C", "../../..", "--dry-run", target).CombinedOutput()
		require.NoError(t, err, "%s", out)
		for _, word := range []string{".db", "ledger", "--volumes", "secrets/mysql", "jsonl"} {
			require.NotContains(t, string(out), word, target)
		}
	}
	out, err := exec.CommandContext(t.Context(), "make", "-C", "../../..", "compose/delete").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "deletes every payment")
	require.NotContains(t, string(out), "--volumes")
}
