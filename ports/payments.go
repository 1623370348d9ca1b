package ports

import (
	"context"
	"errors"
	"fmt"
	"time"

	"paymentd/core/payment"
)

var (
	// ErrNotFound: the order, or the operation of it, was never requested.
	ErrNotFound = errors.New("no such payment")
	// ErrUnavailable: the repository could not be reached or was too busy, and certainly wrote
	// nothing.
	ErrUnavailable = errors.New("the database is not available")
	// ErrNotWritable: the repository answers, and refuses to store anything. It is read-only or full,
	// the user has no right to write, a table is missing, or the file was replaced after it was opened.
	// It wraps ErrUnavailable, and certainly nothing was written.
	ErrNotWritable = fmt.Errorf("%w: it does not accept writes", ErrUnavailable)
	// ErrInDoubt: the connection was lost at the commit. The change was written whole or not at all,
	// and it is not known which.
	ErrInDoubt = errors.New("it is not known whether the database has stored the change")
)

// Payments is the repository of payments. Each method is one short transaction, or none: it holds no
// connection and no lock when it returns. What is decided under a row's lock is decided by the pure
// functions of package payment, with the time of the database's clock.
//
// Every method may also return [ErrUnavailable] or an error that wraps it, and one that writes,
// [ErrInDoubt]. A method for one order returns a *payment.StoredRowError if a row of the order is not
// valid; a method for many orders leaves such rows out, and reports them. Deadlocks and lock timeouts
// are retried inside, a bounded number of times. Methods are safe for concurrent use, also by many
// replicas.
//
// Times are those of the database's clock, cut to microseconds before any decision. A payment that was
// read has the time of the read as its SeenAt.
type Payments interface {
	// Claim stores request.Open if the order is new. Otherwise it locks the payment and stores what
	// request.Decide decides. It returns the payment as it is then, and nil with an error.
	//
	// Of any number of concurrent claims on one order, at most one gets VerdictClaimed for each
	// fencing token.
	//
	// A request for another operation than the charge locks the payment, and stores what
	// request.DecideOperation decides. The result is the operation then. ErrNotFound if the order has no
	// payment; the error may also be one of request.DecideOperation.
	//
	// All methods below treat such operations as payments: with rows of their own, which they change only
	// under the lock of the payment's row, by way of payment.Decision.Account.
	Claim(ctx context.Context, request payment.ClaimRequest) (*payment.Payment, payment.Verdict, error)

	// ClaimDue stores what policy.PickUp decides about at most limit due payments of policy.Work, the
	// longest due first. With payment.WorkLookups it also stores what policy.PickUpKey decides about
	// due keys, each in a transaction of its own. It leaves alone payments with a key of a gateway
	// that is not in policy.Rules.Configured, unless the key is closed. It skips rows that are locked. It
	// also skips rows that cannot be read, which it postpones by policy.Postponement and logs; they
	// do not count towards limit. Decisions that need no work are not returned.
	ClaimDue(ctx context.Context, policy payment.PickUpPolicy, limit int) ([]payment.Decision, error)

	// NextDue returns how long it is until work of policy.Work is due: zero if some is due now, and
	// false if none ever will be, or none within policy.Within. Work that is due later than policy.DueWithin is due now; that is
	// only checked with policy.Ahead. It takes no lock.
	NextDue(ctx context.Context, policy payment.PickUpPolicy) (time.Duration, bool, error)

	// Backlog returns the payments that are not final, counted by state; states without payments are
	// left out. Of more than [MaxBacklog] payments, it counts those that have been due for the
	// longest. Rows that are visibly not valid have the state [Unreadable]. It takes no lock.
	Backlog(ctx context.Context) ([]Backlog, error)

	// Renew records the result of an attempt and extends the claim. payment.ErrFenced: the claim is
	// lost and nothing was written. It is safe to repeat after an error.
	Renew(ctx context.Context, r payment.Renewal) error

	// Settle writes an outcome. payment.ErrFenced: the claim is lost and nothing was written. It is
	// safe to repeat after an error.
	Settle(ctx context.Context, s payment.Settlement) error

	// RecordLookup stores the answer to a lookup, as r.Apply decides, and returns the payment as it
	// is then. The verdict is VerdictWritten; or, for a charge that was found although the payment did
	// not wait for it, VerdictEvidence, VerdictDouble or VerdictReplay. ErrNotFound, or
	// payment.ErrFenced: the payment has changed since, and nothing was written. It is safe to repeat
	// after an error.
	RecordLookup(ctx context.Context, r payment.LookupRecord) (payment.Payment, payment.Verdict, error)

	// RecordApproval stores the gateway's approval, as a.Apply decides, also if another worker holds
	// the claim, and returns the payment as it is then. The verdict is VerdictEvidence, VerdictDouble
	// or VerdictReplay. ErrNotFound. It is safe to repeat after an error.
	RecordApproval(ctx context.Context, a payment.Approval) (payment.Payment, payment.Verdict, error)

	// Notify makes a lookup due, as n.Apply decides about a gateway's event. The verdict is
	// VerdictWritten, or VerdictReplay if the event has nothing new. If n.Kind is not that of a charge, the
	// event is about the order's operation of that kind whose key it is: the current one, one with a record, or one of
	// an attempt; VerdictUnknownKey if there is none.
	// ErrNotFound. It is safe to repeat after an error.
	Notify(ctx context.Context, n payment.Notice) (payment.Verdict, error)

	// Resolve writes an operator's resolution. ErrNotFound, or a *payment.NotUnresolvedError.
	Resolve(ctx context.Context, r payment.Resolution) error

	// Import stores what i.Apply decides about a charge in the gateway's records, for the stored
	// payment or, if there is none, for i.Open. The verdict is VerdictWritten, or VerdictReplay if
	// there was nothing to write. The error may be a *payment.ImportRefusedError. It is safe to
	// repeat after an error. Of an operation other than a charge, it locks the payment and stores what
	// i.ApplyOperation decides; ErrNotFound if the order has no payment.
	Import(ctx context.Context, i payment.Import) (payment.Verdict, error)

	// Archivable returns a page of the histories that may be archived, by order id.
	Archivable(ctx context.Context, q ArchiveQuery) (ArchivePage, error)

	// Archive deletes the history that a.Apply allows, in one transaction, and keeps the payment.
	// ErrNotFound, or payment.ErrNotArchived, also if a repeat follows a success.
	Archive(ctx context.Context, a payment.Archival) error

	// Find returns a payment, or ErrNotFound. It waits for no lock.
	Find(ctx context.Context, id payment.OrderID) (payment.Payment, error)

	// FindOperation returns an operation other than a charge, or ErrNotFound. It waits for no lock.
	FindOperation(ctx context.Context, ref payment.Ref) (payment.Payment, error)

	// History returns a payment with all its attempts, the latest last, and its events, or
	// ErrNotFound.
	History(ctx context.Context, id payment.OrderID) (History, error)

	// List returns a page of payments, newest first, and those of the same time by order id, the
	// highest first. It reads a bounded number of rows: see [ListPage]. Rows with an unknown state belong to every list,
	// unless they are not due and the list is [ListQuery.Outstanding].
	List(ctx context.Context, q ListQuery) (ListPage, error)

	// CountForeign counts the payments that cannot continue because their key is not closed and
	// belongs to a gateway other than the given ones, and the keys whose own lookups wait for such a
	// gateway; of each at most [MaxBacklog]. It takes no lock.
	CountForeign(ctx context.Context, configured []payment.GatewayID) (int, error)

	// Transactions returns at most limit transactions of payments that have one, by order id, after
	// the given one. It waits for no lock.
	Transactions(ctx context.Context, after payment.OrderID, limit int) ([]Transaction, error)

	// Heartbeat stores that a replica is alive. It returns at the latest when ctx ends. It is safe to
	// repeat after an error.
	Heartbeat(ctx context.Context, replica string) error

	// Heartbeats returns the latest heartbeat of each replica except asking, by name. It takes no
	// lock.
	Heartbeats(ctx context.Context, asking string) ([]Heartbeat, error)

	// Release ends the leases of a replica at once, and deletes its heartbeat. It does nothing, and
	// returns false, if the replica has left, was released before, or has stored a later heartbeat
	// than h. It is safe to repeat after an error.
	Release(ctx context.Context, h Heartbeat) (released bool, err error)

	// Leave deletes the heartbeat of a replica that has stopped and holds no claims.
	Leave(ctx context.Context, replica string) error

	// Ready returns nil if the database answers and this program can work on its schema: its own
	// version or a later one. Otherwise the error says what is wrong.
	Ready(ctx context.Context) error

	// TryWrite makes every kind of write that a payment needs, in one transaction that it rolls back.
	// ErrNotWritable if the database refuses one of them.
	TryWrite(ctx context.Context) error
}

// Heartbeat is the latest heartbeat that a replica has stored.
type Heartbeat struct {
	Replica string
	// At is the time of the database's clock that was stored with it.
	At time.Time
	// Age is how long ago that was when it was read, by the database's clock. It is negative if that
	// clock has stepped back since.
	Age time.Duration
}
