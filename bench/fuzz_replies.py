"""Are the dialogue's verdicts right whatever a server says? N conversations, generated and mutated, against an oracle.

    python -m bench.fuzz_replies --inputs 1000000 --json

Each input is one session: a server that mostly keeps to SMTP, its replies repeated, dropped, cut, garbled, blown up,
sent unasked, at random splits. After every call the dialogue must have reported exactly what bench.reply_oracle works
out from the wire. A document whose `faults` is not empty is a failure; each fault names the number to repeat it with.
"""

import json
import random
import resource
import time
from collections import Counter
from typing import Any

import click

from bench.machine import machine
from bench.reply_oracle import Oracle, Token
from mta.smtp.capabilities import Capabilities
from mta.smtp.dialogue import Dialogue, Done, Ended, Envelope, Happening, NeedContent
from mta.verdict import Deferred, Delivered

SCHEMA = 1
MOST_STEPS = 50_000  # of one session
LONG = 4_000  # octets waiting from which pieces are no longer small
FAULTS = 10
CONTENT = [b"Subject: x\r\n\r\n", b".\r\n..\r\nbody\r\n"]

_USUAL = {"mail": 250, "rcpt": 250, "data": 354, "content": 250, "rset": 250, "quit": 221}
_CODES = (220, 221, 250, 251, 299, 334, 354, 399, 421, 450, 451, 452, 499, 500, 503, 550, 552, 554, 599)
_RUBBISH = (
    b"\r\n", b"\n", b"rubbish\r\n", b"\xff\xfe\x00\r\n", b"25", b"250-", b"250-\r\n", b"2500 x\r\n", b"199 x\r\n",
    b"600 x\r\n", b"250\tx\r\n", b"\x16\x03\x01\x02\x00", b"\x00" * 50, b"250 ok\r", b".\r\n", b"-\r\n", b" ",
)  # fmt: skip


class Server:
    """Answers commands as most servers do, some of the time."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.mood = chance.choice((0.0, 0.03, 0.15, 0.5))  # how often a reply is not the usual one
        self.malice = chance.choice((0.0, 0.0, 0.02, 0.2))  # how often its bytes are not as they should be
        self.accepted = 0

    def answer(self, kind: str) -> bytes:
        """Return the bytes that answer a command."""
        chance = self.chance
        code = _USUAL[kind]
        if chance.random() < self.mood:
            code = chance.choice(_CODES)
        elif kind == "data" and not self.accepted and chance.random() < 0.7:
            code = 554
        if kind == "mail":
            self.accepted = 0
        elif kind == "rcpt":
            self.accepted += code < 300
        raw = b"%d ok\r\n" % code
        if chance.random() < 0.1:
            raw = b"%d-2.1.0 first\r\n%d-\r\n%d 2.1.0 last\r\n" % (code, code, code)
        return self.spoilt(raw) if chance.random() < self.malice else raw

    def much(self, little: int, more: int, huge: int) -> int:
        """Return one of the three; the last is rare, because one costs as much as a hundred sessions."""
        return huge if self.chance.random() < 0.02 else self.chance.choice((little, little, more))

    def spoilt(self, raw: bytes) -> bytes:
        """Return a reply with something wrong with it."""
        chance = self.chance
        match chance.randrange(10):
            case 0:
                return b""
            case 1:
                return raw + raw
            case 2:
                return raw[: chance.randrange(len(raw))]
            case 3:
                return chance.choice(_RUBBISH) + raw
            case 4:
                return raw + chance.choice(_RUBBISH)
            case 5:
                at = chance.randrange(len(raw))
                return raw[:at] + bytes((chance.randrange(256),)) + raw[at + 1 :]
            case 6:
                return raw.replace(b"\r\n", b"\n")
            case 7:
                return raw[:3] + b" " + b"x" * self.much(250, 3_000, 70_000) + b"\r\n"
            case 8:
                line = raw[:3] + b"-" + b"y" * chance.choice((0, 10, 70)) + b"\r\n"
                return line * self.much(5, 120, 20_000) + raw
            case _:
                return raw + b"%d unasked\r\n" % chance.choice(_CODES)


def token(happening: Happening) -> Token:
    """Return a happening in the oracle's words."""
    if type(happening) is Done:
        words: list[object] = []
        for verdict in happening.verdicts:
            if isinstance(verdict, Delivered):
                words.append("delivered")
            elif isinstance(verdict, Deferred) and verdict.unsure:
                words.append("unsure")
            else:
                code = 0 if verdict.reply.local else verdict.reply.code
                words.append((type(verdict).__name__.lower(), verdict.stage.value, code))
        return ("done", happening.envelope.key, *words)
    if type(happening) is Ended:
        return ("ended", happening.misbehaved)
    return ("need" if type(happening) is NeedContent else "unsent", happening.envelope.key)  # type: ignore[union-attr]


