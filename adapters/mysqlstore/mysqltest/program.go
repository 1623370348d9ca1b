package mysqltest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ImageVariable names the environment variable with the container image that
// private instances are run from, in place of the machine's own server.
const ImageVariable = "TEST_MYSQL_IMAGE"

// defaultImage is used where the machine has no server of its own, but an
// engine that has this image.
const defaultImage = "mysql:8.4"

// ErrNoServer is returned where no private instance can be run on this machine.
var ErrNoServer = errors.New("no MySQL-protocol server to test against: run the tests by `make test`, " +
	"which gets one, or `apt-get install mariadb-server-core mariadb-client`, or set TEST_MYSQL_URL")

// program is a server that can be run: the machine's own, or a container's.
type program struct {
	path      string    // of mysqld or mariadbd
	installer string    // of mariadb-install-db; empty for MySQL, which initialises itself
	container container // the zero value for the machine's own
}

// findProgram looks in the places that the package comment lists: the image, if
// it is given, or the folders, or else an engine.
func findProgram(ctx context.Context, image string, folders []string) (program, error) {
	if image != "" {
		return containerProgram(ctx, image)
	}
	if path := findIn(folders, "mysqld", "mariadbd"); path != "" {
		return machineProgram(ctx, folders, path)
	}
	if hasImage(ctx, defaultImage) {
		return containerProgram(ctx, defaultImage)
	}
	return program{}, ErrNoServer
}

// programFolders returns where servers are installed. Debian's are in
// /usr/sbin, which is not on every user's PATH.
func programFolders() []string {
	return append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/libexec")
}

// machineProgram describes the server at path, which may be of either make:
// MariaDB's is called mysqld as well.
func machineProgram(ctx context.Context, folders []string, path string) (program, error) {
	found := program{path: path}
	version, err := exec.CommandContext(ctx, path, "--no-defaults", "--version").Output()
	if err != nil {
		return program{}, fmt.Errorf("ask %s for its version: %w", path, err)
	}
	if !isMariaDB(string(version)) {
		return found, nil
	}
	found.installer = findIn(folders, "mariadb-install-db", "mysql_install_db")
	if found.installer == "" {
		return program{}, fmt.Errorf("%s is here, but not mariadb-install-db, which initialises it: %w", path, ErrNoServer)
	}
	return found, nil
}

// isMariaDB tells the two makes apart by what they say of their version.
func isMariaDB(version string) bool { return strings.Contains(version, "MariaDB") }

// findIn returns the path of the first of names that is an executable file in
// one of folders, or an empty string.
func findIn(folders []string, names ...string) string {
	for _, name := range names {
		for _, folder := range folders {
			path, err := exec.LookPath(filepath.Join(folder, name))
			if err == nil && filepath.IsAbs(path) {
				return path
			}
		}
	}
	return ""
}

// initialiser returns the command that makes a new data folder, where args are
// the server's options. The root user it makes has no password; nobody logs in
// with it.
func (p program) initialiser(ctx context.Context, folder string, args []string) *exec.Cmd {
	if p.installer == "" {
		args = append(args, "--initialize-insecure")
		if os.Getuid() == 0 {
			args = append(args, "--user=root")
		}
		return p.container.command(ctx, "", folder, p.path, args)
	}
	args = append(args, "--auth-root-authentication-method=normal", "--skip-test-db",
		"--force") // also where this machine's name cannot be looked up, as in a container
	if os.Getuid() == 0 {
		// Not --user=root: the script would act on that by changing the owner
		// of a folder of the machine's own server (auth_pam_tool_dir). The
		// short form it passes on unread.
		args = append(args, "-uroot")
	}
	return p.container.command(ctx, "", folder, p.installer, args)
}

// server returns the command that runs the server. It is not bound to a
// context: its life is the Server's.
func (p program) server(name, folder string, args []string) *exec.Cmd {
	if os.Getuid() == 0 {
		args = append(args, "--user=root") // both makes refuse to run as root unless told to
	}
	return p.container.command(context.Background(), name, folder, p.path, args)
}

// options are the server's options that hold from the initialisation on. Both
// makes read them; what only one of them knows is marked so.
func (p program) options(folder string) []string {
	options := []string{
		"--no-defaults", // must be first: nothing of this machine's configuration
		"--datadir=" + dataFolder(folder),
		"--tmpdir=" + folder,
		"--skip-log-bin",
		"--performance-schema=OFF", // most of the memory, and a part of the start
		"--innodb-buffer-pool-size=64M",
		"--innodb-use-native-aio=0", // the kernel's AIO slots are few, and shared by all servers of a machine
	}
	if p.installer != "" {
		return append(options, "--innodb-log-file-size=32M")
	}
	return append(options,
		"--loose-innodb-redo-log-capacity=32M", // since 8.0.30
		"--loose-mysqlx=OFF",                   // a second port, which would collide
		"--secure-file-priv=NULL",              // the packaged default is a folder that may not exist
	)
}
