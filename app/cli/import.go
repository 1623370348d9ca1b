package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"paymentd/app"
	"paymentd/app/internal/cause"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

type importCommand struct {
	databaseFlags
	jsonFlag

	File    string `arg:"" help:"Charges of the gateway, one JSON object per line; - for the standard input."`
	By      string `env:"USER" default:"operator" help:"Your name; kept in the history of the added payments."`
	DryRun  bool   `help:"Only print what would be written."`
	Verbose bool   `help:"Print a line for each charge that is written or refused. By default, the first of them and the counts."`
	Quiet   bool   `help:"Show no progress."`
	keyFlags
	Overwrite []payment.OrderID `placeholder:"ORDER" help:"Order whose charge is written although another gateway key of it is in flight or in doubt and may have taken the money as well. May be repeated."`
}

// Help describes the file.
func (importCommand) Help() string {
	return "For use after a restore that lost the latest payments: each charge in the gateway's records that the database " +
		"lacks is written as succeeded, so that its order is not charged again. Stored payments are not changed. A charge " +
		"that conflicts with a stored payment is refused and listed: another amount, another transaction, or an order of " +
		"which another gateway key is in flight or in doubt and may have taken the money as well (--overwrite ORDER writes " +
		"it anyway). The command may be repeated, and may run while the service runs.\n\n" +
		"A line has the members of the sandbox's ledger:\n\n" +
		`{"key":"...","order_id":"order-1","amount":"1.00","currency":"USD",` + "\n\n" +
		`"status":"succeeded","transaction_id":"txn-1"}` + "\n\n" +
		"Lines with the status declined or failed are skipped; any other status is an error. Leave out charges that were " +
		"refunded if they may be charged again. Refunds are neither read nor changed: a refund that a restore lost is unknown to " +
		"the service, which would make it again.\n\n" +
		"Exit code 0: the database has every charge. 1: some charges were refused, or belong to orders whose rows cannot be " +
		"read, or the import did not finish. 2: the command line or a setting is wrong, or the list cannot be opened."
}

func (c *importCommand) Run(ctx context.Context, s stdio) error {
	charges, others, err := c.read()
	if err != nil {
		return err
	}
	return c.withPayments(ctx, s, func(r *app.Repository) error {
		line := newProgress(s.stderr, c.Quiet)
		i := importer{
			repository: r, dryRun: c.DryRun, missing: make(map[payment.OrderID]payment.Payment),
			report: importReport{out: s.stdout, asJSON: c.JSON, verbose: c.Verbose, line: line},
		}
		for n, charge := range charges {
			line.show("compared", n, float64(n)/float64(len(charges)))
			if err := i.add(ctx, charge); err != nil {
				line.end()
				return fmt.Errorf("order %s: %w", charge.OrderID, err)
			}
		}
		line.end()
		return i.summarize(others)
	})
}

// maxLine bounds a line of the list, in bytes.
const maxLine = 64 << 10

// read reads the whole list before anything is written, so that an unreadable list changes nothing. others is
// the number of charges that took no money.
func (c *importCommand) read() (charges []payment.Import, others int, err error) {
	file := os.Stdin
	if c.File != "-" {
		if file, err = os.Open(c.File); err != nil {
			return nil, 0, &argumentError{fmt.Sprintf("the list %s cannot be read: %s", c.File, cause.Of(err))}
		}
		defer func() { _ = file.Close() }() // it was only read
		if info, err := file.Stat(); err == nil && info.IsDir() {
			return nil, 0, &argumentError{fmt.Sprintf("the list %s cannot be read: it is a folder", c.File)}
		}
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxLine)
	number, seen := 0, make(orderOfCharge)
	for lines.Scan() {
		number++
		charge, succeeded, err := c.parse(lines.Bytes())
		if err == nil && succeeded {
			err = seen.add(charge)
		}
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
		return nil, 0, fmt.Errorf("the list %s cannot be read: %s", c.File, cause.Of(err))
	}
	return charges, others, nil
}

// listError is a line that cannot be imported. It hides the type of its cause, because a wrong field in the list
// is not a wrong setting.
type listError struct {
	line    int
	problem string
}

// Error names the line.
func (e *listError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.problem) }

// parse parses a line, and reports whether its charge took money.
func (c *importCommand) parse(line []byte) (charge payment.Import, succeeded bool, err error) {
	l, err := readListLine(line)
	if err != nil {
		return charge, false, err
	}
	switch l.Status {
	case "succeeded":
	case "declined", "failed":
		return charge, false, nil
	case "":
		return charge, false, errors.New("has no status: use succeeded if the money was taken, and declined if not")
	default: // such as "captured", which means that money was taken
		return charge, false, fmt.Errorf(
			"the status %.40q is not known: use succeeded if the money was taken, and declined if not", l.Status)
	}
	charge = payment.Import{TransactionID: l.TransactionID, By: c.By, Rules: c.rules(), Worker: time.Now()}
	charge.Key = payment.GatewayKey(l.Key)
	if charge.OrderID, err = payment.ParseOrderID(l.OrderID); err != nil {
		return charge, false, err
	}
	if l.OrderID == "." || l.OrderID == ".." {
		return charge, false, errors.New("order_id must not be . or .., which the service accepts for no order")
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

// importer adds the gateway's charges to the database, and counts the results.
type importer struct {
	repository *app.Repository
	report     importReport
	dryRun     bool
	missing    map[payment.OrderID]payment.Payment // in a dry run, the payments that would have been added

	written, known, refused, unreadable int
}

func (i *importer) add(ctx context.Context, charge payment.Import) error {
	add := core.Import
	if i.dryRun {
		add = i.simulate
	}
	written, err := add(ctx, i.repository, charge)
	if refusal, ok := errors.AsType[*payment.ImportRefusedError](err); ok {
		i.refused++
		return i.report.charge("refused", charge, refusal.Why)
	}
	if damaged, ok := errors.AsType[*payment.StoredRowError](err); ok {
		i.unreadable++
		return i.report.charge("unreadable", charge, damaged.Error())
	}
	if err != nil {
		return err
	}
	if !written {
		i.known++
		return nil
	}
	i.written++
	return i.report.charge(i.verb(), charge, "")
}

// simulate returns what core.Import would return, including the effect of the earlier lines, so that a dry run
// finds two charges for one order.
func (i *importer) simulate(ctx context.Context, stored ports.Payments, charge payment.Import) (bool, error) {
	now := time.Now()
	if before, added := i.missing[charge.OrderID]; added {
		d, err := charge.Apply(before, now)
		return d.Write, err
	}
	missing, err := core.WouldImport(ctx, stored, charge)
	if err != nil || !missing {
		return false, err
	}
	d, err := charge.Apply(charge.Open(now), now)
	i.missing[charge.OrderID] = d.Payment
	return d.Write, err
}

func (i *importer) verb() string {
	if i.dryRun {
		return "missing"
	}
	return "added"
}

// summarize prints the counts, and returns an error if a charge was not added.
func (i *importer) summarize(others int) error {
	err := i.report.summarize(i, others)
	if err == nil && i.unreadable > 0 {
		err = fmt.Errorf("%d charges belong to orders whose stored rows cannot be read: repair the rows, and run the command again", i.unreadable)
	}
	if i.refused > 0 {
		return errors.Join(err, fmt.Errorf("%d charges conflict with stored payments: compare each of them with the gateway", i.refused))
	}
	return err
}
