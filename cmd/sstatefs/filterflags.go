package main

import (
	"strings"

	"github.com/spf13/cobra"

	"sstatefs/ctl/upkeep"
)

// addFilterFlags declares the flags that pick objects by fields of their names.
func addFilterFlags(cmd *cobra.Command, f *upkeep.Filter) {
	set := cmd.Flags()
	set.StringArrayVar(&f.PN, "pn", nil, "only recipes that match this `pattern`, as 'linux-*' (may be given again)")
	set.StringArrayVar(&f.Arch, "arch", nil, "only archs that match this `pattern` (may be given again)")
	set.StringArrayVar(&f.Task, "task", nil, "only tasks that match this `pattern`, without do_ (may be given again)")
	set.Var(expressionValue{f}, "filter", "only recipes whose name begins with a match; '(?!X)' leaves out those that begin with X")
}

// expressionValue is the flag --filter, as isar-sstate has it.
type expressionValue struct{ filter *upkeep.Filter }

func (v expressionValue) Type() string { return "regex" }

func (v expressionValue) String() string {
	if v.filter == nil { // as pflag makes one to look for defaults
		return ""
	}
	return v.filter.Expression.String()
}

func (v expressionValue) Set(text string) (err error) {
	v.filter.Expression, err = upkeep.ParseExpression(text)
	return err
}

// checkFilter makes the flags of addFilterFlags ready for use: tasks may be
// written with do_. A pattern that cannot be understood is an error of usage.
func checkFilter(cmd *cobra.Command, f *upkeep.Filter) error {
	for i, task := range f.Task {
		f.Task[i] = strings.TrimPrefix(task, "do_")
	}
	if err := f.Check(); err != nil {
		return usage(helpOf(cmd), "%s: %v", cmd.Name(), err)
	}
	return nil
}

// addNarrowFlags declares the flags of addFilterFlags for a command whose
// argument is the recipe.
func addNarrowFlags(cmd *cobra.Command, f *upkeep.Filter) {
	cmd.Flags().StringArrayVar(&f.Arch, "arch", nil, "only archs that match this `pattern` (may be given again)")
	cmd.Flags().StringArrayVar(&f.Task, "task", nil, "only tasks that match this `pattern` (may be given again)")
}
