// Package ports is the door of the core, both ways: what the payment use cases need
// from outside, and what they promise to whoever provides it. The contract is in the
// words here, and as code in portstest: every adapter passes it.
package ports

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"paymentd/core/payment"
)

var (
	// ErrNotFound: nobody has ever asked for this order.
	ErrNotFound = errors.New("no such payment")
	// ErrUnavailable: the repository could not be reached or was too busy, and certainly
	// wrote nothing.
	ErrUnavailable = errors.New("the database is not available")
	// ErrNotWritable: the repository answers, and refuses to store anything: it is read-only or
	// full, this user has no right to write, or its file is not the one that was opened. It wraps
	// ErrUnavailable, and certainly nothing was written.
	ErrNotWritable = fmt.Errorf("%w: it takes no writes", ErrUnavailable)
	// ErrInDoubt: the repository was lost at the commit. The change was written whole or
	// not at all, and it is not known which.
	ErrInDoubt = errors.New("it is not known whether the database has stored the change")
)

// Payments is the repository. Each method is one short transaction, or none: no
// connection and no lock is held when it returns. What is decided under a row's lock is
// decided by the pure functions of package payment, with the time of the database's clock.
//
// Every method may also return [ErrUnavailable] or an error that wraps it; one that
// writes, [ErrInDoubt]. A method for one order returns a *payment.StoredRowError if a row of the order
// makes no payment, attempt or event; a method for many leaves such rows out, and says so. Deadlocks and lock timeouts are retried inside, a bounded number of
// times. Methods are safe for concurrent use, by many replicas.
//
// Times are those of the database's clock, cut to microseconds before anything is decided
// by them. A payment that was read carries the time at which it was as its SeenAt.
type Payments interface {
	// Claim stores ask.Open where the order is new. Otherwise it locks the payment, lets
	// ask.Decide decide, and stores the decision. It returns the payment as it then is.
	//
	// Of any number of concurrent claims on one order, one at most gets VerdictClaimed
	// for each fencing number.
	Claim(ctx context.Context, ask payment.ClaimRequest) (payment.Payment, payment.Verdict, error)

	// ClaimDue lets terms.PickUp decide about at most limit payments of terms.Work that are due, the
	// longest due first, and stores the decisions. With payment.WorkLookups it lets terms.PickUpKey
	// decide about due keys as well, in a transaction each. Payments of another gateway than
	// terms.Rules.Gateway are left alone while their key is not closed. It passes over rows that others have
	// locked, and rows that cannot be read: those are put off, and logged, and take no part of the limit.
	// Decisions that call for no work are left out.
	ClaimDue(ctx context.Context, terms payment.PickUpPolicy, limit int) ([]payment.Decision, error)

	// NextDue returns how long it is until something of terms.Work is due; zero when it is due now, and
	// false when nothing will ever be. What is due further ahead than terms.DueWithin is due now; that is
	// only looked for with terms.Ahead. It takes no lock.
	NextDue(ctx context.Context, terms payment.PickUpPolicy) (time.Duration, bool, error)

	// Backlog returns what is not finished, by state; the states of which there is none are left
	// out. It takes no lock. Of more than [MaxBacklog] payments it counts those that have been
	// due for the longest. Rows that can be seen to be none have the state [Unreadable].
	Backlog(ctx context.Context) ([]Backlog, error)

	// Renew records the end of an attempt and holds the claim for longer. Repeating it,
	// after an error, is safe. payment.ErrFenced: the claim is lost and nothing was written.
	Renew(ctx context.Context, r payment.Renewal) error

	// Settle writes an outcome. payment.ErrFenced: the claim is lost and nothing was
	// written. Repeating it, after an error, is safe.
	Settle(ctx context.Context, s payment.Settlement) error

	// RecordLookup stores the answer to a lookup, as r.Apply decides, and returns the payment as it then is.
	// The verdict is VerdictWritten; or VerdictEvidence, VerdictDouble or VerdictReplay for a charge
	// that was found when the payment did not wait for it. payment.ErrFenced: the payment has gone on,
	// and nothing was written. Repeating it, after an error, is safe.
	RecordLookup(ctx context.Context, r payment.LookupRecord) (payment.Payment, payment.Verdict, error)

	// RecordApproval stores the gateway's approval whoever holds the claim, as a.Apply decides, and
	// returns the payment as it then is: VerdictEvidence, VerdictDouble or VerdictReplay. ErrNotFound.
	// Repeating it, after an error, is safe.
	RecordApproval(ctx context.Context, a payment.Approval) (payment.Payment, payment.Verdict, error)

	// Resolve writes a person's word. ErrNotFound, or a *payment.NotUnresolvedError.
	Resolve(ctx context.Context, r payment.Resolution) error

	// Import writes a charge that the gateway's books have: it stores the payment of an order
	// that is not there, and otherwise lets i.Apply decide. VerdictWritten, or VerdictReplay where
	// there was nothing to write; or a *payment.ImportRefusedError. Repeating it, after an error,
	// is safe.
	Import(ctx context.Context, i payment.Import) (payment.Verdict, error)

	// Archivable returns the histories that may be archived, by order id, and how to go on.
	Archivable(ctx context.Context, q ArchiveQuery) (ArchivePage, error)

	// Archive takes the history away that a.Apply allows, in one transaction, and leaves the
	// payment. ErrNotFound, or payment.ErrNotArchived; the latter as well where it was done, and
	// is repeated.
	Archive(ctx context.Context, a payment.Archival) error

	// Find returns a payment, or ErrNotFound. It waits for no lock.
	Find(ctx context.Context, id payment.OrderID) (payment.Payment, error)

	// History returns a payment with all its attempts, the latest last, and its events,
	// or ErrNotFound.
	History(ctx context.Context, id payment.OrderID) (History, error)

	// List returns a page of payments, newest first, and those of one moment by order id, the
	// highest first. Rows in an unknown state are among those of every list.
	List(ctx context.Context, q ListQuery) (ListPage, error)

	// CountForeign counts the payments that wait because their key is another gateway's than the given
	// one, and not closed; at most [MaxBacklog]. It takes no lock.
	CountForeign(ctx context.Context, gateway payment.GatewayID) (int, error)

	// Transactions returns the transactions of payments that have one, by order id, from the first
	// after the given one on. It waits for no lock.
	Transactions(ctx context.Context, after payment.OrderID, limit int) ([]Transaction, error)

	// Beat stores that a replica is alive. It takes no longer than ctx lasts. Repeating it, after
	// an error, is safe.
	Heartbeat(ctx context.Context, replica string) error

	// Heartbeats returns the latest heartbeat of each replica but the one that asks, by name. It
	// takes no lock.
	Heartbeats(ctx context.Context, asking string) ([]Heartbeat, error)

	// Release lets the leases of a replica run out at once, and forgets the replica. It does
	// nothing, and returns false, if the replica has left, was released before, or has stored a
	// later heartbeat than h. Repeating it, after an error, is safe.
	Release(ctx context.Context, h Heartbeat) (released bool, err error)

	// Leave removes a replica that has stopped, with nothing left in its hands.
	Leave(ctx context.Context, replica string) error

	// Ready returns nil when the database answers and its schema is one that this program can
	// work on: its own version or a later one. Otherwise the error says what is wrong.
	Ready(ctx context.Context) error

	// TryWrite makes every kind of write that a payment needs, in one transaction that it rolls
	// back. ErrNotWritable if the database refuses one of them.
	TryWrite(ctx context.Context) error
}

