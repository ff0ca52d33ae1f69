"""The mail log read back: the lines of one message or person, as events, where there is no archive to ask."""

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

READ_BYTES = 4 << 20
MOST_BYTES = 4 << 30  # read from the end
MOST_EVENTS = 1_000

_FIELD = re.compile(r'([a-z_]+)=("(?:\\.|[^"\\])*"|\S*)')


@dataclass(slots=True)
class Lines:
    """The events in the order of the file; `complete` False: a bound ended the look."""

    events: list[dict[str, str]] = field(default_factory=list)
    complete: bool = True


def seek_log(path: Path, name: str, value: str) -> Lines:
    """Return the events of a mail log, text or JSON, whose field is `value`; raises OSError."""
    out = Lines()
    needle = value.encode()
    with path.open("rb") as file:
        size = path.stat().st_size
        if size > MOST_BYTES:
            file.seek(size - MOST_BYTES)
            file.readline()
            out.complete = False
        while block := file.readlines(READ_BYTES):
            for line in block:
                if needle not in line:
                    continue
                event = parsed(line.decode("utf-8", "replace").rstrip("\n"))
                if event.get(name) == value:
                    out.events.append(event)
                    if len(out.events) == MOST_EVENTS:
                        out.complete = False
                        return out
    return out


def parsed(line: str) -> dict[str, str]:
    """Return the event that a line tells; empty for what is no line of the log."""
    try:
        if line.startswith("{"):
            fields = {str(key): str(value) for key, value in json.loads(line).items()}
            stamp = fields.pop("time")
        else:
            stamp, kind, rest = line.split(" ", 2)
            fields = {"event": kind}
            for key, value in _FIELD.findall(rest):
                fields[key] = json.loads(value) if value.startswith('"') else value
        fields["ts"] = str(int(datetime.fromisoformat(stamp).timestamp() * 1000))
    except (ValueError, KeyError, AttributeError):
        return {}
    return fields
