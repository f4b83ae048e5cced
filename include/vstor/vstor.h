/* SPDX-License-Identifier: BSD-2-Clause */
/* vstor/vstor.h: all of the library's public face. */
/**
 * \mainpage Storage without an operating system
 *
 * vstor drives virtio disks for programs that have nothing below them: kernels, boot loaders,
 * firmware. An embedder gives it ten functions (vstor/platform.h) and gets block devices
 * (vstor/block.h).
 *
 * - \ref life &mdash; which function follows which, from the first to the last
 * - \ref memory &mdash; how much of it, and when
 * - \ref example &mdash; programs that are built from the installed files alone
 *
 * The library takes for granted memcpy, memset, memmove and memcmp. It has no variables: instances
 * stand side by side, each with a platform, a registry and devices of its own. What it exports
 * begins with vst_ and is declared here. Every wait has a deadline.
 */
/**
 * \page life A device's life
 *
 * One CPU does all of this, but for step 5, in which each queue may have a CPU of its own; nothing
 * is called from interrupt handlers but what says so. What blocks says for how long.
 *
 * **1 The machine**
 *
 * | call | |
 * |-|-|
 * | fill struct vst_platform | ten functions; outlives everything below |
 * | vst_bounce_start() | only where devices must not reach the caller's memory |
 * | fill struct vst_pci_host |  |
 * | vst_pci_scan() | finds the functions, sizes their BARs |
 * | vst_pci_assign() | places those that firmware has not placed |
 * | vst_pci_slots() | which slots can be plugged, where that is wanted |
 *
 * Devices on virtio-mmio are not found but known: vst_virtio_mmio_probe(), vst_virtio_mmio_blk_attach().
 *
 * **2 A virtio-blk disk**
 *
 * | call | |
 * |-|-|
 * | vst_virtio_blk_matches() | for each function found |
 * | vst_pci_enable() | it decodes its BARs; it can't master the bus yet |
 * | vst_pci_msix_open(), vst_pci_msix_set(), vst_pci_msix_unmask() | only for interrupts; go into config.irq |
 * | vst_virtio_blk_attach() | resets it, negotiates, makes its queues: a block device |
 * | vst_block_register() | gives it its name |
 *
 * **3 A virtio-scsi adapter and its disks**
 *
 * | call | |
 * |-|-|
 * | vst_virtio_scsi_matches(), vst_pci_enable() | as above |
 * | vst_virtio_scsi_attach() | an adapter; nothing is asked of its units |
 * | vst_scsi_units_add() | gives it its number |
 * | vst_scsi_units_scan() | finds units, and calls `found` for each: |
 * | in the callback: vst_scsi_disk_attach_unit() | of a disk or CD drive it makes a block device |
 * | in the callback: vst_scsi_paths_take() | only where a disk may be reached in several ways |
 * | in the callback: vst_block_register() |  |
 *
 * **4 Partitions**, where wanted: vstor/partition.h. A partition is a range of its device.
 *
 * **5 Requests**, on each queue by its CPU, over and over
 *
 * | call | |
 * |-|-|
 * | vst_block_find(), vst_block_hold() | who uses a device that may be unplugged holds it |
 * | vst_block_submit() | any number; VST_ERR_FULL: poll first |
 * | vst_block_kick() | once for all of them |
 * | vst_block_poll() | until they have come back |
 * | vst_block_rest() | where nothing follows for a while |
 * | vst_block_let_go() |  |
 *
 * or vst_block_execute(), vst_block_read_bytes(), vst_block_write_bytes() and vst_block_flush(), which
 * do all of it and block. To sleep instead of polling: vst_block_arm(), vst_block_awaited(),
 * vst_block_disarm().
 *
 * **6 Now and then**, ten times a second, say, or when an interrupt asks for it
 *
 * | call | |
 * |-|-|
 * | vst_block_refresh() | each device: has it changed? |
 * | vst_scsi_units_look_after() | each adapter: units that come, go and change |
 * | vst_scsi_paths_look_after() | where there are several ways |
 * | vst_block_next_event() | what has happened, until there is nothing more |
 * | vst_pci_slot_poll() | each slot; then, if something has moved: |
 * | vst_pci_rescan(), vst_pci_assign() | and steps 2 and 3 for what is `fresh` |
 *
 * **7 A device that leaves**, be it pulled or asked for
 *
 * | call | |
 * |-|-|
 * | vst_virtio_blk_unplug() | what is in flight ends with VST_ERR_GONE, by polls |
 * | vst_block_is_idle_and_gone() | once nobody holds it: |
 * | vst_block_note_plug(), vst_block_unregister() |  |
 * | vst_virtio_blk_detach() |  |
 *
 * and of an adapter
 *
 * | call | |
 * |-|-|
 * | vst_virtio_scsi_unplug() | the same for all its units |
 * | vst_scsi_units_forget() | again until it is true; calls `lost` for each unit: |
 * | in the callback: vst_block_unregister(), vst_scsi_disk_detach() |  |
 * | vst_virtio_scsi_detach() |  |
 *
 * **8 The end.** Nothing may be in flight. As in 7, without unplugging: detach resets the device, and
 * only then gives its memory back. vst_bounce_stop() comes last.
 */
