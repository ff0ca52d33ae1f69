"""`mta install`: units, configuration and directories into a root, and out again.

What was put is written down in a manifest with its digests, so that `--remove` takes away exactly that: never a file
an administrator has changed, never the state.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

import click

from mta.cli import show
from mta.cli.failure import CANT_CREATE, NO_INPUT, NO_PERMISSION, USAGE, Failure
from mta.cli.options import json_option

PROGRAM: Final = "/opt/mta/bin/mta"  # as the shipped units have it
MANIFEST: Final = "etc/mta/.installed"
CONFIG: Final = "etc/mta/mta.toml"
DIRECTORIES: Final = (("etc/mta", 0o755), ("etc/mta/conf.d", 0o755), ("etc/mta/dkim", 0o700))
UNSEEN: Final = (
    "/home/",
    "/root/",
    "/run/user/",
    "/tmp/",
    "/var/tmp/",
)  # by the units: ProtectHome=, PrivateTmp=


@dataclass(slots=True)
class Manifest:
    """What an installation made: files by digest, links by target, directories in the order they were made."""

    files: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    directories: list[str] = field(default_factory=list)


@click.command()
@click.option("--prefix", type=click.Path(file_okay=False, path_type=Path), default=Path("/"), show_default=True,
              help="Root to install into.")  # fmt: skip
@click.option("--program", metavar="PATH", help="The mta that the units run; default: this one.")
@click.option(
    "--vendor", is_flag=True, help="Below /usr/lib, as a package does it, in place of /etc and /usr/local."
)
@click.option("--remove", is_flag=True, help="Undo it; changed files, the state and the user stay.")
@json_option
def install(prefix: Path, program: str | None, vendor: bool, remove: bool, as_json: bool) -> None:
    """Put systemd units, configuration and directories in place, or take them away again.

    \b
    Example:
      mta install
      mta install --prefix /srv/root --program /opt/mta/bin/mta
    """
    try:
        if remove:
            done, kept = _remove(prefix)
        else:
            done, kept = _install(prefix, program or str(Path(sys.prefix) / "bin/mta"), vendor=vendor)
    except PermissionError as error:
        raise Failure(NO_PERMISSION, f"{error.filename}: {error.strerror}; run it as root") from error
    except OSError as error:
        raise Failure(CANT_CREATE, f"{error.filename or prefix}: {error.strerror}") from error
    if as_json:
        show.as_json({"removed" if remove else "installed": done, "kept": kept})
        return
    for name in kept:
        click.echo(f"kept {prefix / name}")
    if remove:
        click.echo(f"removed {len(done)} files; the state, /var/lib/mta, and the user mta stay")
    else:
        click.echo(f"installed {len(done)} files below {prefix}")
        click.echo("next: systemctl enable --now mta    (or a unit per role: systemd/README.md)")


def shared() -> Path:
    """Return the directory of units and settings: the source tree's, else what the package brought along."""
    source = Path(__file__).resolve().parents[2]
    for root in (source, Path(sys.prefix) / "share/mta"):
        if (root / "systemd/mta.service").is_file():
            return root
    raise Failure(NO_INPUT, f"no systemd/mta.service in {source} or {sys.prefix}/share/mta; reinstall mta")


def planned(root: Path, program: str, *, vendor: bool) -> tuple[dict[str, str], dict[str, str]]:
    """Return the files by their text and the links by their target, both by their path below a prefix."""
    units, config, bin_ = ("usr/lib/systemd/system", "usr/lib", "usr/bin") if vendor else (
        "etc/systemd/system", "etc", "usr/local/bin")  # fmt: skip
    files = {}
    for path in sorted((root / "systemd").iterdir()):
        if path.suffix in (".service", ".socket", ".target"):
            files[f"{units}/{path.name}"] = path.read_text().replace(PROGRAM, program)
    for folder in ("sysusers.d", "tmpfiles.d"):
        files[f"{config}/{folder}/mta.conf"] = (root / "systemd" / folder / "mta.conf").read_text()
    files[CONFIG] = (root / "config/mta.toml").read_text()
    return files, {f"{bin_}/mta": program}


