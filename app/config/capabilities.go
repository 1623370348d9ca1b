package config

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"paymentd/app/gateways"
	"paymentd/core/payment"
)

// The lines around the part of docs/gateways.md that [InsertCapabilities] generates.
const (
	capabilitiesBegin = "<!-- Generated from app/gateways by make generate: -->\n"
	capabilitiesEnd   = "<!-- End of the generated part. -->\n"
)

// capability is a line of the table of capabilities.
type capability struct {
	name   string
	text   func(payment.Capabilities) string
	source func(gateways.Sources) string
}

var capabilities = []capability{
	{"a repeat of a key gets", func(c payment.Capabilities) string { return repeats[c.Repeat] }, func(s gateways.Sources) string { return s.Repeat }},
	{"remembers keys", func(c payment.Capabilities) string { return gateways.Lifetime(c.KeyLifetime) }, func(s gateways.Sources) string { return s.KeyLifetime }},
	{"longest key", func(c payment.Capabilities) string { return limit(c.MaxKeyBytes) }, func(s gateways.Sources) string { return s.MaxKeyBytes }},
	{"lookup", lookup, func(s gateways.Sources) string { return s.LooksUp }},
	{"lookups lag", lag, func(s gateways.Sources) string { return s.LookupLag }},
	{"saves declines", func(c payment.Capabilities) string { return yesNo(c.SavesDeclines) }, func(s gateways.Sources) string { return s.SavesDeclines }},
	{"cancels", cancels, func(s gateways.Sources) string { return s.Cancels }},
	{"needs a payment method", func(c payment.Capabilities) string { return yesNo(c.NeedsMethod) }, func(s gateways.Sources) string { return s.NeedsMethod }},
	{"outcome may come later", func(c payment.Capabilities) string { return cmp.Or(c.Asynchronous.String(), "none") }, func(s gateways.Sources) string { return s.Asynchronous }},
	{"further operations", func(c payment.Capabilities) string { return cmp.Or(c.Operations.String(), "none") }, func(s gateways.Sources) string { return s.Operations }},
}

// InsertCapabilities replaces the generated part of docs/gateways.md, which is between two comments.
func InsertCapabilities(page string) (string, error) {
	before, rest, begins := strings.Cut(page, capabilitiesBegin)
	_, after, ends := strings.Cut(rest, capabilitiesEnd)
	if !begins || !ends {
		return "", fmt.Errorf("docs/gateways.md has no generated part between %q and %q", capabilitiesBegin, capabilitiesEnd)
	}
	return before + capabilitiesBegin + "\n" + capabilitiesTable() + "\n" + capabilitiesEnd + after, nil
}

// capabilitiesTable has a line for each capability and a column for each kind of gateway, followed by one for its
// sources if it has any.
func capabilitiesTable() string {
	var b strings.Builder
	b.WriteString("| capability |")
	rule := "\n|" + strings.Repeat(" --- |", columns()) + "\n"
	for _, k := range gateways.Kinds {
		fmt.Fprintf(&b, " %s |", k.Name)
		if k.Sources != nil {
			b.WriteString(" source |")
		}
	}
	b.WriteString(rule)
	for _, c := range capabilities {
		fmt.Fprintf(&b, "| %s |", c.name)
		for _, k := range gateways.Kinds {
			fmt.Fprintf(&b, " %s |", cell(c.text(k.Capabilities)))
			if k.Sources != nil {
				fmt.Fprintf(&b, " %s |", cell(c.source(*k.Sources)))
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// columns returns the number of columns of the table.
func columns() int {
	n := 1 + len(gateways.Kinds)
	for _, k := range gateways.Kinds {
		if k.Sources != nil {
			n++
		}
	}
	return n
}

// repeats describe what a repeat of a key gets.
var repeats = map[payment.Repeat]string{
	payment.RepeatCharges: "another charge", payment.RepeatFirstAnswer: "the first answer, also an error",
	payment.RepeatFirstSuccess: "the first success", payment.RepeatLatestStatus: "the latest status",
}

func limit(bytes int) string {
	if bytes == 0 {
		return "no limit"
	}
	return strconv.Itoa(bytes) + " bytes"
}

func lookup(c payment.Capabilities) string {
	switch {
	case !c.LooksUp:
		return "no"
	case c.LookupForgets:
		return "until it forgets the key"
	}
	return "yes"
}

func lag(c payment.Capabilities) string {
	if c.LookupLag == 0 {
		return "no"
	}
	return gateways.Lifetime(c.LookupLag)
}

func cancels(c payment.Capabilities) string {
	switch {
	case c.CancelsByKey:
		return "by key"
	case c.Cancels:
		return "pending charges"
	}
	return "no"
}
