"""The house rule: imports only point down, and the lower floors do not know the world exists."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "mta"

FLOORS: dict[str, int] = {
    **dict.fromkeys(("address", "identity", "message", "reply", "verdict", "event", "tenancy", "nearest"), 0),
    **dict.fromkeys(("smtp", "mime", "tracking", "dkim", "bounce", "throttle", "policy", "erasure"), 1),
    **dict.fromkeys(("queue", "net", "archive", "maillog", "metrics"), 2),
    **dict.fromkeys(("ingest", "workers", "inbound", "web", "keeper"), 3),
    **dict.fromkeys(("config", "daemon", "demo", "cli", "__main__"), 4),
}
ORDER_ON_TOP = ("config", "daemon", "demo", "cli", "__main__")  # each may import those before it
NOT_PURE = {
    "asyncio", "socket", "ssl", "redis", "aiohttp", "aiosmtplib", "aiosmtpd", "dns", "time", "random",
    "secrets", "os", "pathlib", "logging", "structlog", "threading", "subprocess", "uvloop",
}  # fmt: skip
ONE_DOOR = {
    "redis": {"queue"},
    "dns": {"net", "demo"},
    "aiosmtplib": {"net"},
    "aiosmtpd": {"inbound"},
    "uvloop": {"daemon"},
}
SIZE_WALL = 350


def modules() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py"))


def room(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the floor"
            assert node.module
            found.add(node.module)
            if node.module == "mta":
                found.update(f"mta.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_only_point_down(path: Path) -> None:
    here = room(path)
    if here == "__init__":
        return
    assert here in FLOORS, f"{path}: room {here!r} has no floor; give it one here and in ARCHITECTURE.md"
    for name in imports(path):
        if name.startswith("mta."):
            there = name.split(".")[1]
            if there == here or there == "__version__":
                continue
            assert there in FLOORS, f"{path} imports unknown room {there}"
            if FLOORS[here] == FLOORS[there] == 4:
                assert ORDER_ON_TOP.index(there) < ORDER_ON_TOP.index(here), f"{path} imports {there}"
            elif FLOORS[here] == FLOORS[there] == 0:
                continue
            else:
                assert FLOORS[there] < FLOORS[here], f"{path}: {here} must not import {there}"
        else:
            top = name.split(".")[0]
            if FLOORS[here] <= 1:
                assert top not in NOT_PURE, f"{path}: floor {FLOORS[here]} is pure, {top} is not"
            if top in ONE_DOOR and here not in ONE_DOOR[top]:
                raise AssertionError(f"{path}: only {sorted(ONE_DOOR[top])} may import {top}")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_pure_floors_open_no_files(path: Path) -> None:
    if FLOORS.get(room(path), 9) > 1:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"open", "print", "input"}, f"{path}:{node.lineno}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= SIZE_WALL, f"{path} is over the wall: split it"


def test_init_files_hold_a_docstring_only() -> None:
    for path in ROOT.rglob("__init__.py"):
        body = ast.parse(path.read_text()).body
        assert isinstance(body[0], ast.Expr), f"{path} needs a docstring"
        extra = [node for node in body[1:] if not isinstance(node, ast.Assign)]
        assert not extra, f"{path} holds more than a docstring"
