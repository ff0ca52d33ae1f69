"""Decode a document, and when it does not fit say where and what was probably meant.

msgspec finds the fault at the speed of C; only then is its message taken apart here. A test holds each of its
wordings that this file reads.
"""

import re
from typing import TypeVar, get_args, get_type_hints

import msgspec

from mta.ingest.codes import BAD_JSON, MISSING_MEMBER, UNKNOWN_MEMBER, WRONG_TYPE, Refused
from mta.ingest.grammar import shown
from mta.nearest import suggestion

T = TypeVar("T", bound=msgspec.Struct)

_AT = re.compile(r"(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`", re.DOTALL)


def decode(decoder: msgspec.json.Decoder[T], data: bytes, kind: type[T]) -> T:
    """Return the document in `data`; raise Refused with the path of what does not fit."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise _explained(str(error), kind) from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Refused(
            BAD_JSON, f"`data` is not JSON in UTF-8 ({str(error)[:120]}); encode one object"
        ) from error
    except RecursionError as error:
        raise Refused(
            BAD_JSON, "`data` is nested too deeply; no document needs more than six levels"
        ) from error


def _explained(message: str, kind: type[msgspec.Struct]) -> Refused:
    found = _AT.fullmatch(message)
    what, path = (found["what"], found["path"]) if found else (message, None)
    place = path or "$"
    if unknown := _UNKNOWN.fullmatch(what):
        name = unknown["name"]
        here = members(kind, place)
        return Refused(
            UNKNOWN_MEMBER, f"`{place}` has an unknown member {shown(name)}; {suggestion(name, here)}"
        )
    if missing := _MISSING.fullmatch(what):
        return Refused(MISSING_MEMBER, f"`{place}.{missing['name']}` is missing; it is required")
    return Refused(WRONG_TYPE, f"`{place}` has the wrong type: {what[:1].lower()}{what[1:]}")


def members(kind: type[msgspec.Struct], path: str) -> list[str]:
    """Return the member names that the object at a JSON `path` of a `kind` document may have."""
    for step in path.removeprefix("$").split(".")[1:]:
        name = step.partition("[")[0]
        fields = {entry.encode_name: entry.name for entry in msgspec.structs.fields(kind)}
        inner = _struct_in(get_type_hints(kind)[fields[name]])
        if inner is None:
            return []
        kind = inner
    return [entry.encode_name for entry in msgspec.structs.fields(kind)]


def _struct_in(hint: object) -> type[msgspec.Struct] | None:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint
    for part in get_args(hint):
        found = _struct_in(part)
        if found is not None:
            return found
    return None
