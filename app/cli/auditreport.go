package cli

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"paymentd/core/audit"
	"paymentd/core/payment"
)

// writeAuditText prints a line for each difference, followed by what mends it, and then what is in flight.
func writeAuditText(w io.Writer, reports []audit.Report) error {
	var err error
	for _, r := range reports {
		_, printErr := fmt.Fprintf(w, "%s from %s to %s: %s charges there, %s payments here, %s lookups%s\n", r.Gateway,
			r.From.Format(time.RFC3339), r.To.Format(time.RFC3339), thousands(r.Charges), thousands(r.Payments), thousands(r.Lookups), notCompared(r))
		err = errors.Join(err, printErr, writeDifferences(w, r), writeInFlight(w, r))
		for _, problem := range r.Unreadable {
			_, printErr := fmt.Fprintf(w, "cannot be read in the gateway's list: %s\n", problem)
			err = errors.Join(err, printErr)
		}
		if r.Agrees() {
			_, printErr := fmt.Fprintln(w, "no difference")
			err = errors.Join(err, printErr)
		}
	}
	return err
}

// notCompared describes what belongs to others, and what the list lacks.
func notCompared(r audit.Report) string {
	var text strings.Builder
	if r.Foreign > 0 {
		fmt.Fprintf(&text, "; %s charges of other programs", thousands(r.Foreign))
	}
	if r.ElsewherePayments > 0 {
		fmt.Fprintf(&text, "; %s payments of other gateways", thousands(r.ElsewherePayments))
	}
	if r.WithoutSums > 0 {
		fmt.Fprintf(&text, "; captures or refunds of %s charges not compared, because the list does not have them", thousands(r.WithoutSums))
	}
	return text.String()
}

func writeDifferences(w io.Writer, r audit.Report) error {
	if len(r.Differences) == 0 {
		return nil
	}
	rows := [][]string{{"FOUND", "ORDER", "KEY", "TRANSACTION", "HERE", "THERE"}}
	mends := []string{""}
	for _, d := range r.Differences {
		l := lineOf(d)
		rows = append(rows, []string{
			foundText[d.Kind], strings.Join(append([]string{l.OrderID}, l.OtherOrderIDs...), ", "), dash(l.Key), dash(l.transaction()),
			l.Here.text(l.here() != l.transaction()), l.There.text(false),
		})
		mends = append(mends, "  → "+l.mend()+notConfirmed(d)+"\n")
	}
	// Not a tabwriter: a line without columns would begin new ones.
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	_, err := io.WriteString(w, "\n")
	for i, row := range rows {
		var line strings.Builder
		for j, cell := range row {
			fmt.Fprintf(&line, "%-*s  ", widths[j], cell)
		}
		_, printErr := fmt.Fprintf(w, "%s\n%s", strings.TrimRight(line.String(), " "), mends[i])
		err = errors.Join(err, printErr)
	}
	return err
}

// notConfirmed says what a difference rests on if no lookup confirms it.
func notConfirmed(d audit.Difference) string {
	switch {
	case d.Confirmed || d.Kind == audit.KindUnreadable:
		return ""
	case d.Lookup == payment.FoundNothing:
		return " (not confirmed: a lookup finds nothing, and the gateway may have forgotten the key)"
	case d.Lookup == payment.FoundApproved:
		return " (not confirmed: the gateway's list could not be read again)"
	}
	return " (not confirmed: the gateway did not answer the lookup)"
}

func writeInFlight(w io.Writer, r audit.Report) error {
	if r.InFlightCount == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(t, "\n%s in flight, and no difference yet; paymentd show ORDER says what is next\n", thousands(r.InFlightCount))
	_, _ = fmt.Fprintln(t, "STATE\tORDER\tKEY\tSINCE\tHERE\tTHERE")
	for _, f := range r.InFlight {
		l := inFlightLine(f)
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", f.Payment.State, f.Payment.OrderID, dash(string(f.Payment.GatewayKey)),
			f.Payment.CreatedAt.Format(time.RFC3339), f.Payment.Money.String()+l.Here.sums(), l.There.text(false))
	}
	if hidden := r.InFlightCount - len(r.InFlight); hidden > 0 {
		_, _ = fmt.Fprintf(t, "and %s more\n", thousands(hidden))
	}
	return t.Flush()
}

func dash(s string) string { return cmp.Or(s, "-") }

