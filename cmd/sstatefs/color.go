package main

import (
	"os"

	"github.com/spf13/cobra"

	"sstatefs/sstate/siginfo"
)

// colorFlag declares --color.
func colorFlag(cmd *cobra.Command) *choiceValue {
	return choice(cmd, "color", "use colors; auto: on a terminal, unless NO_COLOR is set", "auto", "always", "never")
}

// style is how text is printed for a --color flag. What cannot redraw a line
// has no colors either.
func (p *program) style(color string) siginfo.Style {
	if color == "always" || color == "auto" && canRedraw(p.stdout) && os.Getenv("NO_COLOR") == "" {
		return siginfo.Colored
	}
	return siginfo.Plain
}
