// Package amount reads and writes the two amounts of the command line: sizes
// (500M, 20G) and ages (90s, 15m, 30d). It is no unit library: it knows the
// units that the flags of sstatefs take and no others.
//
// A bare number is an error, because nobody remembers whether 30 is seconds or
// days. Only a size of 0 needs no unit.
package amount

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Errors of a text without unit.
var (
	errNoSizeUnit = errors.New("a size needs a unit, for example 20G")
	errNoAgeUnit  = errors.New("a duration needs a unit, for example 90s, 15m, 12h, 30d or 8w")
)

// ParseSize reads a size in bytes: a number and one of the units K, M, G and T,
// powers of 1024, with or without B or iB after it. Letters may be small.
func ParseSize(text string) (int64, error) {
	number, unit := split(text)
	value, err := parseNumber(number)
	if err != nil {
		return 0, fmt.Errorf("%q is no size: want a number and a unit, for example 20G", text)
	}
	unit = strings.ToUpper(unit)
	if unit == "" {
		if value == 0 {
			return 0, nil
		}
		return 0, errNoSizeUnit
	}
	prefix := strings.TrimSuffix(strings.TrimSuffix(unit, "B"), "I")
	power := strings.Index("KMGT", prefix) + 1
	if len(prefix) != 1 || power == 0 || unit == prefix+"I" {
		return 0, fmt.Errorf("%q has no known unit: want K, M, G or T", text)
	}
	bytes := value * math.Pow(1024, float64(power))
	if bytes >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is too large", text)
	}
	return int64(bytes), nil
}

// ParseAge reads a duration: a number and one of the units s, m, h, d (24 h)
// and w (7 d).
func ParseAge(text string) (time.Duration, error) {
	number, unit := split(text)
	value, err := parseNumber(number)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration: want a number and a unit, for example 15m", text)
	}
	var one time.Duration
	switch unit {
	case "s":
		one = time.Second
	case "m":
		one = time.Minute
	case "h":
		one = time.Hour
	case "d":
		one = 24 * time.Hour
	case "w":
		one = 7 * 24 * time.Hour
	case "":
		return 0, errNoAgeUnit
	default:
		return 0, fmt.Errorf("%q has no known unit: want s, m, h, d or w", text)
	}
	age := value * float64(one)
	if age >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is too long", text)
	}
	return time.Duration(age), nil
}

// ParsePercent reads a percentage, "5%", as a part of 1.
func ParsePercent(text string) (float64, error) {
	value, err := parseNumber(strings.TrimSuffix(text, "%"))
	if err != nil || !strings.HasSuffix(text, "%") || value > 100 {
		return 0, fmt.Errorf("%q is no percentage: want 0%% to 100%%", text)
	}
	return value / 100, nil
}

// split cuts a text behind its number.
func split(text string) (number, unit string) {
	end := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		return text, ""
	}
	return text[:end], text[end:]
}

// parseNumber reads digits with at most one point: no sign, no exponent, no
// infinity.
func parseNumber(text string) (float64, error) {
	if text == "" || strings.Trim(text, "0123456789.") != "" {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseFloat(text, 64)
}

// Size writes bytes for people, "3.2 GiB": two digits at least, of what is no
// multiple.
func Size(bytes int64) string {
	n, unit := float64(max(bytes, 0)), 0
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	for math.Round(n*10) >= 10240 && unit < len(units)-1 {
		n /= 1024
		unit++
	}
	digits := 0
	if unit > 0 && math.Round(n*10) < 100 {
		digits = 1
	}
	return strconv.FormatFloat(n, 'f', digits, 64) + " " + units[unit]
}

// SizeFlag writes a size as a flag takes it, "20G": exact, in the largest unit
// that leaves no fraction.
func SizeFlag(bytes int64) string {
	units := []string{"", "K", "M", "G", "T"}
	power := 0
	for bytes != 0 && bytes%1024 == 0 && power < len(units)-1 {
		bytes /= 1024
		power++
	}
	return strconv.FormatInt(bytes, 10) + units[power]
}

// Age writes a duration for people in its largest unit that makes at least
// one: "45s", "12m", "3h", "9d".
func Age(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int64(max(d, 0)/time.Second))
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 2*day:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/day)
}

// AgeFlag writes a duration as a flag takes it, in the largest unit that
// leaves no fraction: "30s", "5m", "24h".
func AgeFlag(d time.Duration) string {
	switch {
	case d != 0 && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d != 0 && d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}
