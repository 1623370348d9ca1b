DROP INDEX payments_due;
