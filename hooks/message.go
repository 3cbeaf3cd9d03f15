package hooks

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// EmailMessage is an e-mail to send.
type EmailMessage struct {
	// ID is that of the delivery, the same over all tries.
	ID string
	// To has one recipient or more.
	To []Recipient
	// Subject has no line breaks.
	Subject string
	HTML    string
	// Payload is the whole payload as a JSON object, with what else the hook says.
	Payload json.RawMessage
}

// Recipient is one recipient of an e-mail. Its texts have no line breaks.
type Recipient struct {
	Type  string // to, cc or bcc
	Email string
	Name  string
}

// SMSMessage is a text message to send.
type SMSMessage struct {
	ID   string
	To   []string // one number or more
	Body string
	// Payload is the whole payload as a JSON object.
	Payload json.RawMessage
}

// PushMessage is a push notification to send.
type PushMessage struct {
	ID    string
	Title string
	Body  string
	AppID int64 // 0 when the hook does not say
	// Filtered tells that the message is for Subscriptions only. Without, it is for all
	// subscribers of the app.
	Filtered      bool
	Subscriptions []string
	// Payload is the whole payload as a JSON object.
	Payload json.RawMessage
}

// WebRequest is an HTTP request to make.
type WebRequest struct {
	ID       string
	Method   string
	Endpoint string // with http or https, and a host
	Header   http.Header
	Body     []byte // nil for none
}

// check reports why a delivery could not be sent.
func (d *Delivery) check() error {
	var err error
	switch d.Type {
	case Email:
		_, err = d.EmailMessage()
	case SMS:
		_, err = d.SMSMessage()
	case Push:
		_, err = d.PushMessage()
	case Web:
		_, err = d.WebRequest()
	default:
		return errs.New(errs.InvalidInput, "deliveries of the type %q are not known", d.Type)
	}
	return err
}

// payload reads the payload of a delivery of a type.
func (d *Delivery) payload(t Type) (document.Value, error) {
	if d.Type != t {
		return document.Value{}, errs.New(errs.InvalidInput, "the delivery is of the type %q, not %q", d.Type, t)
	}
	v, err := document.Parse(d.Payload, document.Limits{Depth: 2 * maxHooksDepth, Keys: -1, KeyBytes: -1, NumberBytes: -1})
	if err == nil && v.Kind() != document.Object {
		err = errs.New(errs.InvalidInput, "the payload must be an object, not %s", kindName(v))
	}
	return v, err
}

// EmailMessage returns the delivery as an e-mail.
func (d *Delivery) EmailMessage() (*EmailMessage, error) {
	v, err := d.payload(Email)
	if err != nil {
		return nil, err
	}
	m := &EmailMessage{ID: d.ID, Subject: oneLine(plainText(v.Field("subject"))), HTML: plainText(v.Field("html")), Payload: d.Payload}
	for _, item := range listOf(v.Field("to")) {
		r, err := recipient(item)
		if err != nil {
			return nil, err
		}
		if r.Email != "" {
			m.To = append(m.To, r)
		}
	}
	if len(m.To) == 0 {
		return nil, errs.At(errs.InvalidInput, "to", "the e-mail has no recipient")
	}
	return m, nil
}

func recipient(v document.Value) (Recipient, error) {
	if v.Kind() != document.Object {
		return Recipient{Type: "to", Email: oneLine(plainText(v))}, nil
	}
	r := Recipient{
		Type:  strings.ToLower(oneLine(plainText(v.Field("type")))),
		Email: oneLine(plainText(v.Field("email"))),
		Name:  oneLine(plainText(v.Field("name"))),
	}
	switch r.Type {
	case "":
		r.Type = "to"
	case "to", "cc", "bcc":
	default: // one who should not be seen must not be by mistake
		return r, errs.At(errs.InvalidInput, "to", "a recipient is to, cc or bcc, and nothing else")
	}
	return r, nil
}

