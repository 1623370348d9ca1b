package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"text/tabwriter"
	"time"

	"paymentd/core/apikey"
	"paymentd/ports"
)

type keysCommand struct {
	Create createKeyCommand `cmd:"" help:"Make an API key, and print it: this once, as only its hash is stored."`
	List   listKeysCommand  `cmd:"" help:"List the API keys: whose they are, what they may do, and when they were last used."`
	Revoke revokeKeyCommand `cmd:"" help:"Revoke an API key. Every replica refuses it within five seconds."`
}

type createKeyCommand struct {
	databaseFlag

	Name   string `required:"" placeholder:"NAME" help:"Whose key it is, or what for: letters, digits, hyphens, dots and underscores. One active key has it at a time."`
	Scopes string `required:"" placeholder:"SCOPE,..." help:"What it may be used for: pay (charge orders, and look at payments), read (list payments, look at them, and read the metrics), admin (everything)."`
	To     string `placeholder:"FILE" help:"File to write the key to, in place of the standard output: a new one, made with mode 0600."`
}

// Validate checks the settings. Kong calls it.
func (c *createKeyCommand) Validate() error {
	if _, err := apikey.ParseName(c.Name); err != nil {
		return &settingError{flag: "name", problem: err.Error()}
	}
	if _, err := apikey.ParseScopes(c.Scopes); err != nil {
		return &settingError{flag: "scopes", problem: err.Error()}
	}
	return c.databaseFlag.Validate()
}

func (c *createKeyCommand) Run(ctx context.Context, p process) error {
	scopes, err := apikey.ParseScopes(c.Scopes)
	if err != nil {
		return err
	}
	key, secret := apikey.New(apikey.Name(c.Name), scopes)
	return c.withPayments(ctx, p, func(r *Repository) (err error) {
		out, err := c.output(p)
		if err != nil {
			return err
		}
		stored, written := false, false
		defer func() {
			closed := out.close(stored)
			if written && closed == nil || !stored {
				return
			}
			err = fmt.Errorf("the key %s, with the id %s, was made, and could not be written: %s; revoke it with "+
				"`paymentd keys revoke %s`, and make another one", key.Name, key.ID, cause(errors.Join(err, closed)), key.ID)
		}()
		switch err := r.Keys().Create(ctx, key); {
		case errors.Is(err, ports.ErrInDoubt):
			return fmt.Errorf("%w; see `paymentd keys list` whether the key %s is there, revoke it, and make another one",
				err, key.ID)
		case err != nil:
			return err
		}
		stored = true
		// The key alone goes to the standard output, for a pipe into whatever keeps secrets.
		_, _ = fmt.Fprintf(p.stderr, "The key %s, with the id %s and the scopes %s. It is shown this once.\n"+
			"Replicas that run take it within two seconds or so.\n", key.Name, key.ID, key.Scopes)
		_, err = fmt.Fprintln(out.file, secret.Reveal())
		written = err == nil
		return err
	})
}

// keyOutput is where a key is written.
type keyOutput struct {
	file io.Writer
	// close keeps a file that was made for the key, or takes it away.
	close func(keep bool) error
}

// output opens what gets the key, before there is one: a key that nobody has would have to be revoked.
func (c *createKeyCommand) output(p process) (keyOutput, error) {
	if c.To == "" {
		if readableByOthers(p.stdout) {
			_, _ = fmt.Fprintln(p.stderr, "Other users may read the file that gets the key: chmod 600 it, or use --to next time.")
		}
		return keyOutput{file: p.stdout, close: func(bool) error { return nil }}, nil
	}
	file, err := os.OpenFile(c.To, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return keyOutput{}, toSetting("%s is there already: name a new file", c.To)
	case err != nil:
		return keyOutput{}, toSetting("%s cannot be made: %s", c.To, cause(err))
	}
	return keyOutput{file: file, close: func(keep bool) error {
		err := errors.Join(file.Sync(), file.Close())
		if !keep {
			return errors.Join(err, os.Remove(c.To))
		}
		return err
	}}, nil
}

// readableByOthers reports whether w is a file that more than its owner may read.
func readableByOthers(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0
}

type listKeysCommand struct {
	databaseFlag

	Limit int `default:"1000" help:"How many to list at most, the newest first."`
}

// Validate checks the settings. Kong calls it.
func (c *listKeysCommand) Validate() error {
	if c.Limit < 1 {
		return &settingError{flag: "limit", problem: "must be above zero"}
	}
	return c.databaseFlag.Validate()
}

func (c *listKeysCommand) Run(ctx context.Context, p process) error {
	return c.withPayments(ctx, p, func(r *Repository) error {
		list, err := r.Keys().List(ctx, c.Limit)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "ID\tNAME\tSCOPES\tCREATED\tLAST USED\tREVOKED")
		for _, key := range list.Keys {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", key.ID, key.Name, key.Scopes,
				moment(key.CreatedAt), moment(key.LastUsedAt), moment(key.RevokedAt))
		}
		if err := w.Flush(); err != nil {
			return err
		}
		return printUnreadable(p, list.Unreadable)
	})
}

func moment(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return at.UTC().Format(time.RFC3339)
}

type revokeKeyCommand struct {
	databaseFlag

	Key string `arg:"" name:"id-or-name" help:"The key's id, or its name."`
}

func (c *revokeKeyCommand) Run(ctx context.Context, p process) error {
	return c.withPayments(ctx, p, func(r *Repository) error {
		key, err := r.Keys().Revoke(ctx, c.Key)
		if errors.Is(err, ports.ErrKeyRevoked) {
			return fmt.Errorf("%w: %s, with the id %s, at %s", err, key.Name, key.ID, moment(key.RevokedAt))
		}
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(p.stdout, "%s, with the id %s, is revoked\n", key.Name, key.ID); err != nil {
			return err
		}
		if left, err := r.Keys().Active(ctx); err == nil && len(left.Keys) == 0 {
			_, err = fmt.Fprintln(p.stderr, "It was the last active key of the database: callers are served with keys of the "+
				"configuration only, until one is made with `paymentd keys create`.")
			return err
		}
		return nil
	})
}
