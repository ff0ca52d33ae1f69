"""The rule file: read, checked, and put in the form that classification runs on.

The text comes from outside (this room opens no files), so a site can bring its own. A phrase is plain text, or
a regex of a kind that can't be made slow: every repeat bounded, none inside another.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

MAX_RULES: Final = 200
MAX_PHRASES: Final = 400  # of one rule
MAX_PHRASE: Final = 300  # characters
MAX_REPEAT: Final = 80
GRAM: Final = 3  # characters: texts are looked up by what they have in common with a phrase
MAX_GAPS: Final = 2  # repeats in one phrase
DISPOSITIONS: Final = ("hard", "soft", "block", "info", "unknown")

_TOKEN = re.compile(
    r"(?:(?P<literal>[^\\.^$*+?{}\[\]()|]|\\[^\w\s])|\\[bd]|[$^]|\[[^\]\\]{1,40}\]|(?P<gap>\.)|(?P<group>\(\?:[^(){*+]{1,240}\)))"
    r"(?P<repeat>\?|\{\d{1,3}(?:,(?P<most>\d{1,2}))?\})?"
)
_CODE = re.compile(r"([45x])\.(\d{1,3})\.(\d{1,3})(?:-(\d{1,3}))?\Z")
_RULE_KEYS: Final = frozenset(
    {"class", "phrases", "unless", "kind", "codes", "suppress", "samples", "not", "certain"}
)
_SHIFT_KEYS: Final = frozenset({"class", "from", "stages", "codes", "unless"})
_CODE_KEYS: Final = frozenset({"class", "codes", "replies", "stages", "bare"})


class RulesFault(ValueError):
    """The rule file can't be used; the message names the rule by its number and the cure."""


class Meaning(NamedTuple):
    """What a refusal means: its class, its disposition, and whether the address is to be suppressed now."""

    cls: str
    disposition: str
    suppress: bool = False


class Phrase(NamedTuple):
    """`literal` must be in the text; `regex`, if there is one, must match as well."""

    literal: str
    regex: re.Pattern[str] | None


@dataclass(frozen=True, slots=True)
class Rule:
    """One [[rule]] of the file."""

    meaning: Meaning
    phrases: tuple[Phrase, ...]
    unless: tuple[Phrase, ...] = ()
    kind: int = 0  # 4 or 5, 0 for both
    codes: frozenset[str] = frozenset()
    samples: tuple[str, ...] = ()
    not_samples: tuple[str, ...] = ()
    certain: bool = False  # no [[shift]] applies


@dataclass(frozen=True, slots=True)
class CodeRule:
    """One [[code]] of the file."""

    meaning: Meaning
    codes: frozenset[str] = frozenset()
    replies: frozenset[int] = frozenset()
    stages: frozenset[str] = frozenset()  # empty: any
    bare: bool = False  # only where the reply has neither enhanced code nor text


@dataclass(frozen=True, slots=True)
class Shift:
    """One [[shift]] of the file: what classes become where the reply can't have been about the recipient."""

    becomes: Meaning
    classes: frozenset[str]
    stages: frozenset[str]  # empty: any, none known too
    codes: frozenset[str]  # enhanced codes; empty: any
    unless: frozenset[str]  # enhanced codes


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """All rules in their order."""

    rules: tuple[Rule, ...]
    codes: tuple[CodeRule, ...]
    classes: Mapping[str, Meaning] = field(default_factory=dict)
    shifts: tuple[Shift, ...] = ()


