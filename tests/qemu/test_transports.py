# SPDX-License-Identifier: BSD-2-Clause
"""Every way to reach a virtio-blk device, several disks each: the bytes are the same, and `lsblk` tells the way.

Which features were negotiated and where the rings lie is asked from QEMU, so that a disk that was driven another way
than it should does not pass.
"""
import collections

import pytest

import images
import pattern
from harness import KERNEL_PVH, Disk
from images import MiB

N_DISKS = 3
MODERN = "virtio-blk-pci,disable-legacy=on"
TRANSITIONAL = "virtio-blk-pci,disable-legacy=off"
LEGACY = "virtio-blk-pci,disable-modern=on,disable-legacy=off"
MMIO = "virtio-blk-device"
VERSION_2 = ["-global", "virtio-mmio.force-legacy=false"]

Way = collections.namedtuple("Way", "transport device properties options machine extra", defaults=({}, "", "q35", ()))

BY_COMMAND_LINE = "microvm,acpi=off,auto-kernel-cmdline=on"
BY_ACPI = "microvm,acpi=on"

WAYS = {
    "modern": Way("virtio-pci", MODERN),
    "transitional": Way("virtio-pci", TRANSITIONAL),
    "transitional-pc": Way("virtio-pci", TRANSITIONAL, machine="pc"),
    "page-per-vq": Way("virtio-pci", MODERN, {"page-per-vq": "on"}),
    "modern-pio-notify": Way("virtio-pci", MODERN, {"modern-pio-notify": "on"}),
    "modern-pio-notify-used": Way("virtio-pci", MODERN, {"modern-pio-notify": "on"}, "vstor.notify=pio"),
    "pio-wanted-where-there-is-none": Way("virtio-pci", MODERN, {}, "vstor.notify=pio"),
    "legacy": Way("virtio-pci-legacy", LEGACY),
    "legacy-pc": Way("virtio-pci-legacy", LEGACY, machine="pc"),
    "legacy-no-msi-x": Way("virtio-pci-legacy", LEGACY, {"vectors": 0}),
    "legacy-no-indirect": Way("virtio-pci-legacy", LEGACY, {"indirect_desc": "off"}),
    "legacy-no-event-idx": Way("virtio-pci-legacy", LEGACY, {}, "vstor.features=-EVENT_IDX"),
    "legacy-queue-1024": Way("virtio-pci-legacy", LEGACY, {"queue-size": 1024}),
    "legacy-queue-4": Way("virtio-pci-legacy", LEGACY, {"queue-size": 4}),
    "legacy-asked-of-transitional": Way("virtio-pci-legacy", TRANSITIONAL, {}, "vstor.transport=legacy"),
    "legacy-asked-no-any-layout": Way("virtio-pci-legacy", TRANSITIONAL, {},
                                      "vstor.transport=legacy vstor.features=-ANY_LAYOUT"),
    "window": Way("virtio-pci-cfg", MODERN, {}, "vstor.transport=pci-cfg"),
    "window-pc": Way("virtio-pci-cfg", MODERN, {}, "vstor.transport=pci-cfg", "pc"),
    "window-transitional": Way("virtio-pci-cfg", TRANSITIONAL, {}, "vstor.transport=pci-cfg"),
    "window-page-per-vq": Way("virtio-pci-cfg", MODERN, {"page-per-vq": "on"}, "vstor.transport=pci-cfg"),
    "window-pio-notify": Way("virtio-pci-cfg", MODERN, {"modern-pio-notify": "on"}, "vstor.transport=pci-cfg"),
    "mmio-1-command-line": Way("virtio-mmio-1", MMIO, {}, "", BY_COMMAND_LINE),
    "mmio-1-acpi": Way("virtio-mmio-1", MMIO, {}, "", BY_ACPI),
    "mmio-1-no-indirect": Way("virtio-mmio-1", MMIO, {"indirect_desc": "off"}, "", BY_ACPI),
    "mmio-1-queue-16": Way("virtio-mmio-1", MMIO, {}, "vstor.queue_size=16", BY_ACPI),
    "mmio-2-command-line": Way("virtio-mmio-2", MMIO, {}, "", BY_COMMAND_LINE, VERSION_2),
    "mmio-2-acpi": Way("virtio-mmio-2", MMIO, {}, "", BY_ACPI, VERSION_2),
    "mmio-2-no-event-idx": Way("virtio-mmio-2", MMIO, {}, "vstor.features=-EVENT_IDX", BY_ACPI, VERSION_2),
    "mmio-2-queue-16": Way("virtio-mmio-2", MMIO, {}, "vstor.queue_size=16", BY_ACPI, VERSION_2),
}
SMOKE = {"legacy", "window", "mmio-1-command-line", "mmio-2-acpi"}


