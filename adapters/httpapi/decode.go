package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/internal/jsonobject"
)

// form is the JSON object that a request must be.
type form struct {
	members []string // at most maxMembers
	example string
}

const maxMembers = 5

// The forms of requests.
var (
	chargeForm = form{
		members: []string{"order_id", "amount", "currency", "payment_method", "capture"},
		example: `{"order_id":"order-123","amount":100.00}`,
	}
	refundForm = form{
		members: []string{"refund_id", "amount", "currency", "reason"},
		example: `{"refund_id":"refund-1","amount":25.00}`,
	}
	captureForm = form{
		members: []string{"amount", "currency", "reason"},
		example: `{"amount":60.00}`,
	}
	voidForm = form{
		members: []string{"reason"},
		example: `{}`,
	}
)

// decode parses the body of a request to charge. It is stricter than encoding/json, which takes the
// last of two amounts, accepts "Amount" for "amount", and ignores unknown members and trailing
// data. Its errors are a *refusal or a *payment.FieldError.
func decode(body []byte, standard payment.Currency) (core.Request, error) {
	values, err := chargeForm.read(body)
	if err != nil {
		return core.Request{}, err
	}
	id, err := orderIDOf(values[0])
	if err != nil {
		return core.Request{}, err
	}
	currency, err := currencyOf(values[2], standard)
	if err != nil {
		return core.Request{}, err
	}
	money, err := moneyOf(values[1], currency)
	if err != nil {
		return core.Request{}, err
	}
	method, err := methodOf(values[3])
	if err != nil {
		return core.Request{}, err
	}
	capture, err := captureModeOf(values[4])
	if err != nil {
		return core.Request{}, err
	}
	return core.Request{OrderID: id, Money: money, Method: method, Capture: capture}, nil
}

// memberValues are the values of a form's members, as they were written; nil if there is no such member.
type memberValues [maxMembers]json.RawMessage

// set stores a value, or returns why the object may not have this member.
func (f form) set(values *memberValues, name string, value json.RawMessage) error {
	i := slices.Index(f.members, name)
	switch {
	case i < 0:
		return f.unknownMember(name)
	case values[i] != nil:
		return malformed(f.members[i] + " must be given once only")
	}
	values[i] = value
	return nil
}

// read returns the members of the single object in body.
func (f form) read(body []byte) (values memberValues, err error) {
	if err := f.checkText(body); err != nil {
		return memberValues{}, err
	}
	if !jsonobject.IsObject(body) {
		return memberValues{}, f.notObject(body)
	}
	for m := jsonobject.New(body); m.Next(); {
		if err := f.set(&values, string(m.Name), m.Value); err != nil {
			return memberValues{}, err
		}
	}
	return values, nil
}

// notObject returns what is wrong with a body that is not a single JSON object: the first error, which
// may be about a member.
func (f form) notObject(body []byte) error {
	d := json.NewDecoder(bytes.NewReader(body))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return malformed("the body must be one JSON object, such as " + f.example)
	}
	var values memberValues
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return notJSON(d, err)
		}
		name, _ := token.(string) // a name is always a string
		value := json.RawMessage{}
		if err := f.set(&values, name, value); err != nil {
			return err
		}
		if err := d.Decode(&value); err != nil {
			return notJSON(d, err)
		}
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return notJSON(d, err)
	}
	return malformed("nothing may follow the JSON object in the body")
}

// checkText refuses what encoding/json would silently repair, or report with its own error text.
func (f form) checkText(body []byte) error {
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return malformed("the body is empty; send a JSON object such as " + f.example)
	case bytes.HasPrefix(body, []byte("\xEF\xBB\xBF")):
		return malformed("the body must not start with a byte order mark")
	case !utf8.Valid(body):
		return malformed("the body must be valid UTF-8")
	}
	return nil
}

