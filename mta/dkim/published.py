"""Is what a domain publishes the public half of a key? The record as verifiers read it (RFC 6376 section 3.6.1)."""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Final

from mta.dkim.key import Signer

MAX_RECORD: Final = 4096
"""Characters of a record that are read; a key of 8192 bits takes 1,400."""
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_BLANKS = re.compile(r"[ \t\r\n]+")


def tags(record: str) -> dict[str, str]:
    """Return the tags of a record with their values, blanks around them dropped; raise ValueError (section 3.2)."""
    found: dict[str, str] = {}
    pieces = record.split(";")
    if not pieces[-1].strip(" \t\r\n"):
        pieces.pop()
    for piece in pieces:
        name, equals, value = piece.partition("=")
        name = name.strip(" \t\r\n")
        if not equals or not _TAG.fullmatch(name):
            raise ValueError(f"it has a part that is no tag=value: {piece.strip()[:40]!a}")
        if name in found:
            raise ValueError(f"it has the tag {name}= twice")
        found[name] = value.strip(" \t\r\n")
    return found


def faults(signer: Signer, records: Sequence[str]) -> list[str]:
    """Return why signatures of this key would not verify against the TXT records at its name; empty: they would.

    Each fault is a sentence that goes on from "the record".
    """
    if not records:
        return ["is not there; publish the one `mta dkim dns` prints"]
    if len(records) > 1:
        # Section 3.6.2.2: a verifier may take any of several, so the outcome is left to chance.
        return [f"is one of {len(records)} TXT records of that name; keep one"]
    record = records[0]
    if len(record) > MAX_RECORD:
        return [f"is longer than {MAX_RECORD} characters"]
    try:
        known = tags(record)
    except ValueError as error:
        return [f"can't be read: {error}"]
    found: list[str] = []
    if "v" in known and (known["v"] != "DKIM1" or next(iter(known)) != "v"):
        found.append("does not begin with v=DKIM1")
    kind = "rsa" if signer.algorithm == "rsa-sha256" else "ed25519"
    if known.get("k", "rsa").lower() != kind:
        found.append(f"says k={known.get('k', 'rsa (by default)')}, the key is {kind}")
    if "p" not in known:
        found.append("has no p=, so no key")
    elif not known["p"]:
        found.append("has an empty p=: the key is revoked")
    else:
        found += _key_faults(signer, known["p"])
    hashes = [one.strip().lower() for one in known["h"].split(":")] if "h" in known else ["sha256"]
    if "sha256" not in hashes:
        found.append(f"allows h={known['h']} only, the engine signs with sha256")
    services = [one.strip().lower() for one in known["s"].split(":")] if "s" in known else ["*"]
    if not {"*", "email"} & set(services):
        found.append(f"is for s={known['s']}, not for email")
    strict = "s" in [one.strip().lower() for one in known.get("t", "").split(":")]
    if strict and signer.identity and signer.identity.rpartition("@")[2] != signer.domain:
        found.append(f"says t=s, but the key signs as i={signer.identity}")
    return found


def is_trial(records: Sequence[str]) -> bool:
    """Return whether the record says t=y: verifiers treat such mail as if it were not signed."""
    try:
        return len(records) == 1 and "y" in [one.strip() for one in tags(records[0]).get("t", "").split(":")]
    except ValueError:
        return False


def _key_faults(signer: Signer, p: str) -> list[str]:
    try:
        theirs = base64.b64decode(_BLANKS.sub("", p), validate=True)
    except (binascii.Error, ValueError):
        return ["has a p= that is no base64; it may have been cut or escaped"]
    ours = base64.b64decode(signer.public())
    if theirs == ours:
        return []
    if ours.startswith(theirs):
        return ["has a p= that is cut short; publish all strings of the record, side by side"]
    return [
        "holds another key; publish the one `mta dkim dns` prints, or sign with the key that is published"
    ]
