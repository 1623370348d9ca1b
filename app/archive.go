package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

type archiveCommand struct {
	databaseFlag

	OlderThan time.Duration `default:"8760h" help:"Payments that came to an end longer ago than this."`
	To        string        `required:"" placeholder:"FILE" help:"File to which the histories are added, a JSON object a line."`
	By        string        `env:"USER" default:"operator" help:"Who does it; kept in the history of each payment."`
}

// Help says what leaves and what stays.
func (archiveCommand) Help() string {
	return "Moves the earlier attempts and the events of payments with an end out of the database. The payments stay: they are " +
		"what makes a charge one. A payment whose history has left says so, and numbers go on.\n\n" +
		"A line is in the file, and on the disk, before anything is deleted. After a crash, run it again with the same file: " +
		"no line is lost, and a line may be there twice. The service may run meanwhile."
}

// Validate checks the settings. Kong calls it.
func (c *archiveCommand) Validate() error {
	if c.OlderThan < 0 {
		return &settingError{flag: "older-than", problem: "must not be negative"}
	}
	return c.databaseFlag.Validate()
}

// archiveBatch is how many payments share a flush of the file.
const archiveBatch = 200

func (c *archiveCommand) Run(ctx context.Context, p process) error {
	return c.withPayments(ctx, p, func(r *Repository) (err error) {
		file, err := openArchive(c.To)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		archived, left, err := c.archive(ctx, r, file)
		_, printErr := fmt.Fprintf(p.stdout, "%d archived, %d left for the next run: they changed meanwhile\n", archived, left)
		return errors.Join(err, printErr)
	})
}

// archive writes a batch, and deletes it when it is on the disk, until there is none.
func (c *archiveCommand) archive(ctx context.Context, r ports.Payments, file *archiveFile) (archived, left int, err error) {
	q := ports.ArchiveQuery{Age: c.OlderThan, Limit: archiveBatch}
	for {
		page, err := r.Archivable(ctx, q)
		if err != nil {
			return archived, left, err
		}
		if err := file.add(page.Histories); err != nil {
			return archived, left, err
		}
		for _, h := range page.Histories {
			switch err := r.Archive(ctx, h.Payment.Archival(c.By)); {
			case errors.Is(err, payment.ErrNotArchived):
				left++
			case err != nil:
				return archived, left, err
			default:
				archived++
			}
		}
		if page.Next == "" {
			return archived, left, nil
		}
		q.After = page.Next
	}
}

// archiveFile is only ever added to.
type archiveFile struct{ *os.File }

// openArchive opens or makes the file, locks it against a second run, and cuts off a line that a
// crash has torn: what it was of is still in the database.
func openArchive(path string) (*archiveFile, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600) //nolint:gosec // the operator names it
	if err != nil {
		return nil, fmt.Errorf("open the archive: %w", err)
	}
	a := &archiveFile{file}
	if err := a.prepare(path); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return a, nil
}

func (a *archiveFile) prepare(path string) error {
	if err := syscall.Flock(int(a.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("lock the archive %s, which another run may hold: %w", path, err)
	}
	if err := a.cutTornLine(); err != nil {
		return fmt.Errorf("cut the archive's last line: %w", err)
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("open the archive's folder: %w", err)
	}
	if err := errors.Join(a.Sync(), folder.Sync(), folder.Close()); err != nil { // its name, too, is to last
		return fmt.Errorf("sync the archive: %w", err)
	}
	return nil
}

func (a *archiveFile) cutTornLine() error {
	info, err := a.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	for end := size; end > 0; {
		chunk := make([]byte, min(end, maxLine))
		if _, err := a.ReadAt(chunk, end-int64(len(chunk))); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if newline := bytes.LastIndexByte(chunk, '\n'); newline >= 0 {
			return a.Truncate(end - int64(len(chunk)) + int64(newline) + 1)
		}
		end -= int64(len(chunk))
	}
	return a.Truncate(0)
}

// add writes a line for each history, and returns when they are on the disk.
func (a *archiveFile) add(histories []ports.History) error {
	if len(histories) == 0 {
		return nil
	}
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	encoder.SetEscapeHTML(false)
	for _, h := range histories {
		if err := encoder.Encode(archiveLine(h)); err != nil {
			return fmt.Errorf("write the archive: %w", err)
		}
	}
	if _, err := a.Write(lines.Bytes()); err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	if err := a.Sync(); err != nil {
		return fmt.Errorf("sync the archive: %w", err)
	}
	return nil
}

// The members of a line: all that is stored of the payment for people. Times are the database's.
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
