package hooks

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// webTimeout is how long a web request may take, with all redirects and the response.
const webTimeout = 10 * time.Second

const maxRedirects = 10

// ErrAddressRefused is the cause when NewWebClient's client does not go where it is sent.
var ErrAddressRefused = errors.New("the address is not a public one")

// NewWebClient returns an HTTP client that reaches public addresses only: no loopback, private,
// link-local, multicast or unspecified address, nor any other range that is set apart. What
// counts is the address that it connects to, after a name is resolved, for every request and
// every redirect, so that a name cannot change its mind in between. It takes no proxy from the
// environment, keeps no cookies and no connections, follows 10 redirects at most, and gives up
// after 10 seconds. A redirect that would drop the content, as 301, 302 and 303 do with a POST,
// and one from https to http are refused. The headers of a hook, which may hold secrets, do not
// follow a redirect to another host (spec 10.3).
func NewWebClient() *http.Client {
	return webOptions{allowed: isPublic, timeout: webTimeout}.client()
}

// webOptions are what tests change.
type webOptions struct {
	allowed  func(netip.Addr) bool
	resolver *net.Resolver
	timeout  time.Duration
}

func (o webOptions) client() *http.Client {
	dialer := &net.Dialer{Timeout: o.timeout, Resolver: o.resolver, Control: o.control, KeepAlive: -1}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil,
			DialContext:            dialer.DialContext,
			DisableKeepAlives:      true,
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    o.timeout,
			MaxResponseHeaderBytes: maxResponse,
		},
		CheckRedirect: checkRedirect,
		Timeout:       o.timeout,
	}
}

// control looks at the address of a connection just before it is made.
func (o webOptions) control(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: %s", ErrAddressRefused, network)
	}
	a, err := netip.ParseAddrPort(address)
	if err != nil || !o.allowed(a.Addr()) {
		return ErrAddressRefused
	}
	return nil
}

// followed are the headers that are sent to another host, too.
var followed = []string{"Accept", "Content-Type", "User-Agent", DeliveryHeader}

// refusal is why a redirect is not followed. It names no address.
type refusal string

func (r refusal) Error() string { return string(r) }

const (
	errManyRedirects refusal = "there are more than 10 redirects"
	errDropped       refusal = "the redirect would drop the content; 307 and 308 are followed"
	errUnsafe        refusal = "the redirect leads from https to http"
)

// drops reports whether a redirect turned a request into one without its content, as 301,
// 302 and 303 do with a POST.
func drops(first, next *http.Request) bool {
	return next.Method != first.Method || first.ContentLength != 0 && next.ContentLength == 0
}

// checkRedirect holds redirects to their number, and to what they are sent along.
func checkRedirect(req *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return errManyRedirects
	case drops(via[0], req):
		return errDropped
	case req.URL.Scheme != "https" && via[len(via)-1].URL.Scheme == "https":
		return errUnsafe
	}
	req.Header.Del("Referer") // it holds the address of the endpoint
	first := via[0].URL
	if req.URL.Host == first.Host && (req.URL.Scheme == first.Scheme || req.URL.Scheme == "https") {
		return nil
	}
	kept := http.Header{}
	for _, name := range followed {
		if values := req.Header.Values(name); len(values) > 0 {
			kept[http.CanonicalHeaderKey(name)] = values
		}
	}
	req.Header = kept
	return nil
}

// Ranges in which no public host is, besides those that net/netip tells. IPv6 hosts are in
// 2000::/3 only, so what lies outside needs no line.
var (
	globalIPv6 = netip.MustParsePrefix("2000::/3")
	notPublic  = prefixes(
		"0.0.0.0/8",         // this network
		"100.64.0.0/10",     // shared by providers
		"168.63.129.16/32",  // a cloud's own services
		"192.0.0.0/24",      // IETF protocols
		"192.0.2.0/24",      // documentation
		"192.31.196.0/24",   // AS112
		"192.52.193.0/24",   // AMT
		"192.88.99.0/24",    // 6to4 relays
		"192.175.48.0/24",   // AS112
		"198.18.0.0/15",     // benchmarks
		"198.51.100.0/24",   // documentation
		"203.0.113.0/24",    // documentation
		"240.0.0.0/4",       // reserved, and broadcast
		"64:ff9b::/96",      // IPv4 translated
		"64:ff9b:1::/48",    // the same, local
		"2001::/23",         // IETF protocols, Teredo
		"2001:db8::/32",     // documentation
		"2002::/16",         // 6to4
		"2620:4f:8000::/48", // AS112
		"3fff::/20",         // documentation
		"fec0::/10",         // site-local
	)
)

func prefixes(list ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(list))
	for i, s := range list {
		all[i] = netip.MustParsePrefix(s)
	}
	return all
}

// isPublic reports whether an address may be that of a public host.
func isPublic(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	switch {
	case !a.IsValid(), a.IsUnspecified(), a.IsLoopback(), a.IsPrivate(), a.IsMulticast(),
		a.IsLinkLocalUnicast(), !a.IsGlobalUnicast():
		return false
	case a.Is6() && !globalIPv6.Contains(a):
		return false
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