// SMSMessage returns the delivery as a text message.
func (d *Delivery) SMSMessage() (*SMSMessage, error) {
	v, err := d.payload(SMS)
	if err != nil {
		return nil, err
	}
	m := &SMSMessage{ID: d.ID, Body: plainText(v.Field("body")), Payload: d.Payload}
	for _, item := range listOf(v.Field("to")) {
		if to := oneLine(plainText(item)); to != "" {
			m.To = append(m.To, to)
		}
	}
	if len(m.To) == 0 {
		return nil, errs.At(errs.InvalidInput, "to", "the text message has no recipient")
	}
	return m, nil
}

// PushMessage returns the delivery as a push notification.
func (d *Delivery) PushMessage() (*PushMessage, error) {
	v, err := d.payload(Push)
	if err != nil {
		return nil, err
	}
	return &PushMessage{
		ID: d.ID, Title: plainText(v.Field("title")), Body: plainText(v.Field("body")), AppID: d.AppID,
		Filtered: d.Filter != nil, Subscriptions: d.Subscriptions, Payload: d.Payload,
	}, nil
}

// WebRequest returns the delivery as an HTTP request.
func (d *Delivery) WebRequest() (*WebRequest, error) {
	v, err := d.payload(Web)
	if err != nil {
		return nil, err
	}
	r := &WebRequest{ID: d.ID, Endpoint: strings.TrimSpace(plainText(v.Field("endpoint")))}
	if r.Method, err = method(v.Field("method")); err != nil {
		return nil, err
	}
	if err := checkEndpoint(r.Endpoint); err != nil {
		return nil, err
	}
	if r.Header, err = header(v.Field("headers")); err != nil {
		return nil, err
	}
	switch body := v.Field("body"); body.Kind() {
	case document.Absent, document.Null:
	case document.String:
		r.Body = []byte(body.Str())
	default:
		r.Body = document.AppendJSON(nil, body)
		if r.Header.Get("Content-Type") == "" {
			r.Header.Set("Content-Type", "application/json")
		}
	}
	return r, nil
}

// method reads the method of a request: POST when the hook does not say.
func method(v document.Value) (string, error) {
	switch m := strings.ToUpper(strings.TrimSpace(plainText(v))); m {
	case "":
		return http.MethodPost, nil
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m, nil
	}
	return "", errs.At(errs.InvalidInput, "method", "the method of the request is not known")
}

func checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return errs.At(errs.InvalidInput, "endpoint", "the endpoint must be an address with http or https") // it may hold secrets
	}
	return nil
}

// ownHeaders are those that the client sets.
var ownHeaders = map[string]bool{
	"Connection": true, "Content-Length": true, "Host": true, "Keep-Alive": true, "Proxy-Authorization": true,
	"Proxy-Connection": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
}

// header reads the headers of a request. Those that are the client's own do not count.
func header(v document.Value) (http.Header, error) {
	h := http.Header{}
	switch v.Kind() {
	case document.Absent, document.Null:
		return h, nil
	case document.Object:
	default:
		return nil, errs.At(errs.InvalidInput, "headers", "headers must be an object, not %s", kindName(v))
	}
	for name, value := range v.Fields() {
		text := strings.TrimSpace(plainText(value))
		switch {
		case value.Kind() == document.Null || ownHeaders[http.CanonicalHeaderKey(name)]:
		case !isToken(name) || strings.ContainsFunc(text, isControl):
			return nil, errs.At(errs.InvalidInput, "headers", "a header has a name or a value that cannot be sent")
		default:
			h.Set(name, text)
		}
	}
	return h, nil
}

// isToken reports whether a text can be the name of a header (RFC 9110, 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }

// listOf gives the members of an array, or the value itself as one.
func listOf(v document.Value) []document.Value {
	if v.Kind() != document.Array {
		return []document.Value{v}
	}
	var all []document.Value
	for e := range v.Items() {
		all = append(all, e)
	}
	return all
}

// plainText is a value as text, empty for what is not there.
func plainText(v document.Value) string {
	switch v.Kind() {
	case document.Absent, document.Null:
		return ""
	case document.String:
		return strings.Clone(v.Str())
	}
	return v.String()
}

// oneLine takes control characters out, with which a value could add a header to a message.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s))
}
