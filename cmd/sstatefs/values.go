package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sstatefs/cmd/sstatefs/internal/amount"
)

// The types of flags. Each is a pflag.Value.

// sizeValue is a number of bytes, above zero.
type sizeValue int64

func (v *sizeValue) String() string { return amount.SizeFlag(int64(*v)) }
func (v *sizeValue) Type() string   { return "size" }

func (v *sizeValue) Set(text string) error {
	bytes, err := amount.ParseSize(text)
	if err == nil && bytes == 0 {
		err = fmt.Errorf("must be more than 0")
	}
	*v = sizeValue(bytes)
	return err
}

// ageValue is a duration of at least min.
type ageValue struct {
	d   time.Duration
	min time.Duration
}

func (v *ageValue) String() string { return amount.AgeFlag(v.d) }
func (v *ageValue) Type() string   { return "duration" }

func (v *ageValue) Set(text string) error {
	d, err := amount.ParseAge(text)
	if err == nil && d < v.min {
		err = fmt.Errorf("must be at least %s", amount.AgeFlag(v.min))
	}
	v.d = d
	return err
}

// freeValue is how much of a disk stays free: a part of it, or bytes.
type freeValue struct {
	part  float64 // 0 to 1, when bytes is 0
	bytes int64
	text  string // as given
}

func (v *freeValue) String() string { return v.text }
func (v *freeValue) Type() string   { return "percentage|size" }

func (v *freeValue) Set(text string) error {
	var err error
	v.text, v.part, v.bytes = text, 0, 0
	if strings.HasSuffix(text, "%") {
		v.part, err = amount.ParsePercent(text)
	} else {
		v.bytes, err = amount.ParseSize(text)
	}
	return err
}

// choiceValue is one of a few words.
type choiceValue struct {
	word  string
	words []string
}

func (v *choiceValue) String() string { return v.word }
func (v *choiceValue) Type() string   { return strings.Join(v.words, "|") }

func (v *choiceValue) Set(text string) error {
	if !slices.Contains(v.words, text) {
		return fmt.Errorf("want %s", strings.Join(v.words, " or "))
	}
	v.word = text
	return nil
}

// choice adds a flag of a few words and their completion. The first is the
// default.
func choice(cmd *cobra.Command, name, help string, words ...string) *choiceValue {
	v := &choiceValue{word: words[0], words: words}
	cmd.Flags().Var(v, name, help)
	// It fails for a flag that does not exist only.
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	return v
}

// folders completes arguments that are directories.
func folders(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}
