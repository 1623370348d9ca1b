package httpapi_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	saysOneObject  = `the body must be one JSON object, such as {"order_id":"order-123","amount":100.00}`
	saysEmpty      = `the body is empty; send a JSON object such as {"order_id":"order-123","amount":100.00}`
	saysTrailing   = "nothing may follow the JSON object in the body"
	saysSteps      = "order_id must not be . or .., because clients treat them as steps in a path; use another name"
	saysUTF8       = "the body must be valid UTF-8"
	saysEnds       = "the body ends before its JSON object does"
	saysOrderID    = `order_id must be a JSON string, such as "order-123"`
	saysCharacters = "order_id must consist of printable ASCII characters without spaces"
	saysAmount     = `amount must be a JSON number or a decimal string, such as 100.00 or "100.00"`
	saysDigits     = "amount must be digits with at most one decimal point, such as 100 or 9.99"
	saysExponent   = "amount must be written without an exponent: 1000, not 1e3"
	saysMost       = "amount must have at most 15 digits"
	saysMinus      = "amount must be above zero, without a minus sign"
	saysZero       = "amount must be above zero"
	saysPoint      = "amount must have digits before and after its decimal point, such as 0.5"
	saysCents      = "amount must have at most 2 decimals in USD"
	saysCurrency   = `currency must be a JSON string such as "USD", or be left out for USD`
	saysCode       = "currency must be an active ISO 4217 code with a minor unit, such as USD"
)

func saysByte(n string) string { return "the body is not valid JSON after its first " + n + " bytes" }

func saysUnknown(name string) string {
	return "the member " + name + " is not known; the members are order_id, amount, currency, payment_method, capture"
}

