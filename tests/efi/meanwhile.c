/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vstor.efi is started as a program while a timer of ours goes on reading the same disks, as drivers
 * of the firmware do: by Block IO and, where it is there, Block IO 2.
 */
#include "tests/efi/support.h"

#define MAX_DISKS   4u
#define KNOWN_BYTES 65536u
#define READ_BYTES  4096u
#define FLIGHTS     4u
#define TICK        10000u /* 100 ns; firmware's own tick may be longer */
#define MAX_OPTIONS 512u

struct flight {
    EFI_BLOCK_IO2_TOKEN token;
    uint64_t at_bytes;
    struct known *known;
    bool flying;
    char buffer[READ_BYTES];
};

/* A disk by its path, for its handle and its driver change. */
static struct known {
    EFI_HANDLE function;
    EFI_DEVICE_PATH_PROTOCOL *path;
    char *bytes; /* from its beginning: what nobody writes to */
    struct flight flights[FLIGHTS];
    uint64_t n_read, n_landed, n_aborted;
} known[MAX_DISKS];
static UINTN n_known;

static struct {
    EFI_EVENT tick, exit;
    uint64_t n, seed;
    UINTN n_wanted;
    bool alone; /* no driver of the firmware's stands on a disk that the loader has */
} timer;

/* ---------------------------------------------------------------- reading */

static bool is_same(const char *a, const char *b)
{
    return __builtin_memcmp(a, b, READ_BYTES) == 0;
}

static uint64_t next_place(void)
{
    timer.seed = timer.seed * 6364136223846793005u + 1;
    return (timer.seed >> 33) % (KNOWN_BYTES / READ_BYTES) * READ_BYTES;
}

/* What the program has been reading is given up when the disk changes hands. */
static VOID EFIAPI land(EFI_EVENT event, VOID *context)
{
    struct flight *flight = context;
    EFI_STATUS status = flight->token.TransactionStatus;

    (void)event;
    flight->flying = false;
    if (status == EFI_ABORTED) {
        flight->known->n_aborted++;
        return;
    }
    EXPECT_OK(status);
    CHECK(is_same(flight->buffer, flight->known->bytes + flight->at_bytes));
    flight->known->n_landed++;
}

static void take_off(struct known *disk, EFI_BLOCK_IO2_PROTOCOL *io)
{
    for (unsigned i = 0; i < FLIGHTS; i++) {
        struct flight *flight = &disk->flights[i];
        if (flight->flying)
            continue;
        flight->at_bytes = next_place();
        flight->flying = true;
        __builtin_memset(flight->buffer, 0, READ_BYTES);
        EXPECT_OK(io->ReadBlocksEx(io, io->Media->MediaId, flight->at_bytes / io->Media->BlockSize,
                                   &flight->token, READ_BYTES, flight->buffer));
    }
}

static void read_now(struct known *disk, EFI_BLOCK_IO_PROTOCOL *io)
{
    static char buffer[READ_BYTES];
    uint64_t at_bytes = next_place();

    __builtin_memset(buffer, 0, sizeof(buffer));
    EXPECT_OK(io->ReadBlocks(io, io->Media->MediaId, at_bytes / io->Media->BlockSize, READ_BYTES,
                             buffer));
    CHECK(is_same(buffer, disk->bytes + at_bytes));
    disk->n_read++;
}

/* NULL: nobody drives it at the moment, or the firmware, whose drivers are not made for two at a time. */
static EFI_HANDLE handle_of(const struct known *disk)
{
    EFI_DEVICE_PATH_PROTOCOL *rest = disk->path;
    EFI_HANDLE handle;

    if (!is_ours(disk->function) ||
        EFI_ERROR(firmware->LocateDevicePath(&guid_block_io, &rest, &handle)) ||
        rest->Type != END_DEVICE_PATH_TYPE)
        return NULL;
    return handle;
}

/* ---------------------------------------------------------------- disks */

