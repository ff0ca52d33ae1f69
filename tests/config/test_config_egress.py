"""Sources and pools in configuration files: what they become, and what faults say."""

from pathlib import Path

import pytest

from mta.config.egress import pools
from mta.config.load import ConfigError, load
from mta.config.tree import flat
from mta.throttle.warmup import LADDER

A, B = '[sources.a]\naddress = "192.0.2.1"\n', '[sources.b]\naddress6 = "2001:db8::1"\n'
POOL = "[pools.bulk]\nsources = { a = 3, b = 1 }\n"


def written(folder: Path, text: str, name: str = "mta.toml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_without_any_there_is_nothing_to_choose() -> None:
    settings = load(None, {}, Path("/nonexistent")).settings
    found = pools(settings.sources, settings.pools)
    assert found.wire is None
    assert found.source_of("default|google") is None


def test_sources_by_weight(tmp_path: Path) -> None:
    settings = load(written(tmp_path, A + 'helo = "o.test"\n' + B + POOL), {}).settings
    found = pools(settings.sources, settings.pools)
    assert found.wire == {"bulk": [["a", 3.0, 0, 1], ["b", 1.0, 0, 1]]}
    source = found.source_of("@a|google")
    assert source is not None
    assert (source.address, source.helo, source.ladder) == ("192.0.2.1", "o.test", LADDER)
    assert found.source_of("other|google") is None
    assert found.named("2001:db8::1") == ["b"]


def test_a_pool_of_one_warm_source_needs_no_choice(tmp_path: Path) -> None:
    text = A + B + "[pools.x]\nsources = { a = 1 }\n[pools.y]\nsources = { b = 1 }\n"
    settings = load(written(tmp_path, text), {}).settings
    found = pools(settings.sources, settings.pools)
    assert found.wire == {"x": "a", "y": "b"}
    alone = found.source_of("x|google")
    assert alone is not None
    assert alone.name == "a"


def test_one_that_warms_up_or_is_shared_is_chosen(tmp_path: Path) -> None:
    text = A + B + "warm = false\n" + "".join(f"[pools.p{n}]\nsources = {{ {n} = 1 }}\n" for n in "ab")
    settings = load(written(tmp_path, text + "[pools.c]\nsources = { a = 1 }\n"), {}).settings
    found = pools(settings.sources, settings.pools)
    assert found.wire == {"pa": [["a", 1.0, 0, 1]], "pb": [["b", 1.0, 1, 1]], "c": [["a", 1.0, 0, 1]]}


def test_a_later_file_adds_to_a_source_and_is_told_as_its_origin(tmp_path: Path) -> None:
    file = written(tmp_path, A + B + POOL)
    written(tmp_path, "[sources.a]\nwarm = false\nladder = [10, 20]\n", "conf.d/10.toml")
    loaded = load(file, {})
    told = flat(loaded.settings)
    assert (told["sources.a.warm"], told["sources.a.ladder"]) == (False, (10, 20))
    assert told["pools.bulk.sources"] == (("a", 3.0), ("b", 1.0))
    assert loaded.origins["sources.a.warm"] == f"{tmp_path}/conf.d/10.toml:2"


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("[pools.bulk]\nsources = { z = 1 }\n", "mta.toml:2: `pools.bulk.sources` names the unknown source 'z'; add"),
        (A + "[pools.bulk]\nsources = { a = 0 }\n", "mta.toml:4: `pools.bulk.sources` takes a table of sources and"),
        (A + "[pools.bulk]\nsources = { a = -1 }\n", "weights above 0"),
        (A + "[pools.bulk]\nsources = { a = true }\n", "weights above 0"),
        (A + "[pools.bulk]\nsources = {}\n", "mta.toml:4: `pools.bulk.sources` is empty"),
        (A + "[pools.bulk.sources]\na = 0\n", "mta.toml:3: `pools.bulk.sources` takes"),
        ('[sources.a]\naddress = "mx.test"\n', "mta.toml:2: `sources.a.address` is no IPv4 address: 'mx.test'"),
        ('[sources.a]\naddress = "2001:db8::1"\n', "mta.toml:2: `sources.a.address` is no IPv4 address"),
        (A + 'address6 = "192.0.2.1"\n', "mta.toml:3: `sources.a.address6` is no IPv6 address"),
        ('[sources.a]\nhelo = "x"\n', "mta.toml:2: `sources.a.address` is missing"),
        (A + 'helo = "a b"\n', "mta.toml:3: `sources.a.helo` is no host name"),
        (A + "ladder = [10, 10]\n", "mta.toml:3: `sources.a.ladder` shrinks at stage 2: 10 after 10"),
        (A + "ladder = [10, 5]\n", "each stage must be above the one before"),
        (A + "ladder = []\n", "`sources.a.ladder` has 0 stages"),
        (A + "ladder = [0, 5]\n", "begins with 0"),
        (A + 'ladder = ["5"]\n', "mta.toml:3: `sources.a.ladder` takes a list of whole numbers"),
        (A + 'start = "soon"\n', "mta.toml:3: `sources.a.start` is no day: 'soon'; write it as \"2026-11-30\""),
        (A + "wram = false\n", "mta.toml:3: `sources.a.wram` is no setting; one of address, address6"),
        ('[sources."a b"]\naddress = "192.0.2.1"\n', "`sources.a b` has a name that can't be used"),
        ("sources = 1\n", "`sources` is a table by name; write [sources.a]"),
        ('[sources]\naddress = "192.0.2.1"\n', "mta.toml:2: `sources.address` belongs to one of the sources"),
        ("[poosl.x]\nsources = {}\n", "unknown table `poosl`; did you mean `pools`?"),
    ],
)  # fmt: skip
def test_a_fault_names_place_setting_and_cure(tmp_path: Path, text: str, wanted: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text), {})
    assert wanted in str(caught.value)
    assert str(tmp_path) in str(caught.value)
