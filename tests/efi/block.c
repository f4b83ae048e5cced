/* SPDX-License-Identifier: BSD-2-Clause */
/* Block IO and what goes with it: contents, and every status that the specification names. */
#include "tests/efi/support.h"

#define CHUNK (1u << 20)
#define DEPTH 32u

static EFI_BLOCK_IO_PROTOCOL *start(void)
{
    (void)load_driver();
    connect_all();
    return protocol(disk(0), &guid_block_io);
}

/* Reads a whole disk, and says what its CRC-32 is, piece by piece; the host knows it too. */
static void read_all(void)
{
    EFI_BLOCK_IO_PROTOCOL *io = start();
    uint64_t bytes = (io->Media->LastBlock + 1) * io->Media->BlockSize;
    char *buffer = allocate(CHUNK);

    say("disk blocks=%lu block=%u ro=%d removable=%d cache=%d physical=%u",
        (unsigned long)(io->Media->LastBlock + 1), io->Media->BlockSize, io->Media->ReadOnly,
        io->Media->RemovableMedia, io->Media->WriteCaching,
        io->Media->LogicalBlocksPerPhysicalBlock);
    for (uint64_t at = 0; at < bytes; at += CHUNK) {
        UINTN n = bytes - at < CHUNK ? bytes - at : CHUNK;
        UINT32 crc;
        EXPECT_OK(io->ReadBlocks(io, io->Media->MediaId, at / io->Media->BlockSize, n, buffer));
        EXPECT_OK(firmware->CalculateCrc32(buffer, n, &crc));
        say("crc %lu %x", (unsigned long)at, crc);
    }
}

/* ---------------------------------------------------------------- statuses (13.9, 13.10) */

typedef EFI_STATUS (*transfer)(EFI_HANDLE disk, UINT32 media_id, EFI_LBA lba, UINTN bytes,
                               void *buffer);

static EFI_STATUS read(EFI_HANDLE handle, UINT32 media_id, EFI_LBA lba, UINTN bytes, void *buffer)
{
    EFI_BLOCK_IO_PROTOCOL *io = protocol(handle, &guid_block_io);

    return io->ReadBlocks(io, media_id, lba, bytes, buffer);
}

static EFI_STATUS write(EFI_HANDLE handle, UINT32 media_id, EFI_LBA lba, UINTN bytes, void *buffer)
{
    EFI_BLOCK_IO_PROTOCOL *io = protocol(handle, &guid_block_io);

    return io->WriteBlocks(io, media_id, lba, bytes, buffer);
}

/* By a token; its outcome is the call's. */
static EFI_STATUS by_token(EFI_HANDLE handle, bool writes, UINT32 media_id, EFI_LBA lba,
                           UINTN bytes, void *buffer)
{
    EFI_BLOCK_IO2_PROTOCOL *io = protocol(handle, &guid_block_io2);
    EFI_BLOCK_IO2_TOKEN token;
    EFI_EVENT events[2];
    UINTN index;

    EXPECT_OK(firmware->CreateEvent(0, 0, NULL, NULL, &token.Event));
    EXPECT_OK(firmware->CreateEvent(EVT_TIMER, 0, NULL, NULL, &events[1]));
    EXPECT_OK(firmware->SetTimer(events[1], TimerRelative, 100 * 10000000ull));
    EFI_STATUS status = writes ? io->WriteBlocksEx(io, media_id, lba, &token, bytes, buffer)
                               : io->ReadBlocksEx(io, media_id, lba, &token, bytes, buffer);
    events[0] = token.Event;
    if (!EFI_ERROR(status)) {
        EXPECT_OK(firmware->WaitForEvent(2, events, &index));
        CHECK(index == 0);
        status = token.TransactionStatus;
    } else {
        EXPECT(EFI_NOT_READY, firmware->CheckEvent(token.Event)); /* an error is no event */
    }
    EXPECT_OK(firmware->CloseEvent(events[1]));
    EXPECT_OK(firmware->CloseEvent(token.Event));
    return status;
}