def parse(text: str) -> Table:
    """Return the rules of a TOML text; raise RulesFault."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesFault(f"the rule file is not valid TOML: {error}") from error
    classes = {name: _meaning(name, given) for name, given in document.get("classes", {}).items()}
    for name in ("unknown", "remote_temporary"):
        if name not in classes:
            raise RulesFault(f"[classes] must name {name}, which stands for what no rule decides")
    given_rules, given_codes = document.get("rule", []), document.get("code", [])
    if len(given_rules) > MAX_RULES or len(given_codes) > MAX_RULES:
        raise RulesFault(f"at most {MAX_RULES} rules of each sort")
    rules = tuple(_rule(f"[[rule]] number {n}", given, classes) for n, given in enumerate(given_rules, 1))
    codes = tuple(
        _code_rule(f"[[code]] number {n}", given, classes) for n, given in enumerate(given_codes, 1)
    )
    shifts = tuple(
        _shift(f"[[shift]] number {n}", given, classes)
        for n, given in enumerate(document.get("shift", [])[:MAX_RULES], 1)
    )
    return Table(rules, codes, classes, shifts)


def _meaning(name: str, given: dict[str, Any]) -> Meaning:
    disposition = given.get("disposition")
    if disposition not in DISPOSITIONS:
        raise RulesFault(f"class {name}: disposition is one of {', '.join(DISPOSITIONS)}")
    return Meaning(name, disposition, bool(given.get("suppress", False)))


def _known(where: str, given: dict[str, Any], keys: frozenset[str], classes: dict[str, Meaning]) -> Meaning:
    if extra := given.keys() - keys:
        raise RulesFault(f"{where}: unknown key {sorted(extra)[0]!r}; known are {', '.join(sorted(keys))}")
    if given.get("class") not in classes:
        raise RulesFault(f"{where}: class {given.get('class')!r} is not in [classes]")
    return classes[given["class"]]


def _rule(where: str, given: dict[str, Any], classes: dict[str, Meaning]) -> Rule:
    meaning = _known(where, given, _RULE_KEYS, classes)
    if not given.get("phrases") or len(given["phrases"]) > MAX_PHRASES:
        raise RulesFault(f"{where}: phrases must hold 1 to {MAX_PHRASES} texts")
    if given.get("kind", 0) not in (0, 4, 5):
        raise RulesFault(f"{where}: kind is 4 or 5")
    return Rule(
        meaning._replace(suppress=bool(given.get("suppress", meaning.suppress))),
        tuple(_phrase(where, text) for text in given["phrases"]),
        tuple(_phrase(where, text) for text in given.get("unless", [])),
        given.get("kind", 0),
        frozenset(_codes(where, given.get("codes", []))),
        tuple(given.get("samples", [])),
        tuple(given.get("not", [])),
        bool(given.get("certain", False)),
    )


def _shift(where: str, given: dict[str, Any], classes: dict[str, Meaning]) -> Shift:
    becomes = _known(where, given, _SHIFT_KEYS, classes)
    if unknown := set(given.get("from", [])) - classes.keys():
        raise RulesFault(f"{where}: class {sorted(unknown)[0]!r} is not in [classes]")
    return Shift(
        becomes,
        frozenset(given.get("from", [])),
        frozenset(given.get("stages", [])),
        frozenset(_codes(where, given.get("codes", []))),
        frozenset(_codes(where, given.get("unless", []))),
    )


def _code_rule(where: str, given: dict[str, Any], classes: dict[str, Meaning]) -> CodeRule:
    meaning = _known(where, given, _CODE_KEYS, classes)
    return CodeRule(
        meaning,
        frozenset(_codes(where, given.get("codes", []))),
        frozenset(given.get("replies", [])),
        frozenset(given.get("stages", [])),
        bool(given.get("bare", False)),
    )


def _codes(where: str, given: list[str]) -> Iterator[str]:
    """Each enhanced code of `5.1.1`, `x.1.1` (4 and 5) and `5.7.20-30`."""
    for text in given:
        found = _CODE.match(text)
        if not found:
            raise RulesFault(f"{where}: {text!r} is no enhanced code such as 5.1.1, x.1.1 or 5.7.20-30")
        for kind in "45" if found[1] == "x" else found[1]:
            for detail in range(int(found[3]), int(found[4] or found[3]) + 1):
                yield f"{kind}.{found[2]}.{detail}"


def _phrase(where: str, text: str) -> Phrase:
    if not GRAM <= len(text) <= MAX_PHRASE or text != text.lower():
        raise RulesFault(f"{where}: a phrase has {GRAM} to {MAX_PHRASE} lower-case characters: {text[:60]!r}")
    if not (len(text) > 2 and text.startswith("/") and text.endswith("/")):
        return Phrase(text, None)
    text = text[1:-1]
    try:
        return Phrase(_literal(text), re.compile(text))
    except (re.error, ValueError) as error:
        raise RulesFault(f"{where}: phrase {text!r}: {error}") from error


def _literal(text: str) -> str:
    """The longest run of characters that every match holds, so that most texts need no regex at all.

    Raises ValueError on what could make the regex slow.
    """
    run, best, gaps, at = "", "", 0, 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            raise ValueError(f"not allowed from {text[at : at + 20]!r} on; see the head of the rule file")
        if found["repeat"] and found["repeat"] != "?":
            gaps += 1
            if found["group"] or not found["most"] or int(found["most"]) > MAX_REPEAT or gaps > MAX_GAPS:
                raise ValueError(f"at most {MAX_GAPS} repeats {{n,m}} up to {MAX_REPEAT}, none of a group")
        if found["literal"] and not found["repeat"]:
            run += found["literal"][-1]
            best = max(best, run, key=len)
        else:
            run = ""
        at = found.end()
    if len(best) < GRAM:
        raise ValueError(f"needs {GRAM} plain characters in a row, by which texts are sorted out")
    return best
