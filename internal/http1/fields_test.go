package http1

import "testing"

// kindOf classifies a name as parseField does.
func kindOf(t *testing.T, name string) fieldKind {
	t.Helper()
	var f Field
	if _, err := parseField(&f, []byte(name+": x\r\n"), 0); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return f.kind
}

func TestClassify(t *testing.T) {
	tests := []struct {
		name string
		want fieldKind
	}{
		{"Host", kindHost},
		{"HOST", kindHost},
		{"te", kindTE},
		{"content-Length", kindContentLength},
		{"X-Forwarded-For", kindForwarded},
		{"X-Forwarded-Port", kindForwardedMore},
		{"Forwarded", kindOrigin},
		{"X-Real-IP", kindOrigin},
		{"X-Forwarded-Protocol", kindOrigin},
		{"x-forwarded-prefix-with-a-very-long-name-behind-it", kindForwardedMore},
		{"Rip-Worker-Busy", kindWorkerBusy},
		{"rip-worker-anything", kindWorker},
		{"Proxy", kindHop},

		{"X_Forwarded_For", kindShadow},
		{"X-Forwarded_For", kindShadow},
		{"X.Forwarded.Proto", kindShadow},
		{"X_Forwarded_Anything_Else_That_Is_Long", kindShadow},
		{"Content_Length", kindShadow},
		{"Transfer_Encoding", kindShadow},
		{"X_Request_Id", kindShadow},
		{"Rip_Worker_Busy", kindShadow},

		{"Accept", kindOther},
		{"X-Forwarded", kindOther},
		{"Hosts", kindOther},
		{"X_Api_Key", kindOther},
		{"_", kindOther},
		{"a", kindOther},
	}
	for _, tt := range tests {
		if got := kindOf(t, tt.name); got != tt.want {
			t.Errorf("%s: kind %d, want %d", tt.name, got, tt.want)
		}
	}
}

// The table is right about itself: each name stands under its length, in lower
// case, once, and has a rule.
func TestKnownFields(t *testing.T) {
	seen := map[string]bool{}
	for length, list := range knownFields {
		for _, k := range list {
			if len(k.name) != length || seen[k.name] || k.kind == kindOther || k.kind >= kindShadow {
				t.Errorf("the entry %+v under length %d", k, length)
			}
			seen[k.name] = true
			if got := kindOf(t, k.name); got != k.kind {
				t.Errorf("%s: kind %d, want %d", k.name, got, k.kind)
			}
			if len(k.name) >= maxShadowBytes {
				t.Errorf("%s is longer than what classifyShadow compares", k.name)
			}
		}
	}
}
