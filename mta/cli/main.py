"""The entry point: the tree of commands, and the one place where errors become lines and exit codes."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from mta import __version__
from mta.cli.acl import acl
from mta.cli.audit import audit
from mta.cli.campaign_check import campaign_check
from mta.cli.campaign_orders import ORDERS
from mta.cli.campaign_report import campaign_report
from mta.cli.campaign_review import review
from mta.cli.campaign_show import campaign_list, campaign_show
from mta.cli.campaign_submit import campaign_submit
from mta.cli.completion import VARIABLE, completion
from mta.cli.dkim import dkim
from mta.cli.doctor import doctor
from mta.cli.erase import erase
from mta.cli.events import events
from mta.cli.evidence import tenant_evidence
from mta.cli.failure import INTERRUPTED, SOFTWARE, USAGE, Failure, failure_of
from mta.cli.guard import guard
from mta.cli.install import install
from mta.cli.probe import probe
from mta.cli.queue import queue
from mta.cli.queue_orders import ORDERS as QUEUE_ORDERS
from mta.cli.reports import reports
from mta.cli.run import check_config, demo, run
from mta.cli.send import send
from mta.cli.site import site
from mta.cli.source import source
from mta.cli.status import status
from mta.cli.suppress import suppress
from mta.cli.suppress_transfer import export, import_
from mta.cli.tenant import tenant
from mta.cli.top import top
from mta.cli.trace import trace
from mta.cli.why import why


class Program(click.Group):
    """A group whose failures are one line on stderr and an exit code of sysexits.h."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command; with `standalone_mode` end the process."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)
        words = list(sys.argv[1:] if args is None else args)
        code = 0
        try:
            # By whatever name it was called: the scripts of `mta completion` ask by this one.
            result = super().main(words, prog_name or "mta", complete_var or VARIABLE, False, **extra)
            code = result if isinstance(result, int) else 0
        except click.UsageError as error:
            error.show()
            code = USAGE
        except click.FileError as error:
            click.echo(f"mta: {error.format_message()}", err=True)
            code = os.EX_NOINPUT
        except (click.Abort, KeyboardInterrupt):
            click.echo("", err=True)
            code = INTERRUPTED
        except Exception as error:
            if "--debug" in words[:1]:
                raise
            fault = failure_of(error) or Failure(
                SOFTWARE, f"internal error: {type(error).__name__}: {error}; `mta --debug ...` shows where"
            )
            click.echo(f"mta: {fault.line}", err=True)
            code = fault.code
        sys.exit(code)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="mta")
@click.option("--debug", is_flag=True, help="Show tracebacks; must come first.")
def main(debug: bool) -> None:
    """High-throughput outbound mail engine.

    \b
    Example:
      mta demo
    """


@click.group()
def campaign() -> None:
    """Submit, watch and steer campaigns.

    \b
    Example:
      mta campaign submit --file campaign.json --recipients people.csv --follow
    """


for command in (
    campaign_submit,
    campaign_check,
    campaign_list,
    campaign_show,
    campaign_report,
    review,
    *ORDERS,
):
    campaign.add_command(command)
for command in QUEUE_ORDERS:
    queue.add_command(command)
tenant.add_command(tenant_evidence)
main.add_command(guard)
for command in (export, import_):
    suppress.add_command(command)
for command in (
    status,
    top,
    doctor,
    run,
    demo,
    check_config,
    send,
    tenant,
    campaign,
    queue,
    site,
    source,
    why,
    trace,
    probe,
    events,
    dkim,
    acl,
    audit,
    reports,
    suppress,
    erase,
    install,
    completion,
):
    main.add_command(command)