def disks_of(way, folder):
    """Three writable disks: random bytes, empty, and full of the pattern."""
    disks = []
    for number, content in enumerate([images.random_bytes(16 * MiB, 5), bytes(16 * MiB), pattern.pattern(0, 16 * MiB, 21)]):
        path = folder / f"{number}.raw"
        path.write_bytes(content)
        disks.append(Disk(path, writable=True, serial=f"DISK-{number}", device=way.device,
                          properties=dict(way.properties)))
    return disks


def machine_of(way):
    """What a way says of the machine, in the harness's words."""
    return dict(machine=way.machine, extra=way.extra, kernel=KERNEL_PVH if "microvm" in way.machine else None)


def check_features(machine, way, listed):
    """QEMU holds for negotiated what the way allows, and `lsblk` tells the same."""
    names = {name.removeprefix("VIRTIO_RING_F_").removeprefix("VIRTIO_BLK_F_").removeprefix("VIRTIO_F_")
             for name in machine.negotiated_features(0, "" if way.device == MMIO else "/virtio-backend")}
    legacy = way.transport in ("virtio-pci-legacy", "virtio-mmio-1")
    assert ("VERSION_1" in names) != legacy, names
    # QEMU offers ANY_LAYOUT where it offers VERSION_1 too, so not to those that can only be legacy.
    offered = way.device == TRANSITIONAL
    assert ("ANY_LAYOUT" in names) == (offered and legacy and "-ANY_LAYOUT" not in way.options), names
    assert {"EVENT_IDX", "INDIRECT_DESC", "ANY_LAYOUT"} & names == \
        {"EVENT_IDX", "INDIRECT_DESC", "ANY_LAYOUT"} & set(listed["features"])


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.smoke) if n in SMOKE else n for n in WAYS])
def test_data(prompt, tmp_path, name):
    """`sum` of a random disk, `fill` and `write` of another seen by the host, `verify` of what the host wrote; many
    requests in flight; no command failed and no doorbell was rung twice."""
    way = WAYS[name]
    disks = disks_of(way, tmp_path)
    machine = prompt(way.options, disks=disks, **machine_of(way))
    listed = {d["serial"]: d for d in machine.command("lsblk json=1").of("lsblk")}
    assert sorted(listed) == [f"DISK-{n}" for n in range(N_DISKS)], machine.describe()
    assert {d["transport"] for d in listed.values()} == {way.transport}
    check_features(machine, way, listed["DISK-0"])
    total = machine.command("sum serial=DISK-0 json=1").one("sum")
    assert total["sha256"] == images.sha256(disks[0].path)
    assert not machine.command("fill serial=DISK-1 1M 5M seed=4 json=1").errors
    assert not machine.command("write serial=DISK-1 700 616263 json=1").errors
    assert machine.command("verify serial=DISK-2 0 16M seed=21 json=1").one("verify")["bytes"] == 16 * MiB
    depth = min(32, listed["DISK-1"]["depth"])
    for mode in ("randread", "randwrite"):
        line = f"bench serial=DISK-1 rw={mode} bs=16k iodepth={depth} number_ios=300 offset=8M size=8M json=1"
        assert machine.command(line).one("bench")["errors"] == 0
    assert not machine.command("flush serial=DISK-1 json=1").errors
    written = disks[1].path.read_bytes()
    assert written[MiB:6 * MiB] == pattern.pattern(MiB, 5 * MiB, 4)
    assert written[700:703] == b"abc" and not any(written[:700]) and not any(written[6 * MiB:8 * MiB])
    for disk in machine.command("lsblk json=1").of("lsblk"):
        stats = disk["stats"][0]
        assert (stats["errors"], stats["timeouts"], stats["rescues"]) == (0, 0, 0), f"{disk['dev']}: {stats}"


def mmio_paths(machine):
    return [d["path"] for d in machine.command("lsblk json=1").of("lsblk")]


def mmio_disks(n):
    return [Disk(images.image("1m.raw"), serial=f"DISK-{number}", device=MMIO) for number in range(n)]


