"""What a refusal means, in session or in a report: phrase before code, since the words are right more often.

A code alone is right for three replies in four at best: 5.7.1 is used for policy, standing, identity and spam,
5.2.1 half for closed mailboxes and half for unknown ones.
"""

import re
from collections import Counter
from functools import lru_cache
from typing import Final

from mta.bounce.rules import GRAM, Meaning, Phrase, Rule, Table, parse

MAX_TEXT: Final = 1000  # characters looked at
MAX_CACHED: Final = 4096

# Bounded repeats only: the text is the peer's.
_CODES = re.compile(r"[245](?:\d\d[ -]#?[245])?\.\d{1,3}\.\d{1,3}(?!\.?\d)")
_ADDRESS = re.compile(r"[^\s<>\"'(),;:@]{1,64}@[^\s<>\"'(),;:@]{1,255}")
_FIRST_CODES = re.compile(r"\s*([245]\d\d)?[ -]?#?(?:([245]\.\d{1,3}\.\d{1,3})(?!\.?\d))?")


class Rules:
    """A loaded rule file, indexed, with what it decided of late."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._entries = [(rule, phrase) for rule in table.rules for phrase in rule.phrases]
        self._index = _index([phrase.literal for _, phrase in self._entries])
        self.decide = lru_cache(MAX_CACHED)(self._decide)

    def _decide(self, code: int, enhanced: str, folded: str, stage: str) -> Meaning:
        kind = code // 100 or int(enhanced[:1] or 0)
        rule = self._by_phrase(kind, enhanced, folded)
        meaning = rule.meaning if rule else self._by_code(code, enhanced, not folded, stage)
        if meaning is None:
            meaning = self.table.classes["remote_temporary" if kind == 4 else "unknown"]
        if not (rule and rule.certain):
            meaning = self._shifted(meaning, enhanced, stage)
        # A server that says "try again" has not yet said that the address is bad, and one that gives a reason
        # of content or security (x.6, x.7) may be hiding whom it knows: neither costs an address at once.
        sure = (kind != 4 and not enhanced.startswith(("5.6.", "5.7."))) or enhanced == "5.7.17"
        return meaning if sure or not meaning.suppress else meaning._replace(suppress=False)

    def _shifted(self, meaning: Meaning, enhanced: str, stage: str) -> Meaning:
        for shift in self.table.shifts:
            if (
                meaning.cls in shift.classes
                and (not shift.stages or stage in shift.stages)
                and (not shift.codes or enhanced in shift.codes)
                and enhanced not in shift.unless
            ):
                return shift.becomes
        return meaning

    def _by_phrase(self, kind: int, enhanced: str, folded: str) -> Rule | None:
        grams = {folded[at : at + GRAM] for at in range(len(folded) - GRAM + 1)}
        possible = [number for gram in self._index.keys() & grams for number in self._index[gram]]
        possible.sort()  # the order of the file decides
        for number in possible:
            rule, (literal, regex) = self._entries[number]
            if (
                literal in folded
                and (regex is None or regex.search(folded))
                and fits(rule, kind, enhanced, folded)
            ):
                return rule
        return None

    def _by_code(self, code: int, enhanced: str, wordless: bool, stage: str) -> Meaning | None:
        for rule in self.table.codes:
            if (rule.bare and not (wordless and not enhanced)) or (rule.stages and stage not in rule.stages):
                continue
            if enhanced in rule.codes or (code in rule.replies and not enhanced):
                return rule.meaning
        return None


def _index(literals: list[str]) -> dict[str, list[int]]:
    """Places of literals, each under that of its three-character pieces which is rarest among all."""
    pieces = [[text[at : at + GRAM] for at in range(len(text) - GRAM + 1)] for text in literals]
    common = Counter(gram for grams in pieces for gram in grams)
    index: dict[str, list[int]] = {}
    for number, grams in enumerate(pieces):
        index.setdefault(min(grams, key=lambda gram: common[gram]), []).append(number)
    return index


def load(text: str) -> Rules:
    """Return the rules of a TOML text such as rules.toml; raise RulesFault, which names the rule and the cure."""
    return Rules(parse(text))


def classify(code: int, enhanced: str, text: str, rules: Rules, stage: str = "") -> Meaning:
    """Return (cls, disposition, suppress) of a reply that is no success.

    `code` is 0 and `enhanced` empty where there is none; `text` is the peer's, of which 1,000 characters count;
    `stage` is a value of `mta.verdict.Stage` where it is known, and sharpens replies without words.
    """
    if not code and not enhanced:
        code, enhanced = _codes_at_start(text)
    return rules.decide(code, enhanced, fold(text), stage)


def fold(text: str) -> str:
    """Return the text as rules see it: lower case, without addresses and status codes, blanks reduced."""
    text = text[:MAX_TEXT].lower().replace("\u2019", "'")
    if "@" in text:
        text = _ADDRESS.sub("", text)
    return " ".join(_CODES.sub(" ", text).split())


def fits(rule: Rule, kind: int, enhanced: str, folded: str) -> bool:
    """Say whether a rule whose phrase was found may decide: first digit, enhanced code, and no `unless`."""
    if (rule.kind and rule.kind != kind) or (rule.codes and enhanced not in rule.codes):
        return False
    return not any(found(phrase, folded) for phrase in rule.unless)


def found(phrase: Phrase, folded: str) -> bool:
    """Say whether a phrase is in a folded text."""
    return phrase.literal in folded and (phrase.regex is None or phrase.regex.search(folded) is not None)


def _codes_at_start(text: str) -> tuple[int, str]:
    start = _FIRST_CODES.match(text)
    return (int(start[1] or 0), start[2] or "") if start else (0, "")
