/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver's life: loaded, connected, disconnected, unloaded. */
#include "tests/efi/support.h"

#define MAX_FUNCTIONS 8u
#define DEPTH         16u
#define BLOCKS        8u

/* ---------------------------------------------------------------- what must not leak */

struct resources {
    uint64_t free_pages;
    UINTN n_handles;
};

static uint64_t free_pages(void)
{
    UINTN bytes = 0, key, descriptor_bytes;
    UINT32 version;
    uint64_t pages = 0;

    (void)firmware->GetMemoryMap(&bytes, NULL, &key, &descriptor_bytes, &version);
    bytes += 16 * descriptor_bytes;
    char *map = allocate(bytes);
    EXPECT_OK(firmware->GetMemoryMap(&bytes, (EFI_MEMORY_DESCRIPTOR *)(void *)map, &key,
                                     &descriptor_bytes, &version));
    for (UINTN at = 0; at < bytes; at += descriptor_bytes) {
        const EFI_MEMORY_DESCRIPTOR *d = (const EFI_MEMORY_DESCRIPTOR *)(void *)(map + at);
        if (d->Type == EfiConventionalMemory)
            pages += d->NumberOfPages;
    }
    release(map);
    return pages;
}

static struct resources count(void)
{
    struct resources now = {.free_pages = free_pages()};
    EFI_HANDLE *all;

    EXPECT_OK(firmware->LocateHandleBuffer(AllHandles, NULL, NULL, &now.n_handles, &all));
    release(all);
    return now;
}

/*
 * Firmware's pools keep pages of what was freed, and others' records grow by some bytes now and then,
 * so a page for every 50 rounds is allowed: a leak of ours would be one in each, or more.
 */
#define ROUNDS_A_PAGE 50

/* `others`: pages that the firmware's own drivers have lost meanwhile. */
static void expect_same(struct resources before, struct resources after, uint64_t n_rounds,
                        uint64_t others)
{
    say("pages %lu -> %lu, handles %lu -> %lu", (unsigned long)before.free_pages,
        (unsigned long)after.free_pages, (unsigned long)before.n_handles,
        (unsigned long)after.n_handles);
    CHECK(after.n_handles == before.n_handles);
    CHECK(after.free_pages + others + n_rounds / ROUNDS_A_PAGE >= before.free_pages);
}

/* ---------------------------------------------------------------- taking over */

static void take_over(void)
{
    EFI_HANDLE function = virtio_function(0);

    connect_all();
    CHECK(driver_of(function) != NULL);
    CHECK(!is_ours(function));
    EFI_HANDLE driver = load_driver();
    CHECK(is_ours(function));
    CHECK(has_protocol(disk(0), &guid_block_io));
    CHECK(has_protocol(disk(0), &guid_block_io2));
    CHECK(has_protocol(disk(0), &guid_disk_info));
    unload_driver(driver);
    CHECK(driver_of(function) != NULL);
    CHECK(!is_ours(function));
}

/* What the driver can't reach stays with the one that has it, or goes back to that. */
static void left_alone(void)
{
    EFI_HANDLE function = virtio_function(0);

    connect_all();
    EFI_HANDLE before = driver_of(function);
    CHECK(before != NULL);
    EFI_HANDLE driver = load_driver();
    CHECK(driver_of(function) == before);
    EFI_BLOCK_IO_PROTOCOL *io = protocol(disk(0), &guid_block_io);
    char *buffer = allocate(io->Media->BlockSize);
    EXPECT_OK(io->ReadBlocks(io, io->Media->MediaId, 0, io->Media->BlockSize, buffer));
    release(buffer);
    unload_driver(driver);
    CHECK(driver_of(function) == before);
}

/* ---------------------------------------------------------------- loops */

static void read_some(UINTN number)
{
    EFI_BLOCK_IO_PROTOCOL *io = protocol(disk(number), &guid_block_io);
    char *buffer = allocate(io->Media->BlockSize);

    EXPECT_OK(io->ReadBlocks(io, io->Media->MediaId, 0, io->Media->BlockSize, buffer));
    release(buffer);
}

static void reconnect(EFI_HANDLE function)
{
    EXPECT_OK(firmware->DisconnectController(function, NULL, NULL));
    CHECK(driver_of(function) == NULL);
    EXPECT_OK(firmware->ConnectController(function, NULL, NULL, TRUE));
    CHECK(is_ours(function));
}

