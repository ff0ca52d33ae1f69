"""Does reading returned mail ever fail, hang or grow? N mutated messages through `mta.bounce.report.read`.

    python -m bench.fuzz_bounces --inputs 1000000 --json [--corpora DIR]

The seeds are messages of our own in the manner of many systems; `--corpora` adds every file of a folder. Each input is
one seed with bytes cut, repeated, swapped, garbled, or spliced with another. Reading it must not raise, must keep every
cap, must give the same result twice, and a claim may only name what the message holds. A document whose `faults` is not
empty is a failure; each fault names the number to repeat it with.
"""

import json
import random
import resource
import time
from collections import Counter
from pathlib import Path
from typing import Any

import click

from bench.corpora import rules
from bench.machine import machine
from mta.bounce import dsn
from mta.bounce.report import MAX_EXPLANATION, MAX_TOKENS, Report, read

SCHEMA = 1
FAULTS = 10
LONGEST = 64 << 10  # octets of one input: most are far shorter
KINDS = frozenset({
    "bounce", "delay", "delivered", "complaint", "unsubscribe", "auth_report", "auto_reply", "none",
})  # fmt: skip

_HEAD = b"From: MAILER-DAEMON@relay.example\nTo: b.%s@bounces.shop.example\nSubject: Undelivered mail\n" % (
    b"a" * 45
)
_BACK = (
    b"Received: by relay.example\nFrom: news@shop.example\nTo: anna@remote.example\n"
    b"Message-ID: <c1@shop.example>\n\nHi\n"
)
_FIELDS = (
    b"Reporting-MTA: dns; relay.example\n\nFinal-Recipient: rfc822; anna@remote.example\nAction: failed\n"
    b"Status: 5.1.1\nRemote-MTA: dns; mx.remote.example\nDiagnostic-Code: smtp; 550 5.1.1 User unknown\n"
)
SEEDS = (
    _HEAD + b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\n"
    b"<anna@remote.example>: host "
    b"mx said:\n 550 5.1.1 User unknown (in reply to RCPT TO command)\n--b\n"
    b"Content-Type: message/delivery-status\n\n"
    + _FIELDS + b"\n--b\nContent-Type: message/rfc822\n\n" + _BACK + b"\n--b--\n",
    _HEAD + b"\n<anna@remote.example>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n"
    b"--- Below this line is a copy.\n" + _BACK,
    _HEAD + b"X-Failed-Recipients: anna@remote.example\n\nThe following address(es) failed:\n\n"
    b"  anna@remote.example\n    SMTP "
    b"error from remote mail server after end of data:\n    550 5.7.1 spam\n\n"
    b"------ This is a copy ------\n" + _BACK,
    _HEAD + b"\n   ----- Transcript -----\n>>> RCPT To:<anna@remote.example>\n<<< 550 User unknown\n"
    b"550 <anna@remote.example>... "
    b"User unknown\n\n   ----- Unsent message follows -----\n" + _BACK,
    _HEAD + b"Content-Type: text/html; charset=utf-8\n\n"
    b"<html><style>p{}</style><p>Delivery failed:<br>anna@remote.example<br>"
    b"550 5.2.2 mailbox &quot;full&quot;</p></html>\n",
    _HEAD + b"Content-Type: text/plain; charset=iso-2022-jp\n\n<anna@remote.example>\n\x1b$B08@hITL@\x1b(B\n",
    _HEAD + b'\n{"notificationType":"Bounce","bounce":{"bouncedRecipients":'
    b'[{"emailAddress":"anna@remote.example"}]}}\n',
    b"From: abuse@provider.example\n"
    b"Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n"
    b"Content-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: x/1\nOriginal-Rcpt-To: "
    b"<anna@remote.example>\n\n--b\nContent-Type: message/rfc822\n\n" + _BACK + b"\n--b--\n",
    b"From: anna@remote.example\nSubject: =?utf-8?q?Automatic_reply?=\n"
    b"Auto-Submitted: auto-replied\n\nI am away.\n",
    b"From: MAILER-DAEMON@relay.example\nSubject: Warning: delayed 24 hours\n\nnot yet been delivered:\n\n  "
    b"anna@remote.example\n\nNo action is required.\n",
)  # fmt: skip
_BITS = (
    b"", b"\n", b"\n\n", b"\r", b"\r\n", b"\0", b"\xff\xfe", b"--", b"--b\n", b'"', b"@", b"<", b">",
    b"<a@b.example>", b"=?utf-8?b?",
    b"?=", b"\x1b$B", b"Content-Type: message/rfc822\n\n", b"Content-Type: multipart/mixed; boundary=b\n\n",
    b"Content-Transfer-Encoding: base64\n", b"charset=utf-7", b"550 5.1.1 ", b"4.2.2",
    b"Final-Recipient: rfc822;", b">>> DATA\n",
    b"<<< 554 ", b"&#1114112;", b"<style>", b"x" * 300, b" " * 300,
    b"a@" * 100, "\u2028\u202e宛先".encode(), b"{[" * 50,
)  # fmt: skip


