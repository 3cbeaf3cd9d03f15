package security

import (
	"context"
	"fmt"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
)

// grantingScript grants what it is asked.
type grantingScript struct{}

func (grantingScript) RunScript(_ context.Context, call ScriptCall) (ScriptResult, error) {
	return ScriptResult{Returned: document.Of(map[string]any{"granted": true})}, nil
}

// TestProspects holds MayGrant and Uniform against what Decide says of every request at hand:
// what may not be granted never is, and what is uniform is answered alike.
func TestProspects(t *testing.T) {
	whos := []*Principal{nil, {Admin: true}, Anonymous(), token(9), user(map[string]any{"Role": "User", "Name": "bob"}), {TokenID: 9, AppID: ptr(1)}}
	parts := []string{`"allow":"all"`, `"allow":"loggedIn"`, `"allow":{"user":{"Role":{"equals":"Admin"}}}`, `"allow":{"tokens":[9]}`}
	more := []string{``, `,"require":["A"]`, `,"require":[{"A":{"equals":"{{user.Name}}"}}]`, `,"require":[{"A":{"equals":"{{user.None}}"}}]`, `,"exclude":["B"]`, `,"include":["A"],"require":["A"]`, `,"enabled":false`, `,"appId":[1]`}
	list := []string{`null`, `{"script":"x"}`, `{"script":"x","exclude":["B"]}`, `{"script":"x","enabled":false}`}
	for _, p := range parts {
		for _, m := range more {
			list = append(list, `{"type":["select","update"],`+p+m+`}`, `{"type":["delete","count","insert"],`+p+m+`}`)
		}
	}
	bodies := []string{`{}`, `{"A":1}`, `{"A":"bob"}`, `{"B":1}`}
	may, granted, alike := 0, 0, 0
	for i, first := range list {
		second := list[(i*7+3)%len(list)]
		text := "[" + first + "," + second + "]"
		if first == "null" || second == "null" {
			text = "null"
		}
		p := rules(t, text)
		for _, who := range whos {
			for _, op := range []Operation{Select, Count, Insert, Update, Delete} {
				for _, public := range []bool{false, true} {
					any, whole := p.MayGrant(who, op, public, false), p.MayGrant(who, op, public, true)
					uniform := p.Uniform(who, op, public)
					var answers []string
					some := false
					for _, body := range bodies {
						reqs := []Request{request(t, op, body)}
						if !op.writes() {
							reqs = append(reqs, byID(t, op, body))
						}
						for n, req := range reqs {
							req.Public = public
							g, err := p.Decide(t.Context(), who, req, grantingScript{})
							some = some || err == nil
							if err == nil && (!any || !whole && !g.Limited()) {
								t.Fatalf("%s for %+v, public %t, under %s: granted %s, which it may not be", op, who, public, text, body)
							}
							if n == 1 {
								answers = append(answers, fmt.Sprint(g, err))
							}
						}
					}
					for _, a := range answers {
						if uniform && a != answers[0] {
							t.Fatalf("%s for %+v, public %t, under %s: not answered alike: %v", op, who, public, text, answers)
						}
					}
					may, granted, alike = may+count(any), granted+count(some), alike+count(uniform)
				}
			}
		}
	}
	if granted == 0 || may < granted || may > granted*11/10 || alike == 0 {
		t.Errorf("of %d that may be granted %d are, %d are uniform", may, granted, alike)
	}
	t.Logf("of %d that may be granted %d are, %d are uniform", may, granted, alike)
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}
