package amount

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "0G": 0, "1K": 1024, "500M": 500 << 20, "20G": 20 << 30, "1T": 1 << 40,
		"1.5G": 3 << 29, "20g": 20 << 30, "20GB": 20 << 30, "20GiB": 20 << 30, "4k": 4096,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"20": "needs a unit", "": "no size", "G": "no size", "-1G": "no size", "1.2.3G": "no size",
		"20X": "no known unit", "20Gi": "no known unit", "20 G": "no known unit", "1KM": "no known unit",
		"1e9G": "no known unit", "99999999999T": "too large", "infG": "no size", "20B": "no known unit",
	} {
		if got, err := ParseSize(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseSize(%q) = %d, %v, want an error with %q", text, got, err, want)
		}
	}
}

func TestParseAge(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0s": 0, "90s": 90 * time.Second, "15m": 15 * time.Minute, "12h": 12 * time.Hour,
		"30d": 720 * time.Hour, "8w": 1344 * time.Hour, "0.5s": time.Second / 2,
	} {
		if got, err := ParseAge(text); err != nil || got != want {
			t.Errorf("ParseAge(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"30": "needs a unit", "0": "needs a unit", "": "no duration", "d": "no duration", "-1d": "no duration",
		"5M": "no known unit", "1h30m": "no known unit", "99999999w": "too long",
	} {
		if got, err := ParseAge(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseAge(%q) = %v, %v, want an error with %q", text, got, err, want)
		}
	}
}

func TestParsePercent(t *testing.T) {
	for text, want := range map[string]float64{"0%": 0, "5%": 0.05, "2.5%": 0.025, "100%": 1} {
		if got, err := ParsePercent(text); err != nil || got != want {
			t.Errorf("ParsePercent(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"5", "%", "101%", "-5%", "x%", "5%%"} {
		if got, err := ParsePercent(text); err == nil {
			t.Errorf("ParsePercent(%q) = %v, nil, want an error", text, got)
		}
	}
}

func TestForPeople(t *testing.T) {
	for want, got := range map[string]string{
		"0 B": Size(-1), "1023 B": Size(1023), "20 GiB": Size(20 << 30), "1.5 KiB": Size(1536), "1.0 MiB": Size(1<<20 - 1), "8.0 EiB": Size(math.MaxInt64),
		"0s": Age(-time.Second), "59s": Age(59 * time.Second), "3h": Age(3*time.Hour + 59*time.Minute),
		"47h": Age(47 * time.Hour), "2d": Age(48 * time.Hour), "12m": Age(12 * time.Minute),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// What a flag shows as its default must be what it takes.
func TestFlagFormsAreReadBack(t *testing.T) {
	for _, size := range []int64{0, 1024, 4 << 30, 20 << 30, 1536 << 10, 3 << 40} {
		if got, err := ParseSize(SizeFlag(size)); err != nil || got != size {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", SizeFlag(size), got, err, size)
		}
	}
	for _, age := range []time.Duration{0, 30 * time.Second, 90 * time.Second, 5 * time.Minute, 24 * time.Hour} {
		if got, err := ParseAge(AgeFlag(age)); err != nil || got != age {
			t.Errorf("ParseAge(%q) = %v, %v, want %v", AgeFlag(age), got, err, age)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"20G", "1.5T", "30d", "0", "5%", "", ".", "9999999999999999999T"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if size, err := ParseSize(text); err == nil && size < 0 {
			t.Errorf("ParseSize(%q) = %d", text, size)
		}
		if age, err := ParseAge(text); err == nil && age < 0 {
			t.Errorf("ParseAge(%q) = %v", text, age)
		}
		if part, err := ParsePercent(text); err == nil && (part < 0 || part > 1) {
			t.Errorf("ParsePercent(%q) = %v", text, part)
		}
	})
}
