package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A bandwidth is in bits a second; 0 is no limit.
type bandwidth int64

// units are powers of 1000, as those of networks.
var units = []struct {
	name string
	bits float64
}{{"Gbit", 1e9}, {"Mbit", 1e6}, {"kbit", 1e3}}

// Set reads what the flag takes: 0, or a number and a unit, as String writes it
// or without what is not needed.
func (b *bandwidth) Set(text string) error {
	if text == "0" {
		*b = 0
		return nil
	}
	for _, unit := range units {
		number, ok := strings.CutSuffix(strings.TrimSuffix(text, "/s"), unit.name)
		if !ok {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if bits := value * unit.bits; err == nil && bits >= 1e3 && bits <= 1e15 {
			*b = bandwidth(bits)
			return nil
		}
	}
	return errors.New("want 0, or a number and a unit, for example 1Gbit, 100Mbit")
}

func (b bandwidth) String() string {
	for _, unit := range units {
		if float64(b) >= unit.bits {
			return fmt.Sprintf("%g %s/s", float64(b)/unit.bits, unit.name)
		}
	}
	return "0"
}

// bytes is what passes in a second.
func (b bandwidth) bytes() int64 { return int64(b) / 8 }
