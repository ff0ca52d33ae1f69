"""Reading the configuration again: all that a role could stumble over is looked at before any role hears of it."""

import logging
from collections.abc import Callable
from pathlib import Path

from mta.config import ways
from mta.config.fixed import held
from mta.config.load import ConfigError, load
from mta.config.settings import Settings
from mta.daemon import assemble, assemble_tls
from mta.daemon.exits import Stop
from mta.workers.scopes import parse as parse_scopes

_log = logging.getLogger("mta")

Again = Callable[[Settings], Settings]
"""Reads the configuration again, given the settings in force; raises ConfigError or Stop and changes nothing."""


def check(settings: Settings) -> None:
    """Look at the files that settings name, and at what they say together; raise ConfigError or Stop.

    The message names setting, file and cure.
    """
    assemble.shaping(settings)
    assemble.pools(settings)
    assemble_tls.receiving(settings.inbound.certificate)
    assemble_tls.receiving(settings.web.certificate, "web.certificate")
    assemble_tls.authorities(settings)
    assemble_tls.reporting(settings)
    ways.rules(settings.tls)
    ways.routes(settings.routes)
    parse_scopes(settings.log.transcript)


def again(config: Path | None) -> Again:
    """Return what reads this configuration again."""

    def read(old: Settings) -> Settings:
        new = load(config).settings
        check(new)
        kept, differ = held(old, new)
        if differ:
            _log.warning("changed in the file, in force from the next start on: %s", ", ".join(differ))
        return kept

    return read


def why(error: Exception) -> str:
    """Return an error of reading or using settings in one line; the type, too, of one that nobody foresaw."""
    text = (
        str(error)
        if isinstance(error, ConfigError | Stop | ValueError)
        else f"{type(error).__name__}: {error}"
    )
    return " ".join(text.split())
