"""The units: systemd finds no fault in them, the sandbox is tight and the same everywhere, names agree."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mta.config.load import load

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "systemd"
UNITS = sorted(path for path in FOLDER.iterdir() if path.suffix in (".service", ".socket", ".target"))
SERVICES = [path for path in UNITS if path.suffix == ".service"]
ANALYZE = shutil.which("systemd-analyze")
PROGRAM = "/opt/mta/bin/mta"
MOST_EXPOSED = 1.5

system = [
    pytest.mark.system,
    pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is missing (Debian package systemd)"),
]


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def values(path: Path, key: str) -> list[str]:
    """Return the values of a key in a unit, in order."""
    return re.findall(rf"^{key}=(.*)$", path.read_text(), flags=re.M)


@pytest.fixture
def standing(tmp_path: Path) -> Path:
    """The units as installed, with a program that exists."""
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace(PROGRAM, "/bin/true"))
    return tmp_path


class TestWithSystemd:
    pytestmark = system

    def test_systemd_finds_no_fault(self, standing: Path) -> None:
        assert ANALYZE
        loaded = [str(standing / unit.name.replace("@.", "@01.")) for unit in UNITS]
        (standing / "mta-worker@01.service").symlink_to("mta-worker@.service")
        done = subprocess.run(
            [ANALYZE, "verify", *loaded], capture_output=True, text=True, check=False, timeout=50,
            env={"SYSTEMD_UNIT_PATH": f"{standing}:", "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        assert (done.returncode, done.stdout + done.stderr) == (0, "")

    @pytest.mark.parametrize("unit", SERVICES, ids=names(SERVICES))
    def test_little_is_exposed(self, standing: Path, unit: Path) -> None:
        assert ANALYZE
        done = subprocess.run(
            [ANALYZE, "security", "--offline=true", "--no-pager", f"./{unit.name}"],
            capture_output=True, text=True, check=False, timeout=50, cwd=standing,
        )  # fmt: skip
        found = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
        assert found, done.stdout + done.stderr
        assert float(found[1]) <= MOST_EXPOSED


def sandbox(path: Path) -> str:
    return path.read_text().split("# The sandbox:")[1].split("\n[Install]")[0]


def test_the_sandbox_is_the_same_everywhere() -> None:
    assert len({sandbox(path) for path in SERVICES}) == 1
    for path in SERVICES:
        wanted = ["CAP_NET_BIND_SERVICE"] if path.name == "mta.service" else [""]
        assert values(path, "CapabilityBoundingSet") == wanted
        assert values(path, "AmbientCapabilities") == wanted


def test_every_service_keeps_the_engine_s_conventions() -> None:
    for path in SERVICES:
        assert values(path, "Type") == ["notify"]
        assert values(path, "User") == values(path, "Group") == ["mta"]
        assert values(path, "ExecReload") == ["/bin/kill -HUP $MAINPID"]
        assert values(path, "RestartPreventExitStatus") == ["64 78"]
        assert values(path, "LoadCredential")[:2] == ["mta.redis-password", "mta.tracking"]
        assert int(values(path, "TimeoutStopSec")[0]) >= 60
        assert int(values(path, "WatchdogSec")[0]) >= 30


def test_a_role_has_a_unit_and_its_own_metrics() -> None:
    from mta.cli.run import ROLES

    units = {re.split(r"[@.]", path.name.removeprefix("mta-"))[0] for path in SERVICES} - {"mta"}
    assert units == set(ROLES) - {"all"}
    ports = [re.findall(r"MTA_METRICS_LISTEN=127.0.0.1:(\S+)", path.read_text()) for path in SERVICES]
    given = [port[0] for port in ports if port]
    assert len(given) == len(set(given)) == len(units)
    scraped = (ROOT / "config/prometheus/prometheus.yml").read_text()
    for port in given:
        assert f'"127.0.0.1:{port.replace("%i", "01")}"' in scraped


def test_what_units_set_are_settings() -> None:
    for path in SERVICES:
        environ = dict(pair.split("=", 1) for pair in values(path, "Environment"))
        loaded = load(
            ROOT / "config/mta.toml", {key: one.replace("%i", "01") for key, one in environ.items()}
        )
        assert loaded.settings.paths.state == "/var/lib/mta"


def test_sockets_are_those_the_roles_ask_for() -> None:
    for role in ("inbound", "web"):
        assert values(FOLDER / f"mta-{role}.socket", "FileDescriptorName") == [role]
        assert f"Requires=mta-{role}.socket" in (FOLDER / f"mta-{role}.service").read_text()
    defaults = load(ROOT / "config/mta.toml", {}).settings
    assert values(FOLDER / "mta-web.socket", "ListenStream") == [defaults.web.listen]


def test_user_and_directories_exist_before_the_units_need_them() -> None:
    users = (FOLDER / "sysusers.d/mta.conf").read_text()
    assert re.search(r"^u mta - ", users, flags=re.M)
    made = {
        line.split()[1]
        for line in (FOLDER / "tmpfiles.d/mta.conf").read_text().splitlines()
        if line[0] != "#"
    }
    for path in SERVICES:
        for credential in values(path, "LoadCredential"):
            _, _, source = credential.partition(":")
            assert not source or source in made
        assert values(path, "WorkingDirectory")[0] in made
