package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"paymentd/app"
	"paymentd/core/apikey"
	"paymentd/ports"
)

type revokeKeyCommand struct {
	databaseFlags
	jsonFlag

	Key string `arg:"" name:"id-or-name" help:"Id or name of the key."`
	By  string `env:"USER" default:"operator" help:"Your name; stored with the key."`
}

// Help describes the exit codes.
func (revokeKeyCommand) Help() string {
	return "Of a key that was rotated, the name means the successor; the id revokes the old one before it expires.\n\n" +
		"Exit code 0: revoked. 1: there is no such key, or it is revoked already. 2: the command line or a setting is wrong."
}

func (c *revokeKeyCommand) Run(ctx context.Context, s stdio) error {
	return c.withPayments(ctx, s, func(r *app.Repository) error {
		key, err := r.Keys().Revoke(ctx, c.Key, c.By)
		if errors.Is(err, ports.ErrKeyRevoked) {
			return fmt.Errorf("%w: %s, with the id %s, at %s", err, key.Name, key.ID, momentBy(key.RevokedAt, key.RevokedBy))
		}
		if err != nil {
			return err
		}
		if c.JSON {
			err = writeJSON(s.stdout, keyOf(key))
		} else {
			_, err = fmt.Fprintf(s.stdout, "%s, with the id %s, is revoked\n", key.Name, key.ID)
		}
		if err != nil {
			return err
		}
		left, err := r.Keys().Active(ctx)
		if err != nil {
			return nil //nolint:nilerr // the key is revoked; only the hint is missing
		}
		return hintAfterRevoke(s, key, left, time.Now())
	})
}

// hintAfterRevoke prints what is left of the keys if that is not obvious.
func hintAfterRevoke(s stdio, revoked apikey.Key, left ports.ActiveKeys, now time.Time) error {
	if left.Accepted(now) == 0 {
		_, err := fmt.Fprintln(s.stderr, "It was the last active key of the database: only the keys of the configuration are "+
			"accepted until another one is created with `paymentd keys create`.")
		return err
	}
	for _, key := range left.Keys {
		if key.Name == revoked.Name && key.Accepted(now) {
			_, err := fmt.Fprintf(s.stderr, "Another key of this name, with the id %s, is accepted until %s: `paymentd keys revoke %s` revokes it.\n",
				key.ID, moment(key.ExpiresAt), key.ID)
			if err != nil {
				return err
			}
		}
	}
	return nil
}
