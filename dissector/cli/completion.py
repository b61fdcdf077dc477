"""``osloshark completion``: what makes a shell complete the command line."""

from typing import Final

import click
from click.shell_completion import get_completion_class

from dissector.cli.main import group
from dissector.cli.options import CONTEXT
from dissector.cli.output import Output, OutputClosed

_NAME: Final = "osloshark"
_VARIABLE: Final = "_OSLOSHARK_COMPLETE"
"""What click looks for in the environment, to answer a shell instead of running."""

EPILOG: Final = """\b
To have it in every new shell:
  osloshark completion bash > ~/.local/share/bash-completion/completions/osloshark
  osloshark completion zsh > "${fpath[1]}/_osloshark"
  osloshark completion fish > ~/.config/fish/completions/osloshark.fish
\b
To have it in this one:
  eval "$(osloshark completion bash)"
  eval "$(osloshark completion zsh)"
  osloshark completion fish | source
\b
A folder that is not there has to be made. For the first, bash needs its package
bash-completion, and zsh a folder in which you may write. bash has to be 4.4 or
later; zsh needs 'autoload -U compinit && compinit' in its .zshrc.
"""


@click.command("completion", epilog=EPILOG, context_settings=CONTEXT)
@click.argument("shell", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    """Print the script with which a shell (bash, zsh or fish) completes commands, options and their values.

    After -e and -Y it completes the names of fields, after -i interfaces, and files where they are taken.
    """
    found = get_completion_class(shell)
    assert found is not None, "click knows these shells"
    script = found(group, {}, _NAME, _VARIABLE)
    text = script.source_template % script.source_vars()  # `source` would run bash, to see of which version it is
    try:
        with Output(None) as output:
            output.write(text.encode())
    except OutputClosed:
        pass
    return 0
