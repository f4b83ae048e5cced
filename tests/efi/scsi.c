/* SPDX-License-Identifier: BSD-2-Clause */
/* Extended SCSI Pass Thru: what exists, commands, resets, every status. (UEFI 2.9, 15.7) */
#include "tests/efi/support.h"

#define MAX_UNITS 64u

typedef EFI_EXT_SCSI_PASS_THRU_PROTOCOL pass_thru;
typedef EFI_EXT_SCSI_PASS_THRU_SCSI_REQUEST_PACKET request_packet;

struct unit {
    UINT8 target[TARGET_MAX_BYTES];
    UINT64 lun;
};

static pass_thru *start(void)
{
    (void)load_driver();
    connect_all();
    return protocol(virtio_function(0), &guid_ext_scsi_pass_thru);
}

static UINTN find_units(pass_thru *p, struct unit *units)
{
    struct unit next;
    UINT8 *target = next.target;
    UINTN n = 0;

    __builtin_memset(target, 0xff, TARGET_MAX_BYTES);
    next.lun = 0;
    for (;;) {
        EFI_STATUS status = p->GetNextTargetLun(p, &target, &next.lun);
        if (status == EFI_NOT_FOUND)
            return n;
        EXPECT_OK(status);
        CHECK(n < MAX_UNITS);
        units[n++] = next;
    }
}

static UINTN find_targets(pass_thru *p)
{
    UINT8 bytes[TARGET_MAX_BYTES], *target = bytes;
    UINTN n = 0;

    __builtin_memset(target, 0xff, TARGET_MAX_BYTES);
    for (;;) {
        EFI_STATUS status = p->GetNextTarget(p, &target);
        if (status == EFI_NOT_FOUND)
            return n;
        EXPECT_OK(status);
        n++;
    }
}

/* ---------------------------------------------------------------- who is there */

static void check_path(pass_thru *p, const struct unit *unit)
{
    UINT8 found[TARGET_MAX_BYTES], *target = found;
    EFI_DEVICE_PATH_PROTOCOL *path;
    UINT64 lun;

    EXPECT_OK(p->BuildDevicePath(p, (UINT8 *)(uintptr_t)unit->target, unit->lun, &path));
    CHECK(path->Type == 3 && path->SubType == 2 && path->Length[0] == 8);
    EXPECT_OK(p->GetTargetLun(p, path, &target, &lun));
    CHECK(lun == unit->lun && __builtin_memcmp(found, unit->target, TARGET_MAX_BYTES) == 0);
    path->SubType = 1;
    EXPECT(EFI_UNSUPPORTED, p->GetTargetLun(p, path, &target, &lun));
    release(path);
}

/* Lists what there is, for the host to compare, and asks for what there is not. */
static void units(void)
{
    pass_thru *p = start();
    struct unit units[MAX_UNITS], other = {.target = {77}};
    UINTN n = find_units(p, units);
    UINT8 *target = other.target, *none = NULL;
    EFI_DEVICE_PATH_PROTOCOL *path;

    for (UINTN i = 0; i < n; i++) {
        say("unit %u:%lu", units[i].target[0] | units[i].target[1] << 8u,
            (unsigned long)units[i].lun);
        check_path(p, &units[i]);
    }
    say("targets %lu", (unsigned long)find_targets(p));
    CHECK(p->Mode->Attributes & EFI_EXT_SCSI_PASS_THRU_ATTRIBUTES_NONBLOCKIO);
    CHECK((p->Mode->Attributes & 3) == 3);
    EXPECT(EFI_INVALID_PARAMETER, p->GetNextTargetLun(p, &target, &other.lun));
    EXPECT(EFI_INVALID_PARAMETER, p->GetNextTargetLun(p, NULL, &other.lun));
    EXPECT(EFI_INVALID_PARAMETER, p->GetNextTargetLun(p, &none, &other.lun));
    EXPECT(EFI_INVALID_PARAMETER, p->GetNextTargetLun(p, &target, NULL));
    EXPECT(EFI_INVALID_PARAMETER, p->GetNextTarget(p, &target));
    EXPECT(EFI_INVALID_PARAMETER, p->GetNextTarget(p, &none));
    EXPECT(EFI_NOT_FOUND, p->BuildDevicePath(p, target, 0, &path));
    EXPECT(EFI_INVALID_PARAMETER, p->BuildDevicePath(p, target, 0, NULL));
    EXPECT(EFI_INVALID_PARAMETER, p->BuildDevicePath(p, NULL, 0, &path));
    EXPECT(EFI_INVALID_PARAMETER, p->GetTargetLun(p, NULL, &target, &other.lun));
    EXPECT(EFI_NOT_FOUND, p->BuildDevicePath(p, units[0].target, 16000, &path));
    EXPECT(EFI_INVALID_PARAMETER, p->ResetTargetLun(p, units[0].target, 16000));
    EXPECT_OK(p->BuildDevicePath(p, units[0].target, units[0].lun, &path));
    EXPECT(EFI_INVALID_PARAMETER, p->GetTargetLun(p, path, NULL, &other.lun));
    EXPECT(EFI_INVALID_PARAMETER, p->GetTargetLun(p, path, &target, NULL));
    release(path);
    CHECK((p->Mode->IoAlign & (p->Mode->IoAlign - 1)) == 0);
    EXPECT(EFI_INVALID_PARAMETER, p->ResetTargetLun(p, target, 0));
    EXPECT(EFI_INVALID_PARAMETER, p->ResetTargetLun(p, NULL, 0));
}

