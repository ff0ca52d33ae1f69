"""`mta run`, `mta demo`, `mta check-config`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mta.cli import show
from mta.cli.failure import CONFIG, Failure
from mta.cli.options import config_option, json_option, loaded

if TYPE_CHECKING:
    from mta.config.load import Loaded

ROLES = ("ingest", "express", "worker", "courier", "inbound", "web", "keeper", "all")


@click.command()
@config_option
@click.option("--role", type=click.Choice(ROLES), default="all", help="One part alone; default: all of them.")
@click.option("--name", metavar="NAME", help="This process's name, stable over restarts; default: the role.")
def run(config: Path | None, role: str, name: str | None) -> int:
    """Run the engine in the foreground until SIGTERM.

    \b
    Example:
      mta run -c /etc/mta/mta.toml
    """
    found = loaded(config)
    from mta.daemon.run import run as run_daemon

    return run_daemon(found.settings, config, None if role == "all" else role, name)


@click.command()
@click.option("--recipients", type=click.IntRange(100, 20_000), default=2000, help="How many people.")
@click.option("--rate", default="40/s", help="Messages per second to each receiving site.")
@click.option(
    "--redis", metavar="URL", default="", help="An empty server or cluster, in the place of an own one."
)
def demo(recipients: int, rate: str, redis: str) -> int:
    """Show the whole engine at work on loopback; nothing leaves this machine.

    \b
    Example:
      mta demo --recipients 500
    """
    from mta.demo.run import Options
    from mta.demo.run import run as run_demo

    return run_demo(Options(recipients=recipients, rate=rate, redis=redis))


@click.command()
@config_option
@click.option("--show", "shown", is_flag=True, help="Print every setting and where its value came from.")
@json_option
def check_config(config: Path | None, shown: bool, as_json: bool) -> None:
    """Check the configuration; exit code 78 when it can't be used.

    \b
    Example:
      mta check-config -c /etc/mta/mta.toml --show
    """
    found = loaded(config)
    if faults := _faults(found):
        raise Failure(CONFIG, "; ".join(faults))
    rows = _rows(found)
    if as_json:
        show.as_json(
            {
                "ok": True,
                "files": [str(path) for path in found.files],
                "settings": {name: {"value": value, "from": origin} for name, value, origin in rows},
            }
        )
        return
    if shown:
        show.table("", ("setting", "value", "from"), [(n, _written(v), o) for n, v, o in rows])
    click.echo(f"ok: {', '.join(map(str, found.files)) or 'no file, built-in values'}")


def _rows(found: "Loaded") -> list[tuple[str, object, str]]:
    from mta.config.tree import flat

    out = []
    for name, value in flat(found.settings).items():
        if name == "redis.url" and isinstance(value, str):
            value = _masked(value)
        out.append((name, value, found.origins.get(name, "default")))
    return out


def _masked(url: str) -> str:
    """Return a URL with *** in place of its password."""
    scheme, separator, rest = url.partition("://")
    credentials, at, place = rest.rpartition("@")
    user, colon, _ = credentials.partition(":")
    return f"{scheme}{separator}{user}{colon}{'***' if colon else ''}{at}{place}"


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _faults(found: "Loaded") -> list[str]:
    """Return what only the file system can tell."""
    from mta.config.load import ConfigError
    from mta.daemon.exits import Stop
    from mta.daemon.reloading import check

    settings, out = found.settings, []
    try:
        check(settings)
    except (ConfigError, Stop) as error:
        out.append(str(error))
    for name, path in (
        ("redis.password_file", settings.redis.password_file),
        ("redis.tls_ca", settings.redis.tls_ca),
    ):
        if not path:
            continue
        try:
            Path(path).open("rb").close()
        except OSError as error:
            out.append(
                f"{found.origins.get(name, 'default')}: `{name}` {path} can't be read: {error.strerror}"
            )
    return out