static void reconnect_all(uint64_t n, bool reads)
{
    EFI_HANDLE functions[MAX_FUNCTIONS];
    UINTN n_functions = virtio_functions(functions, MAX_FUNCTIONS);

    for (uint64_t i = 0; i < n; i++)
        for (UINTN k = 0; k < n_functions; k++)
            reconnect(functions[k]);
    for (UINTN k = 0; reads && k < n_functions; k++)
        read_some(k);
}

/* Disconnects and connects every function, n times. */
static void reconnects(void)
{
    uint64_t n = option("loops", 50);

    (void)load_driver();
    connect_all();
    reconnect_all(5, true);
    struct resources before = count();
    reconnect_all(n, true);
    expect_same(before, count(), n, 0);
}

/* Where an image begins. (PE/COFF 3.1, 3.3.1, 3.4.1) */
static EFI_IMAGE_ENTRY_POINT entry_of(const EFI_LOADED_IMAGE_PROTOCOL *image)
{
    const char *base = image->ImageBase;
    UINT32 header, entry;

    __builtin_memcpy(&header, base + 0x3c, sizeof(header));
    __builtin_memcpy(&entry, base + header + 40, sizeof(entry));
    return (EFI_IMAGE_ENTRY_POINT)(uintptr_t)(base + entry);
}

/* What firmware does to start an image and to have it leave, but for the image's own memory. */
static void leave_and_start_again(EFI_HANDLE driver)
{
    EFI_LOADED_IMAGE_PROTOCOL *image = protocol(driver, &guid_loaded_image);

    EXPECT_OK(image->Unload(driver));
    CHECK(!is_ours(virtio_function(0)));
    EXPECT_OK(entry_of(image)(driver, image->SystemTable));
}

/* Loads it once for `n_rounds` of taking over and giving back. */
static void load_and_unload(uint64_t n_rounds)
{
    EFI_HANDLE driver = load_driver();

    for (uint64_t i = 0; i < n_rounds; i++) {
        if (i > 0)
            leave_and_start_again(driver);
        CHECK(is_ours(virtio_function(0)));
        read_some(0);
    }
    unload_driver(driver);
    CHECK(!is_ours(virtio_function(0)));
}

/* From the top down: asked to let go of the adapter alone, OVMF's drivers (2022.11) refuse. */
static void disconnect_children(EFI_HANDLE function)
{
    EFI_OPEN_PROTOCOL_INFORMATION_ENTRY *entries;
    EFI_HANDLE bus = NULL;
    UINTN n;

    EXPECT_OK(firmware->OpenProtocolInformation(function, &guid_ext_scsi_pass_thru, &entries, &n));
    for (UINTN i = 0; i < n; i++)
        if (entries[i].Attributes & EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER) {
            bus = entries[i].AgentHandle;
            (void)firmware->DisconnectController(entries[i].ControllerHandle, NULL, NULL);
        }
    release(entries);
    EXPECT_OK(firmware->DisconnectController(function, bus, NULL));
}

/* What the firmware's own drivers lose where they start anew so often, without ours: OVMF's, on SCSI, 6
 * pages in 100 rounds. */
static uint64_t lost_by_others(EFI_HANDLE function, uint64_t n)
{
    struct resources before = count();

    for (uint64_t i = 0; i < n; i++) {
        if (is_scsi(function))
            disconnect_children(function);
        EXPECT_OK(firmware->DisconnectController(function, driver_of(function), NULL));
        CHECK(driver_of(function) == NULL);
        EXPECT_OK(firmware->ConnectController(function, NULL, NULL, TRUE));
        CHECK(driver_of(function) != NULL && !is_ours(function));
    }
    struct resources after = count();
    say("lost by others %ld", (long)(before.free_pages - after.free_pages));
    return before.free_pages > after.free_pages ? before.free_pages - after.free_pages : 0;
}

/*
 * Takes over from the firmware's driver and gives back, n times. New code costs an emulated processor
 * five times what all the rest of a round does (it is translated, and each byte of it looked for when
 * firmware fills the memory), so an image is used for some rounds; loads() has a new one in each.
 */
#define ROUNDS_AN_IMAGE 10u

