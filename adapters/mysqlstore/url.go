package mysqlstore

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// errURL is all that is said of a URL that cannot be parsed: what the parser says may
// quote the password.
var errURL = errors.New("the database URL must have the form mysql://user:password@host:port/database; " +
	"write special characters of the user and the password as in URLs, such as %40 for @ and %2F for /")

const defaultPort = "3306"

// tlsModes are the values of the URL's tls option, and the driver's.
var tlsModes = []string{"true", "false", "skip-verify", "preferred"}

// parseURL reads where the database is, and as whom to log in. Its errors never hold the
// password.
func parseURL(databaseURL string) (*mysql.Config, error) {
	u, err := url.Parse(databaseURL)
	if err != nil || u.Scheme != "mysql" || u.Opaque != "" || u.Fragment != "" {
		return nil, errURL
	}
	database := strings.TrimPrefix(u.Path, "/")
	switch {
	case u.Hostname() == "":
		return nil, errors.New("the database URL names no host: write mysql://user:password@host:port/database")
	case u.User.Username() == "":
		return nil, errors.New("the database URL names no user: write mysql://user:password@host:port/database")
	case database == "" || strings.Contains(database, "/"):
		return nil, errors.New("the database URL must name one database after the host: " +
			"write mysql://user:password@host:port/database")
	}
	config := mysql.NewConfig()
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.Net = "tcp"
	config.Addr = net.JoinHostPort(u.Hostname(), portOf(u))
	config.DBName = database
	if config.TLSConfig, err = tlsMode(u); err != nil {
		return nil, err
	}
	return config, nil
}

func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	return defaultPort
}

// tlsMode returns the driver's name for how the URL wants the connection encrypted, or
// nothing for not at all.
func tlsMode(u *url.URL) (string, error) {
	options, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", errURL
	}
	mode := options.Get("tls")
	switch {
	case len(options) > 1, len(options) == 1 && !options.Has("tls"), len(options["tls"]) > 1:
		return "", errors.New("the database URL takes one option after the question mark, tls, once")
	case len(options) == 0, mode == "false":
		return "", nil
	case !slices.Contains(tlsModes, mode):
		return "", fmt.Errorf("the database URL's tls option must be one of %s", strings.Join(tlsModes, ", "))
	}
	return mode, nil
}

// forPayments returns the configuration of the pool. What the repository leans on is set
// here, whatever the server's own defaults are.
func forPayments(config *mysql.Config, timeout time.Duration) *mysql.Config {
	c := forMigrations(config)
	c.ClientFoundRows = true   // rows matched, not rows changed, tell a lost claim
	c.InterpolateParams = true // one round trip a statement instead of two
	c.RejectReadOnly = true    // leave a demoted primary for the new one
	// COMMIT takes no context; only these two end it.
	c.ReadTimeout, c.WriteTimeout = timeout, timeout
	// A lock must be given up by the server, before the client gives up the statement.
	lockSeconds := strconv.Itoa(max(1, int(timeout/(2*time.Second))))
	c.Params["innodb_lock_wait_timeout"] = lockSeconds
	c.Params["lock_wait_timeout"] = lockSeconds // for a table that a migration changes
	// Without it, the server keeps the locks of a replica that lost its power in the middle of
	// a transaction for hours.
	c.Params["wait_timeout"] = strconv.Itoa(max(1, int(idleTimeout(timeout)/time.Second)))
	return c
}

// idleTimeout is how long the server waits for the next statement of a connection.
func idleTimeout(timeout time.Duration) time.Duration { return 4 * timeout }

// forMigrations returns the configuration of the connection that runs migrations: a change
// of a large table may take its time.
func forMigrations(config *mysql.Config) *mysql.Config {
	c := config.Clone()
	c.ParseTime, c.Loc = true, time.UTC
	c.Timeout = connectTimeout
	c.Logger = &mysql.NopLogger{} // what it has to say is in the errors as well
	c.ConnectionAttributes = "program_name:paymentd"
	// Of the handshake's character set a server takes no notice if it runs with
	// skip-character-set-client-handshake; with this, the driver sends SET NAMES as a statement.
	if err := c.Apply(mysql.Charset("utf8mb4", "")); err != nil {
		panic(err) // it never fails
	}
	c.Params = map[string]string{
		"autocommit": "1",
		"time_zone":  "'+00:00'",
		"sql_mode":   "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'", // cut nothing in silence
	}
	return c
}

// connectTimeout bounds the dialling of a server.
const connectTimeout = 5 * time.Second
