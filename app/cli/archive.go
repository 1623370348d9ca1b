package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"paymentd/app"
	"paymentd/app/config"
	"paymentd/core/payment"
	"paymentd/ports"
)

type archiveCommand struct {
	databaseFlags
	jsonFlag

	OlderThan time.Duration `default:"8760h" help:"Minimum age of the final state."`
	To        string        `required:"" placeholder:"FILE" help:"File for the histories, one JSON object per line: a new file, created with mode 0600, or an archive, which is appended to. No other file is changed."`
	DryRun    bool          `help:"Only print how many histories would be moved, and check the file."`
	Quiet     bool          `help:"Show no progress."`
	By        string        `env:"USER" default:"operator" help:"Your name; kept in the history of each payment."`
}

// Help describes what is moved and what stays.
func (archiveCommand) Help() string {
	return "Moves the earlier attempts and the events of final payments out of the database. The payments stay, because " +
		"they prevent a second charge. A payment shows that its history was archived; later entries continue its numbering. " +
		"Captures, voids and refunds stay as they are, with their own attempts and events; while one is in flight or in doubt, the " +
		"history of its payment stays as well.\n\n" +
		"A line is durable in the file before anything is deleted. After a crash, run the command again with the same file: " +
		"no line is lost, but a line may occur twice. The service may run at the same time.\n\n" +
		"Exit code 0: every history that is old enough is archived. 1: the file is in use by another run, or cannot be written, or the " +
		"database cannot be read. 2: the command line or a setting is wrong, or --to names something else than a new file or an archive."
}

// Validate checks the settings. kong calls it.
func (c *archiveCommand) Validate() error {
	if c.OlderThan < 0 {
		return config.InvalidFlag("older-than", "must not be negative")
	}
	return c.databaseFlags.Validate()
}

// archiveBatch is the number of payments that share a flush of the file.
const archiveBatch = 200

func (c *archiveCommand) Run(ctx context.Context, s stdio) error {
	file, err := openArchive(c.To)
	if err != nil {
		return err
	}
	defer func() { _ = file.close() }() // the lines were synced
	return c.withPayments(ctx, s, func(r *app.Repository) error {
		if c.DryRun {
			return c.count(ctx, s, r)
		}
		line := newProgress(s.stderr, c.Quiet)
		done, err := c.archive(ctx, r, file, line)
		line.end()
		if c.JSON {
			return errors.Join(err, done.json(s.stdout, false))
		}
		_, printErr := fmt.Fprintf(s.stdout, "%d archived, %d left for the next run because they changed during this run\n", done.archived, done.left)
		return errors.Join(err, printErr, printUnreadable(s, done.unreadable))
	})
}

// count prints how many histories would be moved.
func (c *archiveCommand) count(ctx context.Context, s stdio, r ports.Payments) error {
	line := newProgress(s.stderr, c.Quiet)
	defer line.end()
	var done archiveRun
	q := ports.ArchiveQuery{Age: c.OlderThan, Limit: archiveBatch}
	for {
		page, err := r.Archivable(ctx, q)
		if err != nil {
			return err
		}
		done.archived += len(page.Histories)
		done.unreadable = append(done.unreadable, page.Unreadable...)
		line.show("counted", done.archived, -1)
		if page.Next == "" {
			line.end()
			if c.JSON {
				return done.json(s.stdout, true)
			}
			_, err := fmt.Fprintf(s.stdout, "%d would be archived\n", done.archived)
			return errors.Join(err, printUnreadable(s, done.unreadable))
		}
		q.After = page.Next
	}
}

// archiveRun holds the results of a run.
type archiveRun struct {
	archived, left int
	unreadable     []*payment.StoredRowError
}

// json prints the results as JSON.
func (r archiveRun) json(w io.Writer, dryRun bool) error {
	return writeJSON(w, struct {
		DryRun     bool     `json:"dry_run"`
		Archived   int      `json:"archived"`
		Left       int      `json:"left"`
		Unreadable []string `json:"unreadable"`
	}{dryRun, r.archived, r.left, unreadableJSON(r.unreadable)})
}

