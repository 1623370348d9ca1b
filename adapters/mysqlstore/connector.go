package mysqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
)

// readCommitted is a connector whose connections are READ COMMITTED, so that a claim locks its rows by their keys,
// and no gaps between them. A statement before each transaction would cost each of them a round trip, and make a proxy
// keep the connection for it ("Multiplexing", ProxySQL manual). A proxy that loses the level costs deadlocks, which
// are retried, and nothing else: writes compare what was read.
type readCommitted struct{ driver.Connector }

// setReadCommitted is understood by all engines. The variable is tx_isolation in MariaDB before 11.1, and
// transaction_isolation elsewhere.
const setReadCommitted = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"

// Connect implements driver.Connector.
func (c readCommitted) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	execer, ok := conn.(driver.ExecerContext)
	if !ok {
		return nil, errors.Join(errors.New("the driver cannot execute a statement without preparing it"), conn.Close())
	}
	if _, err := execer.ExecContext(ctx, setReadCommitted, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("set the isolation level: %w", err), conn.Close())
	}
	return conn, nil
}