static EFI_STATUS read_ex(EFI_HANDLE handle, UINT32 media_id, EFI_LBA lba, UINTN bytes,
                          void *buffer)
{
    return by_token(handle, false, media_id, lba, bytes, buffer);
}

static EFI_STATUS write_ex(EFI_HANDLE handle, UINT32 media_id, EFI_LBA lba, UINTN bytes,
                           void *buffer)
{
    return by_token(handle, true, media_id, lba, bytes, buffer);
}

/* What reading and writing have in common, each in both protocols. */
static void check_statuses(EFI_HANDLE handle, transfer call, EFI_STATUS when_sound)
{
    const EFI_BLOCK_IO_MEDIA *media =
        ((EFI_BLOCK_IO_PROTOCOL *)protocol(handle, &guid_block_io))->Media;
    UINT32 id = media->MediaId, block = media->BlockSize;
    EFI_LBA last = media->LastBlock;
    bool refused = EFI_ERROR(when_sound);
    char *buffer = allocate(2 * block + 16);

    EXPECT(when_sound, call(handle, id, last, block, buffer));
    EXPECT(when_sound, call(handle, id, last - 1, 2 * block, buffer));
    EXPECT(when_sound, call(handle, id, 0, block, buffer + 1)); /* IoAlign: anywhere */
    EXPECT(when_sound, call(handle, id, 0, 0, buffer));
    EXPECT(refused ? when_sound : EFI_BAD_BUFFER_SIZE, call(handle, id, 0, block - 1, buffer));
    EXPECT(refused ? when_sound : EFI_BAD_BUFFER_SIZE, call(handle, id, 0, block + 1, buffer));
    EXPECT(refused ? when_sound : EFI_BAD_BUFFER_SIZE, call(handle, id, 0, 2 * block - 1, buffer));
    EXPECT(refused ? when_sound : EFI_BAD_BUFFER_SIZE, call(handle, id, 0, 2 * block + 1, buffer));
    EXPECT(refused ? when_sound : EFI_INVALID_PARAMETER, call(handle, id, last + 1, block, buffer));
    EXPECT(refused ? when_sound : EFI_INVALID_PARAMETER, call(handle, id, last, 2 * block, buffer));
    EXPECT(refused ? when_sound : EFI_INVALID_PARAMETER,
           call(handle, id, last + 100, block, buffer));
    EXPECT(refused ? when_sound : EFI_INVALID_PARAMETER,
           call(handle, id, UINT64_MAX, block, buffer));
    EXPECT(refused ? when_sound : EFI_INVALID_PARAMETER,
           call(handle, id, UINT64_MAX - 1, 4 * block, buffer));
    EXPECT(refused ? when_sound : EFI_INVALID_PARAMETER, call(handle, id, 0, block, NULL));
    /* Of the medium first, whatever else is wrong. */
    EXPECT(EFI_MEDIA_CHANGED, call(handle, id + 5, 0, block, buffer));
    EXPECT(EFI_MEDIA_CHANGED, call(handle, id + 5, last + 1, block + 1, buffer));
    EXPECT(EFI_MEDIA_CHANGED, call(handle, id - 1, 0, block, NULL));
    EXPECT(EFI_MEDIA_CHANGED, call(handle, id + 1, 0, 0, buffer));
    EXPECT(EFI_MEDIA_CHANGED, call(handle, id + 1, last + 100, 2 * block, buffer));
    release(buffer);
}

