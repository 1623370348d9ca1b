package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

type importCommand struct {
	databaseFlag

	File   string `arg:"" help:"The gateway's charges, a JSON object a line; - for the standard input."`
	By     string `env:"USER" default:"operator" help:"Who has the list; kept in the history of the payments that it adds."`
	DryRun bool   `help:"Only say what would be written."`
	keyFlags
	Overwrite []payment.OrderID `placeholder:"ORDER" help:"An order whose charge is written although another gateway key of it is in flight or in doubt, and may have taken the money as well. May be given several times."`
}

// Help tells of the file.
func (importCommand) Help() string {
	return "For after a restore that has lost the latest payments: each charge of the gateway's books that the table lacks " +
		"is written as succeeded, so that its order is not charged again. What the table has is left as it is, and what does " +
		"not go with it is refused and listed: another amount, another transaction, or an order of which another gateway key is in " +
		"flight or in doubt and may have taken the money as well (--overwrite ORDER writes it all the same). It may be run again, and while the service runs.\n\n" +
		"A line has the members of the sandbox's ledger:\n\n" +
		`{"key":"...","order_id":"order-1","amount":"1.00","currency":"USD",` + "\n\n" +
		`"status":"succeeded","transaction_id":"txn-1"}` + "\n\n" +
		"Lines with the status declined or failed are passed over, and any other is an error. Leave out charges that were refunded so that they may be " +
		"made again.\n\nExit code 0: the table has every charge. 1: some were refused, or are of orders whose rows cannot be read, or it was not done to the end."
}

func (c *importCommand) Run(ctx context.Context, p process) error {
	charges, others, err := c.read()
	if err != nil {
		return err
	}
	return c.withPayments(ctx, p, func(r *Repository) error {
		books := bookkeeper{repository: r, out: p.stdout, dryRun: c.DryRun, missing: make(map[payment.OrderID]payment.Payment)}
		for _, charge := range charges {
			if err := books.enter(ctx, charge); err != nil {
				return fmt.Errorf("order %s: %w", charge.OrderID, err)
			}
		}
		return books.close(others)
	})
}

// maxLine bounds a line of the list, in bytes.
const maxLine = 64 << 10

// read reads the whole list before anything is written: one that cannot be read changes nothing.
func (c *importCommand) read() (charges []payment.Import, others int, err error) {
	file := os.Stdin
	if c.File != "-" {
		if file, err = os.Open(c.File); err != nil {
			return nil, 0, &argumentError{fmt.Sprintf("the list %s cannot be read: %s", c.File, cause(err))}
		}
		defer func() { _ = file.Close() }() // it was only read
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxLine)
	number := 0
	for lines.Scan() {
		number++
		charge, succeeded, err := c.parse(lines.Bytes())
		switch {
		case err != nil:
			return nil, 0, &listError{line: number, problem: err.Error()}
		case !succeeded:
			others++
		default:
			charges = append(charges, charge)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, 0, &listError{line: number + 1, problem: fmt.Sprintf("has more than %d bytes; a line must have one charge", maxLine)}
	case err != nil:
		return nil, 0, fmt.Errorf("the list %s cannot be read: %s", c.File, cause(err))
	}
	return charges, others, nil
}

// listError is a line that cannot be imported. It is no wrong setting, whatever is wrong in the line.
type listError struct {
	line    int
	problem string
}

// Error names the line.
func (e *listError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.problem) }

