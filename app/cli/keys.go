package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"text/tabwriter"
	"time"

	"paymentd/app"
	"paymentd/app/config"
	"paymentd/app/internal/cause"
	"paymentd/core/apikey"
	"paymentd/ports"
)

type keysCommand struct {
	Create createKeyCommand `cmd:"" help:"Create an API key and print it. It cannot be printed again, because only its hash is stored."`
	List   listKeysCommand  `cmd:"" help:"List the API keys: their names, scopes and times of last use."`
	Revoke revokeKeyCommand `cmd:"" help:"Revoke an API key. Every replica refuses it within five seconds."`
}

type createKeyCommand struct {
	databaseFlags

	Name   string `required:"" placeholder:"NAME" help:"Owner or purpose of the key: letters, digits, hyphens, dots and underscores. Only one active key may have a name."`
	Scopes string `required:"" placeholder:"SCOPE,..." help:"What the key permits: pay (charge orders and read single payments), capture (capture and void payments and read single payments), refund (refund payments and read single payments), read (list and read payments and metrics), admin (everything)."`
	To     string `placeholder:"FILE" help:"New file to write the key to, with mode 0600, instead of the standard output."`
}

// Validate checks the settings. kong calls it.
func (c *createKeyCommand) Validate() error {
	if _, err := apikey.ParseName(c.Name); err != nil {
		return config.InvalidFlag("name", "%s", err)
	}
	if _, err := apikey.ParseScopes(c.Scopes); err != nil {
		return config.InvalidFlag("scopes", "%s", err)
	}
	return c.databaseFlags.Validate()
}

func (c *createKeyCommand) Run(ctx context.Context, s stdio) error {
	scopes, err := apikey.ParseScopes(c.Scopes)
	if err != nil {
		return err
	}
	key, secret := apikey.New(apikey.Name(c.Name), scopes)
	return c.withPayments(ctx, s, func(r *app.Repository) (err error) {
		out, err := c.output(s)
		if err != nil {
			return err
		}
		stored, written := false, false
		defer func() {
			closed := out.close(stored)
			if written && closed == nil || !stored {
				return
			}
			err = fmt.Errorf("the key %s, with the id %s, was created and could not be written: %s; revoke it with "+
				"`paymentd keys revoke %s`, and create another one", key.Name, key.ID, cause.Of(errors.Join(err, closed)), key.ID)
		}()
		switch err := r.Keys().Create(ctx, key); {
		case errors.Is(err, ports.ErrInDoubt):
			return fmt.Errorf("%w; if `paymentd keys list` shows the key %s, revoke it and create another one", err, key.ID)
		case err != nil:
			return err
		}
		stored = true
		// Only the key goes to the standard output, for a pipe into a store of secrets.
		_, _ = fmt.Fprintf(s.stderr, "The key %s, with the id %s and the scopes %s. It is not shown again.\n"+
			"Running replicas accept it within about two seconds.\n", key.Name, key.ID, key.Scopes)
		_, err = fmt.Fprintln(out.file, secret.Reveal())
		written = err == nil
		return err
	})
}

// keyOutput receives a new key.
type keyOutput struct {
	file io.Writer
	// close closes a file that was created for the key, and removes it unless keep is true.
	close func(keep bool) error
}

// output opens the output before the key is created, because a key that cannot be written must be revoked.
func (c *createKeyCommand) output(s stdio) (keyOutput, error) {
	if c.To == "" {
		if readableByOthers(s.stdout) {
			_, _ = fmt.Fprintln(s.stderr, "Other users may read the file that the key is written to: chmod 600 it, or use --to next time.")
		}
		return keyOutput{file: s.stdout, close: func(bool) error { return nil }}, nil
	}
	file, err := os.OpenFile(c.To, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return keyOutput{}, config.InvalidFlag("to", "%s exists already: name a new file", c.To)
	case err != nil:
		return keyOutput{}, config.InvalidFlag("to", "%s cannot be created: %s", c.To, cause.Of(err))
	}
	return keyOutput{file: file, close: func(keep bool) error {
		err := errors.Join(file.Sync(), file.Close())
		if !keep {
			return errors.Join(err, os.Remove(c.To))
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

type listKeysCommand struct {
	databaseFlags

	Limit int `default:"1000" help:"How many keys to list at most, the newest first."`
}

// Validate checks the settings. kong calls it.
func (c *listKeysCommand) Validate() error {
	if c.Limit < 1 {
		return config.InvalidFlag("limit", "must be above zero")
	}
	return c.databaseFlags.Validate()
}

func (c *listKeysCommand) Run(ctx context.Context, s stdio) error {
	return c.withPayments(ctx, s, func(r *app.Repository) error {
		list, err := r.Keys().List(ctx, c.Limit)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "ID\tNAME\tSCOPES\tCREATED\tLAST USED\tREVOKED")
		for _, key := range list.Keys {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", key.ID, key.Name, key.Scopes,
				moment(key.CreatedAt), moment(key.LastUsedAt), moment(key.RevokedAt))
		}
		if err := w.Flush(); err != nil {
			return err
		}
		return printUnreadable(s, list.Unreadable)
	})
}

// moment formats a time that may be zero.
func moment(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return at.UTC().Format(time.RFC3339)
}

type revokeKeyCommand struct {
	databaseFlags

	Key string `arg:"" name:"id-or-name" help:"Id or name of the key."`
}

func (c *revokeKeyCommand) Run(ctx context.Context, s stdio) error {
	return c.withPayments(ctx, s, func(r *app.Repository) error {
		key, err := r.Keys().Revoke(ctx, c.Key)
		if errors.Is(err, ports.ErrKeyRevoked) {
			return fmt.Errorf("%w: %s, with the id %s, at %s", err, key.Name, key.ID, moment(key.RevokedAt))
		}
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(s.stdout, "%s, with the id %s, is revoked\n", key.Name, key.ID); err != nil {
			return err
		}
		if left, err := r.Keys().Active(ctx); err == nil && len(left.Keys) == 0 {
			_, err = fmt.Fprintln(s.stderr, "It was the last active key of the database: only the keys of the configuration are "+
				"accepted until another one is created with `paymentd keys create`.")
			return err
		}
		return nil
	})
}
