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
		// It takes a GET_LOCK of the server, so that only one of several replicas migrates.
		driver, err := migratemysql.WithInstance(db, &migratemysql.Config{})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("prepare the migrations: %w", err), db.Close())
		}
		return &migrator{Driver: driver, db: db}, nil
	}, isTransientInMigration), nil
}
