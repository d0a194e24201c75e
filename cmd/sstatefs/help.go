package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// helpCommand replaces cobra's, for which a command that does not exist is no
// error.
func (p *program) helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "print the help of a command",
		Args:  wantArgs("[COMMAND]"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			var found []string
			for _, cmd := range root.Commands() {
				if len(args) == 0 && cmd.IsAvailableCommand() && strings.HasPrefix(cmd.Name(), typed) {
					found = append(found, cmd.Name())
				}
			}
			return found, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return root.Help()
			}
			for _, cmd := range root.Commands() {
				if cmd.Name() == args[0] || cmd.HasAlias(args[0]) {
					return cmd.Help()
				}
			}
			return knownCommand(root, args)
		},
	}
}