@pytest.mark.parametrize("version", [(), VERSION_2], ids=["1", "2"])
def test_mmio_devices_are_named_in_order_of_address(prompt, version):
    """Eight disks, as many as microvm has places: all are found, by the command line and by ACPI the same, vda first."""
    found = {}
    for how in (BY_COMMAND_LINE, BY_ACPI):
        machine = prompt(machine=how, kernel=KERNEL_PVH, disks=mmio_disks(8), extra=version)
        found[how] = mmio_paths(machine)
        listed = machine.command("lsblk json=1").of("lsblk")
        assert [d["dev"] for d in listed] == [f"vd{c}" for c in "abcdefgh"]
        assert {d["serial"] for d in listed} == {f"DISK-{n}" for n in range(8)}
        assert machine.command(f"sum {listed[3]['path']} json=1").one("sum")["dev"] == "vdd"
    assert found[BY_COMMAND_LINE] == sorted(found[BY_COMMAND_LINE])
    assert found[BY_COMMAND_LINE][0] == "virtio-mmio-feb00000"
    # With ACPI, QEMU has a second interrupt controller and 24 places, and fills them from above.
    assert found[BY_ACPI] == [f"virtio-mmio-feb0{0x2000 + 0x200 * n:x}" for n in range(8)]


def test_mmio_told_by_both_is_one_disk(run):
    """ACPI and the command line name the same place: one disk, and no word of it reaches the shell."""
    line = ("virtio_mmio.device=512@0xfeb02e00:23 lsblk json=1; virtio_mmio.device=4K@0xfeb02000:16:7 sum vda json=1; "
            "exit 3 virtio_mmio.device=0x200@0xfeb02e00:23")
    result = run(line, machine=BY_ACPI, kernel=KERNEL_PVH, disks=mmio_disks(1)).expect_status(3)
    assert result.one("lsblk")["path"] == "virtio-mmio-feb02e00"
    assert result.one("sum")["sha256"] == images.sha256(images.image("1m.raw"))


@pytest.mark.parametrize("word", ["512@0xfeb02e00", "512@:5", "@0xfeb02e00:5", "512@0xfeb02e00:5:x", "99999999G@0:1",
                                  "512@0xfffffffffffffffe:5", "8@0xfeb02e00:5", "512@3:5", "512@0x1000:5"])
def test_mmio_words_that_make_no_sense_harm_nobody(run, word):
    """Wrong words, and right ones that lead into memory or nowhere, are left out; the disk of ACPI is still there."""
    result = run(f"virtio_mmio.device={word} sum vda json=1; exit 3", machine=BY_ACPI, kernel=KERNEL_PVH,
                 disks=mmio_disks(1)).expect_status(3)
    assert result.one("sum")["sha256"] == images.sha256(images.image("1m.raw"))


def test_legacy_asked_of_a_modern_device_is_refused(run):
    """A device without legacy interface is not driven by it, and the log says why."""
    result = run("vstor.transport=legacy lsblk json=1; exit 3",
                 disks=[Disk(images.image("1m.raw"), device=MODERN)]).expect_status(3)
    assert not result.of("lsblk")
    result.expect("no legacy interface")


def test_scsi_commands_are_not_passed_through(run, prompt):
    """A legacy disk offers to (VIRTIO_BLK_F_SCSI): not negotiated, the log says so, `sg` refuses, the disk works."""
    image = images.image("1m.raw")
    disks = [Disk(image, device=LEGACY, properties={"scsi": "on"})]
    result = run("vstor.log=debug sum vda json=1; sg vda 12 00 00 00 24 00", disks=disks).expect_status(1)
    result.expect("it offers to pass SCSI commands through; not used")
    result.expect("virtio-blk takes no SCSI commands")
    assert result.one("sum")["sha256"] == images.sha256(image)
    assert "VIRTIO_BLK_F_SCSI" not in prompt("", disks=disks).negotiated_features()


@pytest.mark.parametrize("way,rung", [("modern-pio-notify-used", True), ("modern-pio-notify", False)])
def test_the_doorbell_is_the_one_asked_for(prompt, tmp_path, way, rung):
    """QEMU's trace of the I/O doorbell region: it is written when, and only when, vstor.notify=pio asks for it."""
    trace = tmp_path / "trace"
    disk = Disk(images.image("1m.raw"), device=WAYS[way].device,
                properties=dict(WAYS[way].properties, ioeventfd="off"))
    machine = prompt(WAYS[way].options, disks=[disk],
                     extra=["-trace", "memory_region_ops_write", "-D", str(trace)])
    assert machine.command("sum vda json=1").one("sum")["sha256"] == images.sha256(images.image("1m.raw"))
    machine.kill()
    assert ("virtio-pci-notify-pio" in trace.read_text()) == rung
