package main

import "github.com/spf13/cobra"

func (p *program) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "completion bash|zsh|fish",
		Short:     "print the completions for a shell",
		Long:      "completion prints a script that completes sstatefs in a shell. make install puts it in place.",
		ValidArgs: []string{"bash", "zsh", "fish"},
		Args:      wantArgs("bash|zsh|fish"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return cmd.Root().GenBashCompletionV2(p.stdout, true)
			case "zsh":
				return cmd.Root().GenZshCompletion(p.stdout)
			case "fish":
				return cmd.Root().GenFishCompletion(p.stdout, true)
			}
			return usage(helpOf(cmd), "completion: unknown shell %q: want bash, zsh or fish", args[0])
		},
	}
}
