package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"paymentd/core/payment"
)

// Reader reads the ledger of a sandbox that another process may be writing. It creates and changes
// nothing, and charges nothing. It implements ports.Ledger, and the lookups of ports.Gateway.
type Reader struct {
	path    string
	gateway *Gateway

	mu   sync.Mutex
	file *os.File
	// read counts the bytes of the lines that were read, and number the lines.
	read   int64
	number int
	failed error // why no more can be read
}

// Declared returns the capabilities of the sandbox with the ledger at path. It opens no file, so that the ledger may
// be missing, or out of reach. The options are those of [Open].
func Declared(path string, opts ...Option) (payment.Capabilities, error) {
	if err := checkReadable(path); err != nil {
		return payment.Capabilities{}, err
	}
	return newGateway(path, opts).Capabilities(), nil
}

// checkReadable refuses a path that cannot be a ledger.
func checkReadable(path string) error {
	if path == "" {
		return errors.New("the sandbox ledger must have a path")
	}
	return checkLedgerPath(path)
}

// OpenReader opens the ledger at path for reading. A last line that is incomplete is left out, because
// it may be being written. The options are those of [Open]; a latency has no effect.
func OpenReader(path string, opts ...Option) (*Reader, error) {
	if err := checkReadable(path); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the operator names it
	if err != nil {
		return nil, fmt.Errorf("the sandbox ledger cannot be opened for reading: %w", err)
	}
	r := &Reader{path: path, gateway: newGateway(path, opts), file: file}
	r.gateway.ledger = &ledger{file: file}
	if err := r.follow(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return r, nil
}

// follow reads the lines that were written since the last call.
func (r *Reader) follow() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed != nil {
		return r.failed
	}
	r.gateway.mu.Lock()
	defer r.gateway.mu.Unlock()
	lines := bufio.NewReaderSize(io.NewSectionReader(r.file, r.read, 1<<62), 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read sandbox ledger: %w", err)
		case r.number == 0 && !isRecord(line):
			r.failed = notLedger(r.path)
			return r.failed
		}
		r.number++
		if err := r.gateway.remember(line); err != nil {
			r.failed = fmt.Errorf("sandbox ledger %s is damaged at line %d: %w", r.path, r.number, err)
			return r.failed
		}
		r.read += int64(len(line))
	}
}

// Charges returns one page of the charges; see ports.Ledger.
func (r *Reader) Charges(ctx context.Context, q payment.LedgerQuery) (payment.LedgerPage, error) {
	if err := r.follow(); err != nil {
		return payment.LedgerPage{}, err
	}
	return r.gateway.Charges(ctx, q)
}

// LookUp returns the state of a gateway key; see ports.Gateway.
func (r *Reader) LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	if err := r.follow(); err != nil {
		return payment.Lookup{Result: payment.FoundNoAnswer, Message: err.Error()}
	}
	return r.gateway.LookUp(ctx, ref)
}

// Capabilities returns those of the sandbox; see ports.Gateway.
func (r *Reader) Capabilities() payment.Capabilities { return r.gateway.Capabilities() }

// Close closes the file.
func (r *Reader) Close() error { return r.file.Close() }