static void reloads(void)
{
    uint64_t n = option("loops", 20);

    connect_all();
    load_and_unload(ROUNDS_AN_IMAGE);
    uint64_t others = lost_by_others(virtio_function(0), n);
    struct resources before = count();
    for (uint64_t i = 0; i < n; i += ROUNDS_AN_IMAGE)
        load_and_unload(ROUNDS_AN_IMAGE);
    expect_same(before, count(), n, others);
}

/* The same where nobody has the disk, before or after: not a page is missing. */
static void loads(void)
{
    uint64_t n = option("loops", 20);
    EFI_HANDLE function = virtio_function(0);

    for (int i = 0; i < 3; i++)
        unload_driver(load_driver());
    struct resources before = count();
    for (uint64_t i = 0; i < n; i++) {
        unload_driver(load_driver());
        CHECK(driver_of(function) == NULL);
    }
    expect_same(before, count(), 0, 0);
}

/* ---------------------------------------------------------------- with requests in flight */

struct flight {
    EFI_BLOCK_IO2_TOKEN token;
    char *buffer;
};

static VOID EFIAPI count_end(EFI_EVENT event, VOID *context)
{
    (void)event;
    ++*(volatile UINTN *)context;
}

static void take_off(EFI_BLOCK_IO2_PROTOCOL *io, struct flight *flights, volatile UINTN *n_ended)
{
    for (UINTN i = 0; i < DEPTH; i++) {
        struct flight *f = &flights[i];
        UINTN bytes = BLOCKS * io->Media->BlockSize;
        f->buffer = allocate(bytes);
        EXPECT_OK(firmware->CreateEvent(EVT_NOTIFY_SIGNAL, TPL_CALLBACK, count_end,
                                        (VOID *)(uintptr_t)n_ended, &f->token.Event));
        EXPECT_OK(
            io->ReadBlocksEx(io, io->Media->MediaId, i * BLOCKS, &f->token, bytes, f->buffer));
    }
}

/* Each event comes once, and says that the read was done, or was not. */
static UINTN land(struct flight *flights, const volatile UINTN *n_ended)
{
    UINTN n_aborted = 0;

    CHECK(*n_ended == DEPTH);
    for (UINTN i = 0; i < DEPTH; i++) {
        struct flight *f = &flights[i];
        CHECK(f->token.TransactionStatus == EFI_SUCCESS ||
              f->token.TransactionStatus == EFI_ABORTED);
        n_aborted += f->token.TransactionStatus == EFI_ABORTED;
        EXPECT_OK(firmware->CloseEvent(f->token.Event));
        release(f->buffer);
    }
    return n_aborted;
}

static UINTN reconnect_in_flight(EFI_HANDLE function)
{
    EFI_HANDLE disks[1];
    struct flight flights[DEPTH];
    volatile UINTN n_ended = 0;

    CHECK(disks_of(function, disks, 1) == 1);
    take_off(protocol(disks[0], &guid_block_io2), flights, &n_ended);
    reconnect(function);
    return land(flights, &n_ended);
}

/* The same while reads are on their way: every one of them ends. */
static void reconnects_in_flight(void)
{
    uint64_t n = option("loops", 20);
    UINTN n_aborted = 0;

    (void)load_driver();
    connect_all();
    for (int i = 0; i < 3; i++)
        (void)reconnect_in_flight(virtio_function(0));
    struct resources before = count();
    for (uint64_t i = 0; i < n; i++)
        n_aborted += reconnect_in_flight(virtio_function(0));
    say("aborted %lu", (unsigned long)n_aborted);
    expect_same(before, count(), n, 0);
}

/* ---------------------------------------------------------------- in use */

/* Somebody has Block IO open and does not let go: the disk stays, and works. */
static void stop_in_use(void)
{
    void *interface;

    EFI_HANDLE driver = load_driver();
    connect_all();
    EFI_HANDLE function = virtio_function(0), held = disk(0);
    EXPECT_OK(firmware->OpenProtocol(held, &guid_block_io, &interface, this_image, this_image,
                                     EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER));
    CHECK(EFI_ERROR(firmware->DisconnectController(function, driver, NULL)));
    CHECK(EFI_ERROR(firmware->UnloadImage(driver)));
    EFI_DRIVER_BINDING_PROTOCOL *binding = protocol(driver, &guid_driver_binding);
    EXPECT(EFI_DEVICE_ERROR, binding->Stop(binding, function, is_scsi(function), &held));
    CHECK(is_ours(function));
    CHECK(disk(0) == held);
    read_some(0);
    EXPECT_OK(firmware->CloseProtocol(held, &guid_block_io, this_image, this_image));
    EXPECT_OK(firmware->DisconnectController(function, driver, NULL));
    CHECK(driver_of(function) == NULL);
}