// auditLine is a difference, or a payment in flight, in the reports.
type auditLine struct {
	Kind          string     `json:"kind"`
	OrderID       string     `json:"order_id"`
	OtherOrderIDs []string   `json:"other_order_ids,omitempty"`
	Key           string     `json:"gateway_key,omitempty"`
	Here          *auditSide `json:"here"`
	There         *auditSide `json:"there"`
	Lookup        string     `json:"lookup,omitempty"`
	Confirmed     bool       `json:"confirmed"`
	Advice        string     `json:"advice,omitempty"`
	Command       string     `json:"command,omitempty"`
}

// auditSide is what one of the two sides has.
type auditSide struct {
	State         string `json:"state"`
	Amount        string `json:"amount,omitempty"`
	Currency      string `json:"currency,omitempty"`
	TransactionID string `json:"transaction_id,omitempty"`
	Key           string `json:"gateway_key,omitempty"`
	At            string `json:"at,omitempty"`
	// Captured is there if it differs, and Refunded and Refunding if refunds differ or are in flight.
	Captured  string `json:"captured,omitempty"`
	Refunded  string `json:"refunded,omitempty"`
	Refunding string `json:"refunding,omitempty"`
}

// transaction is that of the gateway; that of the payment if there is none.
func (l auditLine) transaction() string {
	if l.There != nil && l.There.TransactionID != "" {
		return l.There.TransactionID
	}
	return l.here()
}

// mend is what to do, in one line.
func (l auditLine) mend() string {
	if l.Command == "" {
		return l.Advice
	}
	return l.Advice + ": " + l.Command
}

// here is the transaction of the payment.
func (l auditLine) here() string {
	if l.Here == nil {
		return ""
	}
	return l.Here.TransactionID
}

// text describes the side in one cell.
func (s *auditSide) text(withTransaction bool) string {
	if s == nil {
		return "nothing"
	}
	text := s.State
	if s.Amount != "" {
		text += " " + s.Amount + " " + s.Currency
	}
	if withTransaction && s.TransactionID != "" {
		text += ", " + s.TransactionID
	}
	return text + s.sums()
}

// sums describes the sums that the side has.
func (s *auditSide) sums() string {
	if s == nil {
		return ""
	}
	var text strings.Builder
	for _, sum := range []struct{ name, amount string }{
		{"captured", s.Captured}, {"refunded", s.Refunded}, {"refunding", s.Refunding},
	} {
		if sum.amount != "" {
			text.WriteString(", " + sum.name + " " + sum.amount)
		}
	}
	return text.String()
}

func lineOf(d audit.Difference) auditLine {
	l := auditLine{
		Kind: string(d.Kind), OrderID: d.OrderID.String(), Key: string(d.Key), Here: hereOf(d.Payment), There: thereOf(d.Charge),
		Lookup: string(d.Lookup), Confirmed: d.Confirmed,
	}
	l.Advice, l.Command = mend(d)
	for _, id := range d.Others {
		l.OtherOrderIDs = append(l.OtherOrderIDs, id.String())
	}
	if l.There == nil && d.Lookup != "" {
		l.There = &auditSide{State: string(d.Lookup)}
	}
	switch currency := d.Payment.Money.Currency(); d.Kind {
	case audit.KindCaptured:
		l.Here.Captured, l.There.Captured = d.Payment.Captured().Decimal(), sumOf(d.Charge.Captured, currency)
	case audit.KindRefundedThere, audit.KindRefundedHere:
		l.addRefunds(d.Refunds, d.Charge, currency)
	default:
	}
	return l
}

// addRefunds adds what both sides have refunded.
func (l *auditLine) addRefunds(here audit.Refunds, there payment.LedgerCharge, currency payment.Currency) {
	l.Here.Refunded = currency.Decimal(here.Succeeded)
	if here.Open > 0 {
		l.Here.Refunding = currency.Decimal(here.Open)
	}
	if l.There != nil {
		l.There.Refunded = sumOf(there.Refunded, currency)
	}
}

// sumOf returns a sum of the list; empty if the list does not have it.
func sumOf(sum payment.LedgerSum, currency payment.Currency) string {
	if !sum.Listed {
		return ""
	}
	return currency.Decimal(sum.Minor)
}

func hereOf(p payment.Summary) *auditSide {
	if p.OrderID == "" {
		return nil
	}
	return &auditSide{
		State: string(p.State), Amount: p.Money.Decimal(), Currency: p.Money.Currency().Code(), TransactionID: p.TransactionID,
		Key: string(p.GatewayKey), At: p.CreatedAt.UTC().Format(time.RFC3339Nano),
	}
}

func thereOf(c payment.LedgerCharge) *auditSide {
	if c.State == "" {
		return nil
	}
	s := &auditSide{State: string(c.State), TransactionID: c.TransactionID, Key: string(c.Key)}
	if !c.Money.IsZero() {
		s.Amount, s.Currency = c.Money.Decimal(), c.Money.Currency().Code()
	}
	if !c.Created.IsZero() {
		s.At = c.Created.UTC().Format(time.RFC3339Nano)
	}
	return s
}

