/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/efi/support.h"

#include <machine.h>

#define FW_CFG_DIR  0x19
#define MAX_HANDLES 64u

EFI_BOOT_SERVICES *firmware;
EFI_HANDLE this_image;

EFI_GUID guid_pci_io = EFI_PCI_IO_PROTOCOL_GUID;
EFI_GUID guid_device_path = EFI_DEVICE_PATH_PROTOCOL_GUID;
EFI_GUID guid_driver_binding = EFI_DRIVER_BINDING_PROTOCOL_GUID;
EFI_GUID guid_loaded_image = EFI_LOADED_IMAGE_PROTOCOL_GUID;
EFI_GUID guid_block_io = EFI_BLOCK_IO_PROTOCOL_GUID;
EFI_GUID guid_block_io2 = EFI_BLOCK_IO2_PROTOCOL_GUID;
EFI_GUID guid_component_name2 = EFI_COMPONENT_NAME2_PROTOCOL_GUID;
EFI_GUID guid_disk_info = EFI_DISK_INFO_PROTOCOL_GUID;
EFI_GUID guid_erase_block = EFI_ERASE_BLOCK_PROTOCOL_GUID;
EFI_GUID guid_ext_scsi_pass_thru = EFI_EXT_SCSI_PASS_THRU_PROTOCOL_GUID;
EFI_GUID guid_driver_diagnostics2 = EFI_DRIVER_DIAGNOSTICS2_PROTOCOL_GUID;
EFI_GUID guid_supported_efi_version = EFI_DRIVER_SUPPORTED_EFI_VERSION_PROTOCOL_GUID;
static EFI_GUID guid_file_system = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;

/* ---------------------------------------------------------------- words */

static void put_text(const char *text)
{
    for (; *text != '\0'; text++)
        machine_put(*text);
}

void say(const char *format, ...)
{
    char text[256];
    va_list values;

    va_start(values, format);
    (void)vst_vformat(text, sizeof(text), format, values);
    va_end(values);
    put_text(text);
    put_text("\r\n");
}

void fail(const char *file, int line, const char *format, ...)
{
    char text[256];
    va_list values;

    va_start(values, format);
    (void)vst_vformat(text, sizeof(text), format, values);
    va_end(values);
    say("FAIL %s:%d: %s", file, line, text);
    finish(1);
}

void finish(unsigned status)
{
    machine_end(status);
    for (;;)
        ;
}

