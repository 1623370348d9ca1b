package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"paymentd/core/payment"
)

const (
	maxBodyBytes   = 64 << 10
	maxHeaderBytes = 16 << 10

	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = time.Minute // after the request was read; longer than the longest delay of an answer
	idleTimeout   = 2 * time.Minute
)

// NewServer returns a server of the gateway protocol; see [Handler]. Its Shutdown ends the calls in
// flight without an answer, because one kind of call never ends.
func NewServer(g *Gateway) *http.Server {
	ctx, cancel := context.WithCancel(context.Background())
	server := &http.Server{
		Handler:           Handler(g),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
	}
	server.RegisterOnShutdown(cancel)
	return server
}

// Handler serves the gateway protocol:
//
//	POST /charges                          charge, once for each Idempotency-Key
//	GET  /charges/{key}                    the state of a key
//	POST /charges/{key}/captures           capture money that a charge holds, once for each Idempotency-Key
//	POST /charges/{key}/voids              cancel a pending charge, or release what it holds, likewise
//	POST /charges/{key}/refunds            refund a charge, likewise
//	GET  /charges/{key}/captures/{operation key}   the state of a capture; the same for voids and refunds
//	GET  /charges?from=&to=&cursor=        a page of all charges
//
// for customers:
//
//	GET  /redirect/{key}   a page that approves or declines a pending charge
//
// and, for operators:
//
//	GET  /ledger           every decision so far, one JSON object per line
//	GET  /healthz          200 while charges can be written to the ledger
func Handler(g *Gateway) http.Handler {
	h := handler{g}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /charges", h.charge)
	mux.HandleFunc("GET /charges/{key}", h.lookUp)
	for path, kind := range operationPaths {
		mux.HandleFunc("POST /charges/{key}/"+path, h.operate(kind))
		mux.HandleFunc("GET /charges/{key}/"+path+"/{operation}", h.lookUpOperation(kind))
	}
	mux.HandleFunc("GET /charges", h.list)
	mux.HandleFunc("GET /redirect/{key}", h.redirect)
	mux.HandleFunc("POST /redirect/{key}", h.decide)
	mux.HandleFunc("GET /ledger", h.ledger)
	mux.HandleFunc("GET /healthz", h.health)
	return mark(mux)
}

// operationPaths are the kinds of operations, by the last part of the path of a charge.
var operationPaths = map[string]payment.Kind{
	"captures": payment.KindCapture, "voids": payment.KindVoid, "refunds": payment.KindRefund,
}

// markHeader marks an answer as the gateway's own: its value is the key of the request.
const markHeader = "Idempotency-Key"

// refundHeader is the service's id of a refund, for the ledger.
const refundHeader = "Refund-Id"

// mark adds the gateway's mark to the answer to every request that has a key, in its header or, for a
// lookup, in its path.
func mark(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys := r.Header[markHeader]
		if key := pathKey(r.URL); key != "" {
			keys = []string{key}
		}
		if len(keys) > 0 {
			w.Header()[markHeader] = keys
		}
		next.ServeHTTP(w, r)
	})
}

// pathKey returns the key that the path of a lookup ends with; empty if the path is none of a lookup.
func pathKey(u *url.URL) string {
	rest, ok := strings.CutPrefix(u.EscapedPath(), "/charges/")
	if !ok {
		return ""
	}
	if _, nested, ok := strings.Cut(rest, "/"); ok {
		kind, last, _ := strings.Cut(nested, "/")
		if _, known := operationPaths[kind]; known {
			rest = last
		}
	}
	key, err := url.PathUnescape(rest)
	if err != nil {
		return ""
	}
	return key
}

type handler struct {
	gateway *Gateway
}

func (h handler) charge(w http.ResponseWriter, r *http.Request) {
	c, err := readCharge(w, r)
	if err != nil {
		reply{status: http.StatusBadRequest, message: err.Error()}.write(w, r)
		return
	}
	h.gateway.charge(r.Context(), c).write(w, r)
}

func (h handler) lookUp(w http.ResponseWriter, r *http.Request) {
	h.gateway.lookUp(r.Context(), slot{payment.KindCharge, payment.GatewayKey(r.PathValue("key"))}, "").write(w, r)
}

// operate serves an attempt at an operation of the kind.
func (h handler) operate(kind payment.Kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := readOperation(w, r, kind)
		if err != nil {
			reply{status: http.StatusBadRequest, message: err.Error()}.write(w, r)
			return
		}
		h.gateway.charge(r.Context(), c).write(w, r)
	}
}

// lookUpOperation serves a lookup of an operation of the kind.
func (h handler) lookUpOperation(kind payment.Kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		charge, key := payment.GatewayKey(r.PathValue("key")), payment.GatewayKey(r.PathValue("operation"))
		h.gateway.lookUp(r.Context(), slot{kind, key}, charge).write(w, r)
	}
}

