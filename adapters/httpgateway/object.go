package httpgateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"paymentd/core/payment"
	"paymentd/internal/jsonobject"
)

var (
	errEmpty    = errors.New("it is empty")
	errHTML     = errors.New("it is a web page")
	errTooLong  = fmt.Errorf("it is longer than %d bytes", maxBodyBytes)
	errNotUTF8  = errors.New("it is not UTF-8")
	errNotJSON  = errors.New("it is not one JSON object")
	errTwice    = errors.New("it has a repeated member")
	errCase     = errors.New("it has a member of the protocol in another case")
	errNoStatus = errors.New("it has no status that is a string")
	errStatus   = errors.New("its status is none of the gateway protocol")
	errBoth     = errors.New("it contradicts itself about whether the charge succeeded")
	errNotFound = errors.New("it does not say " + codeNotFound)
	errCached   = errors.New("it comes from a cache (Age)")
	errCaptured = errors.New("its captured is not an amount in the charge's currency that is at most the charge")
	errOfCharge = errors.New("it is about the charge, and not about its void")
	errID       = fmt.Errorf("its transaction_id is not 1 to %d printable ASCII characters without spaces around them",
		payment.MaxTransactionIDBytes)
)

// chargeMembers are the members of a charge that the service interprets. Others are ignored.
var chargeMembers = []string{
	"transaction_id", "status", "code", "message", "error", "success", "charged", "redirect_url", "expires_at", "captured",
}

// maxMembers is the largest number of members that an object of the protocol has.
const maxMembers = 12

// object is a JSON object of an answer: the members of the protocol, as they were written.
type object struct {
	names  []string
	values [maxMembers]json.RawMessage // of names; nil if there is no such member
}

// readObject parses a body that must be exactly one JSON object in valid UTF-8. Names are
// case-sensitive, and none may be repeated in one object, at any depth, because parsers differ in
// which value they take. encoding/json alone would take the last one, in any case. A member whose
// name differs from a known one only in case makes the object unreadable as well, because it may
// be meant.
func readObject(body []byte, names []string) (object, error) {
	trimmed := bytes.TrimSpace(body)
	switch {
	case len(trimmed) == 0:
		return object{}, errEmpty
	case trimmed[0] == '<':
		return object{}, errHTML
	case !utf8.Valid(body):
		// encoding/json would replace the bytes, which would change a transaction id.
		return object{}, errNotUTF8
	case !jsonobject.IsObject(body): // also bounds the depth
		return object{}, errNotJSON
	}
	return readMembers(body, names)
}

// readMembers reads the members of an object. It is the path of every payment, and allocates only for
// members that the protocol does not have.
func readMembers(body []byte, names []string) (o object, err error) {
	o.names = names
	others, otherCase := map[string]bool(nil), false
	for m := jsonobject.New(body); m.Next(); {
		if (m.Value[0] == '{' || m.Value[0] == '[') && hasRepeats(m.Value) {
			return object{}, errTwice
		}
		if i := slices.Index(names, string(m.Name)); i >= 0 {
			if o.values[i] != nil {
				return object{}, errTwice
			}
			o.values[i] = m.Value
			continue
		}
		name := string(m.Name)
		if others[name] {
			return object{}, errTwice
		}
		if others == nil {
			others = make(map[string]bool)
		}
		others[name] = true
		otherCase = otherCase || slices.Contains(names, strings.ToLower(name))
	}
	if otherCase {
		return object{}, errCase
	}
	return o, nil
}

// hasRepeats reports whether an object in a value has a repeated member.
func hasRepeats(value []byte) bool {
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber() // of any size
	return nextHasRepeats(d)
}

// nextHasRepeats is hasRepeats for the next value, whose syntax was checked.
func nextHasRepeats(d *json.Decoder) bool {
	open, _ := d.Token()
	if open != json.Delim('{') && open != json.Delim('[') {
		return false
	}
	seen := make(map[json.Token]bool)
	for d.More() {
		if open == json.Delim('{') {
			name, _ := d.Token()
			if seen[name] {
				return true
			}
			seen[name] = true
		}
		if nextHasRepeats(d) {
			return true
		}
	}
	_, _ = d.Token() // the end
	return false
}

// value returns a member as it was written, and nil if there is none or it is null.
func (o object) value(name string) json.RawMessage {
	i := slices.Index(o.names, name)
	if i < 0 || string(o.values[i]) == "null" {
		return nil
	}
	return o.values[i]
}

// text returns a member that is a string, and otherwise an empty string.
func (o object) text(name string) string {
	value := o.value(name)
	if value == nil {
		return ""
	}
	text, _ := jsonobject.Text(value)
	return text
}

func (o object) status() string { return o.text("status") }

// charged returns the member "charged", and whether the object has it.
func (o object) charged() (value, said bool) {
	text := string(o.value("charged"))
	return text == "true", text == "true" || text == "false"
}

