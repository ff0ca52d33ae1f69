"""Lines of keys, against texts whose lines are known."""

import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from mta.throttle.lines import place, places

TEXT = r'''# [no.table]
a = 1 # b = 2

[ one . "two.three" ]  # [four]
"quoted key" = "x = 1 # no comment ] } \" still"
list = [
  "first", # "no item", [
  'se]cond',
  3, "fourth",
]
many = """
[no.table]
c = "1"
\""" d = 2
ends in two quotes"""""
raw = \'\'\'
e = 5\'\'\'
dotted . key = { inline = [1, 2], x = "}" }
f = [ [ "nested", "x" ], "g" ]
[[tables]]
h = 2026-01-01T00:00:00Z
[last]'''.replace("\\'", "'")


def test_every_statement_has_its_line() -> None:
    tomllib.loads(TEXT)  # the text is TOML
    two = ("one", "two.three")
    assert places(TEXT) == {
        ("a",): 2,
        two: 4,
        (*two, "quoted key"): 5,
        (*two, "list"): 6,
        (*two, "list", "0"): 7,
        (*two, "list", "1"): 8,
        (*two, "list", "3"): 9,
        (*two, "many"): 11,
        (*two, "raw"): 16,
        (*two, "dotted", "key"): 18,
        (*two, "f"): 19,
        (*two, "f", "1"): 19,
        ("tables",): 20,
        ("tables", "0"): 20,
        ("tables", "0", "h"): 21,
        ("last",): 22,
    }


def test_what_has_no_line_has_that_of_the_table_around_it() -> None:
    found = places("[a]\nb = {c = 1}\n")
    assert place(found, ("a", "b", "c")) == 2
    assert place(found, ("a", "x", "y")) == 1
    assert place(found, ("x",)) == 0


NOISE = st.sampled_from(["", "# x = 1", "  # ]", "\t", '# """'])
VALUES = st.sampled_from(["1", '"a # b"', "'['", '[\n"x", # y\n"z"]', '"""\nq = 1\n"""', "{ r = 1 } # s"])
KEYS = st.lists(
    st.text(alphabet='abc."[]#= \u00fc', min_size=1, max_size=5), min_size=1, max_size=6, unique=True
)


@given(KEYS, st.lists(st.tuples(NOISE, VALUES), min_size=6, max_size=6), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=150, deadline=None)
def test_keys_are_found_whatever_stands_between(
    keys: list[str], rest: list[tuple[str, str]], newline: str
) -> None:
    lines: list[str] = ["[t]"]
    wanted: dict[str, int] = {}
    for key, (noise, value) in zip(keys, rest, strict=False):
        lines.append(noise)
        wanted[key] = len(lines) + 1
        escaped = key.replace('"', '\\"')
        lines += f'"{escaped}" = {value}'.split("\n")
    text = newline.join(lines)
    assert set(tomllib.loads(text)["t"]) == set(keys)
    found = places(text)
    assert {key: found["t", key] for key in keys} == wanted
