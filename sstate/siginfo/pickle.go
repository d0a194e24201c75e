package siginfo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The opcodes of pickles that are known, by their names in Python's pickletools. They
// make dicts, lists, tuples, sets, texts, numbers, and refer to what was made
// before. All others end the reading. Of protocol 0 texts of Python 2 are left
// out: BitBake always wrote the highest protocol.
const (
	opMark           = '('
	opStop           = '.'
	opFloat          = 'F'
	opBinFloat       = 'G'
	opInt            = 'I'
	opNone           = 'N'
	opBinInt         = 'J'
	opBinInt1        = 'K'
	opLong           = 'L'
	opBinInt2        = 'M'
	opReduce         = 'R'
	opBinString      = 'T' // str of Python 2
	opShortBinString = 'U'
	opUnicode        = 'V'
	opBinUnicode     = 'X'
	opAppend         = 'a'
	opGlobal         = 'c'
	opDict           = 'd'
	opAppends        = 'e'
	opGet            = 'g'
	opBinGet         = 'h'
	opLongBinGet     = 'j'
	opList           = 'l'
	opEmptyList      = ']'
	opPut            = 'p'
	opBinPut         = 'q'
	opLongBinPut     = 'r'
	opSetItem        = 's'
	opTuple          = 't'
	opEmptyTuple     = ')'
	opSetItems       = 'u'
	opEmptyDict      = '}'

	opProto    = 0x80 // protocol 2
	opTuple1   = 0x85
	opTuple2   = 0x86
	opTuple3   = 0x87
	opNewTrue  = 0x88
	opNewFalse = 0x89
	opLong1    = 0x8a

	opShortBinUnicode = 0x8c // protocol 4
	opBinUnicode8     = 0x8d
	opEmptySet        = 0x8f
	opAddItems        = 0x90
	opFrozenSet       = 0x91
	opStackGlobal     = 0x93
	opMemoize         = 0x94
	opFrame           = 0x95
)

const maxProtocol = 5

// sequence is a list, tuple or set that a pickle makes. It is shared by all
// that refer to it.
type sequence struct {
	items []any
	isSet bool
	isTup bool
}

// mark is the object of opMark; setMaker the one of the globals set and
// frozenset.
type (
	mark     struct{}
	setMaker struct{}
)

// unpickler is the machine that a pickle is a program for.
type unpickler struct {
	rest   []byte
	size   int // of the whole, for positions
	stack  []any
	memo   map[uint32]any
	values int
	done   bool
}

// decodePickle returns nil, bool, string, json.Number, *sequence and
// map[string]any.
func decodePickle(content []byte) (any, error) {
	u := &unpickler{rest: content, size: len(content), memo: map[uint32]any{}}
	for !u.done {
		at := u.size - len(u.rest)
		code, err := u.take(1)
		if err == nil {
			err = u.step(code[0])
		}
		if err != nil {
			return nil, fmt.Errorf("pickle: %w (byte %d)", err, at)
		}
	}
	root, err := u.pop()
	if err != nil {
		return nil, fmt.Errorf("pickle: %w", err)
	}
	if len(u.stack) > 0 || len(u.rest) > 0 {
		return nil, errors.New("pickle: more behind the end")
	}
	return root, nil
}

// step does one opcode.
func (u *unpickler) step(code byte) error {
	switch code {
	case opProto:
		return u.proto()
	case opFrame:
		_, err := u.take(8) // a hint for reading ahead
		return err
	case opStop:
		u.done = true
		return nil
	case opPut, opBinPut, opLongBinPut, opMemoize, opGet, opBinGet, opLongBinGet:
		return u.remember(code)
	case opGlobal, opStackGlobal, opReduce:
		return u.call(code)
	case opAppend, opAppends, opAddItems, opSetItem, opSetItems:
		return u.fill(code)
	case opTuple, opTuple1, opTuple2, opTuple3, opFrozenSet, opList, opDict:
		return u.gather(code)
	case opUnicode:
		return u.textLine()
	case opBinString, opShortBinString, opBinUnicode, opShortBinUnicode, opBinUnicode8:
		return u.text(code)
	default:
		return u.atom(code)
	}
}

func (u *unpickler) proto() error {
	version, err := u.take(1)
	if err != nil {
		return err
	}
	if version[0] < 2 || version[0] > maxProtocol {
		return fmt.Errorf("protocol %d is not known", version[0])
	}
	return nil
}

