/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/trust.h"

#include <string.h>

#include "boot/efi/loader/loader.h"
#include "boot/efi/loader/pool.h"
#include "boot/efi/loader/say.h"
#include "boot/efi/loader/utf16.h"
#include "boot/loader/pe.h"
#include "boot/loader/text.h"

/* ---------------------------------------------------------------- Secure Boot */

bool trust_secure_boot(void)
{
    static EFI_GUID global = EFI_GLOBAL_VARIABLE;
    static CHAR16 name[] = L"SecureBoot";
    UINT8 value = 0;
    UINTN bytes = sizeof(value);

    return !EFI_ERROR(
               loader_system->RuntimeServices->GetVariable(name, &global, NULL, &bytes, &value)) &&
           value == 1;
}

#define MAX_PROFILE 255u

/* Blanks around it and NULs behind it are no difference. */
static struct loader_text trimmed(const char *text, uint64_t bytes)
{
    while (bytes > 0 && (text[bytes - 1] == '\0' || text[bytes - 1] == ' ' ||
                         text[bytes - 1] == '\n' || text[bytes - 1] == '\r'))
        bytes--;
    while (bytes > 0 && *text == ' ') {
        text++;
        bytes--;
    }
    return (struct loader_text){text, bytes};
}

/* "@N", which chooses a profile, is no part of what the kernel is told. (systemd-stub(7)) */
static unsigned take_profile(struct loader_text *line)
{
    uint32_t profile = 0;
    size_t n = 1;

    while (n < line->bytes && line->at[n] != ' ')
        n++;
    struct loader_text number = {line->at + 1, n - 1};
    if (line->bytes < 2 || line->at[0] != '@' || !loader_text_number(number, MAX_PROFILE, &profile))
        return 0;
    *line = trimmed(line->at + n, line->bytes - n);
    return profile;
}

const char *loader_admit(const void *image, UINT64 bytes, const char *command_line)
{
    struct loader_bytes file = {image, bytes}, section;
    struct loader_pe pe;

    if (command_line == NULL || command_line[0] == '\0' || !trust_secure_boot() ||
        loader_pe_read(&file, &pe) != VST_OK)
        return NULL;
    struct loader_text wanted = trimmed(command_line, strlen(command_line));
    unsigned profile = take_profile(&wanted);
    if (wanted.bytes == 0 || !loader_pe_section(&file, &pe, profile, ".cmdline", &section))
        return NULL;
    struct loader_text own = trimmed((const char *)section.at, section.bytes);
    return loader_text_compare(own, wanted) == 0
               ? NULL
               : "under Secure Boot it has the command line that it was signed with, and no other";
}

/* ---------------------------------------------------------------- TPM */

/* TCG EFI Protocol Specification, family 2.0, 6.6. */
#define EV_IPL               0x0000000du
#define EVENT_HEADER_VERSION 1u
#define MAX_NAME_BYTES       512u

#pragma pack(push, 1)
struct tcg2_event {
    UINT32 bytes; /* all of it */
    UINT32 header_bytes;
    UINT16 header_version;
    UINT32 pcr, type;
    UINT8 data[MAX_NAME_BYTES];
};
#pragma pack(pop)
#define EVENT_HEADER_BYTES 14u
#define EVENT_BYTES        (4u + EVENT_HEADER_BYTES)
_Static_assert(sizeof(struct tcg2_event) == EVENT_BYTES + MAX_NAME_BYTES, "6.6.3");

struct tcg2 {
    void *get_capability, *get_event_log;
    EFI_STATUS(EFIAPI *hash_log_extend_event)
    (struct tcg2 *this, UINT64 flags, EFI_PHYSICAL_ADDRESS data, UINT64 bytes,
     struct tcg2_event *event);
};

static struct tcg2 *find_tpm(void)
{
    static EFI_GUID guid = {
        0x607f766c, 0x7455, 0x42be, {0x93, 0x0b, 0xe4, 0xd7, 0x6d, 0xb2, 0x72, 0x0f}};
    struct tcg2 *tpm;

    return EFI_ERROR(firmware->LocateProtocol(&guid, NULL, (VOID **)&tpm)) ? NULL : tpm;
}

/* `told`: what stands in the log. */
static void extend(enum trust_what what, const void *data, UINT64 bytes, const void *told,
                   UINTN told_bytes)
{
    static const UINT8 pcrs[] = {4, 5, 9, 12};
    struct tcg2_event event;
    struct tcg2 *tpm = find_tpm();

    if (tpm == NULL)
        return;
    if (told_bytes > MAX_NAME_BYTES)
        told_bytes = MAX_NAME_BYTES;
    event.bytes = EVENT_BYTES + (UINT32)told_bytes;
    event.header_bytes = EVENT_HEADER_BYTES;
    event.header_version = EVENT_HEADER_VERSION;
    event.pcr = pcrs[what];
    event.type = EV_IPL;
    memcpy(event.data, told, told_bytes);
    EFI_STATUS status = tpm->hash_log_extend_event(tpm, 0, (uintptr_t)data, bytes, &event);
    /* With the log full the register is right all the same. */
    if (EFI_ERROR(status) && status != EFI_VOLUME_FULL)
        say("vstor: the TPM can't be told what is started (PCR %u): status %llx\n", pcrs[what],
            (unsigned long long)status);
}

void trust_measure(enum trust_what what, const void *data, UINT64 bytes, const char *name)
{
    extend(what, data, bytes, name, strlen(name) + 1);
}

void trust_measure_command_line(const char *line)
{
    if (line == NULL || line[0] == '\0' || find_tpm() == NULL)
        return;
    CHAR16 *wide = utf16_copy(line);
    if (wide == NULL) {
        say("vstor: not enough memory to tell the TPM the command line\n");
        return;
    }
    extend(TRUST_COMMAND_LINE, wide, utf16_units(line) * sizeof(CHAR16), wide,
           utf16_units(line) * sizeof(CHAR16));
    pool_give(wide);
}
