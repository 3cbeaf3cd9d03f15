package hooks

import "time"

// Retry says how often and with which pauses a delivery is tried. Fields that are 0 have the
// defaults of spec 10.5.
type Retry struct {
	// Tries is how often a delivery is tried in all: 5.
	Tries int
	// First is the pause after the first try, which doubles with each further one: 1 second.
	First time.Duration
	// Most is the longest pause: 10 minutes.
	Most time.Duration
}

// After returns the pause to make after a number of failed tries, or false when there is to be
// no other try.
func (r Retry) After(failed int) (pause time.Duration, again bool) {
	if r.Tries <= 0 {
		r.Tries = 5
	}
	if r.First <= 0 {
		r.First = time.Second
	}
	if r.Most <= 0 {
		r.Most = 10 * time.Minute
	}
	if failed >= r.Tries {
		return 0, false
	}
	pause = r.First
	for i := 1; i < failed && pause < r.Most; i++ {
		if pause > r.Most/2 { // doubling must not overflow
			return r.Most, true
		}
		pause *= 2
	}
	return min(pause, r.Most), true
}
