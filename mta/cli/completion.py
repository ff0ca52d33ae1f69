"""`mta completion`: what makes a shell complete the commands of mta; click does the completing."""

import click

from mta.cli.failure import SOFTWARE, Failure

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_MTA_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that makes a shell complete commands, options and their values.

    For one user: `eval "$(mta completion bash)"` in ~/.bashrc, or with zsh in ~/.zshrc; for fish into
    ~/.config/fish/completions/mta.fish.

    \b
    Example:
      mta completion bash > /etc/bash_completion.d/mta
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise Failure(SOFTWARE, f"this version of click knows no {shell}; the package needs click >= 8.1")
    click.echo(found(context.find_root().command, {}, "mta", VARIABLE).source())