static UINTN path_bytes(const EFI_DEVICE_PATH_PROTOCOL *path)
{
    const char *node = (const char *)path;
    UINTN bytes = 0;

    for (;;) {
        const EFI_DEVICE_PATH_PROTOCOL *header = (const void *)(node + bytes);
        bytes += (UINTN)header->Length[0] | (UINTN)header->Length[1] << 8;
        if (header->Type == END_DEVICE_PATH_TYPE)
            return bytes;
    }
}

static void get_to_know(EFI_HANDLE function, EFI_HANDLE handle)
{
    EFI_BLOCK_IO_PROTOCOL *io = protocol(handle, &guid_block_io);
    EFI_DEVICE_PATH_PROTOCOL *path = protocol(handle, &guid_device_path);
    struct known *disk = &known[n_known++];

    disk->function = function;
    disk->path = allocate(path_bytes(path));
    __builtin_memcpy(disk->path, path, path_bytes(path));
    disk->bytes = allocate(KNOWN_BYTES);
    EXPECT_OK(io->ReadBlocks(io, io->Media->MediaId, 0, KNOWN_BYTES, disk->bytes));
    for (unsigned i = 0; i < FLIGHTS; i++) {
        disk->flights[i].known = disk;
        EXPECT_OK(firmware->CreateEvent(EVT_NOTIFY_SIGNAL, TPL_CALLBACK, land, &disk->flights[i],
                                        &disk->flights[i].token.Event));
    }
}

static bool is_known(EFI_HANDLE handle)
{
    for (UINTN i = 0; i < n_known; i++)
        if (handle_of(&known[i]) == handle)
            return true;
    return false;
}

static void look_for_disks(void)
{
    EFI_HANDLE functions[MAX_DISKS], disks[MAX_DISKS];
    UINTN n_functions = virtio_functions(functions, MAX_DISKS);

    for (UINTN i = 0; i < n_functions; i++) {
        UINTN n = is_ours(functions[i]) ? disks_of(functions[i], disks, MAX_DISKS) : 0;
        for (UINTN k = 0; k < n && n_known < timer.n_wanted; k++)
            if (!is_known(disks[k]))
                get_to_know(functions[i], disks[k]);
    }
}

/* ---------------------------------------------------------------- the timer */

/* Such as a partition driver. */
static bool has_driver_on_top(EFI_HANDLE handle)
{
    EFI_OPEN_PROTOCOL_INFORMATION_ENTRY *entries;
    bool has = false;
    UINTN n;

    EXPECT_OK(firmware->OpenProtocolInformation(handle, &guid_block_io, &entries, &n));
    for (UINTN i = 0; i < n; i++)
        has |= (entries[i].Attributes & EFI_OPEN_PROTOCOL_BY_DRIVER) != 0;
    release(entries);
    return has;
}

static VOID EFIAPI tick(EFI_EVENT event, VOID *context)
{
    (void)event;
    (void)context;
    timer.n++;
    if (n_known < timer.n_wanted)
        look_for_disks();
    for (UINTN i = 0; i < n_known; i++) {
        EFI_HANDLE handle = handle_of(&known[i]);
        if (handle == NULL)
            continue;
        CHECK(!timer.alone || !has_driver_on_top(handle));
        read_now(&known[i], protocol(handle, &guid_block_io));
        take_off(&known[i], protocol(handle, &guid_block_io2));
    }
}

static void tell(void)
{
    UINT32 crc;

    for (UINTN i = 0; i < n_known; i++) {
        EXPECT_OK(firmware->CalculateCrc32(known[i].bytes, KNOWN_BYTES, &crc));
        say("meanwhile disk %lu: %lu read, %lu landed, %lu aborted, crc %x", (unsigned long)i,
            (unsigned long)known[i].n_read, (unsigned long)known[i].n_landed,
            (unsigned long)known[i].n_aborted, crc);
    }
}