// exists reports whether the object says that the charge or refund exists or may exist, which contradicts an
// error or a 404.
func (o object) exists() bool {
	switch o.status() {
	case statusSucceeded, statusAuthorized, statusPending, statusProcessing, statusReturned:
		return true
	}
	charged, _ := o.charged()
	return charged
}

// fails reports whether the object says that the request failed, under any status: an error that is not null, or a
// success that is neither true nor null.
func (o object) fails() bool {
	success := o.value("success")
	return o.value("error") != nil || success != nil && string(success) != "true"
}

// denies reports whether the object says that the charge did not succeed, under any status: it fails, or has
// "charged": false.
func (o object) denies() bool {
	charged, said := o.charged()
	return o.fails() || said && !charged
}

// expiresAt returns when the gateway releases the money that it holds. A time that cannot be read is dropped; the
// second result says so, to be added to a message.
func (o object) expiresAt() (at time.Time, dropped string) {
	if o.value("expires_at") == nil {
		return time.Time{}, ""
	}
	at, err := time.Parse(time.RFC3339, strings.ToUpper(o.text("expires_at")))
	if err != nil || at.UTC().Year() < 1 || at.UTC().Year() > 9999 {
		return time.Time{}, "; its expires_at was dropped, because it is not a time of RFC 3339"
	}
	return at.UTC(), ""
}

// captured returns how much was captured of a charge that holds money; zero for all of it.
func (o object) captured(about payment.ChargeRef) (payment.Money, error) {
	m := about.Money
	if about.Capture != payment.CaptureManual || o.value("captured") == nil || m.IsZero() {
		return payment.Money{}, nil
	}
	captured, err := payment.ParseMoney(o.text("captured"), m.Currency())
	switch {
	case err != nil || captured.Minor() > m.Minor():
		return payment.Money{}, errCaptured
	case captured == m:
		return payment.Money{}, nil
	}
	return captured, nil
}

// sums returns how much of a listed charge was captured and refunded, if the entry has it. Only a charge that succeeded
// took money.
func (o object) sums(c payment.LedgerCharge) (captured, refunded payment.LedgerSum, err error) {
	most := c.Money.Minor()
	if c.State != payment.FoundApproved {
		most = 0
	}
	if captured, err = o.sum("captured", c.Money.Currency(), most); err != nil {
		return captured, refunded, err
	}
	if captured.Listed {
		most = captured.Minor
	}
	refunded, err = o.sum("refunded", c.Money.Currency(), most)
	return captured, refunded, err
}

// sum returns a sum of an entry of the list, which is at most the given one, in minor units.
func (o object) sum(name string, currency payment.Currency, most int64) (payment.LedgerSum, error) {
	if o.value(name) == nil {
		return payment.LedgerSum{}, nil
	}
	minor, err := payment.ParseSum(o.text(name), currency)
	if err != nil || minor > most {
		return payment.LedgerSum{}, fmt.Errorf("its %s is not a sum in the charge's currency that is at most what it took", name)
	}
	return payment.ListedSum(minor), nil
}

// approval returns the transaction id of a charge that succeeded.
func (o object) approval() (transactionID string, err error) {
	id := o.text("transaction_id")
	switch {
	case o.denies():
		return "", errBoth
	case !usableID(id):
		return "", errID
	}
	return id, nil
}

// usableID checks the domain's rule for a transaction id, because it is stored and shown unchanged.
func usableID(id string) bool {
	if id == "" || len(id) > payment.MaxTransactionIDBytes || id[0] == ' ' || id[len(id)-1] == ' ' {
		return false
	}
	return printable(id, ' ')
}

// printable reports whether s consists of ASCII characters from the lowest to "~".
func printable(s string, lowest byte) bool {
	for i := range len(s) {
		if s[i] < lowest || s[i] > '~' {
			return false
		}
	}
	return true
}

// reference returns the transaction id of a charge that is not approved yet, if it is usable.
func (o object) reference() string {
	if id := o.text("transaction_id"); usableID(id) {
		return id
	}
	return ""
}

// redirectURL returns where the customer must act. A URL that cannot be given to a customer is dropped;
// the second result says so, to be added to a message.
func (o object) redirectURL() (redirectURL, dropped string) {
	if o.value("redirect_url") == nil {
		return "", ""
	}
	text := o.text("redirect_url")
	if err := payment.CheckRedirectURL(text); err != nil {
		return "", "; its redirect_url was dropped: " + err.Error()
	}
	return text, ""
}

// code returns the reason of a decline.
func (o object) code() string {
	code := o.text("code")
	if code == "" {
		return defaultCode
	}
	return code[:min(len(code), payment.MaxCodeBytes)]
}

// humanText returns the message for people, or the fallback. Many gateways put it into "error".
func (o object) humanText(fallback string) string {
	if words := o.text("message"); words != "" {
		return words
	}
	if words := o.text("error"); words != "" {
		return words
	}
	return fallback
}