/**
 * \page memory Memory
 *
 * All of it comes from vst_platform.alloc, and goes back by vst_platform.free. `alloc` is called by
 * the functions named here alone; on the path of a request nothing is allocated.
 *
 * | what | how much | taken by |
 * |-|-|-|
 * | virtio-blk disk | vst_virtio_blk_memory_bytes(): 84 KiB with one queue and all as it is by itself, 20 KiB with 64 slots of 6 pieces | vst_virtio_blk_attach() |
 * | virtio-scsi adapter | vst_virtio_scsi_memory_bytes(): 115 KiB likewise | vst_virtio_scsi_attach() |
 * | SCSI unit | 1.5 KiB; 400 KiB while a scan lasts | vst_scsi_units_scan() |
 * | SCSI disk | 2 KiB, a logical block, and 2 KiB for each queue of the adapter; 32 KiB until it returns | vst_scsi_disk_attach_unit() |
 * | CD or DVD drive | 32 KiB more | the same |
 * | trace of a queue | 24 bytes an event, 32 events if not told otherwise; part of the above | attach |
 * | bounce pool | its size, and 4 bytes for each 4096 | vst_bounce_start() |
 * | latencies of a queue | struct vst_block_latency, the caller's own: 10 KiB | - |
 *
 * What a device has taken stands in vst_block_device.memory_bytes and vst_scsi_hba.memory_bytes, that
 * of each queue in queue_memory_bytes. Alignment, to 4096 bytes for what devices see and to 64 for
 * the rest, costs the platform some on top. A platform that maps (dma_map) pays 24 bytes for each
 * piece of data that can be in flight; an array of struct vst_pci_function is the caller's.
 */
/**
 * \page example Programs that embed the library
 *
 * They are built from what `make install` has put in place, and nothing else:
 *
 * \include Makefile
 *
 * \section example_blk Just virtio-blk
 *
 * Reads a disk whole, with eight requests in flight. Linked with --gc-sections all of the program
 * has less than 64 KiB.
 *
 * \include blk.c
 *
 * \section example_disks Every disk, behind virtio-blk and virtio-scsi
 *
 * \include disks.c
 *
 * As a ROM (-bios) it is the firmware of its machine, and assigns what no other has:
 *
 * \include rom.S
 *
 * \section example_machine Their platform
 *
 * \include machine.c
 *
 * \section example_two Two instances
 *
 * \include two.c
 */
#ifndef VSTOR_VSTOR_H
#define VSTOR_VSTOR_H

#include <vstor/types.h>
#include <vstor/platform.h>
#include <vstor/log.h>
#include <vstor/bounce.h>
#include <vstor/pci.h>
#include <vstor/block.h>
#include <vstor/partition.h>
#include <vstor/cache.h>
#include <vstor/files.h>
#include <vstor/scsi.h>
#include <vstor/scsi_units.h>
#include <vstor/scsi_paths.h>
#include <vstor/scsi_raw.h>
#include <vstor/scsi_reserve.h>
#include <vstor/zoned.h>
#include <vstor/trace.h>
#include <vstor/latency.h>
#include <vstor/virtio.h>

#endif
