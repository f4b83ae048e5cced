# SPDX-License-Identifier: BSD-2-Clause
"""The EFI driver under OVMF, or on aarch64 AAVMF: its life, and what its protocols answer. The tests themselves are in tests/efi."""
import re
import tempfile
import zlib

import pytest

import efi
import harness
import icount
import images
from harness import Disk
from write_log import logged_disk, read_log

CHUNK = 1 << 20


def expect_contents(result, path):
    """What the guest has read, by pieces of a MiB, is what stands in the file."""
    found = {int(at): int(crc, 16) for at, crc in re.findall(r"^crc (\d+) ([0-9a-f]+)$", result.text, re.M)}
    data = path.read_bytes()
    wanted = {at: zlib.crc32(data[at:at + CHUNK]) for at in range(0, len(data), CHUNK)}
    assert found == wanted


@pytest.mark.smoke
def test_driver_loaded_late_takes_the_disk_over_and_gives_it_back():
    """The firmware's driver has the disk; ours takes it; unloaded, the firmware's has it again."""
    efi.run("take_over", disks=[Disk(images.image("1m.raw"))])


@pytest.mark.parametrize("kind", ["modern", "transitional", "packed"])
def test_a_virtio_blk_disk_is_read_whole(kind):
    device = {"modern": "virtio-blk-pci,disable-legacy=on", "transitional": "virtio-blk-pci,disable-modern=off",
              "packed": "virtio-blk-pci,disable-legacy=on,packed=on"}[kind]
    path = images.image("random-16m.raw")
    result = efi.run("read_all", disks=[Disk(path, device=device)])
    assert f"disk blocks={path.stat().st_size // 512} block=512 ro=0" in result.text
    expect_contents(result, path)


BLK, SCSI = "virtio-blk-pci,disable-legacy=on", "virtio-scsi-pci,disable-legacy=on"


def disks_on(adapter, name="random-16m.raw"):
    """One disk behind the one kind of function or the other."""
    path = images.image(name)
    if adapter == "scsi":
        return [Disk(path, device="scsi-hd,serial=S1", before=["-device", SCSI])]
    return [Disk(path, device=BLK, serial="S1")]


def scsi_disk(path, place="", device="scsi-hd", before=(), **properties):
    """A disk of the adapter named a0 (made by the first one: ADAPTER), at such a place."""
    return Disk(path, device=f"{device},bus=a0.0{place}", before=list(before), **properties)


ADAPTER = ["-device", f"{SCSI},id=a0"]
# The marks between which instructions are counted (boot/shell/marks.h) are instructions of that processor.
COUNTED = pytest.mark.skipif(harness.ARCH != "x86_64", reason="instructions are counted on x86_64 alone")
ADAPTERS = pytest.mark.parametrize("adapter", ["blk", "scsi"])


@ADAPTERS
@pytest.mark.parametrize("test", ["stop_in_use", "attributes", "supported", "starts_that_fail"])
def test_life(test, adapter):
    """Supported without side effects; Stop that restores, or refuses; Start undone, whichever call in it fails."""
    efi.run(test, disks=disks_on(adapter))


@ADAPTERS
def test_the_end_of_boot_services(adapter):
    """A device reset, also with reads in flight; the disk lives on if they do not end for all that."""
    efi.run("exit_boot_services", disks=disks_on(adapter))


@ADAPTERS
@pytest.mark.parametrize("test", ["reconnects", "reconnects_in_flight", "loads", "reloads"])
def test_nothing_leaks_however_often_it_is_done(test, adapter):
    """Pages and handles are the same after 1,000 rounds, but for what the firmware's own drivers lose in as many rounds
    without ours; requests in flight all end."""
    efi.run(test, options={"loops": 1000}, disks=disks_on(adapter), deadline_s=2300)


@ADAPTERS
@pytest.mark.parametrize("block", [512, 4096])
def test_every_status_is_the_one_that_the_specification_names(adapter, block):
    disk = disks_on(adapter)[0]
    disk.properties.update(logical_block_size=block, physical_block_size=4096)
    efi.run("statuses", disks=[disk])


