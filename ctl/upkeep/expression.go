package upkeep

import (
	"fmt"
	"regexp"
	"strings"
)

// An Expression picks recipes whose name begins with a match, as the --filter
// of isar-sstate does. It has Go's syntax, and in front the negative look-ahead
// that leaves recipes out, as (?!sbuild). The nil Expression picks all.
type Expression struct {
	text string
	not  []*regexp.Regexp // nothing that begins with a match of these
	is   *regexp.Regexp
}

// ParseExpression reads an expression.
func ParseExpression(text string) (*Expression, error) {
	e, err := parseExpression(text)
	for _, sign := range []string{"(?=", "(?!", "(?<=", "(?<!"} {
		if err != nil && strings.Contains(text, sign) {
			return nil, fmt.Errorf("%s is not known here, only (?!X) in front of an expression without |", sign)
		}
	}
	return e, err
}

func parseExpression(text string) (*Expression, error) {
	e := &Expression{text: text}
	rest := strings.TrimPrefix(text, "^")
	for {
		inside, after, ok := cutLookAhead(rest)
		if !ok {
			break
		}
		not, err := regexp.Compile(inside)
		if err != nil {
			return nil, err
		}
		e.not, rest = append(e.not, not), after
	}
	if strings.Contains(rest, "|") {
		rest = text // a look-ahead would count for its own branch only: no such syntax
	}
	var err error
	e.is, err = regexp.Compile(rest)
	return e, err
}

// cutLookAhead splits a negative look-ahead off the front of an expression.
func cutLookAhead(text string) (inside, after string, ok bool) {
	inside, ok = strings.CutPrefix(text, "(?!")
	if !ok {
		return "", text, false
	}
	depth, class := 1, false
	for i := 0; i < len(inside); i++ {
		switch c := inside[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
		case c == '(':
			depth++
		case c == ')':
			depth--
		}
		if depth == 0 {
			return inside[:i], inside[i+1:], true
		}
	}
	return "", text, false
}

// Picks tells whether a recipe's name is picked.
func (e *Expression) Picks(pn string) bool {
	if e == nil {
		return true
	}
	for _, not := range e.not {
		if beginsWith(not, pn) {
			return false
		}
	}
	return beginsWith(e.is, pn)
}

// String is the expression as it was written, empty for nil.
func (e *Expression) String() string {
	if e == nil {
		return ""
	}
	return e.text
}

// beginsWith tells whether s begins with a match, as Python's re.match does.
func beginsWith(re *regexp.Regexp, s string) bool {
	at := re.FindStringIndex(s)
	return at != nil && at[0] == 0
}
