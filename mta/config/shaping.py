"""The shaping file: opened here, understood in `mta.throttle.shapefile`, where there are no files."""

from pathlib import Path

from mta.config.load import ConfigError
from mta.throttle.limits import BUILT_IN, Limits
from mta.throttle.shapefile import MOST_TEXT, ShapingError, parse
from mta.throttle.shaping import Shaping

SHIPPED = Path(__file__).with_name("shaping.toml")


def shaping_file(setting: str) -> Path | None:
    """Return the file that `limits.shaping` names: the shipped one where it is empty, None for "none"."""
    if setting == "none":
        return None
    return Path(setting) if setting else SHIPPED


def load_shaping(path: Path | None, base: Limits = BUILT_IN) -> Shaping:
    """Return what the file at `path` says, over `base`; raise ConfigError with file, line, key and cure.

    None is no file: no providers, and `base` for every site. To keep the old limits when a file turns out bad at
    a reload, keep the old Shaping: nothing is changed here.
    """
    if path is None:
        return Shaping(base)
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_TEXT + 1)
        return parse(raw.decode(), str(path), base)
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8; save it as such") from error
    except ShapingError as error:
        raise ConfigError(str(error)) from error