// Heartbeat is the latest sign of life that a replica has stored.
type Heartbeat struct {
	Replica string
	// At is the time of the database's clock that was stored with it.
	At time.Time
	// Age is how long ago that was when it was read, by the database's clock: below zero if that
	// clock has stepped back since.
	Age time.Duration
}

// Unreadable is the state, in a [Backlog], of rows whose state, currency or amount makes no payment.
const Unreadable payment.State = "unreadable"

// MaxBacklog bounds the payments that are read to count them.
const MaxBacklog = 100_000

// Backlog is the payments of a state in which something is left to do for the service.
type Backlog struct {
	State    payment.State
	Payments int
	Due      int // of these, the ones that are due: they wait for a worker
	// LongestDue is how long the oldest of those has been due; zero where none is.
	LongestDue time.Duration
	// Oldest is how long ago the oldest of the payments was created.
	Oldest time.Duration
}

// History is everything that is stored of a payment.
type History struct {
	Payment payment.Payment
	// Attempts are in order. The payment's own latest attempt is the last, unless it is only
	// the number of one to come.
	Attempts []payment.Attempt
	Events   []payment.Event // in order
	// Keys are the records of the order's keys, in no order; most payments have none.
	Keys []payment.Key
}

// Transaction is the gateway's transaction of an order.
type Transaction struct {
	OrderID       payment.OrderID
	Gateway       payment.GatewayID // empty in rows of the version before
	TransactionID string
}

// ArchiveQuery asks for histories to archive: of payments that ended longer than Age ago, and
// have attempts before their latest, or events.
type ArchiveQuery struct {
	Age   time.Duration
	After payment.OrderID // Next of the page before; empty for the first
	Limit int             // of the payments that are looked at, and so of the histories
}

