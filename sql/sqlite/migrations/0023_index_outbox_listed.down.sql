DROP INDEX outbox_listed;
