package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"paymentd/app"
	"paymentd/app/config"
	"paymentd/app/internal/cause"
	"paymentd/core/apikey"
	"paymentd/ports"
)

type keysCommand struct {
	Create createKeyCommand `cmd:"" help:"Create an API key and print it. It cannot be printed again, because only its hash is stored."`
	List   listKeysCommand  `cmd:"" help:"List the API keys: their names, scopes, limits, expiry and times of last use, and who created and revoked them."`
	Rotate rotateKeyCommand `cmd:"" help:"Replace an API key with a new one of the same name, scopes and limits. The old one stays valid for a while."`
	Revoke revokeKeyCommand `cmd:"" help:"Revoke an API key. Every replica refuses it within five seconds."`
}

type createKeyCommand struct {
	databaseFlags
	newKeyFlags

	Name        string   `required:"" placeholder:"NAME" help:"Owner or purpose of the key: letters, digits, hyphens, dots and underscores. Only one active key may have a name."`
	Scopes      string   `required:"" placeholder:"SCOPE,..." help:"What the key permits: pay (charge orders and read single payments), capture (capture and void payments and read single payments), refund (refund payments and read single payments), read (list and read payments and metrics), admin (everything)."`
	OrderPrefix []string `placeholder:"PREFIX" sep:"none" help:"Limit the key to orders whose order_id begins with this. May be repeated."`
	Gateway     []string `placeholder:"NAME" sep:"none" help:"Limit the key to payments at this gateway: its id in the gateways file, or its name if it has no id, or its address. May be repeated."`
}

// newKeyFlags are the flags of a command that makes a key.
type newKeyFlags struct {
	Out     string `placeholder:"FILE" aliases:"to" help:"New file to write the key to, with mode 0600, instead of the standard output. No existing file is changed."`
	Expires string `placeholder:"DURATION|DATE" help:"When the key expires: after a duration, such as 90d or 12h, or at a date, which means midnight UTC, or a time, such as 2027-01-31T08:00:00Z. Never, by default."`
	By      string `env:"USER" default:"operator" help:"Your name; stored with the key."`

	expires time.Time // zero for never
}

// parse parses the flags.
func (f *newKeyFlags) parse(now time.Time) (err error) {
	if f.Expires == "" {
		return nil
	}
	if f.expires, err = parseExpiry(f.Expires, now); err != nil {
		return config.InvalidFlag("expires", "%s", err)
	}
	if f.expires.Sub(now) < minExpiry {
		return config.InvalidFlag("expires", "must be in the future, by a second or more")
	}
	return nil
}

// minExpiry is longer than a key takes to be stored, because a key that has expired when it is stored is of no use.
const minExpiry = time.Second

// maxExpiry bounds an expiry, so that every database can store it.
const maxExpiry = 100 * 365 * 24 * time.Hour

// parseExpiry parses a duration from now, with d for days of 24 hours, or a date or a time of RFC 3339.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	after, err := parseDays(text)
	if err == nil {
		if after > maxExpiry {
			return time.Time{}, errors.New("must be within 100 years")
		}
		return now.Add(after), nil
	}
	at, err := parseTime("expires", text)
	switch {
	case err != nil:
		return time.Time{}, errors.New("must be a duration, such as 90d or 12h, a date, such as 2027-01-31, or a time, such as 2027-01-31T08:00:00Z")
	case at.After(now.Add(maxExpiry)):
		return time.Time{}, errors.New("must be within 100 years")
	}
	return at, nil
}

