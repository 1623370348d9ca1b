package mysqltest

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
)

// Tool is a program that comes with a server and is its client.
type Tool string

// The tools, by the names that MySQL gives them.
const (
	Client Tool = "mysql"
	Dump   Tool = "mysqldump"
	BinLog Tool = "mysqlbinlog"
)

// mariaDBs are their names in MariaDB, whose packages have both names or only these.
var mariaDBs = map[Tool]string{Client: "mariadb", Dump: "mariadb-dump", BinLog: "mariadb-binlog"}

// MariaDB reports whether the server is MariaDB, and not MySQL.
func (s *Server) MariaDB() bool { return s.program.installer != "" }

// Folder returns the server's own folder, whose "data" is its data folder. The server's tools can read
// and write only there.
func (s *Server) Folder() string { return s.folder }

// Use runs a tool of the server's vendor, logged in to the server unless the tool is BinLog. It reads
// input, unless that is nil.
func (s *Server) Use(ctx context.Context, input io.Reader, tool Tool, args ...string) error {
	name := string(tool)
	if s.MariaDB() {
		name = mariaDBs[tool]
	}
	from, path, err := s.findTool(ctx, name)
	if err != nil {
		return err
	}
	options := []string{"--no-defaults"}
	if tool != BinLog {
		host, port, _ := net.SplitHostPort(s.address.host) // made by freeAddress
		options = append(options, "--host="+host, "--port="+port,
			"--user="+s.address.user, "--password="+s.address.password)
	}
	command := from.command(ctx, "", s.folder, path, append(options, args...))
	command.Stdin = input
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, lastLines(out))
	}
	return nil
}

// findTool searches the server's image, if it has one, and then this machine: MySQL's images have no
// mysqlbinlog (docker-library/mysql issue 907), and the machine's reads the same logs.
func (s *Server) findTool(ctx context.Context, name string) (from container, path string, err error) {
	inside := s.program.container
	if inside.image != "" &&
		inside.command(ctx, "", s.folder, "/bin/sh", []string{"-c", "command -v " + name}).Run() == nil {
		return inside, name, nil
	}
	if path = findIn(programFolders(), name); path == "" {
		return container{}, "", fmt.Errorf("there is no %s for the server %s: run the tests by `make test`, "+
			"which gets one, or install mariadb-client or mysql-client", name, s.program.path)
	}
	return container{}, path, nil
}
