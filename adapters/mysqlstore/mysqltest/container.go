package mysqltest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// container runs programs out of an image as if they were installed here: in
// the host's network, in the same folder, as the same user. The zero value runs
// the machine's own programs.
type container struct {
	image string
}

// command returns the command that runs path with args, able to write folder.
// The container, if it is one, gets the name, unless that is empty.
func (c container) command(ctx context.Context, name, folder, path string, args []string) *exec.Cmd {
	if c.image == "" {
		return exec.CommandContext(ctx, path, args...)
	}
	docker := []string{
		"run", "--rm", "--interactive", // or it has no standard input
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

// hasImage reports whether an engine is running that has the image already. A
// test does not pull one: that takes minutes, and belongs into `make test`.
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
		return program{}, fmt.Errorf("find a server in the image %s: it has no mysqld and no mariadbd", image)
	}
	found := program{path: lines[1], container: container{image: image}}
	if isMariaDB(lines[0]) {
		found.installer = lines[len(lines)-1]
	}
	return found, nil
}
