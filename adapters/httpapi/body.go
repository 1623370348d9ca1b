package httpapi

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/labstack/echo/v4"
)

// maxBodyBytes bounds the body of a request. A request to charge needs about 200 bytes.
const maxBodyBytes = 64 << 10

const mediaTypeJSON = "application/json"

// checkMediaType accepts application/json, optionally with charset=utf-8, and without a content
// coding. JSON has no charset parameter (RFC 8259, section 11), but clients send it.
func checkMediaType(h http.Header) error {
	values := h.Values("Content-Type")
	if len(values) != 1 {
		return refuse(problemMediaType)
	}
	if values[0] != mediaTypeJSON && !isJSON(values[0]) {
		return refuse(problemMediaType)
	}
	coding := strings.TrimSpace(strings.Join(h.Values("Content-Encoding"), ","))
	if coding != "" && !strings.EqualFold(coding, "identity") {
		return refuse(problemCoding)
	}
	return nil
}

func isJSON(contentType string) bool {
	mediaType, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || mediaType != mediaTypeJSON {
		return false
	}
	for name, value := range parameters {
		if name != "charset" || !strings.EqualFold(value, "utf-8") {
			return false
		}
	}
	return true
}

// readBody returns the whole body, of at most that many bytes.
func readBody(c echo.Context, limit int64) ([]byte, error) {
	r := c.Request()
	if r.ContentLength > limit {
		return nil, refuseTooLarge(limit) // before 100 Continue is sent
	}
	body, err := readAll(http.MaxBytesReader(c.Response().Writer, r.Body, limit), r.ContentLength)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, refuseTooLarge(limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, refuse(problemSlow)
	case err != nil:
		return nil, refuse(problemMalformed).
			withSentence("the body is incomplete; send as much as Content-Length or the chunks announce")
	}
	r.Body = http.NoBody // so that respond knows that the body was read
	return body, nil
}

func refuseTooLarge(limit int64) *refusal {
	return refuse(problemTooLarge).withSentence(fmt.Sprintf("the body must have at most %d bytes", limit))
}

// usualBodyBytes is more than a request to charge needs. A larger Content-Length allocates no
// memory in advance.
const usualBodyBytes = 1 << 10

// readAll reads a body of that length. A negative length means that it is unknown.
func readAll(body io.Reader, length int64) ([]byte, error) {
	if length < 0 || length > usualBodyBytes {
		return io.ReadAll(body)
	}
	whole := make([]byte, length)
	_, err := io.ReadFull(body, whole)
	return whole, err
}
