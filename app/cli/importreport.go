package cli

import (
	"fmt"
	"io"

	"paymentd/core/payment"
)

// maxImportLines bounds the charges of one result that a report without --verbose has.
const maxImportLines = 20

// importReport prints the result of each charge that is not known before: with --verbose of all, otherwise of the first
// with each result.
type importReport struct {
	out     io.Writer
	asJSON  bool
	verbose bool
	line    *progress

	counts  map[string]int // of charge, by result
	charges []importedJSON
	hidden  int
}

// importedJSON is a charge or another operation in JSON that was written or refused.
type importedJSON struct {
	Result        string `json:"result"`
	Kind          string `json:"kind"`
	OrderID       string `json:"order_id"`
	RefundID      string `json:"refund_id,omitempty"`
	TransactionID string `json:"transaction_id"`
	Amount        string `json:"amount"`
	Currency      string `json:"currency"`
	Why           string `json:"why,omitempty"`
}

// charge reports a charge that was written, or why it was not.
func (r *importReport) charge(result string, i payment.Import, why string) error {
	if r.counts == nil {
		r.counts = make(map[string]int)
	}
	r.counts[result]++
	if !r.verbose && r.counts[result] > maxImportLines {
		r.hidden++
		return nil
	}
	if r.asJSON {
		r.charges = append(r.charges, importedJSON{
			Result: result, Kind: payment.OperationID{Kind: i.Operation.Kind}.String(), OrderID: i.OrderID.String(),
			RefundID: i.Operation.Name, TransactionID: i.TransactionID, Amount: i.Money.Decimal(), Currency: i.Money.Currency().Code(), Why: why,
		})
		return nil
	}
	switch charge := i.Operation.IsCharge(); {
	case why == "" && charge:
		why = i.Money.String()
	case why == "":
		why = i.Operation.String() + " of " + i.Money.String()
	case !charge:
		why = i.Operation.String() + ": " + why
	}
	r.line.end()
	_, err := fmt.Fprintf(r.out, "%s\t%s\t%s\t%s\n", result, i.OrderID, i.TransactionID, why)
	return err
}

// summarize prints the counts. others is the number of charges that took no money.
func (r *importReport) summarize(i *importer, others int) error {
	if r.asJSON {
		if r.charges == nil {
			r.charges = []importedJSON{} // [] in JSON, not null
		}
		return writeJSON(r.out, struct {
			DryRun     bool           `json:"dry_run"`
			Added      int            `json:"added"`
			Known      int            `json:"known"`
			Refused    int            `json:"refused"`
			Unreadable int            `json:"unreadable"`
			Skipped    int            `json:"skipped"`
			Charges    []importedJSON `json:"charges"`
			LeftOut    int            `json:"charges_left_out"`
		}{i.dryRun, i.written, i.known, i.refused, i.unreadable, others, r.charges, r.hidden})
	}
	if r.hidden > 0 {
		if _, err := fmt.Fprintf(r.out, "and %s more; --verbose prints a line for each\n", thousands(r.hidden)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(r.out, "%d %s, %d known, %d refused, %d lines of charges that took no money\n",
		i.written, i.verb(), i.known, i.refused, others)
	return err
}
