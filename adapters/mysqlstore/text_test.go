package mysqlstore_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore"
	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/core/payment"
)

// message is a gateway's text about a decline.
const message = "no 💸, désolé"

func declined(p payment.Payment, message string) payment.Settlement {
	return payment.Settlement{
		ClaimRef: p.ClaimRef(),
		End:      &payment.AttemptEnd{Result: payment.Result{Class: payment.ClassDeclined, Code: "card_declined", Message: message}},
		Outcome:  payment.Outcome{State: payment.StateDeclined, Code: "card_declined", Reason: message},
	}
}

// The server ignores the character set of the handshake.
func TestText_ServerForcesAnotherCharacterSet(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, ownServer, mysqltest.TiDB, mysqltest.Vitess)
	for _, forced := range []string{"utf8mb3", "latin1"} {
		t.Run(forced, func(t *testing.T) {
			t.Parallel()
			server, err := mysqltest.Start(t.Context(), mysqltest.Config{Relaxed: true, Args: []string{
				"--character-set-server=" + forced, "--skip-character-set-client-handshake",
			}})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, server.Stop()) })
			databaseURL, err := server.CreateDatabase(t.Context(), "payments")
			require.NoError(t, err)
			schema, err := mysqlstore.Schema(databaseURL)
			require.NoError(t, err)
			require.NoError(t, schema.Up(t.Context()))
			for i, m := range modes {
				p, _, err := m.open(t, databaseURL).Claim(t.Context(), request(t, payment.OrderID("order-"+string(rune('1'+i)))))
				require.NoError(t, err)
				requireDeclined(t, m, databaseURL, *p, message, message)
			}
		})
	}
}

func requireDeclined(t *testing.T, m mode, databaseURL string, p payment.Payment, said, stored string) {
	t.Helper()
	s := m.open(t, databaseURL)
	require.NoError(t, s.Settle(t.Context(), declined(p, said)))
	p, err := s.Find(t.Context(), p.OrderID)
	require.NoError(t, err)
	require.Equal(t, payment.StateDeclined, p.State)
	require.Equal(t, "card_declined", p.Code)
	require.Equal(t, stored, p.Reason)
	require.Equal(t, stored, p.Attempt.Message)
}

// narrow are changes of the text columns' type.
var narrow = map[string]struct {
	column string // its new type
	stored string // what is stored of message
}{
	"utf8mb3": {"VARCHAR(500) CHARACTER SET utf8mb3 NOT NULL", "no ?, d?sol?"},
	"ascii":   {"VARCHAR(500) CHARACTER SET ascii NOT NULL", "no ?, d?sol?"},
	"short":   {"VARCHAR(4) NOT NULL", ""},
}

// Every write with text is stored without the text that the table refuses.
func TestText_RefusedByTheTable(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, "it cannot change the character set of a column (8200)", mysqltest.TiDB)
	for name, c := range narrow {
		for _, m := range modes {
			t.Run(name+" with "+m.name, func(t *testing.T) {
				t.Parallel()
				databaseURL := newlyMigrated(t)
				db := raw(t, databaseURL)
				s := m.open(t, databaseURL)
				for _, column := range []string{
					"payments MODIFY reason", "payments MODIFY attempt_message", "attempts MODIFY message",
					"events MODIFY detail", "events MODIFY replica",
				} {
					if name == "short" && column == "events MODIFY replica" {
						continue // names are not dropped
					}
					execute(t, db, "ALTER TABLE "+column+" "+c.column)
				}
				p, _, err := s.Claim(t.Context(), request(t, "order-1"))
				require.NoError(t, err)
				requireDeclined(t, m, databaseURL, *p, message, c.stored)

				p, _, err = s.Claim(t.Context(), request(t, "order-2"))
				require.NoError(t, err)
				require.NoError(t, s.Renew(t.Context(), payment.Renewal{
					ClaimRef: p.ClaimRef(), Next: true, Lease: lease,
					End: payment.AttemptEnd{Result: payment.Result{Class: payment.ClassUnknownAnswered, Message: message}},
				}))
				renewed, err := s.Find(t.Context(), "order-2")
				require.NoError(t, err)
				st := unresolved(renewed)
				st.Outcome.Reason, st.Event = message, payment.EventScheduled
				require.NoError(t, s.Settle(t.Context(), st))
				require.NoError(t, s.Resolve(t.Context(), payment.Resolution{
					OrderID: "order-2", By: "Zoë 💼",
					Outcome: payment.Outcome{State: payment.StateFailed, Reason: message},
				}))
				h, err := s.History(t.Context(), "order-2")
				require.NoError(t, err)
				require.Equal(t, payment.StateFailed, h.Payment.State)
				require.Equal(t, c.stored, h.Attempts[0].Message)
				require.Equal(t, payment.ClassUnknownAnswered, h.Attempts[0].Class)
				require.Len(t, h.Events, 2)
				require.Contains(t, []string{"Zo? ?", "Zoë 💼"}, h.Events[1].Replica)
			})
		}
	}
}

