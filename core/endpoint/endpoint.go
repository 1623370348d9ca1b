package endpoint

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"paymentd/core/payment"
)

const (
	// MaxEndpoints bounds the endpoints that are not deleted, because every replica holds them in memory, and a
	// change of a payment may write one row for each.
	MaxEndpoints = 32
	// maxURLBytes and maxPatterns bound what an endpoint stores.
	maxURLBytes = 2000
	maxPatterns = 64
)

// ID names an endpoint: ep_ and 16 hexadecimal digits.
type ID string

// IsValid reports whether the id has the form of those that [New] returns.
func (id ID) IsValid() bool {
	digits, ok := strings.CutPrefix(string(id), "ep_")
	return ok && len(digits) == 16 && strings.Trim(digits, "0123456789abcdef") == ""
}

// State is whether an endpoint receives events.
type State string

const (
	// StateActive: events are stored for the endpoint and delivered.
	StateActive State = "active"
	// StateDisabled: an operator has disabled the endpoint. Nothing is stored for it, and what waits is kept.
	StateDisabled State = "disabled"
	// StateSwitchedOff: as StateDisabled, because every delivery had failed for [SwitchOffAfter].
	StateSwitchedOff State = "switched_off"
	// StateDeleted: the endpoint is gone. Its row is kept, without its secrets.
	StateDeleted State = "deleted"
)

// States returns the states of endpoints that are not deleted.
func States() []State { return []State{StateActive, StateDisabled, StateSwitchedOff} }

// Patterns select the events of an endpoint.
type Patterns []payment.ChangePattern

// ParsePatterns parses patterns that are separated by commas. The error is a sentence that says what to change.
func ParsePatterns(text string) (Patterns, error) {
	var patterns Patterns
	for each := range strings.SplitSeq(text, ",") {
		pattern, err := payment.ParseChangePattern(strings.TrimSpace(each))
		if err != nil {
			return nil, err
		}
		if !slices.Contains(patterns, pattern) {
			patterns = append(patterns, pattern)
		}
	}
	if len(patterns) > maxPatterns {
		return nil, fmt.Errorf("there are %d patterns of events, and at most %d are allowed: use payment.* or *", len(patterns), maxPatterns)
	}
	return patterns, nil
}

// ReadPatterns returns the patterns of a row. Those that this version does not know match nothing.
func ReadPatterns(stored string) Patterns {
	var patterns Patterns
	for each := range strings.SplitSeq(stored, ",") {
		if each != "" {
			patterns = append(patterns, payment.ChangePattern(each))
		}
	}
	return patterns
}

// String returns the patterns, separated by commas.
func (m Patterns) String() string {
	texts := make([]string, len(m))
	for i, pattern := range m {
		texts[i] = string(pattern)
	}
	return strings.Join(texts, ",")
}

// Match reports whether any of the patterns matches the type.
func (m Patterns) Match(t payment.ChangeType) bool {
	return slices.ContainsFunc(m, func(pattern payment.ChangePattern) bool { return pattern.Matches(t) })
}

// Secret is a secret that signs events: whsec_ and the base64 of 32 random bytes (Standard Webhooks, "Signature
// scheme"). It does not print itself.
type Secret struct{ text string }

// NewSecret draws a secret.
func NewSecret() Secret {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails, see crypto/rand
	return Secret{"whsec_" + base64.StdEncoding.EncodeToString(random[:])}
}

// ReadSecret returns the secret of a row.
func ReadSecret(stored string) Secret { return Secret{stored} }

// Reveal returns the secret as text; empty if there is none.
func (s Secret) Reveal() string { return s.text }

// String returns no part of the secret.
func (s Secret) String() string { return "whsec_…" }

// Endpoint receives events, by HTTP or NATS. All times are of the database's clock.
type Endpoint struct {
	ID     ID
	URL    string
	Events Patterns
	State  State
	Secret Secret
	// Previous is the secret before the latest rotation. Events are signed with both until PreviousUntil.
	Previous      Secret
	PreviousUntil time.Time
	// FailingSince is the first failed delivery after the latest successful one; zero if that did not fail.
	FailingSince time.Time
	CreatedAt    time.Time
	ChangedAt    time.Time // the latest change by an operator, or when it was switched off
	// CreatedBy names the person who creates the endpoint, for the record of acts. It is not stored with the endpoint.
	CreatedBy string
	// SeenAt is the database's clock when the endpoint was read. It is not stored.
	SeenAt time.Time
}

