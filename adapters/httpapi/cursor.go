package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// A cursor names the last payment of a page, for a list of certain states and times. In
// base64url:
//
//	version 1 | created, nanoseconds since 1970 as a varint | order id | checksum, 8 bytes
//
// Replicas and versions share no secret, and none is needed: who forges a cursor gets a
// page of a list that may be asked for anyway. The checksum is there so that a cursor that
// was cut, changed or taken to another list is refused, and not read as another place.
const (
	cursorVersion = 1
	checksumBytes = 8
)

func encodeCursor(last payment.Payment, q ports.ListQuery) string {
	cursor := []byte{cursorVersion}
	cursor = binary.AppendVarint(cursor, last.CreatedAt.UnixNano())
	cursor = append(cursor, last.OrderID...)
	cursor = append(cursor, cursorChecksum(cursor, q)...)
	return base64.RawURLEncoding.EncodeToString(cursor)
}

func decodeCursor(text string, q ports.ListQuery) (time.Time, payment.OrderID, error) {
	refused := malformed("cursor must be a next_cursor of this list, with the same states and times")
	cursor, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(cursor) <= checksumBytes || cursor[0] != cursorVersion {
		return time.Time{}, "", refused
	}
	checksumAt := len(cursor) - checksumBytes
	if !bytes.Equal(cursor[checksumAt:], cursorChecksum(cursor[:checksumAt], q)) {
		return time.Time{}, "", refused
	}
	created, size := binary.Varint(cursor[1:checksumAt])
	if size <= 0 {
		return time.Time{}, "", refused
	}
	id, err := payment.ParseOrderID(string(cursor[1+size : checksumAt]))
	if err != nil {
		return time.Time{}, "", refused
	}
	return time.Unix(0, created).UTC(), id, nil
}

// cursorChecksum covers the states, which are sorted, and the bounds in time. Without bounds
// it is what it was before there were any.
func cursorChecksum(cursor []byte, q ports.ListQuery) []byte {
	hash := sha256.New()
	for _, s := range q.States {
		hash.Write([]byte(s))
		hash.Write([]byte{0}) // in no state's name
	}
	if !q.CreatedFrom.IsZero() || !q.CreatedBefore.IsZero() {
		hash.Write([]byte(stamp(q.CreatedFrom) + " to " + stamp(q.CreatedBefore) + "\x00"))
	}
	hash.Write(cursor)
	return hash.Sum(nil)[:checksumBytes]
}
