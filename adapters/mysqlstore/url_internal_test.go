package mysqlstore

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url, user, password, address, database, tls string
	}{
		{"mysql://pay:s3cret@db.example:3307/payments", "pay", "s3cret", "db.example:3307", "payments", ""},
		{"mysql://pay:s3cret@db.example/payments", "pay", "s3cret", "db.example:3306", "payments", ""},
		{"mysql://pay@127.0.0.1:1/p", "pay", "", "127.0.0.1:1", "p", ""},
		{"mysql://pay:x@[::1]:3306/p", "pay", "x", "[::1]:3306", "p", ""},
		{"mysql://p%40y:a%2Fb%40c%3A%25%23@h/p", "p@y", "a/b@c:%#", "h:3306", "p", ""},
		{"mysql://pay:x@h/p?tls=true", "pay", "x", "h:3306", "p", "true"},
		{"mysql://pay:x@h/p?tls=false", "pay", "x", "h:3306", "p", ""},
		{"mysql://pay:x@h/p?tls=skip-verify", "pay", "x", "h:3306", "p", "skip-verify"},
		{"mysql://pay:x@h/p?tls=preferred", "pay", "x", "h:3306", "p", "preferred"},
	} {
		t.Run(c.url, func(t *testing.T) {
			t.Parallel()
			config, err := parseURL(c.url)
			require.NoError(t, err)
			require.Equal(t, c.user, config.User)
			require.Equal(t, c.password, config.Passwd)
			require.Equal(t, "tcp", config.Net)
			require.Equal(t, c.address, config.Addr)
			require.Equal(t, c.database, config.DBName)
			require.Equal(t, c.tls, config.TLSConfig)
		})
	}
}

func TestParseURL_Errors(t *testing.T) {
	t.Parallel()
	const secret = "s3cret"
	for url, want := range map[string]string{
		"":                                     "must have the form mysql://user:password@host:port/database",
		"pay:s3cret@tcp(h)/p":                  "must have the form",
		"postgres://pay:s3cret@h/p":            "must have the form",
		"mysql:pay:s3cret@h/p":                 "must have the form",
		"mysql://pay@h:0/p":                    "must be from 1 to 65535",
		"mysql://pay@h:99999/p":                "must be from 1 to 65535",
		"mysql://pay:s3cret/x@h/p":             "must have the form", // a port that is no number
		"mysql://pay:s3cret%zz@h/p":            "must have the form",
		"mysql://pay:s3cret#x@h/p":             "must have the form",
		"mysql://pay:s3cret@h:33o6/p":          "must have the form",
		"mysql://pay:s3cret@:3306/p":           "names no host",
		"mysql://h/p":                          "names no user",
		"mysql://:s3cret@h/p":                  "names no user",
		"mysql://pay:s3cret@h":                 "must name one database",
		"mysql://pay:s3cret@h/":                "must name one database",
		"mysql://pay:s3cret@h/p/q":             "must name one database",
		"mysql://pay:s3cret@h/p@replica":       "must come from the writer",
		"mysql://pay:s3cret@h/p?tls=yes":       "must be one of true, false, skip-verify, preferred",
		"mysql://pay:s3cret@h/p?tls=":          "must be one of",
		"mysql://pay:s3cret@h/p?ssl=true":      "takes these options",
		"mysql://pay:s3cret@h/p?tls=true&a=b":  "takes these options",
		"mysql://pay:s3cret@h/p?tls=true&tls=": "takes these options",
		"mysql://pay:s3cret@h/p?tls=%zz":       "must have the form",
	} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			_, err := Open(url, Options{})
			require.ErrorContains(t, err, want)
			require.NotContains(t, err.Error(), secret)
			require.NotContains(t, err.Error(), "\n")
			_, err = Schema(url)
			require.ErrorContains(t, err, want)
		})
	}
}

func TestForPayments_DriverSettings(t *testing.T) {
	t.Parallel()
	config, err := parseURL("mysql://pay:x@h/p")
	require.NoError(t, err)
	c := forPayments(config, 10*time.Second)
	dsn := c.FormatDSN()
	for _, setting := range []string{
		"clientFoundRows=true", "interpolateParams=true", "parseTime=true", "rejectReadOnly=true",
		"readTimeout=10s", "writeTimeout=10s", "timeout=5s",
		"innodb_lock_wait_timeout=5", "lock_wait_timeout=5", "wait_timeout=40", "autocommit=1",
	} {
		require.Contains(t, strings.Split(dsn[strings.Index(dsn, "?")+1:], "&"), setting)
	}
	require.Equal(t, time.UTC, c.Loc)
	require.Empty(t, config.Params, "the parsed configuration is unchanged")
}
