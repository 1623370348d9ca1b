-- Whether the charge takes the money or only holds it, what was captured of a hold, which operation has or may have
-- ended it, when it expires, and how many operations the payment has. Only the INSERT of a payment names capture, and
-- only changes under the row's lock name the others, so that a payment that succeeds at once writes none of them. The
-- previous version ignores these columns, and cannot read a payment in a state that only holds have.
ALTER TABLE payments
    ADD COLUMN capture         VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    ADD COLUMN captured_minor  BIGINT      NOT NULL DEFAULT 0,
    ADD COLUMN hold_claimed_by VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    ADD COLUMN hold_expires_at DATETIME(6) NULL,
    ADD COLUMN operation_count INT         NOT NULL DEFAULT 0;
