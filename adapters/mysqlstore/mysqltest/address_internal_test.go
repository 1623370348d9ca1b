package mysqltest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		raw  string
		want address
		back string // its URL for the database "orders"
	}{
		{
			raw:  "mysql://root@localhost",
			want: address{user: "root", host: "localhost:3306"},
			back: "mysql://root:@localhost:3306/orders",
		},
		{
			raw:  "mysql://pay:s%40cret%2F@db.example:3307/some?tls=skip-verify",
			want: address{user: "pay", password: "s@cret/", host: "db.example:3307", tls: "skip-verify"},
			back: "mysql://pay:s%40cret%2F@db.example:3307/orders?tls=skip-verify",
		},
		{
			raw:  "mysql://pay:secret@[::1]/",
			want: address{user: "pay", password: "secret", host: "[::1]:3306"},
			back: "mysql://pay:secret@[::1]:3306/orders",
		},
	} {
		t.Run(test.raw, func(t *testing.T) {
			t.Parallel()
			got, err := parseAddress(test.raw)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
			require.Equal(t, test.back, got.url("orders"))
		})
	}
}

func TestParseAddressSaysWhatIsWrong(t *testing.T) {
	t.Parallel()

	for raw, sentence := range map[string]string{
		"":                                  "not of the form mysql://",
		"root:secret@tcp(localhost)/orders": "not of the form mysql://",
		"postgres://pay:secret@db/orders":   "not of the form mysql://",
		"mysql://db/orders":                 "not of the form mysql://",
		"mysql://pay:secret@/orders":        "not of the form mysql://",
		"mysql://pay:secret@db:port/orders": "not of the form mysql://",
		"mysql://pay:secret@db/?tls=maybe":  `tls is "maybe"`,
		"mysql://pay:secret@db/?timeout=1s": `unknown parameter "timeout"`,
	} {
		t.Run(raw, func(t *testing.T) {
			t.Parallel()
			_, err := parseAddress(raw)
			require.ErrorContains(t, err, sentence)
			require.NotContains(t, err.Error(), "secret")
		})
	}
}