/* Attributes are after Stop what they were before Start. */
static void attributes(void)
{
    EFI_HANDLE function = virtio_function(0);
    EFI_PCI_IO_PROTOCOL *pci_io = protocol(function, &guid_pci_io);
    UINT64 before, during, after;
    UINT16 command_before, command_after;

    (void)firmware->DisconnectController(function, NULL, NULL);
    (void)load_driver();
    EXPECT_OK(pci_io->Attributes(pci_io, EfiPciIoAttributeOperationGet, 0, &before));
    EXPECT_OK(pci_io->Pci.Read(pci_io, EfiPciIoWidthUint16, 4, 1, &command_before));
    EXPECT_OK(firmware->ConnectController(function, NULL, NULL, TRUE));
    CHECK(is_ours(function));
    EXPECT_OK(pci_io->Attributes(pci_io, EfiPciIoAttributeOperationGet, 0, &during));
    CHECK(during & EFI_PCI_IO_ATTRIBUTE_BUS_MASTER);
    CHECK(during & EFI_PCI_IO_ATTRIBUTE_MEMORY);
    CHECK(during & EFI_PCI_IO_ATTRIBUTE_DUAL_ADDRESS_CYCLE);
    EXPECT_OK(firmware->DisconnectController(function, NULL, NULL));
    EXPECT_OK(pci_io->Attributes(pci_io, EfiPciIoAttributeOperationGet, 0, &after));
    EXPECT_OK(pci_io->Pci.Read(pci_io, EfiPciIoWidthUint16, 4, 1, &command_after));
    CHECK(before == after);
    CHECK(command_before == command_after);
}

/* Supported: as often as one likes, nothing changes, and what is not ours is refused. */
static void supported(void)
{
    EFI_HANDLE function = virtio_function(0), *all;
    EFI_DRIVER_BINDING_PROTOCOL *binding = protocol(load_driver(), &guid_driver_binding);
    UINTN n, n_supported = 0;

    (void)firmware->DisconnectController(function, NULL, NULL);
    struct resources before = count();
    for (int i = 0; i < 100; i++)
        EXPECT_OK(binding->Supported(binding, function, NULL));
    expect_same(before, count(), 0, 0);
    EXPECT_OK(firmware->LocateHandleBuffer(AllHandles, NULL, NULL, &n, &all));
    for (UINTN i = 0; i < n; i++)
        n_supported += !EFI_ERROR(binding->Supported(binding, all[i], NULL));
    release(all);
    CHECK(n_supported == 1);
    EXPECT_OK(firmware->ConnectController(function, NULL, NULL, TRUE));
    if (!is_scsi(function))
        EXPECT(EFI_ALREADY_STARTED, binding->Supported(binding, function, NULL));
    CHECK(binding->Version > 0x10);
}

/* ---------------------------------------------------------------- Start that fails */

#define STATUS_AT 0x14 /* device_status in the common configuration (VIRTIO 1.2, 4.1.4.3) */

/* The status register of a modern device, found by its capability. */
static volatile UINT8 *status_register(EFI_PCI_IO_PROTOCOL *pci_io)
{
    UINT8 at, header[16];
    struct acpi_address_space *space;

    EXPECT_OK(pci_io->Pci.Read(pci_io, EfiPciIoWidthUint8, 0x34, 1, &at));
    for (; at != 0; at = header[1]) {
        EXPECT_OK(pci_io->Pci.Read(pci_io, EfiPciIoWidthUint8, at, sizeof(header), header));
        if (header[0] == 9 && header[3] == 1)
            break;
    }
    CHECK(at != 0);
    EXPECT_OK(pci_io->GetBarAttributes(pci_io, header[4], NULL, (VOID **)&space));
    return (volatile UINT8 *)(uintptr_t)(space->first + header[8] + ((UINTN)header[9] << 8) +
                                         STATUS_AT);
}