// auditJSON is the audit of one gateway in JSON.
type auditJSON struct {
	Gateway           string      `json:"gateway"`
	From              time.Time   `json:"from"`
	To                time.Time   `json:"to"`
	Agrees            bool        `json:"agrees"`
	Charges           int         `json:"charges"`
	Payments          int         `json:"payments"`
	Lookups           int         `json:"lookups"`
	ForeignCharges    int         `json:"charges_of_other_programs"`
	ElsewherePayments int         `json:"payments_of_other_gateways"`
	WithoutSums       int         `json:"charges_without_sums"`
	UnreadableCharges int         `json:"unreadable_charges"`
	Unreadable        []string    `json:"unreadable,omitempty"`
	Truncated         bool        `json:"truncated"`
	Differences       []auditLine `json:"differences"`
	InFlightCount     int         `json:"in_flight_count"`
	InFlight          []auditLine `json:"in_flight"`
}

// inFlightLine describes a payment in flight.
func inFlightLine(f audit.InFlight) auditLine {
	l := auditLine{
		Kind: "in_flight", OrderID: f.Payment.OrderID.String(), Key: string(f.Payment.GatewayKey),
		Here: hereOf(f.Payment), There: thereOf(f.Charge),
	}
	if f.Refunds != (audit.Refunds{}) {
		l.addRefunds(f.Refunds, f.Charge, f.Payment.Money.Currency())
	}
	return l
}

func writeAuditJSON(w io.Writer, reports []audit.Report) error {
	all := struct {
		Agrees bool        `json:"agrees"`
		Audits []auditJSON `json:"audits"`
	}{Agrees: true}
	for _, r := range reports {
		all.Agrees = all.Agrees && r.Agrees()
		one := auditJSON{
			Gateway: string(r.Gateway), From: r.From, To: r.To, Agrees: r.Agrees(), Charges: r.Charges, Payments: r.Payments,
			Lookups: r.Lookups, ForeignCharges: r.Foreign, ElsewherePayments: r.ElsewherePayments,
			WithoutSums: r.WithoutSums, UnreadableCharges: r.UnreadableCount, Unreadable: r.Unreadable, Truncated: r.Truncated,
			Differences: []auditLine{}, InFlightCount: r.InFlightCount, InFlight: []auditLine{},
		}
		for _, d := range r.Differences {
			one.Differences = append(one.Differences, lineOf(d))
		}
		for _, f := range r.InFlight {
			one.InFlight = append(one.InFlight, inFlightLine(f))
		}
		all.Audits = append(all.Audits, one)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(all)
}

// auditColumns are the columns of the CSV.
var auditColumns = []string{
	"gateway", "kind", "order_id", "other_order_ids", "gateway_key", "here_state", "here_amount", "here_currency",
	"here_transaction_id", "here_at", "there_state", "there_amount", "there_currency", "there_transaction_id", "there_at",
	"lookup", "confirmed", "advice", "command", "here_captured", "here_refunded", "here_refunding", "there_captured",
	"there_refunded",
}

// writeAuditCSV prints a line for each difference and each payment in flight (RFC 4180).
func writeAuditCSV(w io.Writer, reports []audit.Report) error {
	c := csv.NewWriter(w)
	err := c.Write(auditColumns)
	for _, r := range reports {
		lines := make([]auditLine, 0, len(r.Differences)+len(r.InFlight))
		for _, d := range r.Differences {
			lines = append(lines, lineOf(d))
		}
		for _, f := range r.InFlight {
			lines = append(lines, inFlightLine(f))
		}
		for _, l := range lines {
			record := []string{string(r.Gateway), l.Kind, l.OrderID, strings.Join(l.OtherOrderIDs, " "), l.Key}
			record = append(record, l.Here.columns()...)
			record = append(record, l.There.columns()...)
			record = append(record, l.Lookup, strconv.FormatBool(l.Confirmed), l.Advice, l.Command)
			record = append(record, l.Here.sumColumns()...)
			err = errors.Join(err, c.Write(append(record, l.There.sumColumns()[:2]...)))
		}
	}
	c.Flush()
	return errors.Join(err, c.Error())
}

func (s *auditSide) columns() []string {
	if s == nil {
		return make([]string, 5)
	}
	return []string{s.State, s.Amount, s.Currency, s.TransactionID, s.At}
}

func (s *auditSide) sumColumns() []string {
	if s == nil {
		return make([]string, 3)
	}
	return []string{s.Captured, s.Refunded, s.Refunding}
}