// ledger streams the lines that are synced.
func (h handler) ledger(w http.ResponseWriter, r *http.Request) {
	// A long ledger takes longer than the write timeout; TCP closes the connection of a client that stops
	// reading.
	if err := http.NewResponseController(w).SetWriteDeadline(time.Time{}); err != nil {
		h.gateway.log.WarnContext(r.Context(), "lift the write deadline", "error", err)
	}
	w.Header().Set("Content-Type", "application/jsonl")
	_, _ = io.Copy(w, h.gateway.ledger.reader()) // an error here is the client's connection
}

func (h handler) health(w http.ResponseWriter, r *http.Request) {
	if err := h.gateway.ledger.failure(); err != nil {
		reply{status: http.StatusServiceUnavailable, message: err.Error()}.write(w, r)
		return
	}
	reply{status: http.StatusOK, message: "the ledger can be written"}.write(w, r)
}

// readCharge reads a request of the gateway protocol. Its errors are for the client.
func readCharge(w http.ResponseWriter, r *http.Request) (payment.Charge, error) {
	var request struct {
		OrderID       string  `json:"order_id"`
		Amount        string  `json:"amount"`
		Currency      string  `json:"currency"`
		PaymentMethod *string `json:"payment_method"`
		Capture       string  `json:"capture"`
	}
	const members = "the strings order_id, amount and currency, and payment_method and capture if there are"
	if err := readBody(w, r, &request, members); err != nil {
		return payment.Charge{}, err
	}
	c, err := parseCharge(r.Header.Get(markHeader), request.OrderID, request.Amount, request.Currency)
	if err == nil && request.PaymentMethod != nil {
		c.Method, err = payment.ParsePaymentMethod(*request.PaymentMethod)
	}
	if err == nil {
		c.Capture, err = payment.ParseCaptureMode(request.Capture)
	}
	return c, err
}

// readOperation reads the request of an operation of the kind. Its errors are for the client.
func readOperation(w http.ResponseWriter, r *http.Request, kind payment.Kind) (payment.Charge, error) {
	var request struct {
		Amount   string `json:"amount"`
		Currency string `json:"currency"`
	}
	var err error
	if kind == payment.KindVoid {
		err = readBody(w, r, &struct{}{}, "no members")
	} else {
		err = readBody(w, r, &request, "the strings amount and currency")
	}
	if err != nil {
		return payment.Charge{}, err
	}
	key := r.Header.Get(markHeader)
	if err := checkKey(key); err != nil {
		return payment.Charge{}, err
	}
	var money payment.Money
	if kind != payment.KindVoid {
		money, err = parseMoney(request.Amount, request.Currency)
	}
	c := operation(kind, payment.GatewayKey(r.PathValue("key")), payment.GatewayKey(key), money)
	if id := r.Header.Get(refundHeader); id != "" && kind == payment.KindRefund && err == nil {
		c.Operation, err = payment.ParseRefundID(id)
	}
	return c, err
}

// readBody reads a body that is one JSON object with the members of request, which are described.
func readBody(w http.ResponseWriter, r *http.Request, request any, members string) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if tooLong, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fmt.Errorf("the body must have at most %d bytes", tooLong.Limit)
	}
	if err != nil {
		return fmt.Errorf("the body could not be read: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(request); err != nil {
		return fmt.Errorf("the body must be a JSON object with %s: %w", members, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("the body must end with its JSON object")
	}
	if len(r.Header[markHeader]) > 1 {
		return errors.New("the header Idempotency-Key must come once only")
	}
	return nil
}

// write writes the HTTP response to a request.
func (r reply) write(w http.ResponseWriter, request *http.Request) {
	if r.status == 0 {
		panic(http.ErrAbortHandler) // makes net/http close the connection without an answer
	}
	if r.between != "" {
		w.Header().Del(markHeader)
		w.Header().Set("Content-Type", r.betweenType)
		w.WriteHeader(r.status)
		_, _ = io.WriteString(w, r.between) // an error here is the client's connection
		return
	}
	var charged *bool
	if r.notCharged {
		charged = new(bool)
	}
	var redirect, expires, captured string
	if !r.expires.IsZero() {
		expires = r.expires.UTC().Format(time.RFC3339Nano)
	}
	if !r.captured.IsZero() {
		captured = r.captured.Decimal()
	}
	if r.redirect != "" {
		redirect = redirectURL(request, r.redirect)
	}
	body, _ := json.Marshal(struct { //nolint:errchkjson // strings always encode
		TransactionID string `json:"transaction_id,omitempty"`
		Status        string `json:"status,omitempty"`
		Code          string `json:"code,omitempty"`
		Message       string `json:"message,omitempty"`
		Charged       *bool  `json:"charged,omitempty"`
		RedirectURL   string `json:"redirect_url,omitempty"`
		ExpiresAt     string `json:"expires_at,omitempty"`
		Captured      string `json:"captured,omitempty"`
	}{r.transactionID, r.state, r.code, r.message, charged, redirect, expires, captured})
	w.Header().Set("Content-Type", "application/json")
	if r.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(r.retryAfter/time.Second)))
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(append(body, '\n')) // an error here is the client's connection
}
