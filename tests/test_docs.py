"""What the documentation names exists: keys, scripts, files, links, commands, make targets."""

import inspect
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from mta.cli.main import main
from mta.queue.keys import Keys

ROOT = Path(__file__).resolve().parents[1]
LUA = ROOT / "mta/queue/lua"
DOCS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "bench/**/*.md", "systemd/*.md")
    for path in ROOT.glob(pattern)
)
PAGES = {str(path.relative_to(ROOT)): path.read_text() for path in DOCS}
REDIS = PAGES["docs/redis.md"]
FAMILY = r"[a-z]+:?"


def section(text: str, number: int) -> str:
    """Return the part of a page below the heading `## <number>. ...`."""
    return re.split(rf"^## {number}\. .*$", text, flags=re.M)[1].split("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """Return the body rows of a part's Markdown tables, as cells."""
    cells = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("|") and not line.startswith("|---")
    ]
    return [row for row in cells if row[0] and row[0].startswith("`")]


def family(key: str) -> str:
    """Return what a key begins with: `lane:` of `lane:<lane>`, `wheel` of `wheel`."""
    found = re.match(FAMILY, key)
    assert found, key
    return found[0]


def private_keys() -> set[str]:
    """Return the families that section 3 has a row for."""
    table = section(REDIS, 3).split("Fields of `path:")[0]
    return {family(row[0].split("`")[1]) for row in rows(table)}


def families(lua: str) -> set[str]:
    """Return the families that a piece of Lua spells as `P .. '...'`."""
    return {family(literal) for literal in re.findall(r"P \.\. '([^']+)'", lua)}


def functions() -> dict[str, str]:
    """Return the functions of the scripts' parts by name."""
    text = "\n".join(path.read_text() for path in sorted((LUA / "parts").glob("*.lua")))
    return dict(re.findall(r"^local function (\w+)\((.*?)^end$", text, flags=re.M | re.S))


def touched(lua: str, known: dict[str, str]) -> set[str]:
    """Return the families that a piece of Lua touches, by itself or through the parts."""
    out = families(lua)
    for name in {name for name in known if re.search(rf"\b{name}\(", lua)}:
        out |= touched(known[name], {other: body for other, body in known.items() if other != name})
    return out


def test_every_private_key_has_a_row_and_every_row_a_key() -> None:
    used: set[str] = set()
    for script in LUA.rglob("*.lua"):
        used |= families(script.read_text())
    for module in (ROOT / "mta/queue").glob("*.py"):
        used |= set(re.findall(rf"\{{[\w.]*base(?:\([^)]*\))?\}}({FAMILY})", module.read_text()))
    assert len(used) > 20
    assert private_keys() | {"events"} == used


def test_every_public_key_has_a_row() -> None:
    keys, missing, looked_at = Keys(), [], 0
    table = {row[0] for row in rows(section(REDIS, 2))}
    for name, member in inspect.getmembers(Keys):
        if name.startswith("_") or name in ("prefix", "shards", "base", "submit"):
            continue
        if isinstance(member, property):
            spelled = getattr(keys, name)
        else:
            arguments = [a for a in inspect.signature(member).parameters if a != "self"]
            spelled = getattr(keys, name)(*("s" if a == "shard" else f"<{a.strip('_')}>" for a in arguments))
        looked_at += 1
        if f"`{spelled}`" not in table:
            missing.append(spelled)
    assert looked_at >= 12
    assert not missing


@pytest.mark.parametrize("script", sorted(p.stem for p in LUA.glob("*.lua")))
def test_the_table_of_scripts_is_exact(script: str) -> None:
    row = next((row for row in rows(section(REDIS, 7)) if row[0] == f"`{script}`"), None)
    assert row, f"docs/redis.md section 7 has no row for {script}.lua"
    text = (LUA / f"{script}.lua").read_text()
    assert row[1] == ("yes" if "allow-oom" in text.partition("\n")[0] else "no")
    # A part that runs as it is loaded looks at keys, too.
    parts = re.search(r"^-- parts: (.*)$", text, flags=re.M)
    loaded = [(LUA / "parts" / f"{part}.lua").read_text() for part in (parts[1].split() if parts else [])]
    outside = "\n".join(re.sub(r"^local function .*?^end$", "", part, flags=re.M | re.S) for part in loaded)
    assert set(re.findall(r"`([^`]+)`", row[2])) == touched(text, functions()) | families(outside)
    assert row[3]


def slugs(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", sorted(PAGES))
def test_relative_links_resolve(name: str) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[name]):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        path = (ROOT / name).parent / file if file else ROOT / name
        if not path.exists() or (anchor and anchor not in slugs(path.read_text())):
            broken.append(target)
    assert not broken


def commands(text: str) -> list[str]:
    """Return the `mta ...` command lines of a page: code blocks and code spans."""
    lines = re.findall(r"^ {4}(mta [a-z].*)$", text, flags=re.M)
    return [re.split(r"\s{2,}#", line)[0] for line in lines] + re.findall(r"`(mta [a-z][^`]*)`", text)


def unknown_part(line: str) -> str:
    """Return what the click tree does not know of a command line; empty when it knows all."""
    command: click.Command = main
    for word in shlex.split(line)[1:]:
        if word.startswith("-"):
            options = {name for parameter in command.params for name in parameter.opts}
            if word.partition("=")[0] not in options:
                return word
        elif isinstance(command, click.Group):
            if word not in command.commands:
                return word
            command = command.commands[word]
    return ""


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "docs/operations.md", "docs/redis.md"])
def test_commands_exist(name: str) -> None:
    found = commands(PAGES[name])
    assert found or name == "ARCHITECTURE.md"
    assert not {line: unknown_part(line) for line in found if unknown_part(line)}


def test_the_command_checker_finds_what_is_not_there() -> None:
    assert unknown_part("mta fly") == "fly"
    assert unknown_part("mta campaign fly") == "fly"
    assert unknown_part("mta send --fly x") == "--fly"
    assert unknown_part("mta campaign report acme spring-26 --top 3") == ""


@pytest.mark.parametrize("name", sorted(PAGES))
def test_make_targets_exist(name: str) -> None:
    wanted = set(re.findall(r"^ {4}make ([a-z-]+)", PAGES[name], flags=re.M))
    wanted |= set(re.findall(r"`make ([a-z-]+)`", PAGES[name]))
    made = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    assert wanted <= made
    assert wanted or name != "README.md"


@pytest.mark.parametrize("name", sorted(PAGES))
def test_bench_modules_exist(name: str) -> None:
    wanted = set(re.findall(r"python -m bench\.(\w+)", PAGES[name]))
    assert not {module for module in wanted if not (ROOT / f"bench/{module}.py").exists()}
    assert wanted or name != "bench/README.md"


def test_files_on_the_route_exist() -> None:
    text = PAGES["ARCHITECTURE.md"]
    route = text.partition("## One message, file by file")[2].partition("\n## ")[0]
    named = re.findall(r"`([a-z_/]+(?:\.py|\.lua|/))`", route)
    assert len(named) > 20
    assert not [name for name in named if not any((top / name).exists() for top in (ROOT, ROOT / "mta"))]


@pytest.mark.system
def test_the_unit_is_hardened() -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed (Debian package systemd)")
    said = subprocess.run(
        [program, "security", "--offline=true", "--threshold=15", "--no-pager", str(ROOT / "systemd/mta.service")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout[-300:] + said.stderr
