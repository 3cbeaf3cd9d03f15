package hooks

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// answers is a name server in the process: each look-up of a name gives the next of its lists of
// addresses, and then the last one again. A name it does not know has the addresses of "".
type answers struct {
	mu    sync.Mutex
	names map[string][]string
	asked map[string]int
}

func newAnswers(names map[string][]string) *answers {
	return &answers{names: names, asked: map[string]int{}}
}

func (a *answers) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go a.serve(far)
		return near, nil
	}}
}

// serve answers queries that are framed as over TCP, which is what a resolver does on a pipe.
func (a *answers) serve(c net.Conn) {
	defer c.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		q := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, q); err != nil {
			return
		}
		r := a.reply(q)
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(r))), r...)); err != nil {
			return
		}
	}
}

// reply answers one query of one name.
func (a *answers) reply(q []byte) []byte {
	name, end := "", 12
	for q[end] != 0 {
		name += string(q[end+1:end+1+int(q[end])]) + "."
		end += 1 + int(q[end])
	}
	kind := binary.BigEndian.Uint16(q[end+1:])
	end += 5
	r := append([]byte{q[0], q[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, q[12:end]...)
	for _, s := range a.addresses(strings.TrimSuffix(name, "."), kind) {
		ip := netip.MustParseAddr(s)
		if ip.Is4() != (kind == 1) {
			continue
		}
		r[7]++
		r = append(r, 0xC0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0)
		r = binary.BigEndian.AppendUint16(r, uint16(len(ip.AsSlice())))
		r = append(r, ip.AsSlice()...)
	}
	return r
}

// addresses gives the turn's addresses; a turn is one query each for IPv4 and IPv6.
func (a *answers) addresses(name string, kind uint16) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	list, ok := a.names[name]
	if !ok {
		list = a.names[""]
	}
	if len(list) == 0 {
		return nil
	}
	key := fmt.Sprint(name, kind)
	turn := min(a.asked[key], len(list)-1)
	a.asked[key]++
	return strings.Fields(list[turn])
}

// targets are addresses that no hook may reach, in all the ways to write them. Names resolve as
// names says.
var targets = []string{
	"http://127.0.0.1/", "http://127.0.0.1:22/", "https://127.0.0.1/", "http://127.255.255.254/", "http://127.0.0.1@127.0.0.1/",
	"http://0.0.0.0/", "http://0.1.2.3/", "http://10.0.0.1/", "http://10.255.255.255/", "http://172.16.0.1/", "http://172.31.255.255/", "http://192.168.0.1/",
	"http://169.254.169.254/latest/meta-data/", "http://169.254.0.1/", "http://100.64.0.1/", "http://100.100.100.200/", "http://100.127.255.255/",
	"http://192.0.0.192/", "http://192.0.2.1/", "http://192.88.99.1/", "http://198.18.0.1/", "http://198.19.255.255/", "http://198.51.100.7/", "http://203.0.113.7/",
	"http://224.0.0.1/", "http://239.255.255.250/", "http://240.0.0.1/", "http://255.255.255.255/", "http://168.63.129.16/",
	"http://[::]/", "http://[::1]/", "http://[0:0:0:0:0:0:0:1]:80/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::ffff:10.0.0.1]/", "http://[::ffff:169.254.169.254]/", "http://[::ffff:100.64.0.1]/",
	"http://[::127.0.0.1]/", "http://[::ffff:0:127.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://[64:ff9b::a9fe:a9fe]/", "http://[64:ff9b:1::1]/",
	"http://[2002:7f00:1::]/", "http://[2002:a00:1::1]/", "http://[2001::1]/", "http://[2001:db8::1]/", "http://[100::1]/", "http://[5f00::1]/", "http://[3fff::1]/",
	"http://[fe80::1]/", "http://[fe80::1%25lo]/", "http://[fec0::1]/", "http://[fc00::1]/", "http://[fd00:ec2::254]/", "http://[ff02::1]/", "http://[ff0e::1]/",
	"http://localhost/", "http://LOCALHOST:80/", "http://localhost./", "http://2130706433/", "http://0x7f000001/", "http://017700000001/", "http://127.1/", "http://0x7f.1/", "http://127.0.0.1.nip.test/",
	"http://loop.test/", "http://mapped.test/", "http://six.test/", "http://meta.test/", "http://all.test/", "http://１２７.0.0.1/",
}

var targetNames = map[string][]string{
	"":            {"127.0.0.1"}, // what a system's resolver makes of 2130706433 and the like
	"mapped.test": {"::ffff:10.0.0.1"},
	"six.test":    {"::1"},
	"meta.test":   {"169.254.169.254"},
	"all.test":    {"10.0.0.1 192.168.1.1 ::1 fd00::1 127.0.0.1"},
}

// TestTargets sends requests to where none may go, directly and by a redirect. Whatever gets as
// far as a connection is counted by the dialer.
func TestTargets(t *testing.T) {
	if len(targets) < 60 {
		t.Fatalf("%d targets", len(targets))
	}
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	var at string
	redirecting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", at)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}))
	defer redirecting.Close()
	own := netip.MustParseAddrPort(redirecting.Listener.Addr().String())
	var let atomic.Int32
	options := webOptions{timeout: 10 * time.Second, resolver: newAnswers(targetNames).resolver(), allowed: func(a netip.Addr) bool {
		if isPublic(a) {
			let.Add(1)
		}
		return false // and no network
	}}
	direct := &Senders{HTTP: options.client()}
	options.allowed = nil
	for _, target := range targets {
		err := direct.Send(context.Background(), web(t, target))
		if err == nil || let.Load() != 0 {
			t.Errorf("%s: %v, %d connections", target, err, let.Load())
		}
		if parsed := web(t, target).check(); parsed == nil && !errors.Is(err, ErrAddressRefused) && !noSuchName(target) {
			t.Errorf("%s: %v", target, err)
		}
		at = target
		client := options.client()
		client.Transport.(*http.Transport).DialContext = (&net.Dialer{Resolver: options.resolver, Control: portGuard(own, &let)}).DialContext
		if err := (&Senders{HTTP: client}).Send(context.Background(), web(t, redirecting.URL)); err == nil || let.Load() != 0 {
			t.Errorf("redirected to %s: %v, %d connections", target, err, let.Load())
		}
	}
}

// noSuchName tells the targets that Go's own resolver takes for no name. The system's reads some as
// 127.0.0.1, which is what targetNames stands for with the others.
func noSuchName(target string) bool {
	host := strings.TrimSuffix(strings.TrimPrefix(target, "http://"), "/")
	return strings.Contains(host, "１") || !strings.ContainsAny(host, "abcdefghijklmnopqrstuvwxyz:[") && !netip.MustParsePrefix("0.0.0.0/0").Contains(addr(host))
}

func addr(s string) netip.Addr {
	a, _ := netip.ParseAddr(s)
	return a
}

// web makes a delivery to an endpoint.
func web(t testing.TB, endpoint string) *Delivery {
	t.Helper()
	payload, err := json.Marshal(map[string]any{"endpoint": endpoint, "body": map[string]any{"a": 1}, "headers": map[string]any{"X-Key": "secret", "Authorization": "secret", "Accept": "text/x"}})
	if err != nil {
		t.Fatal(err)
	}
	return &Delivery{ID: "01J", Type: Web, Payload: payload}
}

// portGuard lets one address through, by its port, and is the guard for all others.
func portGuard(own netip.AddrPort, let *atomic.Int32) func(string, string, syscallConn) error {
	return func(network, address string, c syscallConn) error {
		if a, err := netip.ParseAddrPort(address); err == nil && a == own {
			return nil
		}
		err := webOptions{allowed: isPublic}.control(network, address, c)
		if err == nil {
			let.Add(1)
			return errors.New("no network in tests")
		}
		return err
	}
}

// TestPublic tells public addresses from others, next to the bounds of each range.
func TestPublic(t *testing.T) {
	for _, s := range []string{
		"1.1.1.1", "9.255.255.255", "11.0.0.0", "93.184.216.34", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1", "168.63.129.15", "169.253.255.255", "169.255.0.0",
		"172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "::ffff:1.1.1.1", "2000::1", "2001:200::1", "2003::1", "2606:4700::1111", "2a00:1450::1",
	} {
		if !isPublic(netip.MustParseAddr(s)) {
			t.Errorf("%s is refused", s)
		}
	}
	if isPublic(netip.Addr{}) {
		t.Error("no address is public")
	}
	o := webOptions{allowed: isPublic}
	for _, c := range [][2]string{{"udp4", "1.1.1.1:53"}, {"unix", "/tmp/x"}, {"tcp4", "name:80"}, {"tcp", "1.1.1.1:80"}} {
		if o.control(c[0], c[1], nil) == nil {
			t.Errorf("%v is let through", c)
		}
	}
	if err := o.control("tcp4", "1.1.1.1:80", nil); err != nil {
		t.Error(err)
	}
}

// TestRebinding has a name that points to the one public host of the test first, and inside
// afterwards. 127.0.0.1 is the public host here.
func TestRebinding(t *testing.T) {
	var hits atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		if r.URL.Path == "/again" {
			http.Redirect(w, r, "/here", http.StatusTemporaryRedirect)
		}
	}))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	public := func(a netip.Addr) bool { return a == netip.MustParseAddr("127.0.0.1") || isPublic(a) }
	client := func(list ...string) *Senders {
		return &Senders{HTTP: webOptions{allowed: public, timeout: 5 * time.Second, resolver: newAnswers(map[string][]string{"re.test": list}).resolver()}.client()}
	}
	s := client("127.0.0.1", "127.0.0.2")
	if err := s.Send(context.Background(), web(t, "http://re.test:"+port)); err != nil || hits.Load() != 1 {
		t.Fatal(err, hits.Load())
	}
	if err := s.Send(context.Background(), web(t, "http://re.test:"+port)); !errors.Is(err, ErrAddressRefused) || hits.Load() != 1 {
		t.Error("a second request follows the name:", err, hits.Load())
	}
	if err := client("127.0.0.1", "127.0.0.2").Send(context.Background(), web(t, "http://re.test:"+port+"/again")); !errors.Is(err, ErrAddressRefused) || hits.Load() != 2 {
		t.Error("a redirect follows the name:", err, hits.Load())
	}
	// Of several addresses the public one is taken.
	if err := client("127.0.0.2 127.0.0.1").Send(context.Background(), web(t, "http://re.test:"+port)); err != nil || hits.Load() != 3 {
		t.Error(err, hits.Load())
	}
	if err := client("127.0.0.2 127.0.0.3").Send(context.Background(), web(t, "http://re.test:"+port)); !errors.Is(err, ErrAddressRefused) || hits.Load() != 3 {
		t.Error(err, hits.Load())
	}
}
