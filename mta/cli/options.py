"""Options that many commands share, and the settings that `-c` leads to."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from mta.cli.failure import CONFIG, Failure

if TYPE_CHECKING:
    from mta.config.load import Loaded
    from mta.config.settings import Settings
    from mta.queue.link import Server

Command = TypeVar("Command", bound=Callable[..., object])

CLASSES = ("urgent", "transactional", "bulk")


def config_option(command: Command) -> Command:
    """Add `-c FILE`."""
    return click.option(
        "-c", "--config", "config", type=click.Path(path_type=Path), metavar="FILE",
        help="Configuration; default ./mta.toml, then /etc/mta/mta.toml, then the built-in values.",
    )(command)  # fmt: skip


def json_option(command: Command) -> Command:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


def tenant_option(command: Command) -> Command:
    """Add `--tenant`, for commands that submit."""
    return click.option(
        "--tenant", metavar="ID", help="Whose mail it is; default: what the document says, else `default`."
    )(command)


def loaded(config: Path | None) -> "Loaded":
    """Return the settings with their origins; raise ConfigError."""
    from mta.config.load import load

    return load(config, os.environ)


def settings_of(config: Path | None) -> "Settings":
    """Return the settings; raise ConfigError."""
    return loaded(config).settings


def server_of(settings: "Settings") -> "Server":
    """Return where the running engine's Redis is; raise Failure when the settings can't say."""
    from mta.queue.link import Server, read_password

    redis = settings.redis
    try:
        password = read_password(redis.password_file)
    except OSError as error:
        raise Failure(
            CONFIG, f"`redis.password_file` {redis.password_file} can't be read: {error.strerror}"
        ) from error
    url = f"unix://{settings.paths.redis / 'redis.sock'}" if redis.url == "embedded" else redis.url
    return Server(url, password, redis.tls_ca, redis.replicas)