static void check_flush_and_reset(EFI_HANDLE handle)
{
    EFI_BLOCK_IO_PROTOCOL *io = protocol(handle, &guid_block_io);
    EFI_BLOCK_IO2_PROTOCOL *io2 = protocol(handle, &guid_block_io2);
    EFI_BLOCK_IO2_TOKEN token = {0};
    UINTN index;

    CHECK(io->Revision >= EFI_BLOCK_IO_PROTOCOL_REVISION3);
    CHECK(io->Media == io2->Media);
    CHECK(!io->Media->LogicalPartition && (io->Media->IoAlign & (io->Media->IoAlign - 1)) == 0);
    CHECK(!io->Media->ReadOnly || !io->Media->WriteCaching);
    EXPECT_OK(io->FlushBlocks(io));
    EXPECT_OK(io2->FlushBlocksEx(io2, NULL));
    EXPECT_OK(io2->FlushBlocksEx(io2, &token)); /* without an event it waits */
    EXPECT_OK(firmware->CreateEvent(0, 0, NULL, NULL, &token.Event));
    EXPECT_OK(io2->FlushBlocksEx(io2, &token));
    EXPECT_OK(firmware->WaitForEvent(1, &token.Event, &index));
    EXPECT_OK(token.TransactionStatus);
    EXPECT_OK(firmware->CloseEvent(token.Event));
    EXPECT_OK(io->Reset(io, FALSE));
    EXPECT_OK(io->Reset(io, TRUE));
    EXPECT_OK(io2->Reset(io2, TRUE));
}

/* Where a disk that can't be written can erase, that is refused as well, and the medium comes first. */
static void check_no_erasing(EFI_HANDLE handle)
{
    const EFI_BLOCK_IO_MEDIA *media =
        ((EFI_BLOCK_IO_PROTOCOL *)protocol(handle, &guid_block_io))->Media;
    EFI_ERASE_BLOCK_PROTOCOL *eraser;

    if (EFI_ERROR(firmware->HandleProtocol(handle, &guid_erase_block, (void **)&eraser)))
        return;
    EXPECT(EFI_WRITE_PROTECTED,
           eraser->EraseBlocks(eraser, media->MediaId, 0, NULL, media->BlockSize));
    EXPECT(EFI_MEDIA_CHANGED, eraser->EraseBlocks(eraser, media->MediaId + 1, 0, NULL, 1));
    say("erasing refused");
}

/* `ro`: writes are refused, before all but the medium is looked at. */
static void statuses(void)
{
    (void)start();
    EFI_HANDLE handle = disk(0);
    EFI_STATUS written = option("ro", 0) ? EFI_WRITE_PROTECTED : EFI_SUCCESS;

    check_statuses(handle, read, EFI_SUCCESS);
    check_statuses(handle, read_ex, EFI_SUCCESS);
    check_statuses(handle, write, written);
    check_statuses(handle, write_ex, written);
    if (option("ro", 0))
        check_no_erasing(handle);
    check_flush_and_reset(handle);
    check_statuses(handle, read, EFI_SUCCESS);
}

/* Without a medium nothing but that is said. */
static void no_medium(void)
{
    EFI_BLOCK_IO_PROTOCOL *io = start();
    EFI_BLOCK_IO2_PROTOCOL *io2 = protocol(disk(0), &guid_block_io2);
    EFI_BLOCK_IO2_TOKEN token;
    char *buffer = allocate(4096);

    CHECK(io->Media->RemovableMedia && !io->Media->MediaPresent);
    EXPECT(EFI_NO_MEDIA, io->ReadBlocks(io, io->Media->MediaId, 0, 2048, buffer));
    EXPECT(EFI_NO_MEDIA, io->ReadBlocks(io, io->Media->MediaId + 1, 1000, 2047, NULL));
    EXPECT(EFI_NO_MEDIA, io->WriteBlocks(io, io->Media->MediaId, 0, 2048, buffer));
    EXPECT(EFI_NO_MEDIA, io->FlushBlocks(io));
    EXPECT(EFI_NO_MEDIA, io2->ReadBlocksEx(io2, io->Media->MediaId, 0, NULL, 2048, buffer));
    EXPECT(EFI_NO_MEDIA, io2->FlushBlocksEx(io2, NULL));
    EXPECT_OK(firmware->CreateEvent(0, 0, NULL, NULL, &token.Event));
    EXPECT(EFI_NO_MEDIA, io2->ReadBlocksEx(io2, io->Media->MediaId, 0, &token, 2048, buffer));
    EXPECT(EFI_NO_MEDIA, io2->ReadBlocksEx(io2, io->Media->MediaId + 1, 9, &token, 2049, NULL));
    EXPECT(EFI_NO_MEDIA, io2->WriteBlocksEx(io2, io->Media->MediaId, 0, &token, 2048, buffer));
    EXPECT(EFI_NO_MEDIA, io2->FlushBlocksEx(io2, &token));
    EXPECT(EFI_NOT_READY, firmware->CheckEvent(token.Event));
}

