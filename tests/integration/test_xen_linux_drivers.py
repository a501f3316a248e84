"""Unmodified Linux kernels as driver domains that die under load: their guests keep their disks and their connections."""

from __future__ import annotations

import hashlib
import random
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from hypervisor.api import Run
from hypervisor.core.xen import XenHypervisor
from tests.support.debians import PROMPT, Debians, advance, asked, is_clean, until_it_says
from tests.support.live import ROOT, Live

pytestmark = [pytest.mark.slow, pytest.mark.long]

LINKS = ("shm", "zmq")
BIG = random.Random(1).randbytes(2 << 20)
RESTARTS: dict[str, Any] = {"on_crash": "restart", "max_restarts": 99}
SERVES = "while [ ! -b /dev/xvda ]; do usleep 10000; done; modprobe xen_blkback; echo serving; sleep 99999"
COPIES = (
    "for i in 1 2 3 4; do cp /root/big /root/c$i; sync; done; echo 3 > /proc/sys/vm/drop_caches; "
    "md5sum /root/big /root/c*; umount /root; echo al''l"
)


@pytest.fixture
def debians(tmp_path: Path) -> Debians:
    return Debians(tmp_path)


def xen(run: Run) -> XenHypervisor:
    mechanism = run.monitor.mechanism
    assert isinstance(mechanism, XenHypervisor)
    return mechanism


def with_a_disk(debians: Debians, image: Path) -> Any:
    """`linux` has its disk from `driver`, which has it from a driver cell in Python."""
    cells = {
        "linux": debians.kernel("cellvisor.modules=xen_blkfront,ext4"),
        "driver": debians.kernel("cellvisor.modules=xen_blkfront", run=SERVES, **RESTARTS),
        "storage": {"domain": "block", "devices": ["disk0"], "ram": "2MiB"},
    }
    disks = {"disk0": str(image)}
    return debians.table(cells, ("block", "driver", "storage"), ("block", "linux", "driver"), disks=disks)


def states_of(run: Run, back: str, kind: str) -> list[str]:
    """From now on: what a guest's driver sees of the other end's state, in order; "-" for none."""
    hypervisor, seen = xen(run), []
    path = f"/local/domain/{hypervisor.number(run.cell(back))}/backend/{kind}/{hypervisor.number(run.cell('linux'))}/"

    def heard(changed: str) -> None:
        if changed.startswith(path) and changed.endswith("/state"):
            exists = hypervisor.store.exists(changed)
            seen.append(hypervisor.store.read(0, changed).decode() if exists else "-")

    hypervisor.store_listeners.append(heard)
    return seen


def killed_under_load(live: Live, debians: Debians, link: str, deaths: int = 3, **options: Any) -> str:
    """A disk whose Linux driver domain dies while it is written to; the run's hash."""
    made, image = debians.directory / "disk.img", debians.directory / f"{link}.img"
    shutil.copy(made if made.exists() else debians.ext4(made.name, {"big": BIG}), image)  # no two are made alike
    run = live(with_a_disk(debians, image), link=link, **options)
    until_it_says(run, "linux", PROMPT)
    until_it_says(run, "driver", b"serving")
    asked(run, "linux", "until [ -b /dev/xvda ]; do usleep 10000; done; mount -t ext4 /dev/xvda /root")
    run.type_text("linux", COPIES + "\n")
    chance, seen = random.Random(2), states_of(run, "driver", "vbd")
    for death in range(deaths):
        advance(run, f"{chance.randrange(20, 300)}ms")
        run.kill("driver")
        run.monitor.check_invariants()
        until_it_says(run, "driver", b"serving", death + 2)
    until_it_says(run, "linux", b"all")
    said = run.console("linux").decode(errors="replace")
    sums = re.findall(r"([0-9a-f]{32})  /root/(\w+)", said)
    assert [name for _, name in sums] == ["big", "c1", "c2", "c3", "c4"]
    assert len({digest for digest, _ in sums}) == 1
    assert "I/O error" not in said
    assert seen == ["-", "1", "2", "4"] * deaths, "gone, there again, offering, connected: never closing"
    assert run.cell("driver").account.restarts == deaths
    retried = run.monitor.ledger.counted("linux", "retried")
    assert retried
    assert run.cell("linux").account.metrics["retried"][3] <= deaths
    assert run.summary().cells["linux"].operations["retried"] == retried
    hypervisor = xen(run)
    assert hypervisor.domains.of(run.cell("driver")).handles, "pages stay mapped, of a guest that lives"
    digest = run.trace_hash
    run.close()
    assert is_clean(image)
    return digest