// parse reads a line, and reports whether it is of a charge that took money.
func (c *importCommand) parse(line []byte) (charge payment.Import, succeeded bool, err error) {
	var l struct {
		Key           string `json:"key"`
		OrderID       string `json:"order_id"`
		Amount        string `json:"amount"`
		Currency      string `json:"currency"`
		Status        string `json:"status"`
		TransactionID string `json:"transaction_id"`
	}
	if err := json.Unmarshal(line, &l); err != nil {
		return charge, false, errors.New("must be a JSON object of one charge, all of whose members are texts")
	}
	switch l.Status {
	case "succeeded":
	case "declined", "failed":
		return charge, false, nil
	case "":
		return charge, false, errors.New("has no status: say succeeded where the money was taken, and declined where not")
	default: // such as "captured", which is money that was taken: it must not be passed over in silence
		return charge, false, fmt.Errorf(
			"the status %.40q is not known: say succeeded where the money was taken, and declined where not", l.Status)
	}
	charge = payment.Import{TransactionID: l.TransactionID, By: c.By, Rules: c.rules(), Worker: time.Now()}
	charge.Key = payment.GatewayKey(l.Key)
	if charge.OrderID, err = payment.ParseOrderID(l.OrderID); err != nil {
		return charge, false, err
	}
	currency, err := payment.ParseRecordedCurrency(l.Currency)
	if err != nil {
		return charge, false, err
	}
	if charge.Money, err = payment.ParseMoney(l.Amount, currency); err != nil {
		return charge, false, err
	}
	charge.Overwrite = slices.Contains(c.Overwrite, charge.OrderID)
	return charge, true, charge.Check()
}

// bookkeeper brings the gateway's charges into the table, and counts.
type bookkeeper struct {
	repository *Repository
	out        io.Writer
	dryRun     bool
	missing    map[payment.OrderID]payment.Payment // of a dry run: as they would be in the table

	written, known, refused, unreadable int
}

func (b *bookkeeper) enter(ctx context.Context, charge payment.Import) error {
	enter := core.Import
	if b.dryRun {
		enter = b.would
	}
	written, err := enter(ctx, b.repository, charge)
	if refusal, ok := errors.AsType[*payment.ImportRefusedError](err); ok {
		b.refused++
		_, err := fmt.Fprintf(b.out, "refused\t%s\t%s\t%s\n", charge.OrderID, charge.TransactionID, refusal.Why)
		return err
	}
	if damaged, ok := errors.AsType[*payment.StoredRowError](err); ok {
		b.unreadable++
		_, err := fmt.Fprintf(b.out, "unreadable\t%s\t%s\t%s\n", charge.OrderID, charge.TransactionID, damaged)
		return err
	}
	if err != nil {
		return err
	}
	if !written {
		b.known++
		return nil
	}
	b.written++
	_, err = fmt.Fprintf(b.out, "%s\t%s\t%s\t%s\n", b.verb(), charge.OrderID, charge.TransactionID, charge.Money)
	return err
}

// would says what an import would do, which knows what the lines before have written: two charges for
// one order are what a dry run is there to find.
func (b *bookkeeper) would(ctx context.Context, stored ports.Payments, charge payment.Import) (bool, error) {
	now := time.Now()
	if before, entered := b.missing[charge.OrderID]; entered {
		d, err := charge.Apply(before, now)
		return d.Write, err
	}
	missing, err := core.WouldImport(ctx, stored, charge)
	if err != nil || !missing {
		return false, err
	}
	d, err := charge.Apply(charge.Open(now), now)
	b.missing[charge.OrderID] = d.Payment
	return d.Write, err
}

func (b *bookkeeper) verb() string {
	if b.dryRun {
		return "missing"
	}
	return "added"
}

// close says what became of the list.
func (b *bookkeeper) close(others int) error {
	_, err := fmt.Fprintf(b.out, "%d %s, %d known, %d refused, %d lines of charges that took no money\n",
		b.written, b.verb(), b.known, b.refused, others)
	if err == nil && b.unreadable > 0 {
		err = fmt.Errorf("%d charges are of orders whose stored rows cannot be read: repair those, and run it again", b.unreadable)
	}
	if b.refused > 0 {
		return errors.Join(err, fmt.Errorf("%d charges do not go with what is stored: look at each of them with the gateway", b.refused))
	}
	return err
}