/* One of the calls that Start makes fails: the n-th. */
static struct {
    EFI_PCI_IO_PROTOCOL pci_io; /* as they were */
    EFI_ALLOCATE_POOL allocate_pool;
    EFI_CREATE_EVENT create_event;
    uint64_t n_left;
    bool has_come;
} trouble;

static bool comes_now(void)
{
    if (trouble.n_left == 0 || --trouble.n_left > 0)
        return false;
    trouble.has_come = true;
    return true;
}

static EFI_STATUS EFIAPI allocate_pool(EFI_MEMORY_TYPE type, UINTN bytes, VOID **memory)
{
    return comes_now() ? EFI_OUT_OF_RESOURCES : trouble.allocate_pool(type, bytes, memory);
}

static EFI_STATUS EFIAPI create_event(UINT32 type, EFI_TPL tpl, EFI_EVENT_NOTIFY notify,
                                      VOID *context, EFI_EVENT *event)
{
    return comes_now() ? EFI_OUT_OF_RESOURCES
                       : trouble.create_event(type, tpl, notify, context, event);
}

static EFI_STATUS EFIAPI pci_attributes(EFI_PCI_IO_PROTOCOL *this,
                                        EFI_PCI_IO_PROTOCOL_ATTRIBUTE_OPERATION operation,
                                        UINT64 wanted, UINT64 *result)
{
    return operation != EfiPciIoAttributeOperationSet && comes_now()
               ? EFI_UNSUPPORTED
               : trouble.pci_io.Attributes(this, operation, wanted, result);
}

static EFI_STATUS EFIAPI pci_bar(EFI_PCI_IO_PROTOCOL *this, UINT8 bar, UINT64 *supports,
                                 VOID **resources)
{
    return comes_now() ? EFI_UNSUPPORTED
                       : trouble.pci_io.GetBarAttributes(this, bar, supports, resources);
}

static EFI_STATUS EFIAPI pci_allocate(EFI_PCI_IO_PROTOCOL *this, EFI_ALLOCATE_TYPE how,
                                      EFI_MEMORY_TYPE type, UINTN pages, VOID **memory,
                                      UINT64 attributes)
{
    return comes_now() ? EFI_OUT_OF_RESOURCES
                       : trouble.pci_io.AllocateBuffer(this, how, type, pages, memory, attributes);
}

static EFI_STATUS EFIAPI pci_map(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_OPERATION operation,
                                 VOID *memory, UINTN *bytes, EFI_PHYSICAL_ADDRESS *address,
                                 VOID **mapping)
{
    return comes_now() ? EFI_OUT_OF_RESOURCES
                       : trouble.pci_io.Map(this, operation, memory, bytes, address, mapping);
}

static void prepare_trouble(EFI_PCI_IO_PROTOCOL *pci_io)
{
    trouble.pci_io = *pci_io;
    trouble.allocate_pool = firmware->AllocatePool;
    trouble.create_event = firmware->CreateEvent;
    firmware->AllocatePool = allocate_pool;
    firmware->CreateEvent = create_event;
    pci_io->Attributes = pci_attributes;
    pci_io->GetBarAttributes = pci_bar;
    pci_io->AllocateBuffer = pci_allocate;
    pci_io->Map = pci_map;
}

/* Not all of them are needed. What has been begun is undone, and the device has been reset. */
static bool start_with_trouble(EFI_DRIVER_BINDING_PROTOCOL *binding, EFI_HANDLE function,
                               const volatile UINT8 *device_status, uint64_t number)
{
    UINT64 before, after;
    EFI_PCI_IO_PROTOCOL *pci_io = protocol(function, &guid_pci_io);

    EXPECT_OK(pci_io->Attributes(pci_io, EfiPciIoAttributeOperationGet, 0, &before));
    EXPECT_OK(binding->Supported(binding, function, NULL));
    trouble.has_come = false;
    trouble.n_left = number;
    EFI_STATUS status = binding->Start(binding, function, NULL);
    trouble.n_left = 0;
    if (!EFI_ERROR(status))
        EXPECT_OK(firmware->DisconnectController(function, binding->DriverBindingHandle, NULL));
    CHECK(driver_of(function) == NULL);
    EXPECT_OK(pci_io->Attributes(pci_io, EfiPciIoAttributeOperationGet, 0, &after));
    CHECK(before == after);
    EXPECT_OK(pci_io->Attributes(pci_io, EfiPciIoAttributeOperationEnable,
                                 EFI_PCI_IO_ATTRIBUTE_MEMORY, NULL));
    CHECK(*device_status == 0);
    EXPECT_OK(pci_io->Attributes(pci_io, EfiPciIoAttributeOperationSet, before, NULL));
    return EFI_ERROR(status);
}