@ADAPTERS
def test_a_read_only_disk_refuses_writes(adapter):
    disk = disks_on(adapter)[0]
    disk.readonly = True
    assert "erasing refused" in efi.run("statuses", options={"ro": 1}, disks=[disk]).lines


@ADAPTERS
@pytest.mark.parametrize("depth", [32, 400])
def test_requests_overlap(adapter, depth):
    """Many are in flight at once; more than the ring holds wait their turn, and a flush waits for all before it."""
    result = efi.run("overlap", options={"depth": depth}, disks=disks_on(adapter))
    assert int(result.expect(r"in flight when all were given: (\d+)")[1]) > 1


@ADAPTERS
def test_reset_ends_what_is_in_flight(adapter):
    disk = disks_on(adapter)[0]
    disk.drive.update({"throttling.iops-total": "200"})
    efi.run("reset_in_flight", disks=[disk])


def test_a_medium_is_changed():
    """Taken out, it is missed; another one has another id, and users of the drive are told."""
    first, second = images.image("1m.raw"), images.image("random-16m.raw")
    with efi.machine("medium_changes", disks=[scsi_disk(first, device="scsi-cd", before=ADAPTER, readonly=True)]) as guest:
        guest.wait_for("eject\r")
        guest.qmp("eject", id="disk0", force=True)
        guest.wait_for("load\r")
        guest.qmp("blockdev-change-medium", id="disk0", filename=str(second), format="raw", read_only_mode="read-only")
        result = efi.expect_passed(guest.wait(), "medium_changes")
    n_blocks, crc = result.expect(r"^blocks=(\d+) crc=([0-9a-f]+)$").groups()
    data = second.read_bytes()
    assert int(n_blocks) == len(data) // 2048 and int(crc, 16) == zlib.crc32(data[:2048])


@ADAPTERS
def test_a_flush_reaches_the_disk_behind_the_writes_before_it(adapter, tmp_path):
    """As QEMU has logged it: 32 writes that were in flight, then the flush; and one for each of the other ways to flush."""
    disk = logged_disk(tmp_path, 4 << 20, device=BLK if adapter == "blk" else "scsi-hd",
                       before=["-device", SCSI] if adapter == "scsi" else [])
    efi.run("flushes", disks=[disk])
    seen = ["flush" if entry.flush else entry.sector if entry.sector >= 1000 else "early"
            for entry in read_log(tmp_path / "log.raw")]
    entries = read_log(tmp_path / "log.raw")
    early = b"".join(e.data for e in sorted(entries, key=lambda e: e.sector) if e.data and e.sector < 1000)
    assert early == b"".join(bytes([i + 1]) * 4096 for i in range(32))
    behind = [what for what in seen if what != "early"]
    assert seen == ["early"] * (len(seen) - len(behind)) + behind
    assert behind == ["flush", 1000, "flush", 1001, "flush", 1002]


@ADAPTERS
def test_what_is_erased_reads_as_zeroes(adapter):
    disk = disks_on(adapter)[0]
    disk.drive.update(discard="unmap")
    efi.run("erase", disks=[disk])


@ADAPTERS
def test_names_and_diagnostics(adapter):
    result = efi.run("told", disks=disks_on(adapter))
    assert "driver vstor virtio storage driver" in result.lines
    assert {"blk": "identify S1", "scsi": "inquiry QEMU"}[adapter] in result.text
    if adapter == "scsi":
        assert "child virtio-scsi disk" in result.lines


def test_a_scsi_disk_is_read_whole():
    path = images.image("random-16m.raw")
    result = efi.run("read_all", disks=disks_on("scsi"))
    assert f"disk blocks={path.stat().st_size // 512} block=512 ro=0" in result.text
    expect_contents(result, path)


# The stock firmware finds none of these but the first.
PLACES = ["0:0", "1:0", "5:300", "9:1"]


def units():
    """Disks at these places, and a CD drive at 200:0."""
    path = images.image("1m.raw")
    disks = [scsi_disk(path, f",scsi-id={place.split(':')[0]},lun={place.split(':')[1]}",
                       before=() if i else ADAPTER) for i, place in enumerate(PLACES)]
    return disks + [scsi_disk(path, ",scsi-id=200,lun=0", device="scsi-cd", readonly=True)]


