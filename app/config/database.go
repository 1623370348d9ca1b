package config

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"paymentd/app/internal/cause"
)

// Database holds the settings of the commands that use the database, which are two of [Config].
type Database struct {
	Database     string `default:"sqlite:paymentd.db" env:"PAYMENTD_DATABASE" help:"The database: sqlite:FILE or mysql://user:password@host:port/database?tls=true."`
	DatabaseFile string `default:"" env:"PAYMENTD_DATABASE_FILE" placeholder:"FILE" help:"File that holds that address, instead of --database."`
}

// Validate checks the settings. kong calls it.
func (d *Database) Validate() error { return resolveDatabase(&d.Database, &d.DatabaseFile) }

// defaultDatabase is the default of PAYMENTD_DATABASE.
const defaultDatabase = "sqlite:paymentd.db"

// resolveDatabase replaces the address by the content of the file, if a file is named, and checks the
// address. Its errors contain nothing of the file.
func resolveDatabase(address, file *string) error {
	if *file == "" {
		return validateDatabase(*address)
	}
	if os.Getenv("PAYMENTD_DATABASE") != "" || *address != defaultDatabase {
		return Invalid("database-file", "must not be set together with PAYMENTD_DATABASE (--database): set one of the two")
	}
	text, err := readSecret(*file)
	if err != nil {
		return Invalid("database-file", err.Error())
	}
	if !hasPrefix(text, "sqlite:", "mysql://") || strings.ContainsAny(text, "\r\n") {
		return Invalid("database-file", "must be a file that holds one line, which begins with sqlite: or mysql://")
	}
	*address, *file = text, ""
	return nil
}

func validateDatabase(address string) error {
	if address != strings.TrimSpace(address) {
		return Invalid("database", "must not begin or end with a space or a line feed")
	}
	if !hasPrefix(address, "sqlite:", "mysql://") {
		return Invalid("database", "must begin with sqlite: or mysql://") // without the value, which may hold a password
	}
	return nil
}

// maxSecretFile bounds a file that holds one setting, in bytes.
const maxSecretFile = 16 << 10

// readSecret returns the content of a file without the white space around it.
func readSecret(path string) (string, error) {
	file, err := os.Open(path) //nolint:gosec // the operator names it
	if err != nil {
		return "", fmt.Errorf("must be a file that can be read, and %s is not: %s", path, cause.Of(err))
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("must be a file that can be read, and %s is not: %s", path, cause.Of(err))
	case len(text) > maxSecretFile:
		return "", fmt.Errorf("must be a file of at most %d bytes, and %s has more", maxSecretFile, path)
	case len(bytes.TrimSpace(text)) == 0:
		return "", fmt.Errorf("must be a file that is not empty, and %s is", path)
	}
	return string(bytes.TrimSpace(text)), nil
}