/* ---------------------------------------------------------------- commands */

static request_packet packet_of(UINT8 *cdb, UINT8 cdb_bytes, void *data, UINT32 bytes, void *sense)
{
    return (request_packet){.Timeout = 300000000,
                            .InDataBuffer = data,
                            .InTransferLength = bytes,
                            .SenseData = sense,
                            .SenseDataLength = sense == NULL ? 0 : 96,
                            .Cdb = cdb,
                            .CdbLength = cdb_bytes,
                            .DataDirection = EFI_EXT_SCSI_DATA_DIRECTION_READ};
}

static void check_inquiry(pass_thru *p, struct unit *unit)
{
    UINT8 cdb[6] = {0x12, 0, 0, 0, 36, 0}, sense[96], data[64] = {0};
    request_packet packet = packet_of(cdb, sizeof(cdb), data, 36, sense);

    EXPECT_OK(p->PassThru(p, unit->target, unit->lun, &packet, NULL));
    CHECK(packet.TargetStatus == 0 && packet.HostAdapterStatus == 0);
    CHECK(packet.InTransferLength == 36 && packet.SenseDataLength == 0);
    CHECK(__builtin_memcmp(data + 8, "QEMU", 4) == 0);
    /* There is less than asked for: it is said how much came. */
    cdb[4] = 4;
    packet = packet_of(cdb, sizeof(cdb), data, 36, sense);
    EXPECT_OK(p->PassThru(p, unit->target, unit->lun, &packet, NULL));
    CHECK(packet.InTransferLength == 4);
}

/* An operation code that there is not: CHECK CONDITION is an answer, with its sense data. */
static void check_sense(pass_thru *p, struct unit *unit)
{
    UINT8 cdb[6] = {0xee, 0, 0, 0, 0, 0}, sense[96] = {0};
    request_packet packet = packet_of(cdb, sizeof(cdb), NULL, 0, sense);

    EXPECT_OK(p->PassThru(p, unit->target, unit->lun, &packet, NULL));
    CHECK(packet.TargetStatus == 2 && packet.HostAdapterStatus == 0);
    CHECK(packet.SenseDataLength >= 14 && (sense[2] & 0xf) == 5 && sense[12] == 0x20);
}

static void check_refusals(pass_thru *p, struct unit *unit)
{
    UINT8 cdb[16] = {0x12, 0, 0, 0, 36, 0}, data[64];
    UINT8 nobody[TARGET_MAX_BYTES] = {201}, nowhere[TARGET_MAX_BYTES] = {0, 0, 1};
    request_packet packet = packet_of(cdb, 6, data, 36, NULL);
    request_packet wrong;
    EFI_EVENT event;

    EXPECT(EFI_INVALID_PARAMETER, p->PassThru(p, unit->target, unit->lun, NULL, NULL));
    EXPECT(EFI_INVALID_PARAMETER, p->PassThru(p, NULL, unit->lun, &packet, NULL));
    EXPECT(EFI_INVALID_PARAMETER, p->PassThru(p, nowhere, 0, &packet, NULL));
    EXPECT(EFI_INVALID_PARAMETER, p->PassThru(p, unit->target, 1ull << 40, &packet, NULL));
    wrong = packet;
    wrong.Cdb = NULL;
    EXPECT(EFI_INVALID_PARAMETER, p->PassThru(p, unit->target, unit->lun, &wrong, NULL));
    wrong = packet;
    wrong.CdbLength = 2;
    EXPECT(EFI_INVALID_PARAMETER, p->PassThru(p, unit->target, unit->lun, &wrong, NULL));
    wrong = packet;
    wrong.DataDirection = 3;
    EXPECT(EFI_INVALID_PARAMETER, p->PassThru(p, unit->target, unit->lun, &wrong, NULL));
    wrong.DataDirection = EFI_EXT_SCSI_DATA_DIRECTION_BIDIRECTIONAL;
    EXPECT(EFI_UNSUPPORTED, p->PassThru(p, unit->target, unit->lun, &wrong, NULL));
    wrong = packet;
    wrong.InDataBuffer = NULL;
    EXPECT(EFI_INVALID_PARAMETER, p->PassThru(p, unit->target, unit->lun, &wrong, NULL));
    wrong = packet;
    wrong.InTransferLength = UINT32_MAX;
    EXPECT(EFI_BAD_BUFFER_SIZE, p->PassThru(p, unit->target, unit->lun, &wrong, NULL));
    CHECK(wrong.InTransferLength >= 65536 && wrong.InTransferLength < UINT32_MAX);
    /* Who is not returned by GetNextTargetLun is not there to be asked, with an event or without. */
    EXPECT(EFI_INVALID_PARAMETER, p->PassThru(p, nobody, 0, &packet, NULL));
    EXPECT(EFI_INVALID_PARAMETER, p->PassThru(p, unit->target, 16000, &packet, NULL));
    EXPECT_OK(firmware->CreateEvent(0, 0, NULL, NULL, &event));
    EXPECT(EFI_INVALID_PARAMETER, p->PassThru(p, nobody, 0, &packet, event));
    EXPECT(EFI_INVALID_PARAMETER, p->PassThru(p, unit->target, 16000, &packet, event));
    wrong = (request_packet){0};
    EXPECT(EFI_INVALID_PARAMETER, p->PassThru(p, unit->target, unit->lun, &wrong, event));
    EXPECT(EFI_NOT_READY, firmware->CheckEvent(event));
    EXPECT_OK(firmware->CloseEvent(event));
}