class Session:
    """One input: dialogue, oracle and server side by side."""

    def __init__(self, number: int, seed: int) -> None:
        self.chance = chance = random.Random(seed * 1_000_000_007 + number)
        pipelining, chunking = chance.random() < 0.75, chance.random() < 0.4
        caps = Capabilities(pipelining=pipelining, chunking=chunking, size=0)
        self.dialogue = Dialogue(caps, chunking=chunking)
        self.oracle = Oracle(pipelining, chunking)
        self.server = Server(chance)
        self.left = chance.choice((1, 2, 3, 5))
        self.offered: list[Envelope] = []
        self.ends: list[object] = []
        self.pending = bytearray()
        self.spoken = 0

    def run(self) -> Counter[str]:
        """Go through the session; return what became of it. Raises AssertionError where the two differ."""
        chance, dialogue = self.chance, self.dialogue
        size = chance.choice((1, 7, 60, 100_000))
        words: Counter[str] = Counter()
        for _ in range(MOST_STEPS):
            if dialogue.ended:
                break
            if self.left and dialogue.room and chance.random() < 0.95:
                self._offer()
            elif dialogue.idle and not self.left:
                dialogue.quit()
            self._flush()
            if self.pending:
                most = size if len(self.pending) < LONG else max(size, LONG)
                piece = bytes(self.pending[: chance.randint(1, most)])
                del self.pending[: len(piece)]
                self._same(dialogue.receive(piece), self.oracle.got(piece), words)
                self._flush()
            elif chance.random() < self.server.malice:
                self.pending += chance.choice((*_RUBBISH, b"250 ok\r\n", b"421 bye\r\n"))
            elif not (self.left and dialogue.room):
                unwritten = chance.choice((0, 0, 1, 50))
                self._same(dialogue.eof("gone", unwritten), self.oracle.closed(unwritten=unwritten), words)
        assert dialogue.ended, f"no end after {MOST_STEPS} steps: {dialogue!r}"
        assert dialogue.outgoing() == []
        assert dialogue.receive(b"250 late\r\n") == dialogue.eof("again") == []
        assert self.ends == [one.key for one in self.offered], "not one end for each envelope, in order"
        words["octets"] = self.spoken
        return words

    def _offer(self) -> None:
        dialogue, chance = self.dialogue, self.chance
        self.left -= 1
        key, recipients = len(self.offered), chance.choice((1, 1, 2, 3))
        envelope = Envelope(key, f"{key}@b", tuple(f"{key}r{i}@y" for i in range(recipients)), 20)
        self.offered.append(envelope)
        parts = CONTENT if dialogue.eager and chance.random() < 0.5 else None
        expected = self.oracle.offered(key, recipients, not dialogue.idle)
        self._same(dialogue.offer(envelope, parts), expected, Counter())

    def _flush(self) -> None:
        for kind in self.oracle.sent(b"".join(self.dialogue.outgoing())):
            raw = self.server.answer(kind)
            self.spoken += len(raw)
            self.pending += raw

    def _same(self, news: list[Happening], expected: list[Token], words: Counter[str]) -> None:
        tokens = [token(happening) for happening in news]
        assert tokens == expected, f"{tokens} is not {expected}"
        for happening, word in zip(news, tokens, strict=True):
            if word[0] in ("done", "unsent"):
                self.ends.append(word[1])
            if word[0] == "done":
                words.update(str(one if isinstance(one, str) else one[0]) for one in word[2:])  # type: ignore[index]
            else:
                words[f"{word[0]} misbehaved" if word == ("ended", True) else str(word[0])] += 1
            if type(happening) is NeedContent:
                self._content(words)

    def _content(self, words: Counter[str]) -> None:
        lot = self.chance.random()
        if lot < 0.02:
            self._same(self.dialogue.decline("no content"), self.oracle.declined(), words)
        elif lot < 0.03:
            self._same(self.dialogue.abort("no content"), self.oracle.closed(), words)
        else:
            expected = self.oracle.answering()
            self._same(self.dialogue.content(CONTENT), expected, words)


def memory_kb() -> int:
    """Return the most memory this process has held, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def fuzz(inputs: int, seed: int = 1, first: int = 0) -> dict[str, Any]:
    """Run that many sessions and return what came of them."""
    words: Counter[str] = Counter()
    faults: list[str] = []
    began = time.process_time()
    slowest = (0.0, 0)
    settled = 0  # memory when a tenth is done: caches are full by then, and no session may add to it
    for number in range(first, first + inputs):
        if number == first + inputs // 10:
            settled = memory_kb()
        at = time.process_time()
        try:
            words += Session(number, seed).run()
        except Exception as error:
            faults.append(f"--seed {seed} --first {number} --inputs 1: {type(error).__name__}: {error}"[:600])
            if len(faults) == FAULTS:
                break
        slowest = max(slowest, (time.process_time() - at, number))
    seconds = time.process_time() - began
    return {
        "schema": SCHEMA, "bench": "fuzz_replies", "seed": seed, "inputs": inputs, "cpu_seconds": round(seconds, 1),
        "us_per_input": round(seconds / max(inputs, 1) * 1e6, 1), "slowest_ms": round(slowest[0] * 1e3, 1),
        "slowest_input": slowest[1], "growth_kb": memory_kb() - settled, "seen": dict(sorted(words.items())),
        "faults": faults,
    }  # fmt: skip


@click.command()
@click.option("--inputs", default=100_000, show_default=True, help="How many sessions.")
@click.option("--seed", default=1, show_default=True)
@click.option("--first", default=0, show_default=True, help="Number of the first session.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def main(inputs: int, seed: int, first: int, as_json: bool) -> None:
    """Fuzz the SMTP client's dialogue; exit 1 if anything was wrong."""
    found = fuzz(inputs, seed, first)
    if as_json:
        click.echo(json.dumps(found | {"machine": machine()}, indent=1))
    else:
        click.echo("\n".join(f"{name}: {value}" for name, value in found.items()))
    raise SystemExit(bool(found["faults"]))


if __name__ == "__main__":
    main()
