package mysqlstore

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// errURL is the only error for a URL that cannot be parsed, because the parser's may quote the
// password.
var errURL = errors.New("the database URL must have the form mysql://user:password@host:port/database; " +
	"write special characters of the user and the password as in URLs, such as %40 for @ and %2F for /")

const defaultPort = "3306"

// parseURL reads the address, the database, the user, and the options, with the files that they name. Its
// errors never contain the password.
func parseURL(databaseURL string) (*mysql.Config, error) {
	u, err := url.Parse(databaseURL)
	if err != nil || u.Scheme != "mysql" || u.Opaque != "" || u.Fragment != "" {
		return nil, errURL
	}
	database := strings.TrimPrefix(u.Path, "/")
	if err := checkURL(u, database); err != nil {
		return nil, err
	}
	options, err := readOptions(u)
	if err != nil {
		return nil, err
	}
	config := mysql.NewConfig()
	config.User = u.User.Username()
	config.Net = "tcp"
	config.Addr = net.JoinHostPort(u.Hostname(), portOf(u))
	config.DBName = database
	if err := setSocket(config, u, options); err != nil {
		return nil, err
	}
	if err := setTLS(config, u.Hostname(), options); err != nil {
		return nil, err
	}
	if err := setPassword(config, u, options); err != nil {
		return nil, err
	}
	return config, nil
}

// checkURL checks the parts of the URL that are always required.
func checkURL(u *url.URL, database string) error {
	switch {
	case u.Hostname() == "":
		return errors.New("the database URL names no host: write mysql://user:password@host:port/database")
	case u.User.Username() == "":
		return errors.New("the database URL names no user: write mysql://user:password@host:port/database")
	case database == "" || strings.Contains(database, "/"):
		return errors.New("the database URL must name one database after the host: " +
			"write mysql://user:password@host:port/database")
	}
	// Vitess takes the type of the tablets after an @, and reads from the primary without one.
	if _, tablets, typed := strings.Cut(database, "@"); typed && tablets != "primary" {
		return errors.New("the database URL names tablets other than the primary after the database: " +
			"remove what begins with @, because reads that decide about a payment must come from the writer")
	}
	if port, err := strconv.Atoi(portOf(u)); err != nil || port < 1 || port > 65535 {
		return errors.New("the database URL has an impossible port: it must be from 1 to 65535")
	}
	return nil
}

func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	return defaultPort
}

// forPayments returns the configuration of the pool. It sets everything that the repository depends
// on, because the server's defaults differ.
func forPayments(config *mysql.Config, timeout time.Duration) *mysql.Config {
	c := forMigrations(config)
	c.ClientFoundRows = true   // count rows matched, not rows changed, to detect a lost claim
	c.InterpolateParams = true // one round trip per statement instead of two
	c.RejectReadOnly = true    // reconnect from a demoted primary to the new one
	// COMMIT takes no context; only these two limit it.
	c.ReadTimeout, c.WriteTimeout = timeout, timeout
	// The server must give up a lock before the client gives up the statement.
	lockSeconds := strconv.Itoa(max(1, int(timeout/(2*time.Second))))
	c.Params["innodb_lock_wait_timeout"] = lockSeconds
	c.Params["lock_wait_timeout"] = lockSeconds // for a table that a migration changes
	// Without it, the server keeps the locks of a replica that lost its power during a transaction for
	// hours.
	c.Params["wait_timeout"] = strconv.Itoa(max(1, int(idleTimeout(timeout)/time.Second)))
	return c
}

// idleTimeout is how long the server waits for the next statement of a connection.
func idleTimeout(timeout time.Duration) time.Duration { return 4 * timeout }

// forMigrations returns the configuration of the connection that runs migrations. It has no timeouts
// for statements, because the change of a large table takes long.
func forMigrations(config *mysql.Config) *mysql.Config {
	c := config.Clone()
	c.ParseTime, c.Loc = true, time.UTC
	c.Timeout = connectTimeout
	c.Logger = &mysql.NopLogger{} // the errors have the same information
	c.ConnectionAttributes = "program_name:paymentd"
	// A server with skip-character-set-client-handshake ignores the handshake's character set, so the
	// driver must send SET NAMES as a statement.
	if err := c.Apply(mysql.Charset("utf8mb4", "")); err != nil {
		panic(err) // it never fails
	}
	c.Params = map[string]string{
		"autocommit": "1",
		"time_zone":  "'+00:00'",
		"sql_mode":   "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'", // fail instead of truncating
	}
	return c
}

// connectTimeout limits the dialling of a server.
const connectTimeout = 5 * time.Second
