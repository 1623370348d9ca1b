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

// A cursor names the last row of a page, for a list with certain states, times and filters. In base64url:
//
//	version 1 | created, nanoseconds since 1970 as a varint | order id | checksum, 8 bytes
//
// Version 2 has microseconds, because a damaged row may have a time that does not fit in
// nanoseconds. For the same reason the order id is not validated as input is.
//
// Replicas and versions share no secret, and none is needed: a forged cursor returns a page of a
// list that the caller may read anyway. The checksum detects a cursor that was truncated, changed
// or used with another list.
const (
	cursorVersion       = 1
	cursorVersionMicros = 2
	checksumBytes       = 8
)

func (q listQuery) encodeCursor(created time.Time, id payment.OrderID) string {
	var cursor []byte
	if time.Unix(0, created.UnixNano()).Equal(created) {
		cursor = binary.AppendVarint([]byte{cursorVersion}, created.UnixNano())
	} else {
		cursor = binary.AppendVarint([]byte{cursorVersionMicros}, created.UnixMicro())
	}
	cursor = append(cursor, id...)
	cursor = append(cursor, q.checksum(cursor)...)
	return base64.RawURLEncoding.EncodeToString(cursor)
}

func (q listQuery) decodeCursor(text string) (time.Time, payment.OrderID, error) {
	refused := malformed("cursor must be a next_cursor of this list, with the same states, times, gateway and q")
	cursor, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(cursor) <= checksumBytes || cursor[0] != cursorVersion && cursor[0] != cursorVersionMicros {
		return time.Time{}, "", refused
	}
	checksumAt := len(cursor) - checksumBytes
	if !bytes.Equal(cursor[checksumAt:], q.checksum(cursor[:checksumAt])) {
		return time.Time{}, "", refused
	}
	created, size := binary.Varint(cursor[1:checksumAt])
	if size <= 0 {
		return time.Time{}, "", refused
	}
	id := payment.OrderID(cursor[1+size : checksumAt])
	if id == "" || len(id) > payment.MaxOrderIDBytes {
		return time.Time{}, "", refused
	}
	if cursor[0] == cursorVersionMicros {
		return time.UnixMicro(created).UTC(), id, nil
	}
	return time.Unix(0, created).UTC(), id, nil
}

// checksum covers the states, which are sorted, the bounds in time and the filters. Without bounds and filters it
// equals the checksum of versions that had none.
func (q listQuery) checksum(cursor []byte) []byte {
	hash := sha256.New()
	for _, s := range q.States {
		hash.Write([]byte(s))
		hash.Write([]byte{0}) // no state contains it
	}
	if !q.CreatedFrom.IsZero() || !q.CreatedBefore.IsZero() {
		hash.Write([]byte(stamp(q.CreatedFrom) + " to " + stamp(q.CreatedBefore) + "\x00"))
	}
	if q.filter != (ports.ListFilter{}) {
		hash.Write([]byte(string(q.filter.Gateway) + " has " + q.filter.Q + "\x00"))
	}
	hash.Write(cursor)
	return hash.Sum(nil)[:checksumBytes]
}