def _install(prefix: Path, program: str, *, vendor: bool) -> tuple[list[str], list[str]]:
    if program.startswith(UNSEEN):
        raise Failure(
            USAGE,
            f"the units would not see {program}; make the environment elsewhere: python3 -m venv /opt/mta",
        )
    files, links = planned(shared(), program, vendor=vendor)
    before = _manifest(prefix)
    foreign = [
        f"{prefix / name}"
        for name in (*files, *links)
        if name not in (CONFIG, *before.files, *before.links) and os.path.lexists(prefix / name)
    ]
    if foreign:
        raise Failure(
            CANT_CREATE, f"{', '.join(foreign)} was not put there by mta install; move it away first"
        )
    now, kept = Manifest(directories=before.directories), list[str]()
    for name, mode in DIRECTORIES:
        _directory(prefix, Path(name), now, mode)
    for name, text in files.items():
        path = prefix / name
        if name == CONFIG and path.exists() and _digest(path) != before.files.get(name):
            kept.append(name)
            continue
        _directory(prefix, Path(name).parent, now)
        _write(path, text)
        now.files[name] = _digest(path)
    for name, target in links.items():
        _directory(prefix, Path(name).parent, now)
        (prefix / name).unlink(missing_ok=True)
        (prefix / name).symlink_to(target)
        now.links[name] = target
    for name in before.files.keys() - files.keys():  # what an earlier version had and this one has not
        if not _taken_away(prefix, name, before.files[name]):
            kept.append(name)
    document = {"files": now.files, "links": now.links, "directories": now.directories}
    _write(prefix / MANIFEST, json.dumps(document, indent=1) + "\n")
    _tell_systemd(prefix, ["systemd-sysusers"], ["systemd-tmpfiles", "--create", "mta.conf"])
    return [*now.files, *now.links], kept


def _remove(prefix: Path) -> tuple[list[str], list[str]]:
    if not (prefix / MANIFEST).exists():
        raise Failure(NO_INPUT, f"{prefix / MANIFEST} is not there: nothing was installed by mta install")
    if _live(prefix):
        active = subprocess.run(["systemctl", "is-active", "-q", "mta.service", "mta.target"], check=False)
        if active.returncode == 0:
            raise Failure(USAGE, "the engine runs; first: systemctl disable --now mta.service mta.target")
    manifest = _manifest(prefix)
    kept = [name for name, digest in manifest.files.items() if not _taken_away(prefix, name, digest)]
    for name, target in manifest.links.items():
        path = prefix / name
        if path.is_symlink() and os.readlink(path) == target:
            path.unlink()
    (prefix / MANIFEST).unlink()
    for name in reversed(manifest.directories):
        path = prefix / name
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    _tell_systemd(prefix)
    return [name for name in (*manifest.files, *manifest.links) if name not in kept], kept


def _taken_away(prefix: Path, name: str, digest: str) -> bool:
    """Remove a file of ours; False when somebody has changed it, so that it stays."""
    path = prefix / name
    if path.is_file() and _digest(path) == digest:
        path.unlink()
    return not path.exists()


def _manifest(prefix: Path) -> Manifest:
    path = prefix / MANIFEST
    if not path.exists():
        return Manifest()
    try:
        return Manifest(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise Failure(NO_INPUT, f"{path} can't be read: {error}") from error


def _directory(prefix: Path, relative: Path, manifest: Manifest, mode: int = 0o755) -> None:
    for part in (*reversed(relative.parents), relative):
        path = prefix / part
        if not path.exists():
            path.mkdir(parents=True)
            path.chmod(mode if part == relative else 0o755)
            manifest.directories.append(str(part))


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.chmod(0o644)
    fresh.replace(path)


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _live(prefix: Path) -> bool:
    """Whether the prefix is the running system's root, and systemd runs it."""
    return prefix.resolve() == Path("/") and Path("/run/systemd/system").is_dir()


def _tell_systemd(prefix: Path, *commands: list[str]) -> None:
    if prefix.resolve() != Path("/"):
        return
    if _live(prefix):
        commands = (*commands, ["systemctl", "daemon-reload"])
    for command in commands:
        if shutil.which(command[0]):
            subprocess.run(command, check=False)
