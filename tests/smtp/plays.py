"""Conversations as plays: how one is written, read from a file, and acted.

A case file holds plays under titles, `#` lines are remarks:

== TITLE
offers: KEYWORD, KEYWORD ...    what the server's EHLO reply offers, as it writes it; PIPELINING if left out
with: chunking verified whole   `chunking`, `verified` are for the dialogue; `whole`: acted in whole segments only
> offer KEY [sender=..] [size=..] [utf8] [eight_bit] [requiretls] [ret=..] [envid=..] [notify=..] [orcpt=..]
        [eager] RECIPIENT...
> content KEY [| ESCAPED TEXT]  the message: the key as its only line, or this text
> decline WHY | abort WHY | eof WHY | quit
c: LINE     what must have gone out since the last step, and nothing else
s: LINE     what the server sends; neighbouring lines arrive together
! WORDS     what must have happened since the last step, and nothing else
"""

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from mta.smtp import capabilities
from mta.smtp.capabilities import Capabilities
from mta.smtp.dialogue import Dialogue, Done, Ended, Envelope, Happening, NeedContent, Unsent
from mta.smtp.dsn import Dsn
from mta.verdict import Deferred, Delivered, Verdict

CUTS: dict[str, Callable[[bytes], list[bytes]]] = {
    "whole": lambda data: [data],
    "lines": lambda data: data.splitlines(keepends=True),
    "bytes": lambda data: [data[i : i + 1] for i in range(len(data))],
}
OPTIONS = ("sender", "size", "ret", "envid", "notify", "orcpt")


class Play(NamedTuple):
    """One play of a case file."""

    title: str
    caps: Capabilities
    words: tuple[str, ...]  # of its `with:` line
    lines: str


def read(path: Path) -> list[Play]:
    """Return the plays of a case file."""
    plays = []
    for text in path.read_text().split("\n== ")[1:]:
        title, *lines = text.splitlines()
        offers, words, rest = "PIPELINING", "", []
        for line in lines:
            if line.startswith("offers:"):
                offers = line.removeprefix("offers:")
            elif line.startswith("with:"):
                words = line.removeprefix("with:")
            elif line.strip() and not line.startswith("#"):
                rest.append(line)
        caps = capabilities.parse(("hello", *(word.strip() for word in offers.split(","))))
        plays.append(Play(title, caps, tuple(words.split()), "\n".join(rest)))
    return plays


def content_of(key: str) -> list[bytes]:
    """Return a small message whose only line is the key, in two parts."""
    return [key.encode(), b"\r\n"]


def told(verdict: Verdict) -> str:
    """Return a verdict in a play's words."""
    word = type(verdict).__name__.lower()
    if isinstance(verdict, Deferred) and verdict.unsure:
        word = "unsure"
    code = "own" if verdict.reply.local else str(verdict.reply.code)
    return word if isinstance(verdict, Delivered) else f"{word} {verdict.stage.value} {code}"


def shown(happening: Happening) -> str:
    """Return a happening in a play's words."""
    match happening:
        case NeedContent(envelope):
            return f"need {envelope.key}"
        case Unsent(envelope):
            return f"unsent {envelope.key}"
        case Done(envelope, verdicts):
            return f"done {envelope.key}: {', '.join(map(told, verdicts))}"
        case Ended(reply, why):
            return f"ended {reply.code if reply else '-'} {why}"


def envelope(words: list[str]) -> Envelope:
    """Return the envelope that an `offer` line describes."""
    options = dict(word.split("=", 1) for word in words if word.split("=")[0] in OPTIONS)
    reports = Dsn(
        options.get("ret", ""),
        tuple(options["notify"].split(",")) if "notify" in options else (),
        options.get("envid", ""),
        tuple(options["orcpt"].split(",")) if "orcpt" in options else (),
    )
    return Envelope(
        words[0],
        options.get("sender", "s@b"),
        tuple(word for word in words[1:] if "@" in word and word.split("=")[0] not in OPTIONS),
        size=int(options.get("size", 0)),
        utf8="utf8" in words,
        eight_bit="eight_bit" in words,
        dsn=None if reports == Dsn() else reports,
        requiretls="requiretls" in words,
    )


def call(dialogue: Dialogue, line: str) -> list[Happening]:
    """Make the call that a line names."""
    verb, _, rest = line.partition(" ")
    match verb:
        case "offer":
            words = rest.split()
            return dialogue.offer(envelope(words), content_of(words[0]) if "eager" in words else None)
        case "content":
            key, bar, text = rest.partition(" | ")
            return dialogue.content(
                [text.encode().decode("unicode_escape").encode("latin-1")] if bar else content_of(key)
            )
        case "decline":
            return dialogue.decline(rest)
        case "abort":
            return dialogue.abort(rest)
        case "eof":
            return dialogue.eof(rest)
        case "quit":
            dialogue.quit()
            return []
    raise AssertionError(line)


def steps(play: str) -> Iterator[tuple[str, list[str]]]:
    """Yield neighbouring lines of one kind together."""
    lines = [line.strip() for line in play.strip().splitlines() if line.strip()]
    for kind, group in groupby((line.partition(" ") for line in lines), key=lambda line: line[0]):
        yield kind, [rest for _, _, rest in group]


def act(play: str, caps: Capabilities, cut: str = "whole", words: tuple[str, ...] = ()) -> Dialogue:
    """Act a play and hold the dialogue to every line of it."""
    dialogue = Dialogue(caps, chunking="chunking" in words, verified="verified" in words)
    news: list[Happening] = []
    out = b""
    for kind, lines in steps(play):
        if kind in ("s:", ">"):
            assert not news, f"not in the play, before {lines}: {news}"
            assert not out, f"not in the play, before {lines}: {out!r}"
        if kind == ">":
            for line in lines:
                news += call(dialogue, line)
        elif kind == "s:":
            for piece in CUTS[cut]("".join(f"{line}\r\n" for line in lines).encode()):
                news += dialogue.receive(piece)
                out += b"".join(dialogue.outgoing())
        elif kind == "c:":
            assert out.decode().splitlines() == lines
            out = b""
        elif kind == "!":
            assert [shown(happening) for happening in news] == lines
            news = []
        else:
            raise AssertionError(kind)
        out += b"".join(dialogue.outgoing())
    assert not news, news
    assert not out, out
    return dialogue