// The same is true of a refund, whose request has a text as well.
func TestText_OfARefundRefusedByTheTable(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, "it cannot change the character set of a column (8200)", mysqltest.TiDB)
	for name, c := range narrow {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := newlyMigrated(t)
			db := raw(t, databaseURL)
			s := open(t, databaseURL, mysqlstore.Options{})
			for _, column := range []string{
				"operations MODIFY note", "operations MODIFY reason", "operations MODIFY attempt_message",
				"operation_attempts MODIFY message", "operation_events MODIFY detail",
			} {
				execute(t, db, "ALTER TABLE "+column+" "+c.column)
			}
			charged(t, s)
			a := refundRequest(t)
			a.Note = message
			p, _, err := s.Claim(t.Context(), a)
			require.NoError(t, err)
			require.NoError(t, s.Settle(t.Context(), declined(*p, message)))
			a.NewKey = "another key"
			p, _, err = s.Claim(t.Context(), a)
			require.NoError(t, err)
			st := unresolved(*p)
			st.Outcome.Reason, st.Event = message, payment.EventScheduled
			require.NoError(t, s.Settle(t.Context(), st))
			h, err := s.History(t.Context(), "order-1")
			require.NoError(t, err)
			r := h.Operations[0]
			require.Equal(t, c.stored, r.Payment.Note)
			require.Equal(t, c.stored, r.Payment.Reason)
			require.Equal(t, c.stored, r.Attempts[0].Message)
			require.Len(t, r.Attempts, 2)
			require.Len(t, r.Events, 1)
		})
	}
}

// A claim, an import and the queue work with a name that the table refuses.
func TestText_RefusedNames(t *testing.T) {
	t.Parallel()
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			databaseURL := newlyMigrated(t)
			db := raw(t, databaseURL)
			s := m.open(t, databaseURL)
			for _, column := range []string{
				"payments MODIFY replica", "payments MODIFY attempt_replica", "attempts MODIFY replica", "events MODIFY replica",
			} {
				execute(t, db, "ALTER TABLE "+column+" VARCHAR(40) CHARACTER SET ascii NOT NULL")
			}
			a := request(t, "order-1")
			a.Replica, a.Lease = "hôst-"+strings.Repeat("x", 60), 0
			_, verdict, err := s.Claim(t.Context(), a)
			require.NoError(t, err)
			require.Equal(t, payment.VerdictClaimed, verdict)

			queue := policy(payment.WorkTakeovers)
			queue.Replica = a.Replica
			due, err := s.ClaimDue(t.Context(), queue, 10)
			require.NoError(t, err)
			require.Len(t, due, 1)
			require.NoError(t, s.Settle(t.Context(), approved(due[0].Payment)))

			verdict, err = s.Import(t.Context(), payment.Import{
				Charge:        payment.Charge{Key: "key", OrderID: "order-2", Money: dollars(t)},
				TransactionID: "txn-2", By: "Zoë " + strings.Repeat("x", 50),
			})
			require.NoError(t, err)
			require.Equal(t, payment.VerdictWritten, verdict)
		})
	}
}

// Characters that databases refuse or terminals obey are replaced.
func TestText_ControlCharacters(t *testing.T) {
	t.Parallel()
	s := open(t, migrated(t), mysqlstore.Options{})
	for said, stored := range map[string]string{
		"a\x00b":             "a\uFFFDb",
		"a\xff\xfeb":         "a\uFFFDb",
		"one\r\n\tline":      "one   line",
		"\x1b[31mred\x7f":    "\uFFFD[31mred\uFFFD",
		"\xed\xa0\x80":       "\uFFFD",
		"\U0010FFFF\u0301ok": "\U0010FFFF\u0301ok",
		"'; DROP TABLE \\":   "'; DROP TABLE \\",
	} {
		p, _, err := s.Claim(t.Context(), request(t, "order-1"))
		require.NoError(t, err)
		require.NoError(t, s.Settle(t.Context(), declined(*p, said)))
		found, err := s.Find(t.Context(), "order-1")
		require.NoError(t, err)
		require.Equal(t, stored, found.Reason)
		require.Equal(t, stored, found.Attempt.Message)
	}
}
