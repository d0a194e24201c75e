package store

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// A part or bundle is one zstd frame of lines, here "feed 1" without a host's
// name: who did it is nobody's business.
//
//	sstatefs feed 1
//	= 0123456789abcdef              a part that this bundle holds
//	+ SIZE TIME KEY                 the remote has it
//	* TIME KEY                      its time was moved
//	- TIME KEY                      it was removed
//
// SIZE is in bytes, TIME in nanoseconds since 1970 by the remote's clock.

const feedHeader = "sstatefs feed 1\n"

// What others wrote is bounded.
const (
	feedLines   = 20_000   // of a part
	feedObject  = 8 << 20  // bytes of a part or bundle on the remote
	feedDecoded = 16 << 20 // bytes of its lines
	feedBundled = 8 << 20  // bytes of lines that a bundle is made of
)

// The things that happen to an object.
const (
	newsPut     = '+'
	newsTouched = '*'
	newsGone    = '-'
)

// news is what became of one object on the remote.
type news struct {
	op  byte
	key remote.Key
	stamp
}

// appendLine writes news as a line.
func (n *news) appendLine(b []byte) []byte {
	b = append(b, n.op, ' ')
	if n.op == newsPut {
		b = append(strconv.AppendInt(b, n.size, 10), ' ')
	}
	b = append(strconv.AppendInt(b, n.mtime, 10), ' ')
	return append(append(b, n.key...), '\n')
}

var errNoFeed = errors.New("not of the change feed")

// parseNews reads a line without its end. Only what can be an object's key is
// taken.
func parseNews(line string) (n news, err error) {
	if len(line) < 2 || line[1] != ' ' {
		return n, errNoFeed
	}
	n.op = line[0]
	rest := line[2:]
	if n.op == newsPut {
		if n.size, rest, err = cutNumber(rest); err != nil {
			return n, err
		}
	}
	if n.mtime, rest, err = cutNumber(rest); err != nil {
		return n, err
	}
	if _, ok := sstate.ParsePath(rest); !ok || n.op != newsPut && n.op != newsTouched && n.op != newsGone {
		return n, errNoFeed
	}
	n.key = remote.Key(rest)
	return n, nil
}

func cutNumber(s string) (number int64, rest string, err error) {
	digits, rest, ok := strings.Cut(s, " ")
	number, err = strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || number < 0 {
		return 0, "", errNoFeed
	}
	return number, rest, nil
}

// pack makes a part or bundle of lines.
func pack(lines []byte) ([]byte, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(256<<10), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	defer enc.Close()
	return enc.EncodeAll(append([]byte(feedHeader), lines...), nil), nil
}

// unpack gives the lines of a part or bundle.
func unpack(data []byte) ([]byte, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(feedDecoded))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	text, err := dec.DecodeAll(data, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoFeed, err)
	}
	lines, ok := bytes.CutPrefix(text, []byte(feedHeader))
	if !ok || len(lines) > 0 && lines[len(lines)-1] != '\n' {
		return nil, errNoFeed
	}
	return lines, nil
}

// feedText is what a part or bundle says.
type feedText struct {
	parts []uint64 // that a bundle holds
	news  []news
}

// parseFeedLines reads all lines; one that is wrong makes all of them wrong.
func parseFeedLines(lines []byte) (t feedText, err error) {
	const most = feedDecoded / 64 // a line has more bytes than that
	for line := range bytes.Lines(lines) {
		text := string(bytes.TrimSuffix(line, []byte("\n")))
		if id, ok := strings.CutPrefix(text, "= "); ok {
			part, err := strconv.ParseUint(id, 16, 64)
			if err != nil || len(t.parts) >= most {
				return feedText{}, errNoFeed
			}
			t.parts = append(t.parts, part)
			continue
		}
		n, err := parseNews(text)
		if err != nil || len(t.news) >= most {
			return feedText{}, errNoFeed
		}
		t.news = append(t.news, n)
	}
	return t, nil
}
