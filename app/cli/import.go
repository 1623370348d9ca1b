package cli

import (
	"cmp"
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
)

type importCommand struct {
	databaseFlags
	jsonFlag

	File    string `arg:"" help:"Charges and other operations of the gateway, one JSON object per line; - for the standard input."`
	By      string `env:"USER" default:"operator" help:"Your name; kept in the history of the added payments."`
	DryRun  bool   `help:"Only print what would be written."`
	Verbose bool   `help:"Print a line for each charge that is written or refused. By default, the first of them and the counts."`
	Quiet   bool   `help:"Show no progress."`
	keyFlags
	Overwrite []payment.OrderID `placeholder:"ORDER" help:"Order whose charge or other operation is written although another gateway key of it is in flight or in doubt and may have taken the money as well. May be repeated."`
}

// Help describes the file.
func (importCommand) Help() string {
	return "For use after a restore that lost the latest payments: each charge, capture, void and refund in the gateway's " +
		"records that the database lacks is written as succeeded, so that it is not made again. What is stored as succeeded is not " +
		"changed. What conflicts with the database is refused and listed: another amount, another transaction, a refund of more than " +
		"is left, or an operation of which another gateway key is in flight or in doubt and may have moved the money as well " +
		"(--overwrite ORDER writes it anyway). The command may be repeated, and may run while the service runs.\n\n" +
		"A line has the members of the sandbox's ledger, which can be imported as it is:\n\n" +
		`{"key":"...","order_id":"order-1","amount":"1.00","currency":"USD",` + "\n\n" +
		`"status":"succeeded","transaction_id":"txn-1"}` + "\n\n" +
		`{"kind":"refund","refund_id":"r-1","charge_key":"...","key":"...",` + "\n\n" +
		`"order_id":"order-1","amount":"0.50","currency":"USD",` + "\n\n" +
		`"status":"succeeded","transaction_id":"refund-1"}` + "\n\n" +
		"The kind is charge (the default), capture, void or refund. charge_key, the key of the charge, may be left out. A refund of " +
		"which the database has the key needs no refund_id; any other does, and is refused without it. Lines with the status declined or " +
		"failed are skipped. A charge may also be authorized, which is imported as held, and a refund returned. What is pending is " +
		"refused until the gateway has decided; any other status is an error. Leave out charges that were " +
		"refunded if they may be charged again.\n\n" +
		"Exit code 0: the database has every charge and other operation. 1: some were refused, or belong to orders whose rows cannot be " +
		"read, or the import did not finish. 2: the command line or a setting is wrong, or the list cannot be opened."
}

func (c *importCommand) Run(ctx context.Context, s stdio) error {
	all, others, err := c.read()
	if err != nil {
		return err
	}
	return c.withPayments(ctx, s, func(r *app.Repository) error {
		line := newProgress(s.stderr, c.Quiet)
		i := importer{
			repository: r, dryRun: c.DryRun, rehearsal: core.NewRehearsal(r),
			report: importReport{out: s.stdout, asJSON: c.JSON, verbose: c.Verbose, line: line},
		}
		for n, item := range all {
			line.show("compared", n, float64(n)/float64(len(all)))
			if err := i.add(ctx, item); err != nil {
				line.end()
				return fmt.Errorf("order %s: %w", item.OrderID, err)
			}
		}
		line.end()
		return i.summarize(others)
	})
}

// read reads the whole list before anything is written, so that an unreadable list changes nothing. others is
// the number of lines without anything to add.
func (c *importCommand) read() (all []listed, others int, err error) {
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
	return readGatewayList(c.File, file, c.parse)
}

// parse checks a line, and reports whether its operation may have moved money.
func (c *importCommand) parse(l listLine) (item listed, moved bool, err error) {
	operation, err := l.operation()
	if err != nil {
		return item, false, err
	}
	item = listed{status: l.Status, Import: payment.Import{TransactionID: l.TransactionID, By: c.By, Rules: c.rules(), Worker: time.Now()}}
	item.Operation, item.Key, item.Of.Key = operation, payment.GatewayKey(l.Key), payment.GatewayKey(l.ChargeKey)
	if item.Capture, err = payment.ParseCaptureMode(l.Capture); err != nil {
		return item, false, err
	}
	if moved, err = item.parseStatus(l); !moved || err != nil {
		return item, false, err
	}
	if item.OrderID, err = payment.ParseOrderID(l.OrderID); err != nil {
		return item, false, err
	}
	if l.OrderID == "." || l.OrderID == ".." {
		return item, false, errors.New("order_id must not be . or .., which the service accepts for no order")
	}
	currency, err := payment.ParseRecordedCurrency(l.Currency)
	if err != nil {
		return item, false, err
	}
	if item.Money, err = payment.ParseMoney(l.Amount, currency); err != nil {
		return item, false, err
	}
	item.Overwrite = slices.Contains(c.Overwrite, item.OrderID)
	return item, true, item.Check()
}

