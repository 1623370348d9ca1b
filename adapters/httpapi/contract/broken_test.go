package contract_test

import (
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// breakIt makes a request invalid. It returns true if the result matches no operation.
func (w *walk) breakIt(m *message) (stray bool) {
	switch {
	case w.oneIn(6, "no such path"):
		m.broken = "no such path"
		m.path = rapid.SampledFrom([]string{
			"/payments/", "/payments/a/b", "/payments//process", "/Payments", "/docs/", "/docs/x.js", "/docs/../x",
			"/payments/a/refunds/", "/payments/a/refunds/b/c", "/healthz/x", "/payments/process/", "/metrics/x", "/openapi.json", "/%00", "/payments%2Fprocess",
		}).Draw(w.Case, "path")
		return true
	case w.oneIn(6, "no such method"):
		m.broken = "no such method"
		m.method = rapid.SampledFrom([]string{"PUT", "PATCH", "DELETE", "BREW", "get"}).Draw(w.Case, "method")
		return true
	}
	switch {
	case m.body != "":
		w.breakBody(m)
	case m.path == "/payments":
		w.breakQuery(m)
	case strings.HasPrefix(m.path, "/payments/"):
		m.broken = "no id"
		segments := strings.Split(m.path, "/") // "", "payments", the order id, "refunds", the refund id
		ids := []int{2}
		if len(segments) > 4 {
			ids = append(ids, 4)
		}
		segments[rapid.SampledFrom(ids).Draw(w.Case, "segment")] = rapid.SampledFrom([]string{
			"a%20b", "%00", "%C3%A9", "%7F", "%0D%0Ax", strings.Repeat("a", 129), "%FF", "a%09",
		}).Draw(w.Case, "id")
		m.path = strings.Join(segments, "/")
	}
	return false
}

func (w *walk) breakQuery(m *message) {
	queries := []struct{ name, value string }{
		{"sate", "failed"},
		{"state", "Failed"},
		{"state", "failed,declined"},
		{"limit", "0"},
		{"limit", "201"},
		{"limit", "1e1"},
		{"limit", "-1"},
		{"limit", "\x00"},
		{"created_from", "yesterday"},
		{"created_from", "2026-03-04"},
		{"created_from", "1969-12-31T23:59:59Z"},
		{"created_before", "9999-01-01T00:00:00Z"},
		{"created_before", "2026-03-04T12:00:00"},
		{"cursor", "x"},
		{"cursor", "AQ"},
		{"", "x"},
		{"limit[]", "1"},
	}
	q := rapid.SampledFrom(queries).Draw(w.Case, "query")
	m.broken = "the query"
	m.query.Set(q.name, q.value)
}

func (w *walk) breakBody(m *message) {
	m.broken = rapid.SampledFrom([]string{
		"cut", "followed", "member twice", "unknown member", "other case", "not an object", "too long", "no body",
		"media type", "no media type", "coding", "query", "UTF-8", "wrong type", "wrong amount", "wrong currency",
	}).Draw(w.Case, "body")
	id, empty := "order_id", []string{"", " ", "\n"}
	wrong := []string{"1", "null", "[]", "{}", "true", `""`, `"a b"`, `"é"`, `"\ud800"`}
	switch m.path[strings.LastIndexByte(m.path, '/'):] {
	case "/refunds":
		id = "refund_id"
	case "/capture", "/void": // these have no id, a void may have no body, and a reason is any text
		m.body, id, empty, wrong = `{"reason":"a"}`, "reason", empty[1:], wrong[:6]
	}
	wrap := func(more string) { m.body = strings.TrimSuffix(m.body, "}") + "," + more + "}" }
	one := func(values ...string) string { return rapid.SampledFrom(values).Draw(w.Case, m.broken) }
	switch m.broken {
	case "cut":
		m.body = m.body[:rapid.IntRange(1, len(m.body)-1).Draw(w.Case, "length")]
	case "followed":
		m.body += one("{}", "x", "]", "\x00", m.body)
	case "member twice":
		wrap(`"` + id + `":"a"`)
	case "unknown member":
		wrap(one(`"curency":"EUR"`, `"order":"a"`, `"":1`, `"__proto__":{}`, `"\u0000":null`))
	case "other case":
		m.body = strings.Replace(m.body, `"`+id+`"`, one(`"Order_id"`, `"REFUND_ID"`, `"Reason"`, `"ｏrder_id"`), 1)
	case "not an object":
		m.body = one("null", "[]", "1", `"x"`, "["+m.body+"]", strings.Repeat("[", 20000))
	case "too long":
		m.body += strings.Repeat(" ", 65537)
	case "no body":
		m.body = one(empty...)
	case "UTF-8":
		m.body = one("\xFF", "\xEF\xBB\xBF") + m.body
	case "wrong type":
		m.body = `{"` + id + `":` + one(wrong...) + `,"amount":1}`
	case "wrong amount":
		m.body = `{"` + id + `":"a","amount":` + one(`0`, `-1`, `1e2`, `"1e2"`, `"1,00"`, `null`, `[]`, `{}`, `true`, `""`,
			`" 1"`, `0.001`, `1234567890123456`, `"NaN"`, `01`, `.5`, `1.`, `"+1"`) + `}`
	case "wrong currency":
		m.body = `{"` + id + `":"a","amount":1,"currency":` + one(`"usd"`, `"XXQ"`, `""`, `null`, `1`, `"US"`, `"USD "`) + `}`
	default:
		breakAround(m, one)
	}
}

// breakAround makes the header or the query of a request invalid, with values that one selects.
func breakAround(m *message, one func(values ...string) string) {
	media := func(lines ...string) {
		m.header = slices.DeleteFunc(m.header, func(line string) bool { return strings.HasPrefix(line, "Content-Type") })
		m.header = append(m.header, lines...)
	}
	switch m.broken {
	case "media type":
		media("Content-Type: " + one("text/plain", "application/xml", "application/json; charset=utf-16", "*/*"))
	case "no media type":
		media()
	case "coding":
		m.header = append(m.header, "Content-Encoding: "+one("gzip", "br", "x"))
	case "query":
		m.query.Set(one("amount", "x"), "1")
	}
}