// archive writes batches to the file, and deletes each from the database once it is durable.
func (c *archiveCommand) archive(ctx context.Context, r ports.Payments, file *archiveFile, line *progress) (done archiveRun, err error) {
	q := ports.ArchiveQuery{Age: c.OlderThan, Limit: archiveBatch}
	for {
		page, err := r.Archivable(ctx, q)
		if err != nil {
			return done, err
		}
		done.unreadable = append(done.unreadable, page.Unreadable...)
		if err := file.add(page.Histories); err != nil {
			return done, err
		}
		for _, h := range page.Histories {
			line.show("archived", done.archived, -1)
			err := r.Archive(ctx, h.Payment.Archival(c.By))
			damaged, isDamaged := errors.AsType[*payment.StoredRowError](err)
			switch {
			case isDamaged: // after it was read
				done.unreadable = append(done.unreadable, damaged)
			case errors.Is(err, payment.ErrNotArchived):
				done.left++
			case err != nil:
				return done, err
			default:
				done.archived++
			}
		}
		if page.Next == "" {
			return done, nil
		}
		q.After = page.Next
	}
}

// The members of a line. Times are those of the database's clock.
type (
	archivedPayment struct {
		OrderID       string            `json:"order_id"`
		Amount        string            `json:"amount"`
		Currency      string            `json:"currency"`
		State         string            `json:"state"`
		GatewayKey    string            `json:"gateway_key"`
		TransactionID string            `json:"transaction_id,omitempty"`
		Code          string            `json:"code,omitempty"`
		Reason        string            `json:"reason,omitempty"`
		CreatedAt     time.Time         `json:"created_at"`
		UpdatedAt     time.Time         `json:"updated_at"`
		Attempts      []archivedAttempt `json:"attempts"`
		Events        []archivedEvent   `json:"events"`
	}
	archivedAttempt struct {
		Number     int       `json:"number"`
		Fence      int64     `json:"fence"`
		Replica    string    `json:"replica"`
		GatewayKey string    `json:"gateway_key"`
		StartedAt  time.Time `json:"started_at"`
		EndedAt    time.Time `json:"ended_at,omitzero"`
		Class      string    `json:"class,omitempty"`
		Code       string    `json:"code,omitempty"`
		Message    string    `json:"message,omitempty"`
	}
	archivedEvent struct {
		Number  int       `json:"number"`
		Kind    string    `json:"kind"`
		At      time.Time `json:"at"`
		Replica string    `json:"replica"`
		Fence   int64     `json:"fence"`
		Detail  string    `json:"detail,omitempty"`
	}
)

func archiveLine(h ports.History) archivedPayment {
	p := h.Payment
	line := archivedPayment{
		OrderID: p.OrderID.String(), Amount: p.Money.Decimal(), Currency: p.Money.Currency().Code(),
		State: string(p.State), GatewayKey: string(p.GatewayKey), TransactionID: p.TransactionID,
		Code: p.Code, Reason: p.Reason, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
		Attempts: []archivedAttempt{}, Events: []archivedEvent{},
	}
	for _, a := range h.Attempts {
		line.Attempts = append(line.Attempts, archivedAttempt{
			Number: a.Number, Fence: a.Fence, Replica: a.Replica, GatewayKey: string(a.GatewayKey),
			StartedAt: a.StartedAt, EndedAt: a.EndedAt, Class: string(a.Class), Code: a.Code, Message: a.Message,
		})
	}
	for _, e := range h.Events {
		line.Events = append(line.Events, archivedEvent{
			Number: e.Number, Kind: string(e.Kind), At: e.At, Replica: e.Replica, Fence: e.Fence, Detail: e.Detail,
		})
	}
	return line
}
