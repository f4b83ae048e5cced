/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/fuzz/fuzz_efi_firmware.h"

#include <string.h>
#include <vstor/log.h>

#include "boot/efi/clock.h"
#include "boot/efi/loader/program.h"
#include "boot/efi/loader/say.h"

#define MAX_VARIABLES 32u
#define MAX_NAME      64u
#define MAX_PROTOCOLS 8u
#define MAX_HANDLES   8u
#define LINE_BYTES    512u

static EFI_BOOT_SERVICES services;
static EFI_RUNTIME_SERVICES runtime;
static EFI_SYSTEM_TABLE table = {.BootServices = &services, .RuntimeServices = &runtime};
EFI_BOOT_SERVICES *firmware = &services;
EFI_SYSTEM_TABLE *loader_system = &table;
EFI_HANDLE loader_image = &table;
EFI_GUID guid_device_path = EFI_DEVICE_PATH_PROTOCOL_GUID;
EFI_GUID guid_loaded_image = EFI_LOADED_IMAGE_PROTOCOL_GUID;
EFI_GUID guid_block_io = EFI_BLOCK_IO_PROTOCOL_GUID;
unsigned fuzz_n_said;

static struct {
    unsigned n_allocated;
    struct variable {
        CHAR16 name[MAX_NAME];
        void *bytes;
        UINTN n;
    } variables[MAX_VARIABLES];
    UINTN n_variables;
    struct {
        EFI_GUID guid;
        void *protocol;
    } protocols[MAX_PROTOCOLS];
    UINTN n_protocols;
    EFI_HANDLE handles[MAX_HANDLES];
    UINTN n_handles;
} f;

/* ---------------------------------------------------------------- memory */

