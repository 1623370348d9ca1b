package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"
	migratemysql "github.com/golang-migrate/migrate/v4/database/mysql"

	"paymentd/internal/schema"
	"paymentd/sql/mysql/migrations"
)

// Schema returns the schema of the database of the URL, to migrate it.
func Schema(databaseURL string) (*schema.Schema, error) {
	config, err := parseURL(databaseURL)
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(forMigrations(config))
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return schema.New(migrations.Files, func(ctx context.Context, _ bool) (schema.Database, error) {
		db := sql.OpenDB(connector)
		ping, cancel := context.WithTimeout(ctx, connectTimeout) // a server may accept and never answer
		defer cancel()
		if err := db.PingContext(ping); err != nil {
			return nil, errors.Join(fmt.Errorf("connect to the database: %w", err), db.Close())
		}
		if err := checkOwn(ping, db); err != nil {
			return nil, errors.Join(err, db.Close())
		}
		m, err := newMigrator(ctx, db)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("prepare the migrations: %w", err), db.Close())
		}
		return m, nil
	}, isTransientInMigration), nil
}

// newMigrator connects golang-migrate's driver. It takes a GET_LOCK of the server, so that only one of
// several replicas migrates. On Vitess, the lock is held by one shard for all.
func newMigrator(ctx context.Context, db *sql.DB) (*migrator, error) {
	ask, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := db.Conn(ask)
	if err != nil {
		return nil, err
	}
	var version string
	if err := conn.QueryRowContext(ask, "SELECT @@version").Scan(&version); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	kind := engineOf(version)
	if kind == engineTiDB {
		if err := prepareTiDB(ask, conn); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	m := &migrator{db: db, engine: kind}
	err = m.retryLock(func() (err error) {
		m.Driver, err = migratemysql.WithConnection(ctx, conn, &migratemysql.Config{}) // locks to create its table
		return err
	})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return m, nil
}
