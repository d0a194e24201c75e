package main

import "testing"

func TestBandwidth(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "1Gbit": 125e6, "2.5 Gbit/s": 312_500_000, "100Mbit": 12_500_000, "64kbit": 8000} {
		var b, again bandwidth
		if err := b.Set(text); err != nil || b.bytes() != want {
			t.Errorf("Set(%q) gives %d bytes a second, %v, want %d", text, b.bytes(), err, want)
		}
		if err := again.Set(b.String()); err != nil || again != b {
			t.Errorf("Set(%q) gives %v, %v", b, again, err)
		}
	}
	for _, text := range []string{"", "1", "1G", "1GB", "Gbit", "-1Gbit", "0Gbit", "NaNkbit", "1e30Gbit"} {
		if b := new(bandwidth); b.Set(text) == nil {
			t.Errorf("Set(%q) gives %v", text, b)
		}
	}
}