static UINTN n_installs;

static VOID EFIAPI count_install(EFI_EVENT event, VOID *context)
{
    (void)event;
    (void)context;
    n_installs++;
}

/* Reads until the answer is no longer what it was; the answer. */
static EFI_STATUS read_until_other(EFI_BLOCK_IO_PROTOCOL *io, bool by_new_id, UINT32 id,
                                   char *buffer, bool failing)
{
    EFI_STATUS status = EFI_SUCCESS;

    for (int i = 0; i < 1200; i++) {
        EXPECT_OK(firmware->Stall(100000));
        status = io->ReadBlocks(io, by_new_id ? io->Media->MediaId : id, 0, 2048, buffer);
        if (EFI_ERROR(status) != failing)
            break;
    }
    return status;
}

/*
 * The host takes the medium out when it reads "eject", and puts another one in when it reads "load".
 * Then reading goes on by its id alone, and who uses the drive has been told each time.
 */
static void medium_changes(void)
{
    EFI_BLOCK_IO_PROTOCOL *io = start();
    EFI_BLOCK_IO2_PROTOCOL *io2 = protocol(disk(0), &guid_block_io2);
    EFI_BLOCK_IO2_TOKEN token;
    UINT32 id = io->Media->MediaId, crc;
    char *buffer = allocate(4096);
    EFI_EVENT event;
    VOID *registration;

    CHECK(io->Media->RemovableMedia && io->Media->MediaPresent && io->Media->ReadOnly);
    CHECK(io->Media->BlockSize == 2048);
    EXPECT_OK(io->ReadBlocks(io, id, 0, 2048, buffer));
    EXPECT_OK(firmware->CreateEvent(EVT_NOTIFY_SIGNAL, TPL_CALLBACK, count_install, NULL, &event));
    EXPECT_OK(firmware->RegisterProtocolNotify(&guid_block_io, event, &registration));
    say("eject");
    EXPECT(EFI_NO_MEDIA, read_until_other(io, false, id, buffer, false));
    CHECK(!io->Media->MediaPresent && n_installs >= 1);
    UINTN n_before = n_installs;
    EXPECT_OK(firmware->CreateEvent(0, 0, NULL, NULL, &token.Event));
    EXPECT(EFI_NO_MEDIA, io2->ReadBlocksEx(io2, id, 0, &token, 2048, buffer));
    EXPECT(EFI_NO_MEDIA, io->FlushBlocks(io));
    say("load");
    EXPECT_OK(read_until_other(io, true, 0, buffer, true));
    CHECK(io->Media->MediaPresent && io->Media->MediaId != id && n_installs > n_before);
    EXPECT(EFI_MEDIA_CHANGED, io->ReadBlocks(io, id, 0, 2048, buffer));
    EXPECT(EFI_MEDIA_CHANGED, io2->ReadBlocksEx(io2, id, 0, &token, 2048, buffer));
    EXPECT_OK(firmware->CalculateCrc32(buffer, 2048, &crc));
    say("blocks=%lu crc=%x", (unsigned long)(io->Media->LastBlock + 1), crc);
}

