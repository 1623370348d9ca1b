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

// ImageVariable names the environment variable with the container image of
// private instances, which replaces the machine's own server.
const ImageVariable = "TEST_MYSQL_IMAGE"

// defaultImage is used if the machine has no server, but an engine that has this
// image.
const defaultImage = "mysql:8.4"

// ErrNoServer is returned if this machine cannot run a private instance.
var ErrNoServer = errors.New("no MySQL-protocol server to test against: run the tests by `make test`, " +
	"which gets one, or `apt-get install mariadb-server-core mariadb-client`, or set TEST_MYSQL_URL")

// program is the program of a server: the machine's own, or a container's.
type program struct {
	path      string    // of mysqld or mariadbd
	installer string    // of mariadb-install-db; empty for MySQL, which initialises itself
	container container // zero for the machine's own
}

// findProgram searches the places that the package comment lists: the image, if
// it is given, the folders, or an engine.
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

// programFolders returns the folders in which servers are installed. Debian's is
// /usr/sbin, which is not on every user's PATH.
func programFolders() []string {
	return append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/libexec")
}

// machineProgram returns the program at path, which may be MySQL or MariaDB,
// because MariaDB's is called mysqld as well.
func machineProgram(ctx context.Context, folders []string, path string) (program, error) {
	found := program{path: path}
	version, err := exec.CommandContext(ctx, path, "--no-defaults", "--version").Output()
	if err != nil {
		return program{}, fmt.Errorf("read the version of %s: %w", path, err)
	}
	if !isMariaDB(string(version)) {
		return found, nil
	}
	found.installer = findIn(folders, "mariadb-install-db", "mysql_install_db")
	if found.installer == "" {
		return program{}, fmt.Errorf("%s is installed without mariadb-install-db, which initialises it: %w", path, ErrNoServer)
	}
	return found, nil
}

// isMariaDB distinguishes MariaDB from MySQL by the version's text.
func isMariaDB(version string) bool { return strings.Contains(version, "MariaDB") }

// findIn returns the path of the first of names that is an executable file in one
// of the folders, or an empty string.
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

// initialiser returns the command that creates a data folder; args are the
// server's options. The root user of the new server has no password and is not
// used.
func (p program) initialiser(ctx context.Context, folder string, args []string) *exec.Cmd {
	if p.installer == "" {
		args = append(args, "--initialize-insecure")
		if os.Getuid() == 0 {
			args = append(args, "--user=root")
		}
		return p.container.command(ctx, "", folder, p.path, args)
	}
	args = append(args, "--auth-root-authentication-method=normal", "--skip-test-db",
		"--force") // even if this machine's name cannot be resolved, as in a container
	if os.Getuid() == 0 {
		// Not --user=root, because the script then changes the owner of a folder of
		// the machine's own server (auth_pam_tool_dir). It ignores the short form.
		args = append(args, "-uroot")
	}
	return p.container.command(ctx, "", folder, p.installer, args)
}

// server returns the command that runs the server. It has no context, because the
// Server ends it.
func (p program) server(name, folder string, args []string) *exec.Cmd {
	if os.Getuid() == 0 {
		args = append(args, "--user=root") // both servers refuse to run as root without it
	}
	return p.container.command(context.Background(), name, folder, p.path, args)
}

// options are the server's options, also during the initialisation. Both servers
// read them; --loose- marks those that only one of them knows.
func (p program) options(folder string) []string {
	options := []string{
		"--no-defaults", // must be first: ignore this machine's configuration
		"--datadir=" + dataFolder(folder),
		"--tmpdir=" + folder,
		"--skip-log-bin",
		"--performance-schema=OFF", // takes most of the memory, and slows the start
		"--innodb-buffer-pool-size=64M",
		"--innodb-use-native-aio=0", // all servers of a machine share the kernel's few AIO slots
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
