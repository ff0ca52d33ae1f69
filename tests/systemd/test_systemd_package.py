"""The Debian package: what is in it, and a server's life with it. `make deb-test` builds one and names it here."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from machine import ROOT, booted, why_not

PACKAGE = Path(os.environ.get("DEB_OF_MTA", "") or "/nonexistent")
REASON = why_not()
pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not PACKAGE.is_file(), reason="DEB_OF_MTA names no package; make deb-test builds one"),
]


def said(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_it_has_what_it_must() -> None:
    rows = {line.split()[5]: line.split()[:2] for line in said("dpkg-deb", "-c", str(PACKAGE)).splitlines()}
    wanted = {f"./usr/lib/systemd/system/{path.name}" for path in (ROOT / "systemd").glob("mta*.*")}
    wanted |= {"./usr/lib/sysusers.d/mta.conf", "./usr/lib/tmpfiles.d/mta.conf", "./etc/mta/mta.toml"}
    wanted |= {"./opt/mta/bin/mta", "./usr/bin/mta", "./opt/mta/share/mta/config/grafana/overview.json"}
    wanted |= {"./usr/share/doc/mta/copyright", "./usr/share/doc/mta/operations.md"}
    assert wanted <= set(rows)
    assert {owner for _, owner in rows.values()} == {"root/root"}
    assert rows["./etc/mta/dkim/"][0] == "drwx------"
    assert not [name for name in rows if name.endswith(".installed") or "/tests/systemd" in name]
    control = said("dpkg-deb", "-f", str(PACKAGE))
    assert re.search(r"^Depends: python3 \(>= 3\.\d+\), python3 \(<< 3\.\d+\)", control, flags=re.M)


@pytest.mark.skipif(bool(REASON), reason=REASON)
def test_a_server_s_life_with_it(tmp_path: Path) -> None:
    prepare = f"""
set -e
rm -rf /opt/mta
dpkg -i --force-depends /run/{PACKAGE.name}
printf '[Unit]\\nDescription=nothing but what a test starts\\n' > /etc/systemd/system/test.target
"""
    with booted(tmp_path, prepare, PACKAGE) as machine:
        assert machine.run("stat", "-c", "%U %a", "/var/lib/mta").split() == ["mta", "700"]
        machine.run("systemctl", "start", "mta.service")
        machine.until(lambda: "delivered/s" in machine.show("mta.service", "StatusText"))
        listed = machine.run(
            "setpriv", "--reuid=mta", "--regid=mta", "--clear-groups", "--inh-caps=-all",
            "env", "MTA_PATHS_STATE=/var/lib/mta", "mta", "queue", "list", "--json",
        )  # fmt: skip
        assert listed.startswith("{")
        machine.run("dpkg", "-r", "mta")
        assert machine.show("mta.service", "LoadState") == "not-found"
        assert machine.run("ls", "/var/lib/mta/keys").strip() == "tracking"  # the state stays
        machine.run("dpkg", "-P", "mta")
        assert not machine.run("sh", "-c", "ls -d /etc/mta /opt/mta /usr/bin/mta 2>/dev/null || true").strip()
