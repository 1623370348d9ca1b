DROP INDEX delivery_attempts_listed;
