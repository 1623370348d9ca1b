package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"paymentd/app"
	"paymentd/app/config"
	"paymentd/core/apikey"
	"paymentd/ports"
)

type rotateKeyCommand struct {
	databaseFlags
	newKeyFlags

	Key     string `arg:"" name:"id-or-name" help:"Id or name of the key."`
	Overlap string `default:"24h" placeholder:"DURATION" help:"How long the old key stays valid: at most 90d, and not beyond its own expiry. 0s revokes it within seconds."`

	overlap time.Duration
}

// Help describes what changes.
func (rotateKeyCommand) Help() string {
	return "It creates a key with the name, the scopes and the limits of the old one, and prints it; the old one expires after the overlap. " +
		"From then on the name means the new key. A key that expires needs --expires for its successor.\n\n" +
		"Exit code 0: rotated. 1: there is no such key, it is revoked or was rotated before, or it could not be done. 2: the command line " +
		"or a setting is wrong, or --out names an existing file."
}

// Validate checks the settings. kong calls it.
func (c *rotateKeyCommand) Validate() (err error) {
	if c.Overlap != "0s" { // which parseDays refuses
		if c.overlap, err = parseDays(c.Overlap); err != nil || c.overlap > apikey.MaxOverlap {
			return config.InvalidFlag("overlap", "must be a duration from 0s to 90d, such as 24h")
		}
	}
	if err := c.parse(time.Now()); err != nil {
		return err
	}
	return c.databaseFlags.Validate()
}

func (c *rotateKeyCommand) Run(ctx context.Context, s stdio) error {
	next, secret := apikey.New("", nil)
	next.ExpiresAt, next.CreatedBy = c.expires, c.By
	return c.withPayments(ctx, s, func(r *app.Repository) error {
		return c.writeKey(s, secret, func() (apikey.Key, string, error) {
			before, after, err := r.Keys().Rotate(ctx, c.Key, next, c.overlap)
			switch {
			case errors.Is(err, apikey.ErrExpiryNeeded):
				err = config.InvalidFlag("expires", "is missing: the key expires, and its successor would not")
			case errors.Is(err, ports.ErrInDoubt):
				after = next
			}
			return after, fmt.Sprintf("The key %s. It takes the place of %s, which %s.", describeKey(after), before.ID,
				untilText(before.ExpiresAt, time.Now())), err
		})
	})
}

// untilText says until when a rotated key is valid.
func untilText(expires, now time.Time) string {
	if !expires.After(now) {
		return "is refused"
	}
	return "stays valid until " + moment(expires)
}