// parseDays parses a duration above zero: Go's, or a number of days.
func parseDays(text string) (time.Duration, error) {
	if digits, days := strings.CutSuffix(text, "d"); days {
		n, err := strconv.ParseUint(digits, 10, 16)
		if err != nil || n == 0 {
			return 0, errors.New("must be a number of days above zero")
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err == nil && d <= 0 {
		err = errors.New("must be above zero")
	}
	return d, err
}

// Help describes the limits.
func (createKeyCommand) Help() string {
	return "A limited key gets 403 for other orders, and lists only its own. A key that is limited to gateways charges an order only " +
		"if every gateway of its route is among them. Create keys with limits or an expiry when every replica has this version: an " +
		"older one refuses them.\n\n" +
		"Exit code 0: the key is created, and written. 1: the name is taken, or it could not be done. 2: the command line or a setting " +
		"is wrong, or --out names an existing file."
}

// Validate checks the settings. kong calls it.
func (c *createKeyCommand) Validate() error {
	if _, err := apikey.ParseName(c.Name); err != nil {
		return config.InvalidFlag("name", "%s", err)
	}
	if _, err := apikey.ParseScopes(c.Scopes); err != nil {
		return config.InvalidFlag("scopes", "%s", err)
	}
	if _, err := apikey.ParseOrderPrefixes(c.OrderPrefix); err != nil {
		return config.InvalidFlag("order-prefix", "%s", err)
	}
	if _, err := apikey.ParseGateways(c.Gateway); err != nil {
		return config.InvalidFlag("gateway", "%s", err)
	}
	if err := c.parse(time.Now()); err != nil {
		return err
	}
	return c.databaseFlags.Validate()
}

func (c *createKeyCommand) Run(ctx context.Context, s stdio) error {
	scopes, err := apikey.ParseScopes(c.Scopes)
	if err != nil {
		return err
	}
	key, secret := apikey.New(apikey.Name(c.Name), scopes)
	key.Limits = apikey.Limits{OrderPrefixes: c.OrderPrefix, Gateways: c.Gateway}
	key.ExpiresAt, key.CreatedBy = c.expires, c.By
	return c.withPayments(ctx, s, func(r *app.Repository) error {
		return c.writeKey(s, secret, func() (apikey.Key, string, error) {
			return key, "The key " + describeKey(key) + ".", r.Keys().Create(ctx, key)
		})
	})
}

// describeKey describes a new key in a sentence.
func describeKey(key apikey.Key) string {
	text := fmt.Sprintf("%s, with the id %s and the scopes %s", key.Name, key.ID, key.Scopes)
	if !key.Limits.IsZero() {
		text += ", limited to " + key.Limits.String()
	}
	if !key.ExpiresAt.IsZero() {
		text += ", until " + moment(key.ExpiresAt)
	}
	return text
}

// writeKey stores a new key by calling store, which returns the key and a sentence about it, and writes its secret.
func (f *newKeyFlags) writeKey(s stdio, secret apikey.Secret, store func() (apikey.Key, string, error)) (err error) {
	out, err := f.output(s)
	if err != nil {
		return err
	}
	var key apikey.Key
	stored, written := false, false
	defer func() {
		closed := out.close(stored)
		if written && closed == nil || !stored {
			return
		}
		err = fmt.Errorf("the key %s, with the id %s, was created and could not be written: %s; revoke it with "+
			"`paymentd keys revoke %s`, and create another one", key.Name, key.ID, cause.Of(errors.Join(err, closed)), key.ID)
	}()
	key, sentence, err := store()
	switch {
	case errors.Is(err, ports.ErrInDoubt):
		return fmt.Errorf("%w; if `paymentd keys list` shows the key %s, revoke it and create another one", err, key.ID)
	case err != nil:
		return err
	}
	stored = true
	// Only the key goes to the standard output, for a pipe into a store of secrets.
	_, _ = fmt.Fprintf(s.stderr, "%s It is not shown again.\nRunning replicas accept it within about two seconds.\n", sentence)
	_, err = fmt.Fprintln(out.file, secret.Reveal())
	written = err == nil
	return err
}

// keyOutput receives a new key.
type keyOutput struct {
	file io.Writer
	// close closes a file that was created for the key, and removes it unless keep is true.
	close func(keep bool) error
}

// output opens the output before the key is created, because a key that cannot be written must be revoked.
func (f *newKeyFlags) output(s stdio) (keyOutput, error) {
	if f.Out == "" {
		if readableByOthers(s.stdout) {
			_, _ = fmt.Fprintln(s.stderr, "Other users may read the file that the key is written to: chmod 600 it, or use --out next time.")
		}
		return keyOutput{file: s.stdout, close: func(bool) error { return nil }}, nil
	}
	file, err := os.OpenFile(f.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return keyOutput{}, config.InvalidFlag("out", "%s exists already: name a new file", f.Out)
	case err != nil:
		return keyOutput{}, config.InvalidFlag("out", "%s cannot be created: %s", f.Out, cause.Of(err))
	}
	return keyOutput{file: file, close: func(keep bool) error {
		err := errors.Join(file.Sync(), file.Close())
		if !keep {
			return errors.Join(err, os.Remove(f.Out))
		}
		return err
	}}, nil
}

// readableByOthers reports whether w is a file that users other than its owner may read.
func readableByOthers(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0
}
