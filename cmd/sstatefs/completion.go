package main

import (
	"io"

	"github.com/spf13/cobra"
)

// withoutPackage defines what cobra's script takes from the package
// bash-completion, for shells without it.
const withoutPackage = `# words, cword, cur and prev of the line before the cursor. Bash splits words at
# = and : too; here they are put together again.
declare -F _get_comp_words_by_ref >/dev/null || _get_comp_words_by_ref()
{
    local line=${COMP_LINE:0:COMP_POINT} rest word
    words=()
    for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        rest=${line#"${line%%[![:space:]]*}"}
        [[ $rest == "$word"* ]] || word=$rest
        if (( ${#words[@]} > 0 )) && [[ $rest == "$line" ]]; then
            words[${#words[@]}-1]+=$word
        else
            words+=("$word")
        fi
        line=${rest#"$word"}
    done
    cword=$(( ${#words[@]} - 1 ))
    cur=${words[cword]}
    prev=
    (( cword == 0 )) || prev=${words[cword-1]}
}

# Files, or with -d folders.
declare -F _filedir >/dev/null || _filedir()
{
    local kind=-f
    [[ ${1-} == -d ]] && kind=-d
    compopt -o filenames 2>/dev/null
    local name
    while IFS= read -r name; do
        COMPREPLY+=("$name")
    done < <(compgen "$kind" -- "$cur")
}

`

func (p *program) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "completion bash|zsh|fish",
		Short:     "print the completions for a shell",
		Long:      "completion prints a script that completes sstatefs in a shell. make install puts it in place.",
		Example:   "  sstatefs completion bash > ~/.local/share/bash-completion/completions/sstatefs",
		ValidArgs: []string{"bash", "zsh", "fish"},
		Args:      wantArgs("bash|zsh|fish"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				if _, err := io.WriteString(p.stdout, withoutPackage); err != nil {
					return err
				}
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