// New returns a new endpoint with a new id and secret. Its URL must have passed [CheckURL].
func New(to string, events Patterns) Endpoint {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails, see crypto/rand
	return Endpoint{
		ID: ID("ep_" + hex.EncodeToString(random[:])), URL: to, Events: events, State: StateActive, Secret: NewSecret(),
	}
}

// CheckURL returns why a new endpoint cannot have the URL, as a sentence that says what to change. Whether its host is
// allowed is decided when it is connected to.
func CheckURL(text string) error {
	if err := checkURL(text); err != nil {
		return err
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return err
	case !isPort(u):
		return errors.New("must have a port from 1 to 65535, or none")
	case !isHost(u.Hostname()):
		return errors.New("must have a host that can be resolved: a DNS name, an IPv4 address of four decimal numbers, or an IPv6 address in brackets")
	}
	return nil
}

// checkURL checks what is true of the URL of every stored endpoint.
func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil, !slices.Contains([]string{"https", "http", "tls", "nats"}, u.Scheme), u.Hostname() == "":
		return errors.New("must be an https:// address, such as https://shop.example/webhooks, or for NATS a tls:// or nats:// " +
			"address with a subject, such as tls://nats.example:4222/payments")
	case len(text) > maxURLBytes:
		return fmt.Errorf("must have at most %d bytes", maxURLBytes)
	case u.User != nil:
		return errors.New("must not contain a user or a password: verify the signature of each event instead")
	case u.Fragment != "":
		return errors.New("must not contain a fragment (#): it is not sent")
	case isBus(u) && (!subject.MatchString(u.Path) || u.RawQuery != ""):
		return errors.New("must end with the subject that types of events are appended to, of letters, digits, - and _ between dots, " +
			"such as tls://nats.example:4222/shop.payments")
	}
	return nil
}

// subject is the path of an address of NATS: the beginning of a subject without wildcards (NATS docs, "Subject-Based
// Messaging", "Characters allowed and recommended for subject names").
var subject = regexp.MustCompile(`^/[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

func isBus(u *url.URL) bool { return u.Scheme == "nats" || u.Scheme == "tls" }

// IsBus reports whether the endpoint is a server of NATS, and not a receiver of HTTP.
func (e Endpoint) IsBus() bool {
	u, err := url.Parse(e.URL)
	return err == nil && isBus(u)
}

// Host returns the host and the port of the URL, for logs; its path may contain secrets.
func (e Endpoint) Host() string {
	u, err := url.Parse(e.URL)
	if err != nil {
		return ""
	}
	return u.Host
}

// Secrets returns the secrets that sign a delivery now, the current one first.
func (e Endpoint) Secrets() []Secret {
	if !e.overlaps(e.SeenAt) {
		return []Secret{e.Secret}
	}
	return []Secret{e.Secret, e.Previous}
}

// overlaps reports whether the secret before the latest rotation signs at the time.
func (e Endpoint) overlaps(now time.Time) bool {
	return e.Previous.Reveal() != "" && now.Before(e.PreviousUntil)
}

// StoredRowError says why a stored row is not a valid endpoint: the row is damaged.
type StoredRowError struct {
	ID     ID
	Column string // of the table endpoints
}

// Error names the endpoint and the column.
func (e *StoredRowError) Error() string {
	return fmt.Sprintf("read the row of endpoint %+q: endpoints.%s is not valid", e.ID, e.Column)
}

// Validate checks what is true of every stored endpoint. A repository calls it after each read. The error is a
// *[StoredRowError].
func (e Endpoint) Validate() error {
	switch {
	case e.ID == "":
		return &StoredRowError{e.ID, "id"}
	case e.State != StateDeleted && !slices.Contains(States(), e.State):
		return &StoredRowError{e.ID, "state"}
	case checkURL(e.URL) != nil: // and not CheckURL, which later versions may make stricter
		return &StoredRowError{e.ID, "url"}
	case e.State != StateDeleted && e.Secret.Reveal() == "":
		return &StoredRowError{e.ID, "secret"}
	}
	return nil
}