def mutated(chance: random.Random, seeds: list[bytes]) -> bytes:
    """Return one seed with one to eight changes."""
    raw = bytearray(chance.choice(seeds)[:LONGEST])
    for _ in range(chance.choice((1, 1, 2, 3, 5, 8))):
        at = chance.randrange(len(raw) + 1)
        end = min(len(raw), at + chance.choice((0, 1, 5, 40, 400)))
        match chance.randrange(6):
            case 0:
                raw[at:end] = chance.choice(_BITS)
            case 1:
                raw[at:at] = chance.choice(_BITS)
            case 2:
                raw[at:end] = bytes(raw[at:end]) * chance.choice((0, 2, 3, 20))
            case 3:
                raw[at:end] = chance.randbytes(end - at)
            case 4:
                other = chance.choice(seeds)
                start = chance.randrange(len(other) + 1)
                raw[at:end] = other[start : start + 400]
            case _:
                del raw[at + (len(raw) - at) * chance.randrange(2) :]
    return bytes(raw[:LONGEST])


def wrong(reports: list[Report]) -> str:
    """Return what breaks a promise in some reports, or an empty string."""
    if not 1 <= len(reports) <= dsn.MAX_RECIPIENTS:
        return f"{len(reports)} reports"
    for report in reports:
        if report.kind not in KINDS:
            return f"kind {report.kind}"
        if len(report.recipient) > dsn.MAX_ADDRESS or len(report.final_recipient) > dsn.MAX_ADDRESS:
            return "a long address"
        if "\n" in report.recipient or any(not character.isprintable() for character in report.recipient):
            return "a recipient with controls"
        if len(report.diagnostic) > dsn.MAX_DIAGNOSTIC or len(report.explanation) > MAX_EXPLANATION:
            return "a long text"
        if len(report.tokens) > MAX_TOKENS or not (report.code == 0 or 200 <= report.code <= 599):
            return "tokens or code out of bounds"
        if report.kind == "bounce" and not (report.cls and report.disposition):
            return "a bounce without a class"
    return ""


def fuzz(inputs: int, seed: int = 1, first: int = 0, more: list[bytes] | None = None) -> dict[str, Any]:
    """Read that many inputs and return what came of them."""
    table = rules()
    seeds = [*SEEDS, *(more or [])]
    words: Counter[str] = Counter()
    faults: list[str] = []
    slowest = (0.0, 0)
    settled = 0
    began = time.process_time()
    for number in range(first, first + inputs):
        if number == first + inputs // 10:
            settled = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        raw = mutated(random.Random(f"{seed}/{number}"), seeds)
        at = time.process_time()
        try:
            reports = read(raw, table)
            fault = wrong(reports) or ("" if number % 100 or read(raw, table) == reports else "two results")
            words.update(report.kind for report in reports)
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
        slowest = max(slowest, (time.process_time() - at, number))
        if fault:
            faults.append(f"--seed {seed} --first {number} --inputs 1: {fault}"[:600])
            if len(faults) == FAULTS:
                break
    seconds = time.process_time() - began
    return {
        "schema": SCHEMA, "bench": "fuzz_bounces", "seed": seed, "inputs": inputs, "seeds": len(seeds),
        "cpu_seconds": round(seconds, 1), "us_per_input": round(seconds / max(inputs, 1) * 1e6, 1),
        "slowest_ms": round(slowest[0] * 1e3, 1), "slowest_input": slowest[1],
        "growth_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - settled, "seen": dict(sorted(words.items())),
        "faults": faults,
    }  # fmt: skip


@click.command()
@click.option("--inputs", default=100_000, show_default=True, help="How many messages.")
@click.option("--seed", default=1, show_default=True)
@click.option("--first", default=0, show_default=True, help="Number of the first message.")
@click.option(
    "--corpora", envvar="MTA_CORPORA", type=click.Path(path_type=Path), help="A folder of more seeds."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def main(inputs: int, seed: int, first: int, corpora: Path | None, as_json: bool) -> None:
    """Fuzz the reader of returned mail; exit 1 if anything was wrong."""
    files = sorted(corpora.rglob("*")) if corpora is not None and corpora.is_dir() else []
    found = fuzz(inputs, seed, first, [path.read_bytes()[:LONGEST] for path in files if path.is_file()])
    if as_json:
        click.echo(json.dumps(found | {"machine": machine()}, indent=1))
    else:
        click.echo("\n".join(f"{name}: {value}" for name, value in found.items()))
    raise SystemExit(bool(found["faults"]))


if __name__ == "__main__":
    main()