/* ---------------------------------------------------------------- overlap */

struct flight {
    EFI_BLOCK_IO2_TOKEN token;
    char *buffer;
};

static volatile UINTN n_landed;

static VOID EFIAPI land(EFI_EVENT event, VOID *context)
{
    (void)event;
    (void)context;
    n_landed++;
}

static void wait_for_landing(UINTN n)
{
    for (int i = 0; i < 60000 && n_landed < n; i++)
        EXPECT_OK(firmware->Stall(1000));
    CHECK(n_landed == n);
}

static void take_off(EFI_BLOCK_IO2_PROTOCOL *io, struct flight *f, UINTN n, bool writes)
{
    UINTN bytes = 8 * io->Media->BlockSize;

    n_landed = 0;
    for (UINTN i = 0; i < n; i++) {
        EXPECT_OK(
            firmware->CreateEvent(EVT_NOTIFY_SIGNAL, TPL_CALLBACK, land, NULL, &f[i].token.Event));
        EXPECT_OK(
            writes
                ? io->WriteBlocksEx(io, io->Media->MediaId, 8 * i, &f[i].token, bytes, f[i].buffer)
                : io->ReadBlocksEx(io, io->Media->MediaId, 8 * i, &f[i].token, bytes, f[i].buffer));
    }
}

static void close_all(struct flight *f, UINTN n)
{
    for (UINTN i = 0; i < n; i++) {
        EXPECT_OK(f[i].token.TransactionStatus);
        EXPECT_OK(firmware->CloseEvent(f[i].token.Event));
    }
}

/*
 * Writes and reads back what it wrote, with n requests at once, more than the ring has room for; a
 * flush behind the writes ends after them.
 */
static void overlap(void)
{
    EFI_BLOCK_IO_PROTOCOL *io = start();
    EFI_BLOCK_IO2_PROTOCOL *io2 = protocol(disk(0), &guid_block_io2);
    UINTN n = option("depth", DEPTH), bytes = 8 * io->Media->BlockSize;
    struct flight *out = allocate(n * sizeof(*out)), *in = allocate(n * sizeof(*in)), flush;

    for (UINTN i = 0; i < n; i++) {
        out[i].buffer = allocate(bytes);
        in[i].buffer = allocate(bytes);
        __builtin_memset(out[i].buffer, (int)(i * 7 + 1), bytes);
    }
    take_off(io2, out, n, true);
    say("in flight when all were given: %lu", (unsigned long)(n - n_landed));
    EXPECT_OK(
        firmware->CreateEvent(EVT_NOTIFY_SIGNAL, TPL_CALLBACK, land, NULL, &flush.token.Event));
    EXPECT_OK(io2->FlushBlocksEx(io2, &flush.token));
    wait_for_landing(n + 1);
    close_all(out, n);
    close_all(&flush, 1);
    take_off(io2, in, n, false);
    wait_for_landing(n);
    close_all(in, n);
    for (UINTN i = 0; i < n; i++)
        CHECK(__builtin_memcmp(in[i].buffer, out[i].buffer, bytes) == 0);
    EXPECT_OK(io->FlushBlocks(io));
}

/*
 * For a host that logs what reaches the disk: writes with a flush given while they are in flight, then
 * single writes to blocks 1000 to 1002 with the other two ways to flush between them.
 */
