package hooks

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"

	"github.com/siftdb/siftdb/internal/errs"
)

// EmailSender sends e-mails for the host program. It may be called by several goroutines, and
// more than once for one delivery.
type EmailSender interface {
	// SendEmail sends one e-mail. An error means that it is to be tried again.
	SendEmail(ctx context.Context, m *EmailMessage) error
}

// SMSSender sends text messages, as EmailSender does e-mails.
type SMSSender interface {
	// SendSMS sends one text message to all its recipients.
	SendSMS(ctx context.Context, m *SMSMessage) error
}

// PushSender sends push notifications, as EmailSender does e-mails.
type PushSender interface {
	// SendPush sends one notification to its audience.
	SendPush(ctx context.Context, m *PushMessage) error
}

// Senders are the ways to send what hooks deliver. What is nil cannot be sent, but for web
// requests, which then go through NewWebClient. It is safe for concurrent use as long as nobody
// changes it.
type Senders struct {
	Email EmailSender
	SMS   SMSSender
	Push  PushSender
	// HTTP makes web requests; how long they take and where they are redirected is its own
	// business, but a redirect that dropped the content is no success. One without a Timeout
	// gets ten seconds.
	HTTP *http.Client
}

// Can reports whether there is a way to send deliveries of a type: without one no try can
// succeed.
func (s *Senders) Can(t Type) bool {
	switch t {
	case Email:
		return s.Email != nil
	case SMS:
		return s.SMS != nil
	case Push:
		return s.Push != nil
	}
	return t == Web
}

// DeliveryHeader is the header of a web request that holds the id of the delivery.
const DeliveryHeader = "Siftdb-Delivery-Id"

var defaultClient = sync.OnceValue(NewWebClient)

// Send tries once to send a delivery. A push to an audience in which is nobody is sent to nobody.
// An error of a web request says nothing of its content, and of its address no more than the
// host; it wraps ErrAddressRefused, an error of the context, or what the system, the resolver or
// TLS said, and tells of anything else only that it failed. A panic of the host's code is an error, too. It may be that what gave an error was
// received all the same.
func (s *Senders) Send(ctx context.Context, d *Delivery) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errs.New(errs.Internal, "the sender of %s panicked: %v", d.Type, r)
		}
	}()
	switch d.Type {
	case Email:
		m, err := d.EmailMessage()
		if err != nil || s.Email == nil {
			return unsent(d, err)
		}
		return s.Email.SendEmail(ctx, m)
	case SMS:
		m, err := d.SMSMessage()
		if err != nil || s.SMS == nil {
			return unsent(d, err)
		}
		return s.SMS.SendSMS(ctx, m)
	case Push:
		m, err := d.PushMessage()
		if err != nil || s.Push == nil {
			return unsent(d, err)
		}
		if m.Filtered && len(m.Subscriptions) == 0 {
			return nil
		}
		return s.Push.SendPush(ctx, m)
	case Web:
		r, err := d.WebRequest()
		if err != nil {
			return unsent(d, err)
		}
		return request(ctx, s.HTTP, r)
	}
	return d.check()
}

func unsent(d *Delivery, err error) error {
	if err == nil {
		err = errs.New(errs.Unavailable, "the host program has no sender of %s", d.Type)
	}
	return err
}

// maxResponse is how much of a response is read, so that the connection ends well.
const maxResponse = 64 << 10

// request makes a web request. Any status of 200 to 299 is success.
func request(ctx context.Context, client *http.Client, r *WebRequest) error {
	if client == nil {
		client = defaultClient()
	}
	if client.Timeout == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, webTimeout)
		defer cancel()
	}
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.Endpoint, body)
	if err != nil {
		return errs.New(errs.InvalidInput, "the web request cannot be made")
	}
	req.Header = r.Header.Clone()
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "siftdb")
	}
	if r.ID != "" {
		req.Header.Set(DeliveryHeader, r.ID)
	}
	resp, err := client.Do(req)
	if err != nil {
		return errs.Wrap(errs.Unavailable, knownCause(err), "the web request failed")
	}
	defer resp.Body.Close()
	if resp.Request != nil && drops(req, resp.Request) { // by a client of the host's
		return errs.Wrap(errs.Unavailable, errDropped, "the web request failed")
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxResponse) // the status says all
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return errs.New(errs.Unavailable, "the web request was answered with the status %d", resp.StatusCode)
	}
	return nil
}

// What is told of failures whose own text may hold an address.
const (
	errFailed refusal = "the receiver could not be reached, or gave no valid answer"
	errEnded  refusal = "the connection ended before an answer"
)

// knownCause returns what may be told of the error of an HTTP client. Its own text may hold
// the address of the request, or one that a redirect made of it, and so secrets.
func knownCause(err error) error {
	var timeout net.Error
	var refused refusal
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var system syscall.Errno
	switch {
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("it took too long: %w", context.DeadlineExceeded)
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, ErrAddressRefused):
		return ErrAddressRefused
	case errors.As(err, &refused):
		return refused
	case errors.As(err, &dns):
		told := *dns
		told.Server, told.UnwrapErr = "", nil // which server was asked is the host's business
		return &told
	case errors.As(err, &certificate):
		return certificate
	case errors.As(err, &record):
		return record
	case errors.As(err, &system):
		return system
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errEnded
	}
	return errFailed
}
