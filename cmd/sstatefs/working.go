package main

import (
	"fmt"

	"sstatefs/cmd/sstatefs/internal/amount"
	"sstatefs/ctl"
	"sstatefs/ctl/upkeep"
	"sstatefs/store"
)

// working shows how far work is in one line of a terminal, and nothing
// elsewhere; done removes the line.
func (p *program) working() (report upkeep.Report, done func()) {
	line := p.newProgressLine()
	if line == nil {
		return upkeep.Silent, func() {}
	}
	report = func(now upkeep.Progress) {
		line.draw(func(columns int) string { return progressText(now, columns) })
	}
	return report, line.clear
}

// sending is working for a mount that sends what is left.
type sending struct {
	line *progressLine // nil where nothing is drawn
	left store.QueueStatus
}

func (p *program) newSending() *sending { return &sending{line: p.newProgressLine()} }

func (s *sending) show(now ctl.Progress) {
	s.left = now.Queue
	if s.line != nil {
		s.line.draw(func(int) string { return "sending: " + s.text() + " left" })
	}
}

func (s *sending) done() {
	if s.line != nil {
		s.line.clear()
	}
}

func (s *sending) text() string {
	return fmt.Sprintf("%s (%s)", objects(s.left.Objects), amount.Size(s.left.Bytes))
}

// ended words the error of who waited for it: an interrupt says what is left,
// and what became of the mount.
func (s *sending) ended(mountpoint, mount string, err error) error {
	if !ctl.IsKind(err, ctl.KindInterrupted) {
		return err
	}
	return &failure{
		code: exitFailed, err: fmt.Errorf("%s: interrupted: %s not sent yet%s", mountpoint, s.text(), mount),
		hint: "sstatefs status " + mountpoint,
	}
}

// Widths of the bar in characters. A shorter one says less than the number.
const (
	longestBar  = 30
	shortestBar = 8
)

// progressText is "sending [####......] 40 %  1900/2000 objects, 1.2 GiB". The
// bar takes what the columns leave it, 0 for as many as it likes.
func progressText(now upkeep.Progress, columns int) string {
	if now.Total == 0 {
		text := fmt.Sprintf("%s: %s", now.Stage, objects(now.Done))
		if now.DoneBytes > 0 {
			text += ", " + amount.Size(now.DoneBytes)
		}
		return text
	}
	part := float64(now.Done) / float64(now.Total)
	if now.TotalBytes > 0 {
		part = float64(now.DoneBytes) / float64(now.TotalBytes)
	}
	part = min(1, max(0, part))
	text := fmt.Sprintf("%2.0f %%  %d/%s", 100*part, now.Done, objects(now.Total))
	if now.TotalBytes > 0 {
		text += fmt.Sprintf(", %s of %s", amount.Size(now.DoneBytes), amount.Size(now.TotalBytes))
	}
	width := longestBar
	if columns > 0 {
		width = min(longestBar, columns-len(now.Stage)-len(" [] ")-len(text))
	}
	if width < shortestBar {
		return now.Stage + " " + text
	}
	return fmt.Sprintf("%s [%s] %s", now.Stage, bar(part, width), text)
}

func bar(part float64, width int) string {
	text := make([]byte, width)
	for i := range text {
		text[i] = '.'
		if float64(i) < part*float64(width) {
			text[i] = '#'
		}
	}
	return string(text)
}
