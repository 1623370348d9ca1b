package mysqltest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// container runs programs from an image as if they were installed on the
// machine: in the host's network, in the same folder, as the same user. The zero
// value runs the machine's own programs.
type container struct {
	image string
}

// command returns the command that runs path with args and can write folder. A
// container gets the name, unless that is empty.
func (c container) command(ctx context.Context, name, folder, path string, args []string) *exec.Cmd {
	if c.image == "" {
		return exec.CommandContext(ctx, path, args...)
	}
	docker := []string{
		"run", "--rm", "--interactive", // for standard input
		"--network=host",
		"--user=" + strconv.Itoa(os.Getuid()) + ":" + strconv.Itoa(os.Getgid()),
		"--volume=" + folder + ":" + folder,
		"--entrypoint=" + path,
	}
	if name != "" {
		docker = append(docker, "--name="+name)
	}
	docker = append(docker, c.image)
	return exec.CommandContext(ctx, "docker", append(docker, args...)...)
}

// hasImage reports whether a running engine has the image. Tests do not pull
// one, because that takes minutes; `make test` does.
func hasImage(ctx context.Context, image string) bool {
	return exec.CommandContext(ctx, "docker", "image", "inspect", image).Run() == nil
}

// containerProgram describes the server in image.
func containerProgram(ctx context.Context, image string) (program, error) {
	const look = `
		server=$(command -v mysqld || command -v mariadbd) || exit
		"$server" --no-defaults --version
		echo "$server"
		command -v mariadb-install-db || true`
	out, err := exec.CommandContext(ctx, "docker", "run", "--rm", "--entrypoint=/bin/sh", image, "-c", look).Output()
	if err != nil {
		return program{}, fmt.Errorf("find a server in the image %s: %w", image, err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) < 2 {
		return program{}, fmt.Errorf("find a server in the image %s: it has neither mysqld nor mariadbd", image)
	}
	found := program{path: lines[1], container: container{image: image}}
	if isMariaDB(lines[0]) {
		found.installer = lines[len(lines)-1]
	}
	return found, nil
}