static void flushes(void)
{
    EFI_BLOCK_IO_PROTOCOL *io = start();
    EFI_BLOCK_IO2_PROTOCOL *io2 = protocol(disk(0), &guid_block_io2);
    UINT32 id = io->Media->MediaId, block = io->Media->BlockSize;
    struct flight out[DEPTH], flush;

    for (UINTN i = 0; i < DEPTH; i++) {
        out[i].buffer = allocate(8 * block);
        __builtin_memset(out[i].buffer, (int)(i + 1), 8 * block);
    }
    take_off(io2, out, DEPTH, true);
    EXPECT_OK(
        firmware->CreateEvent(EVT_NOTIFY_SIGNAL, TPL_CALLBACK, land, NULL, &flush.token.Event));
    EXPECT_OK(io2->FlushBlocksEx(io2, &flush.token));
    wait_for_landing(DEPTH + 1);
    close_all(out, DEPTH);
    close_all(&flush, 1);
    EXPECT_OK(io->WriteBlocks(io, id, 1000, block, out[0].buffer));
    EXPECT_OK(io->FlushBlocks(io));
    EXPECT_OK(io->WriteBlocks(io, id, 1001, block, out[1].buffer));
    EXPECT_OK(io2->FlushBlocksEx(io2, NULL));
    EXPECT_OK(io->WriteBlocks(io, id, 1002, block, out[2].buffer));
}

/* Reset ends what is in flight: each token once. Then all is as before. */
static void reset_in_flight(void)
{
    EFI_BLOCK_IO_PROTOCOL *io = start();
    EFI_BLOCK_IO2_PROTOCOL *io2 = protocol(disk(0), &guid_block_io2);
    UINTN n = 200, n_aborted = 0, bytes = 8 * io->Media->BlockSize;
    struct flight *f = allocate(n * sizeof(*f));
    UINT32 id = io->Media->MediaId;

    for (UINTN i = 0; i < n; i++)
        f[i].buffer = allocate(bytes);
    take_off(io2, f, n, false);
    EXPECT_OK(io2->Reset(io2, FALSE));
    CHECK(n_landed == n);
    for (UINTN i = 0; i < n; i++) {
        EFI_STATUS status = f[i].token.TransactionStatus;
        CHECK(status == EFI_SUCCESS || status == EFI_ABORTED);
        n_aborted += status == EFI_ABORTED;
        EXPECT_OK(firmware->CloseEvent(f[i].token.Event));
    }
    say("aborted %lu", (unsigned long)n_aborted);
    CHECK(n_aborted > 0);
    CHECK(io->Media->MediaId == id); /* it is the same medium for all that */
    EXPECT_OK(io->ReadBlocks(io, id, 0, bytes, f[0].buffer));
}

/* ---------------------------------------------------------------- erasing (13.12) */

static bool is_zero(const char *p, UINTN bytes)
{
    for (UINTN i = 0; i < bytes; i++)
        if (p[i] != 0)
            return false;
    return true;
}

static void erase(void)
{
    EFI_BLOCK_IO_PROTOCOL *io = start();
    EFI_ERASE_BLOCK_PROTOCOL *eraser = protocol(disk(0), &guid_erase_block);
    EFI_ERASE_BLOCK_TOKEN token = {0};
    UINT32 id = io->Media->MediaId, block = io->Media->BlockSize;
    char *buffer = allocate(64 * block);
    UINTN index;

    CHECK(eraser->Revision == EFI_ERASE_BLOCK_PROTOCOL_REVISION);
    CHECK(eraser->EraseLengthGranularity >= 1);
    EXPECT(EFI_MEDIA_CHANGED, eraser->EraseBlocks(eraser, id + 1, 0, NULL, block));
    EXPECT(EFI_INVALID_PARAMETER,
           eraser->EraseBlocks(eraser, id, io->Media->LastBlock + 1, NULL, block));
    EXPECT(EFI_INVALID_PARAMETER, eraser->EraseBlocks(eraser, id, 0, NULL, block + 1));
    EXPECT(EFI_MEDIA_CHANGED,
           eraser->EraseBlocks(eraser, id + 1, io->Media->LastBlock + 1, NULL, block));
    EXPECT(EFI_MEDIA_CHANGED, eraser->EraseBlocks(eraser, id + 1, 0, NULL, block + 1));
    EXPECT_OK(eraser->EraseBlocks(eraser, id, 0, NULL, 0));
    __builtin_memset(buffer, 0x5a, 64 * block);
    EXPECT_OK(io->WriteBlocks(io, id, 0, 64 * block, buffer));
    EXPECT_OK(eraser->EraseBlocks(eraser, id, 0, NULL, 16 * block));
    EXPECT_OK(firmware->CreateEvent(0, 0, NULL, NULL, &token.Event));
    EXPECT_OK(eraser->EraseBlocks(eraser, id, 32, &token, 16 * block));
    EXPECT_OK(firmware->WaitForEvent(1, &token.Event, &index));
    EXPECT_OK(token.TransactionStatus);
    EXPECT_OK(io->ReadBlocks(io, id, 0, 64 * block, buffer));
    CHECK(is_zero(buffer, 16 * block));
    CHECK(buffer[16 * block] == 0x5a && buffer[32 * block - 1] == 0x5a);
    CHECK(is_zero(buffer + 32 * block, 16 * block));
    CHECK(buffer[48 * block] == 0x5a);
}