def test_a_linux_driver_domain_that_dies_under_load_costs_no_byte_over_either_link(
    live: Live, debians: Debians
) -> None:
    hashes = {killed_under_load(live, debians, link) for link in LINKS}
    assert len(hashes) == 1


def test_ten_runs_of_two_kernels_are_one_over_both_links(live: Live, debians: Debians) -> None:
    made, hashes = debians.ext4("disk.img", {"big": BIG}), set()
    for number in range(10):
        image = debians.directory / f"{number}.img"
        shutil.copy(made, image)
        run = live(with_a_disk(debians, image), link=LINKS[number % 2])
        until_it_says(run, "driver", b"serving")
        until_it_says(run, "linux", PROMPT)
        asked(run, "linux", "until [ -b /dev/xvda ]; do usleep 10000; done; mount -t ext4 /dev/xvda /root")
        asked(run, "linux", "cp /root/big /root/copy; md5sum /root/copy; umount /root")
        hashes.add(run.trace_hash)
        run.close()
        image.unlink()
    assert len(hashes) == 1


def test_on_two_cores_it_costs_none_either(live: Live, debians: Debians) -> None:
    hashes = {killed_under_load(live, debians, link, deaths=1, overrides=["board.cores=2"]) for link in LINKS}
    assert len(hashes) == 1


def test_a_guest_that_dies_leaves_nothing_mapped_in_a_linux_driver_domain_and_comes_back(
    live: Live, debians: Debians
) -> None:
    image = debians.ext4("disk.img", {"big": BIG})
    table = with_a_disk(debians, image)
    table["cells"]["linux"] |= RESTARTS
    run = live(table)
    mounts = "until [ -b /dev/xvda ]; do usleep 10000; done; mount -t ext4 /dev/xvda /root"
    until_it_says(run, "driver", b"serving")
    until_it_says(run, "linux", PROMPT)
    for life in range(2):
        asked(run, "linux", mounts)
        run.type_text("linux", "cp /root/big /root/copy; sync\n")
        advance(run, "30ms")
        hypervisor = xen(run)
        driver = hypervisor.domains.of(run.cell("driver"))
        assert len(driver.handles) > 8, "it is killed while its pages are mapped"
        own = {handle for handle, mapping in driver.handles.items() if mapping.granter is not None}
        run.kill("linux")
        run.monitor.check_invariants()
        assert all(driver.handles[handle].granter is None for handle in own & set(driver.handles))
        assert hypervisor.holdings()["grants in use"] == len(
            [m for d in hypervisor.domains.all() for m in d.handles.values() if m.granter is not None]
        )
        until_it_says(run, "linux", b"shell ready", life + 2)
    asked(run, "linux", mounts)
    assert hashlib.md5(BIG).hexdigest() in asked(run, "linux", "md5sum /root/big; umount /root")
    advance(run, "500ms")
    assert all(mapping.granter is not None for mapping in driver.handles.values()), "it has let go of all that was gone"
    run.monitor.check_invariants()
    run.close()
    assert is_clean(image)


NETWORK = tomllib.loads((ROOT / "boards/topologies/xen_network_domain.toml").read_text())


def test_a_linux_driver_domain_bridges_two_guests_and_a_transfer_outlives_it(live: Live, debians: Debians) -> None:
    table = debians.table({}, *((channel["class"], *channel["between"]) for channel in NETWORK["channels"]))
    for name, cell in NETWORK["cells"].items():
        table["cells"][name] = cell | {"kernel": debians.kernel("")["kernel"]}
    hashes = set()
    for link in LINKS:
        run = live(table, link=link)
        until_it_says(run, "linux", PROMPT)
        until_it_says(run, "driver", b"joined", 2)
        sent = re.search("[0-9a-f]{32}", asked(run, "linux", "ifconfig eth0 10.0.0.1 up; md5sum /bin/busybox"))
        assert sent
        send = "until nc 10.0.0.2 5000 < /bin/busybox; do usleep 100000; done"
        asked(run, "linux", send)
        until_it_says(run, "other", sent[0].encode())
        seen = states_of(run, "driver", "vif")
        run.type_text("linux", f"{send}; echo sen''t\n")
        advance(run, "12ms")
        assert b"sent" not in run.console("linux")[-10:]
        run.kill("driver")
        run.monitor.check_invariants()
        until_it_says(run, "driver", b"joined", 4)
        until_it_says(run, "other", sent[0].encode(), 2)
        assert seen == ["-", "1", "2", "4"]
        hashes.add(run.trace_hash)
        run.close()
    assert len(hashes) == 1
