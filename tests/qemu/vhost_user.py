# SPDX-License-Identifier: BSD-2-Clause
"""Devices that a process of their own serves: what tests of vhost-user-blk and vhost-user-scsi share."""
import pathlib
import subprocess
import time

from harness import die_with_parent

START_S = 30  # for a server to open its socket, on a slow machine


def start(command, socket, log=None):
    """A server that ends with us, once its socket is there."""
    socket.unlink(missing_ok=True)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log and subprocess.STDOUT,
                               preexec_fn=die_with_parent)
    deadline = time.monotonic() + START_S
    try:
        while not socket.exists():
            assert process.poll() is None, f"the server ended with {process.returncode}"
            assert time.monotonic() < deadline, "the server opens no socket"
            time.sleep(0.02)
    except AssertionError:
        stop(process)
        raise
    return process


def stop(process):
    """As it dies when it is hurt: at once, with whatever it has in hand."""
    process.kill()
    process.wait()


def written_bytes(process):
    """What it has written to anything, as Linux counts it."""
    counters = pathlib.Path(f"/proc/{process.pid}/io").read_text().split()
    return int(counters[counters.index("wchar:") + 1])


def machine(prompt, socket, device, queues, options="", reconnect=""):
    """A guest whose memory the server shares."""
    return prompt(f"vstor.queues={queues} {options}", machine="q35,memory-backend=m", smp="4",
                  objects=["memory-backend-memfd,id=m,size=128M,share=on"],
                  extra=["-chardev", f"socket,id=c0,path={socket}{reconnect}",
                         "-device", f"{device},chardev=c0,disable-legacy=on"])


def listed(machine):
    return machine.command("lsblk json=1").one("lsblk")