// parseStatus reads what belongs to the status of the line, and reports whether its operation may have moved money.
func (l *listed) parseStatus(line listLine) (moved bool, err error) {
	kind := l.Operation.Kind
	switch line.Status {
	case "succeeded":
		if kind == payment.KindVoid && l.TransactionID == "" {
			l.TransactionID = string(l.Key)
		}
		return true, nil
	case "declined", "failed":
		return false, nil
	case "pending":
		l.undecided, l.TransactionID = true, cmp.Or(l.TransactionID, string(l.Key))
		return true, nil
	case "returned":
		l.Returned = true
		if kind == payment.KindRefund {
			return true, nil
		}
	case "authorized", "voided":
		if kind == payment.KindCharge {
			return l.parseHold(line)
		}
	case "":
		return false, errors.New("has no status: use succeeded if the money was taken, and declined if not")
	default: // such as "captured", which means that money was taken
		return false, fmt.Errorf(
			"the status %.40q is not known: use succeeded if the money was taken, and declined if not", line.Status)
	}
	return false, fmt.Errorf("a %s cannot be %s: use succeeded if it was made, and declined if not", l.Operation, line.Status)
}

// parseHold is parseStatus for a charge that holds money, or has held it. One that was voided and never held any was
// cancelled.
func (l *listed) parseHold(line listLine) (held bool, err error) {
	voided := line.Status == "voided"
	if voided && (l.Capture != payment.CaptureManual || l.TransactionID == "") {
		return false, nil
	}
	l.Capture, l.Hold = payment.CaptureManual, true
	if line.ExpiresAt != "" {
		if l.HoldExpires, err = time.Parse(time.RFC3339Nano, line.ExpiresAt); err != nil {
			return false, errors.New("expires_at must be a time of RFC 3339")
		}
		l.HoldExpires = l.HoldExpires.UTC().Truncate(time.Microsecond)
	}
	if !voided || line.VoidKey == "" {
		return true, nil
	}
	if l.voidKey = payment.GatewayKey(line.VoidKey); !l.voidKey.Valid() {
		return false, errors.New("void_key must have 1 to 64 printable ASCII characters without spaces")
	}
	return true, nil
}

// importer adds the gateway's charges and other operations to the database, and counts the results.
type importer struct {
	repository *app.Repository
	report     importReport
	dryRun     bool
	rehearsal  *core.Rehearsal // of a dry run

	written, known, refused, unreadable int
}

func (i *importer) add(ctx context.Context, item listed) error {
	written, err := i.importOne(ctx, item)
	if refusal, ok := errors.AsType[*payment.ImportRefusedError](err); ok {
		i.refused++
		return i.report.charge("refused", item.Import, refusal.Why)
	}
	if damaged, ok := errors.AsType[*payment.StoredRowError](err); ok {
		i.unreadable++
		return i.report.charge("unreadable", item.Import, damaged.Error())
	}
	if err != nil {
		return err
	}
	if !written {
		i.known++
		return nil
	}
	i.written++
	return i.report.charge(i.verb(), item.Import, "")
}

func (i *importer) importOne(ctx context.Context, item listed) (written bool, err error) {
	switch {
	case item.undecided:
		known, err := core.HasKey(ctx, i.repository, item.Import)
		if err == nil && !known {
			err = &payment.ImportRefusedError{Why: "the gateway has not decided it yet; import it again when it has"}
		}
		return false, err
	case i.dryRun:
		return i.rehearsal.Import(ctx, item.Import)
	}
	return core.Import(ctx, i.repository, item.Import)
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
		err = fmt.Errorf("%d lines belong to orders whose stored rows cannot be read: repair the rows, and run the command again", i.unreadable)
	}
	if i.refused > 0 {
		return errors.Join(err, fmt.Errorf("%d lines conflict with what is stored, or cannot be imported yet: compare each of them with the gateway", i.refused))
	}
	return err
}