func orderIDOf(value json.RawMessage) (payment.OrderID, error) {
	if value == nil {
		return "", fieldError("order_id", "order_id must be given")
	}
	text, ok := jsonobject.Text(value)
	if !ok {
		return "", fieldError("order_id", `order_id must be a JSON string, such as "order-123"`)
	}
	if text == "." || text == ".." {
		// Checked only here, so that such a payment of an older version can still be read.
		return "", fieldError("order_id", "order_id must not be . or .., because clients treat them as steps in a path; use another name")
	}
	return payment.ParseOrderID(text)
}

func currencyOf(value json.RawMessage, standard payment.Currency) (payment.Currency, error) {
	if value == nil {
		return standard, nil
	}
	text, ok := jsonobject.Text(value)
	if !ok {
		return payment.Currency{}, fieldError("currency",
			`currency must be a JSON string such as "USD", or be left out for `+standard.Code())
	}
	return payment.ParseRecordedCurrency(text) // the core decides whether it may still be used
}

// methodOf parses the payment method, which may be left out. Its errors never contain the value, which may
// be a card number.
func methodOf(value json.RawMessage) (payment.PaymentMethod, error) {
	if value == nil {
		return "", nil
	}
	text, ok := jsonobject.Text(value)
	if !ok {
		return "", fieldError("payment_method", "payment_method must be a JSON string, or be left out")
	}
	return payment.ParsePaymentMethod(text)
}

// captureModeOf parses whether to take the money or to hold it, which may be left out.
func captureModeOf(value json.RawMessage) (payment.CaptureMode, error) {
	if value == nil {
		return payment.CaptureAutomatic, nil
	}
	text, ok := jsonobject.Text(value)
	if !ok || text == "" {
		return "", fieldError("capture", `capture must be "automatic" or "manual", or be left out`)
	}
	return payment.ParseCaptureMode(text)
}

// moneyOf parses the amount byte for byte: 100.10 must not become 100.09999999999999.
func moneyOf(value json.RawMessage, currency payment.Currency) (payment.Money, error) {
	if value == nil {
		return payment.Money{}, fieldError("amount", "amount must be given")
	}
	if value[0] == '-' || '0' <= value[0] && value[0] <= '9' {
		return payment.ParseMoney(string(value), currency)
	}
	text, ok := jsonobject.Text(value)
	if !ok {
		return payment.Money{}, fieldError("amount",
			`amount must be a JSON number or a decimal string, such as 100.00 or "100.00"`)
	}
	return payment.ParseMoney(text, currency)
}

// notJSON returns an error with the position up to which the body is valid.
func notJSON(d *json.Decoder, err error) error {
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return malformed(fmt.Sprintf("the body is not valid JSON after its first %d bytes", d.InputOffset()))
	}
	return malformed("the body ends before its JSON object does")
}

func (f form) unknownMember(name string) error {
	for _, known := range f.members {
		if strings.EqualFold(name, known) {
			return malformed(fmt.Sprintf("the member %s must be written %q", quotedName(name), known))
		}
	}
	return malformed(fmt.Sprintf("the member %s is not known; the members are %s",
		quotedName(name), strings.Join(f.members, ", ")))
}

func malformed(sentence string) error { return refuse(problemMalformed).withSentence(sentence) }

func fieldError(field, message string) error {
	return &payment.FieldError{Field: field, Message: message}
}

// quotedName returns the name of a member or parameter for a sentence. Digits are replaced if there are as many as in a
// card number (13 or more, ISO/IEC 7812-1), because sentences are logged.
func quotedName(sent string) string {
	const cardDigits = 13
	digits := 0
	masked := strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			digits++
			return '#'
		}
		return r
	}, sent)
	if digits >= cardDigits {
		sent = masked
	}
	return quoted(sent)
}

// quoted returns client input as quoted printable ASCII, truncated to fit into a sentence.
func quoted(sent string) string {
	const most = 40
	if len(sent) > most {
		return strconv.QuoteToASCII(sent[:most]) + "..."
	}
	return strconv.QuoteToASCII(sent)
}
