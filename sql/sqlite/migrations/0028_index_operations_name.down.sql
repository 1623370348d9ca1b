DROP INDEX operations_name;