static void check_event(pass_thru *p, struct unit *unit)
{
    UINT8 cdb[6] = {0x12, 0, 0, 0, 36, 0}, data[8][64] = {0};
    request_packet packets[8];
    EFI_EVENT events[8];
    UINTN index;

    for (unsigned i = 0; i < 8; i++) {
        EXPECT_OK(firmware->CreateEvent(0, 0, NULL, NULL, &events[i]));
        packets[i] = packet_of(cdb, sizeof(cdb), data[i], 36, NULL);
        EXPECT_OK(p->PassThru(p, unit->target, unit->lun, &packets[i], events[i]));
    }
    for (unsigned i = 0; i < 8; i++) {
        EXPECT_OK(firmware->WaitForEvent(1, &events[i], &index));
        CHECK(packets[i].TargetStatus == 0 && packets[i].HostAdapterStatus == 0);
        CHECK(__builtin_memcmp(data[i] + 8, "QEMU", 4) == 0);
        EXPECT_OK(firmware->CloseEvent(events[i]));
    }
}

static void commands(void)
{
    pass_thru *p = start();
    struct unit units[MAX_UNITS];
    UINTN n = find_units(p, units);

    CHECK(n > 0);
    for (UINTN i = 0; i < n; i++) {
        check_inquiry(p, &units[i]);
        check_sense(p, &units[i]);
    }
    check_refusals(p, &units[0]);
    check_event(p, &units[0]);
    EXPECT_OK(p->ResetTargetLun(p, units[0].target, units[0].lun));
    EXPECT_OK(p->ResetChannel(p));
    /* The unit then has something to tell, once; its disk takes that and goes on. */
    EFI_BLOCK_IO_PROTOCOL *io = protocol(disk(0), &guid_block_io);
    char *buffer = allocate(io->Media->BlockSize);
    EXPECT_OK(io->ReadBlocks(io, io->Media->MediaId, 0, io->Media->BlockSize, buffer));
}

/* Disks of an adapter: as many as the host says, each with a path of its own. */
static void disks(void)
{
    EFI_HANDLE handles[MAX_UNITS];

    (void)load_driver();
    connect_all();
    UINTN n = disks_of(virtio_function(0), handles, MAX_UNITS);
    for (UINTN i = 0; i < n; i++) {
        EFI_BLOCK_IO_PROTOCOL *io = protocol(handles[i], &guid_block_io);
        EFI_DEVICE_PATH_PROTOCOL *node = protocol(handles[i], &guid_device_path);
        while (node->Type != 3)
            node = (EFI_DEVICE_PATH_PROTOCOL *)(void *)((char *)node + node->Length[0]);
        const SCSI_DEVICE_PATH *scsi = (const SCSI_DEVICE_PATH *)(void *)node;
        say("disk %u:%u blocks=%lu block=%u removable=%d", scsi->Pun, scsi->Lun,
            (unsigned long)(io->Media->LastBlock + 1), io->Media->BlockSize,
            io->Media->RemovableMedia);
    }
}

/* One child is taken away, and comes back when the controller is connected again. */
static void one_child(void)
{
    EFI_HANDLE function, handles[MAX_UNITS];

    EFI_HANDLE driver = load_driver();
    connect_all();
    function = virtio_function(0);
    UINTN n = disks_of(function, handles, MAX_UNITS);
    CHECK(n >= 2);
    EXPECT_OK(firmware->DisconnectController(function, driver, handles[0]));
    CHECK(disks_of(function, handles, MAX_UNITS) == n - 1);
    CHECK(is_ours(function));
    EXPECT_OK(firmware->ConnectController(function, NULL, NULL, TRUE));
    CHECK(disks_of(function, handles, MAX_UNITS) == n);
}

const struct test tests_scsi[] = {
    {"units", units},         {"commands", commands}, {"disks", disks},
    {"one_child", one_child}, {NULL, NULL},
};
