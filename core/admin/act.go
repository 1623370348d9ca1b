package admin

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"paymentd/core/apikey"
	"paymentd/core/endpoint"
	"paymentd/core/payment"
)

// Kind is what was done.
type Kind string

// The kinds of acts.
const (
	KeyCreated       Kind = "key_created"
	KeyRotated       Kind = "key_rotated"
	KeyRevoked       Kind = "key_revoked"
	EndpointCreated  Kind = "endpoint_created"
	EndpointEnabled  Kind = "endpoint_enabled"
	EndpointDisabled Kind = "endpoint_disabled"
	EndpointDeleted  Kind = "endpoint_deleted"
	EndpointRotated  Kind = "endpoint_rotated"
	EventsReplayed   Kind = "events_replayed"
)

// Act is one act of a person on an API key or a webhook endpoint.
type Act struct {
	ID string // 32 hexadecimal digits
	// At is by the database's clock. It is ignored when the act is stored.
	At   time.Time
	By   string // the name of the person, as [apikey.Actor] returns it
	Kind Kind
	// Subject is the id of the key or of the endpoint.
	Subject string
	// Before and After describe the subject. Before is empty if the act created it.
	Before, After Fields
}

// Fields are the names and values that describe a subject. A value that is not set is left out.
type Fields map[string]string

// Encode returns the fields as they are stored: a JSON object, with its names in order.
func (f Fields) Encode() []byte {
	if f == nil {
		f = Fields{}
	}
	text, err := json.Marshal(f)
	if err != nil {
		panic(err) // text has no value that cannot be encoded
	}
	return text
}

// ReadFields returns stored fields. Text that is not valid becomes a field of its own.
func ReadFields(stored []byte) Fields {
	var f Fields
	if err := json.Unmarshal(stored, &f); err != nil {
		return Fields{"unreadable": "the stored text is damaged"}
	}
	return f
}

// Difference is a field that an act has changed.
type Difference struct{ Name, Before, After string }

// Differences returns what the act has changed, by name.
func (a Act) Differences() (all []Difference) {
	names := slices.Collect(maps.Keys(a.After))
	for name := range a.Before {
		if _, both := a.After[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if before, after := a.Before[name], a.After[name]; before != after {
			all = append(all, Difference{name, before, after})
		}
	}
	return all
}

func newAct(kind Kind, subject, by string, before, after Fields) Act {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails, see crypto/rand
	return Act{ID: hex.EncodeToString(random[:]), By: apikey.Actor(by), Kind: kind, Subject: subject, Before: before, After: after}
}

// set returns the fields that are not empty.
func set(f Fields) Fields {
	maps.DeleteFunc(f, func(_, value string) bool { return value == "" })
	return f
}

func moment(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

func keyFields(k apikey.Key) Fields {
	state := "active"
	if !k.Active() {
		state = "revoked"
	}
	return set(Fields{
		"name": string(k.Name), "scopes": k.Scopes.String(), "limits": k.Limits.String(), "expires": moment(k.ExpiresAt), "state": state,
	})
}

// CreateKey is the act of the person who has created the key.
func CreateKey(k apikey.Key) Act {
	return newAct(KeyCreated, string(k.ID), k.CreatedBy, nil, keyFields(k))
}

// RotateKey is the acts of a rotation: that of the key before, and that of its successor.
func RotateKey(found, before, successor apikey.Key) []Act {
	replaced, created := keyFields(before), keyFields(successor)
	replaced["successor"], created["replaces"] = string(successor.ID), string(before.ID)
	return []Act{
		newAct(KeyRotated, string(before.ID), successor.CreatedBy, keyFields(found), replaced),
		newAct(KeyCreated, string(successor.ID), successor.CreatedBy, nil, created),
	}
}

// RevokeKey is the act of the person who has revoked an active key.
func RevokeKey(k apikey.Key, by string) Act {
	k.RevokedAt = time.Time{}
	before := keyFields(k)
	after := maps.Clone(before)
	after["state"] = "revoked"
	return newAct(KeyRevoked, string(k.ID), by, before, after)
}

func endpointFields(e endpoint.Endpoint) Fields {
	return set(Fields{
		"url": e.URL, "events": e.Events.String(), "state": string(e.State), "failing since": moment(e.FailingSince),
		"old secret signs until": moment(e.PreviousUntil),
	})
}

// CreateEndpoint is the act of the person who has created the endpoint.
func CreateEndpoint(e endpoint.Endpoint) Act {
	return newAct(EndpointCreated, string(e.ID), e.CreatedBy, nil, endpointFields(e))
}

// ChangeEndpoint is the act of the person who has changed an endpoint, and false if no person has changed it.
func ChangeEndpoint(before, after endpoint.Endpoint, change endpoint.Change) (Act, bool) {
	if change.Attempted {
		return Act{}, false
	}
	kind := EndpointRotated
	if before.State != after.State {
		kind = map[endpoint.State]Kind{
			endpoint.StateActive: EndpointEnabled, endpoint.StateDisabled: EndpointDisabled, endpoint.StateDeleted: EndpointDeleted,
		}[after.State]
	}
	was, is := endpointFields(before), endpointFields(after)
	if kind == EndpointRotated {
		was["secret"], is["secret"] = "the one before", "a new one"
	}
	return newAct(kind, string(after.ID), change.By, was, is), true
}

// ReplayEvents is the act of the person who delivers events of an endpoint again: one event, or those since a time.
func ReplayEvents(to endpoint.ID, event payment.ChangeID, since time.Time, undelivered bool, by string) Act {
	f := Fields{"event": string(event)}
	if event == "" {
		f = Fields{"since": moment(since), "events": "all"}
		if undelivered {
			f["events"] = "those that were not delivered"
		}
	}
	return newAct(EventsReplayed, string(to), by, nil, f)
}