def test_units_are_found_wherever_they_are():
    result = efi.run("units", disks=units())
    assert re.findall(r"^unit (\S+)$", result.text, re.M) == PLACES + ["200:0"]
    assert "targets 5" in result.lines


def test_disks_of_an_adapter():
    result = efi.run("disks", disks=units())
    found = set(re.findall(r"^disk (\S+) blocks=(\d+) block=(\d+) removable=(\d)$", result.text, re.M))
    n_bytes = images.image("1m.raw").stat().st_size
    assert found == {(place, str(n_bytes // 512), "512", "0") for place in PLACES} | {
        ("200:0", str(n_bytes // 2048), "2048", "1")}
    efi.run("one_child", disks=units())


def test_pass_thru():
    """Commands with and without event, resets, and every status."""
    efi.run("commands", disks=units())


def test_a_drive_without_a_medium():
    empty = Disk(blockdev=[{"driver": "null-co", "node-name": "n0"}], before=ADAPTER + [
        "-device", "scsi-cd,bus=a0.0"], device="virtio-rng-pci,disable-legacy=on")
    empty.arguments = lambda number: empty.before
    efi.run("no_medium", disks=[empty])


@pytest.mark.parametrize("roms", [(True,), (True, False), (False, True), (True, True)])
def test_option_rom_drives_its_own_device_and_no_other(roms):
    """OVMF runs our driver for the devices that carry it; the others have the firmware's."""
    disks = [Disk(images.image("1m.raw"), device=BLK, addr=f"{8 + i}",
                  properties={"romfile": efi.ROM} if rom else {}) for i, rom in enumerate(roms)]
    result = efi.run("who_drives", disks=disks)
    drivers = re.findall(r"^function \d+ (\S+) rom=(\d+)$", result.text, re.M)
    assert [name for name, _ in drivers] == ["vstor" if rom else "other" for rom in roms]


def test_option_rom_of_an_adapter():
    disk = disks_on("scsi")[0]
    disk.before = ["-device", f"{SCSI},romfile={efi.ROM}"]
    result = efi.run("who_drives", disks=[disk])
    result.expect(r"^function \d+ vstor rom=")


N_READS = 3200
INSTRUCTIONS_PER_LOOK = 3  # of the loops in tests/efi/bench.c that wait


def counted(test, adapter):
    """The windows in which one of the tests of reads of 4 KiB runs, by read, and what it said."""
    with tempfile.TemporaryDirectory(prefix="vstor-efi-") as folder:
        boot = efi.arguments(efi.standard_volume(folder), test, {"reads": N_READS})
        windows, result, _ = icount.run_kernel("", clock=(), disks=[icount.null_disk(driver=adapter)], boot=boot,
                                               memory_mib=256)
    return [window.count().instructions / N_READS for window in windows if window.number == icount.WINDOW_BENCH], result


@COUNTED
@ADAPTERS
def test_cost_of_a_read_by_block_io(adapter):
    (each,), _ = counted("read_one", adapter)
    assert 0 < each <= 2000, f"{each:.0f} instructions per read"


@COUNTED
@ADAPTERS
def test_cost_of_a_read_by_block_io2_at_depth_32(adapter):
    """All of it: the caller's loop, ours, and what firmware takes to run the caller's event. What is left out is what passes
    without any reads as well: the looks of the loop that waits, and firmware's own work meanwhile, by as many looks at
    nothing. How often the host finishes reads late, and the timer has to tell, is chance: the best of three. On a machine
    that does nothing else a stream takes 1,100 to 1,190; what a busy one adds is allowed for."""
    (*streams, rounds, idle, events), result = counted("read_many", adapter)
    *looks, idle_looks = [int(n) * INSTRUCTIONS_PER_LOOK / N_READS for n in re.findall(r"^looks (\d+)$", result.text, re.M)]
    of_firmware = idle / idle_looks
    *streams, rounds = [total - spent * of_firmware for total, spent in zip([*streams, rounds], looks)]
    said = f"instructions per read: {streams} in a stream, {rounds} in rounds, {events} for its event"
    assert of_firmware >= 1 and events > 0
    print(said)
    assert 0 < min(streams) - events and min(streams) <= {"blk": 1300, "scsi": 1350}[adapter], said
    assert rounds <= 1450, said
