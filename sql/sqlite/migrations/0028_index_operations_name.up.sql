-- The console finds an operation, such as a refund, by its id alone. Payments have no entry in this index.
CREATE INDEX operations_name ON operations (operation_name);
