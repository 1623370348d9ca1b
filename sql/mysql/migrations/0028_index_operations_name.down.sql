ALTER TABLE operations
    DROP KEY operations_name;