static EFI_STATUS EFIAPI allocate_pool(EFI_MEMORY_TYPE type, UINTN bytes, VOID **memory)
{
    (void)type;
    *memory = malloc(bytes > 0 ? bytes : 1);
    f.n_allocated++;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI free_pool(VOID *memory)
{
    free(memory);
    f.n_allocated--;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI allocate_pages(EFI_ALLOCATE_TYPE type, EFI_MEMORY_TYPE memory_type,
                                        UINTN pages, EFI_PHYSICAL_ADDRESS *address)
{
    (void)type;
    (void)memory_type;
    *address = (uintptr_t)aligned_alloc(EFI_PAGE_SIZE, pages * EFI_PAGE_SIZE);
    f.n_allocated++;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI free_pages(EFI_PHYSICAL_ADDRESS address, UINTN pages)
{
    (void)pages;
    return free_pool((void *)(uintptr_t)address);
}

/* ---------------------------------------------------------------- variables */

static bool same_name(const CHAR16 *a, const CHAR16 *b)
{
    for (; *a == *b; a++, b++)
        if (*a == 0)
            return true;
    return false;
}

static struct variable *find(const CHAR16 *name)
{
    for (UINTN i = 0; i < f.n_variables; i++)
        if (same_name(f.variables[i].name, name))
            return &f.variables[i];
    return NULL;
}

static void set(const CHAR16 *name, const void *bytes, UINTN n)
{
    struct variable *variable = find(name);

    if (variable == NULL) {
        FUZZ_CHECK(f.n_variables < MAX_VARIABLES);
        variable = &f.variables[f.n_variables++];
        UINTN i = 0;
        for (; name[i] != 0; i++)
            variable->name[i] = name[i];
        variable->name[i] = 0;
    }
    free(variable->bytes);
    variable->bytes = NULL;
    variable->n = n;
    if (n == 0)
        return;
    variable->bytes = malloc(n);
    memcpy(variable->bytes, bytes, n);
}

void fuzz_firmware_set(const CHAR16 *name, const void *bytes, UINTN n)
{
    set(name, bytes, n);
}

const void *fuzz_firmware_get(const CHAR16 *name, UINTN *n)
{
    const struct variable *variable = find(name);

    *n = variable != NULL ? variable->n : 0;
    return *n > 0 ? variable->bytes : NULL;
}

static EFI_STATUS EFIAPI set_variable(CHAR16 *name, EFI_GUID *guid, UINT32 attributes, UINTN n,
                                      VOID *bytes)
{
    (void)guid;
    (void)attributes;
    set(name, bytes, n);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI get_variable(CHAR16 *name, EFI_GUID *guid, UINT32 *attributes, UINTN *n,
                                      VOID *bytes)
{
    UINTN room = *n;
    const void *found = fuzz_firmware_get(name, n);

    (void)guid;
    (void)attributes;
    if (found == NULL)
        return EFI_NOT_FOUND;
    if (*n > room)
        return EFI_BUFFER_TOO_SMALL;
    memcpy(bytes, found, *n);
    return EFI_SUCCESS;
}

/* ---------------------------------------------------------------- handles */

void fuzz_firmware_offer(const EFI_GUID *guid, void *protocol)
{
    f.protocols[f.n_protocols].guid = *guid;
    f.protocols[f.n_protocols++].protocol = protocol;
}

void fuzz_firmware_handles(EFI_HANDLE *handles, UINTN n)
{
    memcpy(f.handles, handles, n * sizeof(*handles));
    f.n_handles = n;
}

static EFI_STATUS EFIAPI locate_protocol(EFI_GUID *guid, VOID *registration, VOID **protocol)
{
    (void)registration;
    for (UINTN i = 0; i < f.n_protocols; i++)
        if (guid_equal(&f.protocols[i].guid, guid)) {
            *protocol = f.protocols[i].protocol;
            return EFI_SUCCESS;
        }
    return EFI_NOT_FOUND;
}

/* A handle is its own device path. */
static EFI_STATUS EFIAPI handle_protocol(EFI_HANDLE handle, EFI_GUID *guid, VOID **protocol)
{
    if (!guid_equal(guid, &guid_device_path))
        return locate_protocol(guid, NULL, protocol);
    *protocol = handle;
    return handle != NULL ? EFI_SUCCESS : EFI_UNSUPPORTED;
}

static EFI_STATUS EFIAPI locate_handle_buffer(EFI_LOCATE_SEARCH_TYPE type, EFI_GUID *guid,
                                              VOID *key, UINTN *n, EFI_HANDLE **handles)
{
    (void)type;
    (void)guid;
    (void)key;
    if (f.n_handles == 0)
        return EFI_NOT_FOUND;
    allocate_pool(EfiBootServicesData, sizeof(f.handles), (VOID **)handles);
    memcpy(*handles, f.handles, sizeof(f.handles));
    *n = f.n_handles;
    return EFI_SUCCESS;
}

/* ---------------------------------------------------------------- the loader's surroundings */

uint64_t clock_since_power_ns(void)
{
    return 1;
}

const char *program_status_text(EFI_STATUS status)
{
    (void)status;
    return "status";
}

bool loader_is_own_file(const char *path)
{
    return strcmp(path, "/EFI/BOOT/BOOTX64.EFI") == 0;
}

void say(const char *format, ...)
{
    char text[LINE_BYTES];
    va_list values;

    va_start(values, format);
    vst_vformat(text, sizeof(text), format, values);
    va_end(values);
    fuzz_n_said++;
}

/* ---------------------------------------------------------------- beginning and end */

void fuzz_firmware_begin(void)
{
    memset(&f, 0, sizeof(f));
    fuzz_n_said = 0;
    services.AllocatePool = allocate_pool;
    services.FreePool = free_pool;
    services.AllocatePages = allocate_pages;
    services.FreePages = free_pages;
    services.HandleProtocol = handle_protocol;
    services.LocateProtocol = locate_protocol;
    services.LocateHandleBuffer = locate_handle_buffer;
    runtime.GetVariable = get_variable;
    runtime.SetVariable = set_variable;
}

void fuzz_firmware_end(void)
{
    for (UINTN i = 0; i < f.n_variables; i++)
        free(f.variables[i].bytes);
    FUZZ_CHECK(f.n_allocated == 0);
}
