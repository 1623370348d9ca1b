-- The console finds an operation, such as a refund, by its id alone. Payments have no entry in this index.
ALTER TABLE operations
    ADD KEY operations_name (operation_name);