// malformedBodies are refused with 400 and the sentence.
var malformedBodies = []struct{ body, sentence string }{
	// Not one JSON object.
	{"", saysEmpty},
	{" \r\n\t", saysEmpty},
	{"\xEF\xBB\xBF" + oneRequest, "the body must not start with a byte order mark"},
	{"\xFF\xFE{\x00}\x00", saysUTF8},
	{"null", saysOneObject},
	{"true", saysOneObject},
	{"12", saysOneObject},
	{`"{}"`, saysOneObject},
	{"[]", saysOneObject},
	{"[" + oneRequest + "]", saysOneObject},
	{"order_id=order-123&amount=100.00", saysOneObject},
	{"<order/>", saysOneObject},
	{"{", saysEnds},
	{"}", saysOneObject},
	{"{}", "order_id must be given"},
	{"\x00", saysOneObject},
	{"\x00" + oneRequest, saysOneObject},
	{"//\n" + oneRequest, saysOneObject},
	{"\u00A0" + oneRequest, saysOneObject},
	{"\x1E" + oneRequest, saysOneObject},
	{strings.Repeat("[", 60_000), saysOneObject},
	{strings.Repeat(`{"amount":`, 6_000), saysEnds},
	{`{"amount":` + strings.Repeat("[", 60_000) + strings.Repeat("]", 5_000) + "}", saysByte("10")},

	// Trailing data.
	{oneRequest + oneRequest, saysTrailing},
	{oneRequest + "\n" + oneRequest, saysTrailing},
	{oneRequest + "}", saysTrailing},
	{oneRequest + ",", saysTrailing},
	{oneRequest + "\x00", saysTrailing},
	{oneRequest + " //", saysTrailing},
	{oneRequest + "null", saysTrailing},
	{oneRequest + "\u2028", saysTrailing},
	{"{} []", saysTrailing},

	// Broken syntax.
	{`{"order_id":"order-123","amount":100.00`, saysEnds},
	{`{"order_id":"order-123","amount":`, saysEnds},
	{`{"order_id":"order-123","amount"`, saysEnds},
	{`{"order_id":"order-123","amou`, saysEnds},
	{`{"order_id":"order-123",`, saysEnds},
	{`{"order_id":"order-123","amount":100.00,}`, saysByte("40")},
	{`{,"order_id":"order-123","amount":100.00}`, saysByte("1")},
	{`{"order_id":"order-123" "amount":100.00}`, saysByte("24")},
	{`{"order_id":"order-123";"amount":100.00}`, saysByte("23")},
	{`{"order_id"="order-123","amount":100.00}`, saysByte("11")},
	{`{"order_id":"order-123","amount":100.00]`, saysByte("39")},
	{`{order_id:"order-123","amount":100.00}`, saysByte("1")},
	{`{'order_id':'order-123','amount':100.00}`, saysByte("1")},
	{`{1:2}`, saysByte("1")},
	{`{null:2}`, saysByte("1")},
	{`{"order_id":"order-123","amount":100.00,/**/}`, saysByte("40")},
	{"{\"order_id\":\"order\n123\",\"amount\":1}", saysByte("12")},
	{`{"order_id":"order\x31","amount":1}`, saysByte("12")},
	{`{"order_id":"order\u12","amount":1}`, saysByte("12")},
	{`{"order_id":"order-123,"amount":1}`, saysByte("24")},

	// Invalid text.
	{"{\"order_id\":\"order-\xff\",\"amount\":1}", saysUTF8},
	{"{\"order_id\":\"order-\xc3\",\"amount\":1}", saysUTF8},
	{"{\"order_id\":\"order-\xc0\xaf\",\"amount\":1}", saysUTF8},
	{"{\"order_id\":\"order-\xed\xa0\x80\",\"amount\":1}", saysUTF8},
	{"{\"order_id\":\"o\",\"amount\":1}\xff", saysUTF8},
	{`{"order_id":"\ud800","amount":1}`, saysCharacters},
	{`{"order_id":"\udc00x","amount":1}`, saysCharacters},
	{`{"order_id":"o","amount":"\ud800"}`, saysDigits},
	{`{"order_id":"o","amount":1,"currency":"US\ud800"}`, saysCode},
	{`{"\ud800":"o","amount":1}`, saysUnknown(`"\ufffd"`)},

	// Names.
	{`{"order_id":"a","order_id":"b","amount":1}`, "order_id must be given once only"},
	{`{"order_id":"a","order_id":"a","amount":1}`, "order_id must be given once only"},
	{`{"order_id":"a","amount":1,"amount":2}`, "amount must be given once only"},
	{`{"order_id":"a","amount":1,"\u0061mount":1}`, "amount must be given once only"},
	{`{"order_id":"a","amount":1,"currency":"USD","currency":"JPY"}`, "currency must be given once only"},
	{`{"order_id":"a","amount":null,"amount":1}`, "amount must be given once only"},
	{`{"order_id":"a","amount":1,"curency":"JPY"}`, saysUnknown(`"curency"`)},
	{`{"order_id":"a","amount":1,"":""}`, saysUnknown(`""`)},
	{`{"order_id":"a","amount":1," amount":1}`, saysUnknown(`" amount"`)},
	{`{"order_id":"a","amount":1,"amount\u0000":1}`, saysUnknown(`"amount\x00"`)},
	{`{"order_id":"a","amount":1,"\"\n":1}`, saysUnknown(`"\"\n"`)},
	{`{"order_id":"a","amount":1,"métadonnées":{}}`, saysUnknown(`"m\u00e9tadonn\u00e9es"`)},
	{`{"order_id":"a","amount":1,"__proto__":{"amount":2}}`, saysUnknown(`"__proto__"`)},
	{`{"order_id":"a","amount":1,"` + strings.Repeat("x", 5000) + `":1}`, saysUnknown(`"` + strings.Repeat("x", 40) + `"...`)},
	{`{"Order_ID":"a","amount":1}`, `the member "Order_ID" must be written "order_id"`},
	{`{"order_id":"a","AMOUNT":1}`, `the member "AMOUNT" must be written "amount"`},
	{`{"orderId":"a","amount":1}`, saysUnknown(`"orderId"`)},

	// Clients cannot put these into a path.
	{`{"order_id":".","amount":1}`, saysSteps},
	{`{"order_id":"..","amount":1}`, saysSteps},
	{`{"order_id":"\u002e\u002E","amount":1}`, saysSteps},

	// Members that are missing or of the wrong type.
	{`{"amount":1}`, "order_id must be given"},
	{`{"order_id":"a"}`, "amount must be given"},
	{`{"currency":"USD"}`, "order_id must be given"},
	{`{"order_id":null,"amount":1}`, saysOrderID},
	{`{"order_id":123,"amount":1}`, saysOrderID},
	{`{"order_id":true,"amount":1}`, saysOrderID},
	{`{"order_id":["a"],"amount":1}`, saysOrderID},
	{`{"order_id":{"order_id":"a"},"amount":1}`, saysOrderID},
	{`{"order_id":"a","amount":null}`, saysAmount},
	{`{"order_id":"a","amount":true}`, saysAmount},
	{`{"order_id":"a","amount":[1]}`, saysAmount},
	{`{"order_id":"a","amount":{"value":1}}`, saysAmount},
	{`{"order_id":"a","amount":1,"currency":null}`, saysCurrency},
	{`{"order_id":"a","amount":1,"currency":840}`, saysCurrency},
	{`{"order_id":"a","amount":1,"currency":["USD"]}`, saysCurrency},

	// Order ids.
	{`{"order_id":"","amount":1}`, "order_id must not be empty"},
	{`{"order_id":" ","amount":1}`, saysCharacters},
	{`{"order_id":"a ","amount":1}`, saysCharacters},
	{`{"order_id":"a\u0000b","amount":1}`, saysCharacters},
	{`{"order_id":"a\tb","amount":1}`, saysCharacters},
	{`{"order_id":"\u007f","amount":1}`, saysCharacters},
	{`{"order_id":"ördér","amount":1}`, saysCharacters},
	{`{"order_id":"ｏ","amount":1}`, saysCharacters},
	{`{"order_id":"a\u200b","amount":1}`, saysCharacters},
	{`{"order_id":"` + strings.Repeat("a", 129) + `","amount":1}`, "order_id must have at most 128 characters"},

	// Amounts.
	{`{"order_id":"a","amount":0}`, saysZero},
	{`{"order_id":"a","amount":0.00}`, saysZero},
	{`{"order_id":"a","amount":-1}`, saysMinus},
	{`{"order_id":"a","amount":-0}`, saysMinus},
	{`{"order_id":"a","amount":"-5"}`, saysMinus},
	{`{"order_id":"a","amount":1e3}`, saysExponent},
	{`{"order_id":"a","amount":1E+2}`, saysExponent},
	{`{"order_id":"a","amount":1e999999999}`, saysExponent},
	{`{"order_id":"a","amount":1.001}`, saysCents},
	{`{"order_id":"a","amount":1.000}`, saysCents},
	{`{"order_id":"a","amount":0.1e1}`, saysExponent},
	{`{"order_id":"a","amount":1234567890123456}`, saysMost},
	{`{"order_id":"a","amount":99999999999999.99}`, saysMost},
	{`{"order_id":"a","amount":` + strings.Repeat("9", 60_000) + `}`, saysMost},
	{`{"order_id":"a","amount":01}`, saysByte("26")},
	{`{"order_id":"a","amount":.5}`, saysByte("25")},
	{`{"order_id":"a","amount":5.}`, saysByte("25")},
	{`{"order_id":"a","amount":+5}`, saysByte("25")},
	{`{"order_id":"a","amount":0x10}`, saysByte("26")},
	{`{"order_id":"a","amount":1_000}`, saysByte("26")},
	{`{"order_id":"a","amount":NaN}`, saysByte("25")},
	{`{"order_id":"a","amount":Infinity}`, saysByte("25")},
	{`{"order_id":"a","amount":""}`, saysDigits},
	{`{"order_id":"a","amount":" 1"}`, saysDigits},
	{`{"order_id":"a","amount":"1 "}`, saysDigits},
	{`{"order_id":"a","amount":"1,00"}`, saysDigits},
	{`{"order_id":"a","amount":"1,000.00"}`, saysDigits},
	{`{"order_id":"a","amount":"$1"}`, saysDigits},
	{`{"order_id":"a","amount":"+1"}`, saysDigits},
	{`{"order_id":"a","amount":"0x10"}`, saysDigits},
	{`{"order_id":"a","amount":"١"}`, saysDigits},
	{`{"order_id":"a","amount":"1.2.3"}`, saysDigits},
	{`{"order_id":"a","amount":"1\u0000"}`, saysDigits},
	{`{"order_id":"a","amount":"NaN"}`, saysDigits},
	{`{"order_id":"a","amount":".5"}`, saysPoint},
	{`{"order_id":"a","amount":"5."}`, saysPoint},
	{`{"order_id":"a","amount":"."}`, saysPoint},
	{`{"order_id":"a","amount":"007"}`, "amount must be written without leading zeros: 7, not 007"},
	{`{"order_id":"a","amount":"1e2"}`, saysExponent},

	// Currencies.
	{`{"order_id":"a","amount":1,"currency":""}`, saysCode},
	{`{"order_id":"a","amount":1,"currency":"usd"}`, "currency must be in upper case: USD"},
	{`{"order_id":"a","amount":1,"currency":" USD"}`, saysCode},
	{`{"order_id":"a","amount":1,"currency":"XXX"}`, saysCode},
	{`{"order_id":"a","amount":1,"currency":"840"}`, saysCode},
	{`{"order_id":"a","amount":1,"currency":"BTC"}`, saysCode},
	{`{"order_id":"a","amount":1.5,"currency":"JPY"}`, "amount must have no decimals in JPY"},
	{`{"order_id":"a","amount":1.2345,"currency":"KWD"}`, "amount must have at most 3 decimals in KWD"},
}

func TestMalformedBody_IsRefused(t *testing.T) {
	t.Parallel()
	p := answering(approved)
	s := serve(t, p)
	for _, test := range malformedBodies {
		got := s.post(test.body)
		require.Equal(t, 400, got.status, "%.200s", test.body)
		require.Equal(t, test.sentence, got.sentence(t), "%.200s", test.body)
		require.Empty(t, got.header.Values("Preference-Applied"))
	}
	p.requireUntouched(t)
}

// The response to a refused request quotes client input only as a bounded name in plain ASCII.
func TestErrorSentence_IsShortASCII(t *testing.T) {
	t.Parallel()
	for _, test := range malformedBodies {
		require.Regexp(t, `^[ -~]{10,140}$`, test.sentence)
	}
}