// atom pushes what is made from the opcode alone, or a number.
func (u *unpickler) atom(code byte) error {
	switch code {
	case opMark:
		return u.push(mark{})
	case opNone:
		return u.push(nil)
	case opNewTrue, opNewFalse:
		return u.push(code == opNewTrue)
	case opEmptyDict:
		return u.push(map[string]any{})
	case opEmptyList:
		return u.push(&sequence{})
	case opEmptyTuple:
		return u.push(&sequence{isTup: true})
	case opEmptySet:
		return u.push(&sequence{isSet: true})
	case opBinInt, opBinInt1, opBinInt2, opLong1, opBinFloat, opInt, opLong, opFloat:
		return u.number(code)
	}
	return fmt.Errorf("opcode %#02x is not of a signature", code)
}

func (u *unpickler) text(code byte) error {
	width := 4
	switch code {
	case opShortBinString, opShortBinUnicode:
		width = 1
	case opBinUnicode8:
		width = 8
	}
	n, err := u.uint(width)
	if err != nil {
		return err
	}
	b, err := u.take(n)
	if err != nil {
		return err
	}
	return u.push(strings.ToValidUTF8(string(b), "\ufffd"))
}

// remember moves between the stack and the memo.
func (u *unpickler) remember(code byte) error {
	index := uint64(len(u.memo))
	var err error
	switch code {
	case opPut, opGet:
		index, err = u.lineIndex()
	case opBinPut, opBinGet:
		index, err = u.uint(1)
	case opLongBinPut, opLongBinGet:
		index, err = u.uint(4)
	}
	if err != nil {
		return err
	}
	if code == opGet || code == opBinGet || code == opLongBinGet {
		object, known := u.memo[uint32(index)]
		if !known {
			return fmt.Errorf("no object %d in the memo", index)
		}
		return u.push(object)
	}
	switch {
	case len(u.stack) == 0:
		return errStack
	case len(u.memo) > maxValues:
		return errManyValues
	}
	u.memo[uint32(index)] = u.stack[len(u.stack)-1]
	return nil
}

// push pushes an object, which is new or from the memo.
func (u *unpickler) push(object any) error {
	if u.values++; u.values > maxValues {
		return errManyValues
	}
	u.stack = append(u.stack, object)
	return nil
}

var errStack = errors.New("nothing on the stack")

func (u *unpickler) pop() (any, error) {
	n := len(u.stack) - 1
	if n < 0 {
		return nil, errStack
	}
	top := u.stack[n]
	if _, is := top.(mark); is {
		return nil, errors.New("a mark in place of an object")
	}
	u.stack = u.stack[:n]
	return top, nil
}

// popMark returns what stands above the last mark, and removes both.
func (u *unpickler) popMark() ([]any, error) {
	for i := len(u.stack) - 1; i >= 0; i-- {
		if _, is := u.stack[i].(mark); is {
			items := append([]any(nil), u.stack[i+1:]...)
			u.stack = u.stack[:i]
			return items, nil
		}
	}
	return nil, errors.New("no mark on the stack")
}

// popCount pops n objects.
func (u *unpickler) popCount(n int) ([]any, error) {
	items := make([]any, n)
	for i := n - 1; i >= 0; i-- {
		var err error
		if items[i], err = u.pop(); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// take cuts n bytes off the rest.
func (u *unpickler) take(n uint64) ([]byte, error) {
	if n > uint64(len(u.rest)) {
		return nil, errors.New("truncated")
	}
	b := u.rest[:n]
	u.rest = u.rest[n:]
	return b, nil
}

// uint reads a little-endian number of some bytes.
func (u *unpickler) uint(width int) (uint64, error) {
	b, err := u.take(uint64(width))
	if err != nil {
		return 0, err
	}
	var wide [8]byte
	copy(wide[:], b)
	return min(binary.LittleEndian.Uint64(wide[:]), math.MaxInt64), nil
}

// lineIndex reads an index of the memo that is written as text.
func (u *unpickler) lineIndex() (uint64, error) {
	text, err := u.line()
	if err != nil {
		return 0, err
	}
	index, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, errNumber
	}
	return index, nil
}

// line reads to the next newline.
func (u *unpickler) line() (string, error) {
	i := bytes.IndexByte(u.rest, '\n')
	if i < 0 {
		return "", errors.New("truncated")
	}
	b, err := u.take(uint64(i) + 1)
	return string(b[:len(b)-1]), err
}
