"""Programs of Debian packages and npm in a cache folder: fetched once, unpacked, never installed on the machine.

What can't be had is a reason in words, for a bench or a test to skip with.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

SECONDS = 120


class Unavailable(Exception):
    """A program can't be had here; the message says why and how it could."""


def cache() -> Path:
    """The folder of all that was fetched."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mta" / "peers"


def debian(*packages: str) -> Path:
    """Return the folder below which these packages' files lie, all in one tree; raise Unavailable."""
    folder = cache() / "-".join(packages)
    done = folder / "done"
    if done.exists():
        return folder / "root"
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise Unavailable(f"no {tool}: {' '.join(packages)} come as Debian packages")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "root").mkdir(parents=True)
    _run(["apt-get", "-qq", "download", *packages], folder)
    for package in sorted(folder.glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(folder / "root")], folder)
        package.unlink()
    done.touch()
    return folder / "root"


def npm(name: str, *packages: str) -> Path:
    """Return a folder whose `node_modules` hold these packages ("haraka@3.3.4"); raise Unavailable."""
    folder = cache() / name
    done = folder / "done"
    if done.exists() and done.read_text() == " ".join(packages):
        return folder
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            raise Unavailable(f"no {tool}: apt-get install nodejs npm")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "package.json").write_text('{"private": true}')
    _run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *packages], folder)
    done.write_text(" ".join(packages))
    return folder


def libraries(root: Path) -> dict[str, str]:
    """Return the environment in which programs below `root` find their libraries."""
    found = [str(path) for path in (*root.glob("usr/lib/*-linux-gnu"), *root.glob("lib/*-linux-gnu"))]
    return dict(os.environ) | {"LD_LIBRARY_PATH": ":".join(found)}


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        told = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{command[0]} took longer than {SECONDS} s") from error
    if told.returncode:
        last = (told.stderr or told.stdout).strip().splitlines()[-1:] or ["no reason given"]
        raise Unavailable(f"{' '.join(command[:2])} failed: {last[0][:200]}")