/* ---------------------------------------------------------------- what tells of the disk */

static void check_disk_info(EFI_HANDLE handle, bool scsi)
{
    EFI_DISK_INFO_PROTOCOL *info = protocol(handle, &guid_disk_info);
    EFI_GUID scsi_interface = EFI_DISK_INFO_SCSI_INTERFACE_GUID;
    UINT32 bytes = 0, channel, device;
    char data[256] = {0};
    UINT8 n;

    CHECK(guid_equal(&info->Interface, &scsi_interface) == scsi);
    EXPECT(EFI_UNSUPPORTED, info->WhichIde(info, &channel, &device));
    EXPECT(EFI_NOT_FOUND, info->SenseData(info, data, &bytes, &n));
    bytes = sizeof(data);
    if (scsi) {
        bytes = 35;
        EXPECT(EFI_BUFFER_TOO_SMALL, info->Inquiry(info, data, &bytes));
        CHECK(bytes >= 36 && bytes < sizeof(data));
        EXPECT_OK(info->Inquiry(info, data, &bytes));
        CHECK(bytes >= 36);
        data[16] = '\0';
        say("inquiry %s", data + 8);
        EXPECT(EFI_NOT_FOUND, info->Identify(info, data, &bytes));
        return;
    }
    EXPECT(EFI_NOT_FOUND, info->Inquiry(info, data, &bytes));
    EXPECT_OK(info->Identify(info, data, &bytes));
    say("identify %s", data);
    bytes = 1;
    EXPECT(EFI_BUFFER_TOO_SMALL, info->Identify(info, data, &bytes));
    CHECK(bytes > 1);
}

static void say_name(const char *what, const CHAR16 *name)
{
    char text[64] = {0};

    for (unsigned i = 0; i < sizeof(text) - 1 && name[i] != 0; i++)
        text[i] = (char)name[i];
    say("%s %s", what, text);
}

/* Of all the handles that there are it names what it manages, and no other. */
static void check_names_of_all(EFI_COMPONENT_NAME2_PROTOCOL *names, EFI_HANDLE function)
{
    CHAR8 english[] = "en", none[] = "";
    EFI_HANDLE *all;
    CHAR16 *name;
    UINTN n;

    EXPECT(EFI_UNSUPPORTED, names->GetDriverName(names, none, &name));
    EXPECT_OK(firmware->LocateHandleBuffer(AllHandles, NULL, NULL, &n, &all));
    for (UINTN i = 0; i < n; i++)
        EXPECT(all[i] == function ? EFI_SUCCESS : EFI_UNSUPPORTED,
               names->GetControllerName(names, all[i], NULL, english, &name));
    release(all);
}

