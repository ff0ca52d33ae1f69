"""`mta run`: the whole engine, or one role of it, in the foreground."""

import signal
import sys
from pathlib import Path

from mta.config.load import ConfigError
from mta.config.settings import Settings
from mta.daemon import child
from mta.daemon.exits import CONFIG, UNAVAILABLE, Stop
from mta.daemon.reloading import again, check
from mta.daemon.supervisor import supervise


def run(settings: Settings, config: Path | None, role: str | None, name: str | None) -> int:
    """Run until told to stop; return the exit code. One clear line on stderr says what went wrong."""
    signal.signal(
        signal.SIGHUP, signal.SIG_IGN
    )  # until somebody listens to it: the settings are as new as can be
    try:
        try:
            check(settings)
        except ConfigError as error:
            raise Stop(CONFIG, str(error)) from error
        if role is None:
            return supervise(settings, again(config))
        return child.run(settings, role, name or role, _url(settings), None, again(config))
    except Stop as stop:
        print(f"mta: {stop.line}", file=sys.stderr)
        return stop.code


def _url(settings: Settings) -> str:
    if settings.redis.url != "embedded":
        return settings.redis.url
    path = settings.paths.redis / "redis.sock"
    if not path.exists():
        raise Stop(
            UNAVAILABLE,
            f"no engine runs with the state directory {settings.paths.root}, so its embedded server can't be"
            " reached; run `mta run` there, or set redis.url to a server of your own",
        )
    return f"unix://{path}"
