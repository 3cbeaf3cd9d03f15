package rest

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// limiter counts requests in windows of time.
type limiter struct {
	requests int
	window   time.Duration
	now      func() time.Time

	mu      sync.Mutex
	windows map[string]window
	swept   time.Time
}

// window is what one caller has asked since its window began.
type window struct {
	began time.Time
	count int
}

func newLimiter(o RateLimit, now func() time.Time) *limiter {
	return &limiter{requests: o.Requests, window: o.Window, now: now, windows: make(map[string]window)}
}

// take counts a request, and returns when the next one is allowed if it is one too many.
func (l *limiter) take(key string) (next time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if now.Sub(l.swept) >= l.window { // forget callers whose windows are over
		for k, w := range l.windows {
			if now.Sub(w.began) >= l.window {
				delete(l.windows, k)
			}
		}
		l.swept = now
	}
	w, known := l.windows[key]
	if !known || now.Sub(w.began) >= l.window {
		w = window{began: now}
	}
	if w.count >= l.requests {
		return w.began.Add(l.window), false
	}
	w.count++
	l.windows[key] = w
	return time.Time{}, true
}

// throttle counts the request for its token, or for its address when it has no known one, and
// refuses it when there were too many (spec 1.6).
func (c *call) throttle() error {
	if c.h.limiter == nil {
		return nil
	}
	var key string
	if c.account != nil {
		key = "token " + itoa(c.who.TokenID)
	} else {
		host, _, err := net.SplitHostPort(c.r.RemoteAddr)
		if err != nil {
			host = c.r.RemoteAddr
		}
		key = "address " + host
	}
	next, ok := c.h.limiter.take(key)
	if ok {
		return nil
	}
	wait := max(1, int64(next.Sub(c.h.options.Now())/time.Second)+1)
	c.w.Header().Set("Retry-After", itoa(wait))
	return &problem{status: http.StatusTooManyRequests, message: "Too many requests. Try again later.", nextValid: next}
}
