/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/variables.h"

#include <vstor/log.h>
#include <vstor/partition.h>

#include "boot/efi/clock.h"
#include "boot/efi/loader/loader.h"
#include "boot/efi/loader/pool.h"
#include "boot/efi/loader/utf16.h"

#define MAX_UNITS        1024u
#define NS_PER_US        1000u
#define BOOT_TO_SET_UP   1ull /* EFI_OS_INDICATIONS_BOOT_TO_FW_UI */
#define UNTIL_NEXT_START (EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS)
#define FOR_GOOD         (UNTIL_NEXT_START | EFI_VARIABLE_NON_VOLATILE)

/* Bits of LoaderFeatures. */
#define FEATURE_TIMEOUT          (1ull << 0)
#define FEATURE_TIMEOUT_ONE_SHOT (1ull << 1)
#define FEATURE_DEFAULT          (1ull << 2)
#define FEATURE_ONE_SHOT         (1ull << 3)
#define FEATURE_BOOT_COUNTING    (1ull << 4)
#define FEATURE_XBOOTLDR         (1ull << 5)
#define FEATURE_SORT_KEY         (1ull << 8)
#define FEATURE_SAVED_ENTRY      (1ull << 9)
#define FEATURE_MENU_DISABLED    (1ull << 13)
#define FEATURE_PROFILES         (1ull << 14)
#define FEATURE_UNIFIED_TYPE_1   (1ull << 16)

static EFI_GUID guid_loader = {
    0x4a67b082, 0x0a4c, 0x41cf, {0xb6, 0xc7, 0x44, 0x0b, 0x29, 0xbb, 0x8c, 0x4f}};
static EFI_GUID guid_global = {
    0x8be4df61, 0x93ca, 0x11d2, {0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c}};

/* ---------------------------------------------------------------- texts */

static CHAR16 *name_of(const CHAR16 *name)
{
    return (CHAR16 *)(uintptr_t)name;
}

bool variable_text(const CHAR16 *name, char *text, UINTN bytes)
{
    CHAR16 units[MAX_UNITS];
    UINTN size = sizeof(units);

    if (EFI_ERROR(loader_system->RuntimeServices->GetVariable(name_of(name), &guid_loader, NULL,
                                                              &size, units)))
        return false;
    return utf8_of(units, size / sizeof(CHAR16), text, bytes);
}

static void set(const CHAR16 *name, UINT32 attributes, const void *bytes, UINTN n)
{
    (void)loader_system->RuntimeServices->SetVariable(name_of(name), &guid_loader, attributes, n,
                                                      (VOID *)(uintptr_t)bytes);
}

void variable_set_bytes(const CHAR16 *name, const void *bytes, UINTN n)
{
    set(name, UNTIL_NEXT_START, bytes, n);
}

void variable_set(const CHAR16 *name, const char *text, bool for_good)
{
    CHAR16 *units = utf16_copy(text);

    if (units != NULL)
        set(name, for_good ? FOR_GOOD : UNTIL_NEXT_START, units,
            utf16_units(text) * sizeof(CHAR16));
    pool_give(units);
}

void variable_set_number(const CHAR16 *name, UINT64 number)
{
    char text[24];

    vst_format(text, sizeof(text), "%llu", (unsigned long long)number);
    variable_set(name, text, false);
}

void variable_delete(const CHAR16 *name)
{
    set(name, FOR_GOOD, NULL, 0);
}

/* ---------------------------------------------------------------- at the beginning */

static void set_firmware_info(void)
{
    char vendor[100], text[140];
    UINT32 revision = loader_system->FirmwareRevision;

    if (loader_system->FirmwareVendor == NULL ||
        !utf8_of(loader_system->FirmwareVendor, sizeof(vendor), vendor, sizeof(vendor)))
        vendor[0] = '\0';
    vst_format(text, sizeof(text), "%s %u.%02u", vendor, revision >> 16, revision & 0xffff);
    variable_set(L"LoaderFirmwareInfo", text, false);
    vst_format(text, sizeof(text), "UEFI %u.%02u", loader_system->Hdr.Revision >> 16,
               loader_system->Hdr.Revision & 0xffff);
    variable_set(L"LoaderFirmwareType", text, false);
}

/* As the firmware writes it. */
static void set_identifier(const char *file)
{
    char text[MAX_UNITS];
    UINTN n = 0;

    for (; file[n] != '\0' && n < sizeof(text) - 1; n++)
        text[n] = file[n] == '/' ? '\\' : file[n];
    text[n] = '\0';
    variable_set(L"LoaderImageIdentifier", text, false);
}

static void set_features(void)
{
    static const UINT64 features = FEATURE_TIMEOUT | FEATURE_TIMEOUT_ONE_SHOT | FEATURE_DEFAULT |
                                   FEATURE_ONE_SHOT | FEATURE_BOOT_COUNTING | FEATURE_XBOOTLDR |
                                   FEATURE_SORT_KEY | FEATURE_SAVED_ENTRY | FEATURE_MENU_DISABLED |
                                   FEATURE_PROFILES | FEATURE_UNIFIED_TYPE_1;

    variable_set_bytes(L"LoaderFeatures", &features, sizeof(features));
}

void variables_begin(const char *file, const UINT8 *partition_id)
{
    static const UINT8 none[VST_GUID_BYTES];
    char text[VST_GUID_TEXT_BYTES];

    variable_set_number(L"LoaderTimeInitUSec", clock_since_power_ns() / NS_PER_US);
    variable_set(L"LoaderInfo", LOADER_NAME, false);
    set_firmware_info();
    set_features();
    if (file[0] != '\0')
        set_identifier(file);
    if (partition_id != NULL && __builtin_memcmp(partition_id, none, sizeof(none)) != 0)
        variable_set(L"LoaderDevicePartUUID", vst_guid_text(partition_id, text), false);
}

/* ---------------------------------------------------------------- the firmware's set-up */

static UINT64 global_number(const CHAR16 *name)
{
    UINT64 number = 0;
    UINTN size = sizeof(number);

    if (EFI_ERROR(loader_system->RuntimeServices->GetVariable(name_of(name), &guid_global, NULL,
                                                              &size, &number)) ||
        size != sizeof(number))
        return 0;
    return number;
}

bool variables_can_set_up(void)
{
    return (global_number(L"OsIndicationsSupported") & BOOT_TO_SET_UP) != 0;
}

EFI_STATUS variables_ask_for_set_up(void)
{
    UINT64 wishes = global_number(L"OsIndications") | BOOT_TO_SET_UP;

    return loader_system->RuntimeServices->SetVariable(name_of(L"OsIndications"), &guid_global,
                                                       FOR_GOOD, sizeof(wishes), &wishes);
}
