DROP TABLE operation_events;