// Page returns the orders of a page, and After of the next one or nothing, where these are the
// first orders behind After that have attempts, and those that have events, Limit each at most.
func (q ArchiveQuery) Page(withAttempts, withEvents []payment.OrderID) (page []payment.OrderID, next payment.OrderID) {
	page = slices.Concat(withAttempts, withEvents)
	slices.Sort(page)
	page = slices.Compact(page)
	if len(page) < q.Limit || q.Limit <= 0 {
		return page, ""
	}
	page = page[:q.Limit] // what is beyond it may have others before it that were not listed
	return page, page[q.Limit-1]
}

// ArchivePage may hold no history and not be the last.
type ArchivePage struct {
	Histories  []History
	Unreadable []*payment.StoredRowError // of the orders that are left out, the first of each
	Next       payment.OrderID           // empty on the last page
}

// ListQuery asks for a page of payments.
type ListQuery struct {
	States []payment.State // any of these; all when empty
	Limit  int
	// After is the last payment of the page before: its creation time and order id. Zero
	// for the first page.
	AfterCreatedAt time.Time
	AfterOrderID   payment.OrderID
	// CreatedFrom (inclusive) and CreatedBefore (exclusive) bound the creation time; zero for
	// no bound.
	CreatedFrom   time.Time
	CreatedBefore time.Time
}

// ListPage is a page of payments. Rows that make none are left out of it, and count against the limit.
type ListPage struct {
	Payments   []payment.Payment
	Unreadable []*payment.StoredRowError // of the rows that are left out
	// NextCreatedAt and NextOrderID are the After of the next page; zero on the last one.
	NextCreatedAt time.Time
	NextOrderID   payment.OrderID
}

// StatesLeftOut returns the states of which the list has no payments. A row in a state that is not known
// is none of them.
func (q ListQuery) StatesLeftOut() []payment.State {
	if len(q.States) == 0 {
		return nil
	}
	return slices.DeleteFunc(payment.States(), func(s payment.State) bool { return slices.Contains(q.States, s) })
}

// BacklogRow is the payments that have a state, a currency and an amount above zero, or not, in common.
type BacklogRow struct {
	Backlog

	Currency  string
	HasAmount bool
}

// SumBacklog returns the backlog by state. Rows that make no payment have the state [Unreadable].
func SumBacklog(rows []BacklogRow) []Backlog {
	var backlog []Backlog
	for _, row := range rows {
		minor := int64(0)
		if row.HasAmount {
			minor = 1
		}
		_, err := payment.StoredMoney("", minor, row.Currency)
		if err != nil || !slices.Contains(payment.States(), row.State) || row.State.Final() {
			row.State = Unreadable
		}
		i := slices.IndexFunc(backlog, func(b Backlog) bool { return b.State == row.State })
		if i < 0 {
			backlog = append(backlog, row.Backlog)
			continue
		}
		backlog[i].Add(row.Backlog)
	}
	return backlog
}

// Add counts more payments of the state.
func (b *Backlog) Add(more Backlog) {
	b.Payments += more.Payments
	b.Due += more.Due
	b.LongestDue = max(b.LongestDue, more.LongestDue)
	b.Oldest = max(b.Oldest, more.Oldest)
}

// Gateway takes the money.
type Gateway interface {
	// Charge makes one attempt. It returns when the attempt has ended or ctx has; what is
	// known then is in the class of the result: an adapter that cannot tell whether the
	// request went out says payment.ClassUnknownUnanswered.
	//
	// A key that was approved or declined before gets the first result again.
	Charge(ctx context.Context, c payment.Charge) payment.Result

	// LookUp asks what became of a gateway key. It never charges.
	LookUp(ctx context.Context, key payment.GatewayKey) payment.Lookup

	// Capabilities returns what the gateway can prove. They do not change while the adapter
	// lives. If it does not honour keys, an unknown outcome is never attempted again by the service.
	Capabilities() payment.Capabilities
}

// Round is a series of attempts to charge one payment.
type Round struct {
	// Used is how many retries of the policy the round has used before.
	Used int
	// Attempt makes one attempt.
	Attempt func() payment.Result
	// Again reports whether another attempt may follow this result.
	Again func(payment.Result) bool
	// BeforeBackoff is called before each wait with the result of the last attempt and the
	// length of the wait. An error ends the round.
	BeforeBackoff func(payment.Result, time.Duration) error
}

// Retry is the retry policy: how often, and how long to wait between. What may be
// attempted again is the core's to say.
type Retry interface {
	// Run makes attempts until one may not be repeated or the policy's number is reached,
	// and returns nil. It returns an error of BeforeBackoff, or ctx's error when ctx ends
	// during a wait; ctx does not cut an attempt short.
	Run(ctx context.Context, r Round) error
}