static void starts_that_fail(void)
{
    EFI_HANDLE function = virtio_function(0);
    EFI_PCI_IO_PROTOCOL *pci_io = protocol(function, &guid_pci_io);
    EFI_DRIVER_BINDING_PROTOCOL *binding = protocol(load_driver(), &guid_driver_binding);
    uint64_t number = 1, n_failed = 0;

    const volatile UINT8 *device_status = status_register(pci_io);
    prepare_trouble(pci_io);
    (void)start_with_trouble(binding, function, device_status, 0);
    struct resources before = count();
    do
        n_failed += start_with_trouble(binding, function, device_status, number);
    while (trouble.has_come && ++number > 0);
    say("tried %lu, failed %lu", (unsigned long)number, (unsigned long)n_failed);
    expect_same(before, count(), number, 0);
    CHECK(n_failed > 10);
    connect_all();
    read_some(0);
}

/* ---------------------------------------------------------------- the end of boot services */

static UINTN map_key(void)
{
    static char map[65536];
    UINTN bytes = sizeof(map), key, descriptor_bytes;
    UINT32 version;

    EXPECT_OK(firmware->GetMemoryMap(&bytes, (EFI_MEMORY_DESCRIPTOR *)(void *)map, &key,
                                     &descriptor_bytes, &version));
    return key;
}

static VOID EFIAPI nothing(EFI_EVENT event, VOID *context)
{
    (void)event;
    (void)context;
}

/* What firmware signals; boot services go on for all that. */
static void signal_exit(void)
{
    EFI_GUID group = {0x27abf055, 0xb1b8, 0x4c26, {0x80, 0x48, 0x74, 0x8f, 0x37, 0xba, 0xa2, 0xdf}};
    EFI_EVENT event;

    EXPECT_OK(
        firmware->CreateEventEx(EVT_NOTIFY_SIGNAL, TPL_CALLBACK, nothing, NULL, &group, &event));
    EXPECT_OK(firmware->SignalEvent(event));
    EXPECT_OK(firmware->CloseEvent(event));
}

/*
 * The key is of a map that has changed. Firmware may have told its drivers by then (UEFI 2.9, 7.4),
 * who reset their devices: what ours is given then ends when it lets go, and it can begin again. OVMF tells nobody, so that disks go on; but its own timer stands still from then on.
 */
static void exit_in_vain(EFI_HANDLE function, const volatile UINT8 *status)
{
    struct flight flights[DEPTH];
    volatile UINTN n_ended = 0;

    signal_exit();
    CHECK(*status == 0);
    take_off(protocol(disk(0), &guid_block_io2), flights, &n_ended);
    reconnect(function);
    CHECK(land(flights, &n_ended) == DEPTH);
    read_some(0);
    UINTN key = map_key();
    (void)allocate(EFI_PAGE_SIZE);
    EXPECT(EFI_INVALID_PARAMETER, firmware->ExitBootServices(this_image, key));
    CHECK(*status == 0xf);
    read_some(0);
}

static void exit_boot_services(void)
{
    static struct flight flights[DEPTH];
    static volatile UINTN n_ended;

    (void)load_driver();
    connect_all();
    EFI_HANDLE function = virtio_function(0);
    volatile UINT8 *status = status_register(protocol(function, &guid_pci_io));
    CHECK(*status == 0xf);
    exit_in_vain(function, status);
    take_off(protocol(disk(0), &guid_block_io2), flights, &n_ended);
    EXPECT_OK(firmware->ExitBootServices(this_image, map_key()));
    CHECK(*status == 0);
}

const struct test tests_life[] = {
    {"take_over", take_over},
    {"left_alone", left_alone},
    {"reconnects", reconnects},
    {"reloads", reloads},
    {"loads", loads},
    {"reconnects_in_flight", reconnects_in_flight},
    {"stop_in_use", stop_in_use},
    {"attributes", attributes},
    {"supported", supported},
    {"starts_that_fail", starts_that_fail},
    {"exit_boot_services", exit_boot_services},
    {NULL, NULL},
};
