package mysqltest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"

	"github.com/go-sql-driver/mysql"
)

// address is the address of a server, and the user that logs in to it.
type address struct {
	user, password string
	host           string // with its port
	tls            string // as the driver names it: "", "true", "false", "skip-verify" or "preferred"
}

// parseAddress reads mysql://user:password@host:port/database?tls=…. The optional
// database is not part of the address. The error does not contain the URL,
// because the URL has a password in it.
func parseAddress(raw string) (address, error) {
	parsed, err := url.Parse(raw)
	if err != nil || parsed.Scheme != "mysql" || parsed.Hostname() == "" || parsed.User.Username() == "" {
		return address{}, errors.New("not of the form mysql://user:password@host:port/database?tls=true")
	}
	query := parsed.Query()
	at := address{user: parsed.User.Username(), host: parsed.Host, tls: query.Get("tls")}
	at.password, _ = parsed.User.Password()
	if parsed.Port() == "" {
		at.host = net.JoinHostPort(parsed.Hostname(), "3306")
	}
	query.Del("tls")
	for name := range query {
		return address{}, fmt.Errorf("unknown parameter %q: only tls is known", name)
	}
	if !slices.Contains([]string{"", "true", "false", "skip-verify", "preferred"}, at.tls) {
		return address{}, fmt.Errorf("tls is %q: it can be true, false, skip-verify or preferred", at.tls)
	}
	return at, nil
}

// url is the reverse of parseAddress.
func (a address) url(database string) string {
	result := url.URL{Scheme: "mysql", User: url.UserPassword(a.user, a.password), Host: a.host, Path: "/" + database}
	if a.tls != "" {
		result.RawQuery = url.Values{"tls": {a.tls}}.Encode()
	}
	return result.String()
}

// with calls use with a connection without a default database.
func (a address) with(ctx context.Context, use func(*sql.DB) error) (err error) {
	config := mysql.NewConfig()
	config.User, config.Passwd = a.user, a.password
	config.Net, config.Addr = "tcp", a.host
	config.TLSConfig = a.tls
	config.Logger = &mysql.NopLogger{} // a starting server closes connections
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return fmt.Errorf("configure the connection: %w", err)
	}
	db := sql.OpenDB(connector)
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.PingContext(ctx); err != nil {
		return fmt.Errorf("connect to %s: %w", a.host, err)
	}
	return use(db)
}

// execute runs one statement.
func (a address) execute(ctx context.Context, statement string) error {
	return a.with(ctx, func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, statement)
		return err
	})
}

// dropTables drops all tables of a database.
func (a address) dropTables(ctx context.Context, database string) error {
	return a.eachTable(ctx, database, "DROP TABLE `%s`")
}

// deleteRows deletes all rows of a database, except the schema's version.
func (a address) deleteRows(ctx context.Context, database string) error {
	return a.eachTable(ctx, database, "DELETE FROM `%s`", "schema_migrations")
}

func (a address) eachTable(ctx context.Context, database, statement string, except ...string) error {
	return a.with(ctx, func(db *sql.DB) (err error) {
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, conn.Close()) }()
		if _, err := conn.ExecContext(ctx, "USE `"+database+"`"); err != nil {
			return err
		}
		tables, err := column(ctx, conn, "SHOW TABLES")
		for _, table := range tables {
			if slices.Contains(except, table) {
				continue
			}
			if _, one := conn.ExecContext(ctx, fmt.Sprintf(statement, table)); one != nil {
				err = errors.Join(err, one)
			}
		}
		return err
	})
}

// column returns the values of a query with one column.
func column(ctx context.Context, conn *sql.Conn, query string) (values []string, err error) {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var value string
		if err := rows.Scan(&value); err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, rows.Err()
}

// Version returns the version of the server at rawURL, which has the form that
// [Server.URL] returns.
func Version(ctx context.Context, rawURL string) (string, error) {
	at, err := parseAddress(rawURL)
	if err != nil {
		return "", err
	}
	var version string
	err = at.with(ctx, func(db *sql.DB) error {
		return db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version)
	})
	if err != nil {
		return "", fmt.Errorf("read the server's version: %w", err)
	}
	return version, nil
}