static VOID EFIAPI on_exit(EFI_EVENT event, VOID *context)
{
    (void)event;
    (void)context;
    tell();
}

static void start_timer(void)
{
    EXPECT_OK(firmware->CreateEvent(EVT_SIGNAL_EXIT_BOOT_SERVICES, TPL_CALLBACK, on_exit, NULL,
                                    &timer.exit));
    EXPECT_OK(firmware->CreateEvent(EVT_TIMER | EVT_NOTIFY_SIGNAL, TPL_CALLBACK, tick, NULL,
                                    &timer.tick));
    EXPECT_OK(firmware->SetTimer(timer.tick, TimerPeriodic, TICK));
}

static bool is_flying(void)
{
    for (UINTN i = 0; i < n_known; i++)
        for (unsigned k = 0; k < FLIGHTS; k++)
            if (known[i].flights[k].flying)
                return true;
    return false;
}

/* ---------------------------------------------------------------- the program */

static UINTN run_loader(const char *options)
{
    static CHAR16 units[MAX_OPTIONS];
    EFI_HANDLE image = load_program(L"\\vstor.efi");
    EFI_LOADED_IMAGE_PROTOCOL *loaded = protocol(image, &guid_loaded_image);
    UINT32 n = 0;

    for (; options[n] != '\0'; n++)
        units[n] = (CHAR16)options[n];
    loaded->LoadOptions = units;
    loaded->LoadOptionsSize = (n + 1) * (UINT32)sizeof(CHAR16);
    return firmware->StartImage(image, NULL, NULL);
}

/* With the load options that the host names; the first so many disks are read. */
static void meanwhile(void)
{
    char options[MAX_OPTIONS];

    CHECK(option_text("options", options, sizeof(options)));
    timer.n_wanted = option("disks", 1);
    CHECK(timer.n_wanted <= MAX_DISKS);
    timer.alone = option("alone", 0) != 0;
    connect_all();
    start_timer();
    UINTN status = run_loader(options);
    EXPECT_OK(firmware->SetTimer(timer.tick, TimerCancel, 0));
    for (unsigned i = 0; i < 1000 && is_flying(); i++)
        (void)firmware->Stall(10000);
    tell();
    say("status %lu", (unsigned long)status);
    CHECK(!is_flying());
}

/* ---------------------------------------------------------------- memory that changes at the end */

static struct {
    EFI_EXIT_BOOT_SERVICES exit;
    uint64_t n_left, n_calls;
} changes;

/* Somebody takes memory behind the loader's last look at the map, so often. */
static EFI_STATUS EFIAPI change_and_exit(EFI_HANDLE image, UINTN key)
{
    EFI_PHYSICAL_ADDRESS page;

    changes.n_calls++;
    if (changes.n_left > 0) {
        changes.n_left--;
        EXPECT_OK(firmware->AllocatePages(AllocateAnyPages, EfiBootServicesData, 1, &page));
    }
    EFI_STATUS status = changes.exit(image, key);
    say("call %lu: status %lx", (unsigned long)changes.n_calls, (unsigned long)status);
    return status;
}

static void late_changes(void)
{
    char options[MAX_OPTIONS];

    CHECK(option_text("options", options, sizeof(options)));
    changes.n_left = option("changes", 1);
    changes.exit = firmware->ExitBootServices;
    firmware->ExitBootServices = change_and_exit;
    FAIL("it has come back with status %lu", (unsigned long)run_loader(options));
}

/* Whoever has loaded this one has told from which disk. */
static void has_device(void)
{
    EFI_LOADED_IMAGE_PROTOCOL *loaded = protocol(this_image, &guid_loaded_image);

    CHECK(loaded->DeviceHandle != NULL);
    CHECK(has_protocol(loaded->DeviceHandle, &guid_block_io));
}

const struct test tests_meanwhile[] = {
    {"has_device", has_device},
    {"late_changes", late_changes},
    {"meanwhile", meanwhile},
    {NULL, NULL},
};