bool text_equal(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/* ---------------------------------------------------------------- what the host says */

static void fw_cfg_read(void *into, size_t bytes)
{
    for (uint8_t *p = into; bytes > 0; bytes--)
        *p++ = machine_fw_cfg_byte();
}

static uint32_t fw_cfg_be32(void)
{
    uint8_t b[4];

    fw_cfg_read(b, sizeof(b));
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

bool option_text(const char *name, char *text, size_t bytes)
{
    char wanted[56], found[56];
    uint32_t n;

    (void)vst_format(wanted, sizeof(wanted), "opt/vstor/%s", name);
    machine_fw_cfg_select(FW_CFG_DIR);
    for (n = fw_cfg_be32(); n > 0; n--) {
        uint32_t size = fw_cfg_be32();
        uint16_t select = (uint16_t)(fw_cfg_be32() >> 16);
        fw_cfg_read(found, sizeof(found));
        if (!text_equal(found, wanted))
            continue;
        machine_fw_cfg_select(select);
        size = size < bytes - 1 ? size : (uint32_t)bytes - 1;
        fw_cfg_read(text, size);
        text[size] = '\0';
        return true;
    }
    return false;
}

uint64_t option(const char *name, uint64_t otherwise)
{
    char text[32];
    uint64_t n = 0;

    if (!option_text(name, text, sizeof(text)))
        return otherwise;
    for (const char *p = text; *p >= '0' && *p <= '9'; p++)
        n = n * 10 + (uint64_t)(*p - '0');
    return n;
}

/* ---------------------------------------------------------------- memory, protocols */

void *allocate(size_t bytes)
{
    void *memory;

    EXPECT_OK(firmware->AllocatePool(EfiBootServicesData, bytes, &memory));
    __builtin_memset(memory, 0, bytes);
    return memory;
}

void release(void *memory)
{
    EXPECT_OK(firmware->FreePool(memory));
}

bool has_protocol(EFI_HANDLE handle, EFI_GUID *guid)
{
    void *interface;

    return !EFI_ERROR(firmware->HandleProtocol(handle, guid, &interface));
}

void *protocol(EFI_HANDLE handle, EFI_GUID *guid)
{
    void *interface;

    EXPECT_OK(firmware->HandleProtocol(handle, guid, &interface));
    return interface;
}

/* ---------------------------------------------------------------- the driver */

static void *read_file(const CHAR16 *name, UINTN *bytes)
{
    EFI_LOADED_IMAGE_PROTOCOL *image = protocol(this_image, &guid_loaded_image);
    EFI_FILE_IO_INTERFACE *volume = protocol(image->DeviceHandle, &guid_file_system);
    EFI_FILE_HANDLE root, file;
    UINT64 end;

    EXPECT_OK(volume->OpenVolume(volume, &root));
    EXPECT_OK(root->Open(root, &file, (CHAR16 *)(uintptr_t)name, EFI_FILE_MODE_READ, 0));
    EXPECT_OK(file->SetPosition(file, UINT64_MAX));
    EXPECT_OK(file->GetPosition(file, &end));
    EXPECT_OK(file->SetPosition(file, 0));
    *bytes = end;
    void *data = allocate(end);
    EXPECT_OK(file->Read(file, bytes, data));
    EXPECT_OK(file->Close(file));
    EXPECT_OK(root->Close(root));
    return data;
}

EFI_HANDLE load_program(const CHAR16 *name)
{
    EFI_HANDLE image = NULL;
    UINTN bytes;
    void *data = read_file(name, &bytes);

    EXPECT_OK(firmware->LoadImage(FALSE, this_image, NULL, data, bytes, &image));
    release(data);
    return image;
}

EFI_HANDLE load_driver(void)
{
    static CHAR16 name[] = L"\\vstordxe.efi";
    static void *data; /* read once, however often it is loaded */
    static UINTN bytes;
    EFI_HANDLE driver = NULL;

    if (data == NULL)
        data = read_file(name, &bytes);
    EXPECT_OK(firmware->LoadImage(FALSE, this_image, NULL, data, bytes, &driver));
    EXPECT_OK(firmware->StartImage(driver, NULL, NULL));
    return driver;
}

void unload_driver(EFI_HANDLE driver)
{
    EXPECT_OK(firmware->UnloadImage(driver));
}

static UINT16 device_id(EFI_HANDLE handle)
{
    EFI_PCI_IO_PROTOCOL *pci_io = protocol(handle, &guid_pci_io);
    UINT16 ids[2];

    EXPECT_OK(pci_io->Pci.Read(pci_io, EfiPciIoWidthUint16, 0, 2, ids));
    return ids[0] == 0x1af4 ? ids[1] : 0;
}

bool is_scsi(EFI_HANDLE function)
{
    UINT16 id = device_id(function);

    return id == 0x1004 || id == 0x1048;
}

UINTN virtio_functions(EFI_HANDLE handles[], UINTN max)
{
    EFI_HANDLE *all;
    UINTN n_all, n = 0;

    EXPECT_OK(firmware->LocateHandleBuffer(ByProtocol, &guid_pci_io, NULL, &n_all, &all));
    for (UINTN i = 0; i < n_all && n < max; i++) {
        UINT16 id = device_id(all[i]);
        if (id == 0x1001 || id == 0x1042 || is_scsi(all[i]))
            handles[n++] = all[i];
    }
    release(all);
    return n;
}

EFI_HANDLE virtio_function(UINTN n)
{
    EFI_HANDLE handles[MAX_HANDLES];

    CHECK(n < virtio_functions(handles, MAX_HANDLES));
    return handles[n];
}

void connect_all(void)
{
    EFI_HANDLE handles[MAX_HANDLES];
    UINTN n = virtio_functions(handles, MAX_HANDLES);

    for (UINTN i = 0; i < n; i++)
        (void)firmware->ConnectController(handles[i], NULL, NULL, TRUE);
}

EFI_HANDLE driver_of(EFI_HANDLE function)
{
    EFI_OPEN_PROTOCOL_INFORMATION_ENTRY *entries;
    EFI_HANDLE agent = NULL;
    UINTN n;

    EXPECT_OK(firmware->OpenProtocolInformation(function, &guid_pci_io, &entries, &n));
    for (UINTN i = 0; i < n; i++)
        if (entries[i].Attributes & EFI_OPEN_PROTOCOL_BY_DRIVER)
            agent = entries[i].AgentHandle;
    release(entries);
    return agent;
}

bool is_ours(EFI_HANDLE function)
{
    static const char name[] = "vstor";
    EFI_HANDLE agent = driver_of(function);
    EFI_COMPONENT_NAME2_PROTOCOL *names;
    CHAR8 language[] = "en";
    CHAR16 *text;

    if (agent == NULL ||
        EFI_ERROR(firmware->HandleProtocol(agent, &guid_component_name2, (void **)&names)) ||
        EFI_ERROR(names->GetDriverName(names, language, &text)))
        return false;
    for (unsigned i = 0; name[i] != '\0'; i++)
        if (text[i] != (CHAR16)name[i])
            return false;
    return true;
}

UINTN disks_of(EFI_HANDLE function, EFI_HANDLE handles[], UINTN max)
{
    EFI_OPEN_PROTOCOL_INFORMATION_ENTRY *entries;
    UINTN n = 0, n_entries;

    if (has_protocol(function, &guid_block_io)) {
        handles[0] = function;
        return 1;
    }
    EXPECT_OK(firmware->OpenProtocolInformation(function, &guid_pci_io, &entries, &n_entries));
    for (UINTN i = 0; i < n_entries && n < max; i++)
        if ((entries[i].Attributes & EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER) &&
            has_protocol(entries[i].ControllerHandle, &guid_block_io))
            handles[n++] = entries[i].ControllerHandle;
    release(entries);
    return n;
}

EFI_HANDLE disk(UINTN number)
{
    EFI_HANDLE functions[MAX_HANDLES], disks[MAX_HANDLES];
    UINTN n_functions = virtio_functions(functions, MAX_HANDLES);

    for (UINTN i = 0; i < n_functions; i++) {
        UINTN n = disks_of(functions[i], disks, MAX_HANDLES);
        if (number < n)
            return disks[number];
        number -= n;
    }
    FAIL("there is no such disk");
}

/* ---------------------------------------------------------------- entry */

static void run(const struct test *tests, const char *name)
{
    for (; tests->name != NULL; tests++)
        if (text_equal(tests->name, name)) {
            tests->run();
            say("PASS %s", name);
            finish(0);
        }
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table);

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table)
{
    char name[64];

    firmware = system_table->BootServices;
    this_image = image;
    (void)firmware->SetWatchdogTimer(0, 0, 0, NULL);
    CHECK(option_text("test", name, sizeof(name)));
    run(tests_life, name);
    run(tests_block, name);
    run(tests_scsi, name);
    run(tests_bench, name);
    run(tests_rom, name);
    run(tests_meanwhile, name);
    run(tests_started, name);
    FAIL("there is no test %s", name);
}