static void check_names(EFI_HANDLE driver, EFI_HANDLE function, EFI_HANDLE child)
{
    EFI_COMPONENT_NAME2_PROTOCOL *names = protocol(driver, &guid_component_name2);
    CHAR8 english[] = "en", american[] = "en-US", french[] = "fr";
    CHAR16 *name;

    EXPECT_OK(names->GetDriverName(names, english, &name));
    say_name("driver", name);
    EXPECT_OK(names->GetDriverName(names, american, &name));
    EXPECT(EFI_UNSUPPORTED, names->GetDriverName(names, french, &name));
    EXPECT(EFI_INVALID_PARAMETER, names->GetDriverName(names, NULL, &name));
    EXPECT(EFI_INVALID_PARAMETER, names->GetDriverName(names, english, NULL));
    EXPECT_OK(names->GetControllerName(names, function, NULL, english, &name));
    say_name("controller", name);
    EXPECT(EFI_INVALID_PARAMETER, names->GetControllerName(names, NULL, NULL, english, &name));
    EXPECT(EFI_INVALID_PARAMETER, names->GetControllerName(names, function, NULL, NULL, &name));
    EXPECT(EFI_INVALID_PARAMETER, names->GetControllerName(names, function, NULL, english, NULL));
    EXPECT(EFI_UNSUPPORTED, names->GetControllerName(names, function, NULL, french, &name));
    EXPECT(EFI_UNSUPPORTED, names->GetControllerName(names, driver, NULL, english, &name));
    EXPECT(EFI_UNSUPPORTED, names->GetControllerName(names, function, driver, english, &name));
    check_names_of_all(names, function);
    if (child == function)
        return;
    EXPECT_OK(names->GetControllerName(names, function, child, english, &name));
    say_name("child", name);
}

static void check_diagnostics(EFI_HANDLE driver, EFI_HANDLE function)
{
    EFI_DRIVER_DIAGNOSTICS2_PROTOCOL *d = protocol(driver, &guid_driver_diagnostics2);
    CHAR8 english[] = "en", french[] = "fr";
    EFI_GUID *type;
    CHAR16 *text;
    UINTN bytes;

    EXPECT_OK(d->RunDiagnostics(d, function, NULL, EfiDriverDiagnosticTypeStandard, english, &type,
                                &bytes, &text));
    CHECK(bytes >= 2 && text[bytes / 2 - 1] == 0);
    say_name("diagnostics", text);
    release(text);
    EXPECT(EFI_UNSUPPORTED, d->RunDiagnostics(d, function, NULL, EfiDriverDiagnosticTypeStandard,
                                              french, &type, &bytes, &text));
    EXPECT(EFI_UNSUPPORTED, d->RunDiagnostics(d, driver, NULL, EfiDriverDiagnosticTypeStandard,
                                              english, &type, &bytes, &text));
    EXPECT(EFI_INVALID_PARAMETER,
           d->RunDiagnostics(d, function, NULL, EfiDriverDiagnosticTypeStandard, NULL, &type,
                             &bytes, &text));
    EXPECT(EFI_INVALID_PARAMETER,
           d->RunDiagnostics(d, function, NULL, EfiDriverDiagnosticTypeStandard, english, NULL,
                             &bytes, &text));
}

static void told(void)
{
    EFI_HANDLE driver = load_driver(), function = virtio_function(0);
    EFI_DRIVER_SUPPORTED_EFI_VERSION_PROTOCOL *version =
        protocol(driver, &guid_supported_efi_version);

    connect_all();
    CHECK(version->Length == sizeof(*version) && version->FirmwareVersion >> 16 == 2);
    check_disk_info(disk(0), is_scsi(function));
    check_names(driver, function, disk(0));
    check_diagnostics(driver, function);
}

const struct test tests_block[] = {
    {"read_all", read_all},
    {"statuses", statuses},
    {"no_medium", no_medium},
    {"medium_changes", medium_changes},
    {"overlap", overlap},
    {"flushes", flushes},
    {"reset_in_flight", reset_in_flight},
    {"erase", erase},
    {"told", told},
    {NULL, NULL},
};
