package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// audit holds what clients were told against the database and the gateway's ledger.
type audit struct {
	What      string `json:"what"`
	Answers   int    `json:"answers"`   // 200
	Errors    int    `json:"errors"`    // anything else
	Succeeded int    `json:"succeeded"` // in the table
	Charges   int    `json:"charges"`   // in the ledger
	Charged   int    `json:"charged"`   // orders in the ledger
	// Others are what the other ways were told, and what their tables say.
	Others map[string]tally `json:"others,omitempty"`
}

// tally is of one of the other ways.
type tally struct {
	Answers   int `json:"answers"`
	Errors    int `json:"errors"`
	Succeeded int `json:"succeeded"`
}

// wrong says what does not add up, or nothing. A payment whose client got an error may have
// succeeded all the same, and no other may be missing, added, or charged twice.
func (a audit) wrong() string {
	switch {
	case a.Succeeded < a.Answers, a.Succeeded > a.Answers+a.Errors:
		return fmt.Sprintf("%s: %d answers 200 and %d errors, but %d payments succeeded", a.What, a.Answers, a.Errors, a.Succeeded)
	case a.Charges != a.Charged:
		return fmt.Sprintf("%s: %d charges of %d orders: some were charged twice", a.What, a.Charges, a.Charged)
	case a.Charges < a.Succeeded, a.Charges > a.Answers+a.Errors:
		return fmt.Sprintf("%s: %d charges in the ledger, but %d payments succeeded", a.What, a.Charges, a.Succeeded)
	}
	for way, t := range a.Others {
		if t.Succeeded < t.Answers {
			return fmt.Sprintf("%s: the way %s answered %d times, and has %d payments", a.What, way, t.Answers, t.Succeeded)
		}
	}
	return ""
}

// audit counts what all the turns have left.
func (s *stand) audit(ctx context.Context) (audit, error) {
	a := audit{
		What:    fmt.Sprintf("gateway %v", s.latency),
		Answers: s.answered[ours], Errors: s.errors[ours], Others: make(map[string]tally),
	}
	var err error
	if a.Succeeded, err = countSucceeded(ctx, s.database, "payments"); err != nil {
		return a, err
	}
	if a.Charges, a.Charged, err = countCharges(ctx, s.gateway); err != nil {
		return a, err
	}
	for _, way := range s.options.turns() {
		if way == ours {
			continue
		}
		t := tally{Answers: s.answered[way], Errors: s.errors[way]}
		if t.Succeeded, err = countSucceeded(ctx, s.others, way); err != nil {
			return a, err
		}
		a.Others[way] = t
	}
	return a, nil
}

func countSucceeded(ctx context.Context, databaseURL, table string) (n int, err error) {
	db, err := openDatabase(databaseURL)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	query := "SELECT COUNT(*) FROM " + table + " WHERE state = 'succeeded'"
	if err := db.QueryRowContext(ctx, query).Scan(&n); err != nil {
		return 0, fmt.Errorf("count the payments of %s: %w", table, err)
	}
	return n, nil
}

// countCharges reads the gateway's ledger: the charges of orders of ours, and those orders.
func countCharges(ctx context.Context, at *child) (charges, orders int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.url+"/ledger", nil)
	if err != nil {
		return 0, 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, 0, fmt.Errorf("read the ledger: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	begin, status := []byte(`"order_id":"`+ours+"-"), []byte(`"status":"succeeded"`)
	seen := make(map[string]struct{})
	lines := bufio.NewReader(response.Body)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return charges, len(seen), nil
		}
		if err != nil {
			return 0, 0, fmt.Errorf("read the ledger: %w", err)
		}
		if _, rest, of := bytes.Cut(line, begin); of && bytes.Contains(rest, status) {
			id, _, _ := bytes.Cut(rest, []byte(`"`))
			seen[string(id)] = struct{}{}
			charges++
		}
	}
}
