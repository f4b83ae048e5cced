/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the EFI boot loader reads that is no file: device paths, variables, the options it was started
 * with, and what a signed image says of its command line. The first byte of the input chooses.
 */
#include <string.h>

#include "boot/efi/loader/arguments.h"
#include "boot/efi/loader/device_path.h"
#include "boot/efi/loader/pool.h"
#include "boot/efi/loader/trust.h"
#include "boot/efi/loader/utf16.h"
#include "boot/efi/loader/variables.h"
#include "tests/fuzz/fuzz_efi_firmware.h"

#define NODE_BYTES 4u
#define MAX_TEXT   300u
#define END_NODE   "\x7f\xff\x04"

/* ---------------------------------------------------------------- device paths */

/* Nodes of any kind and length; the last one ends within its memory, for nothing tells how long a path
 * is but its nodes. The caller frees it. */
static EFI_DEVICE_PATH_PROTOCOL *path_of(struct fuzz_input *input)
{
    size_t room = fuzz_u8(input) * 2u, used = 0;
    uint8_t *path = calloc(1, room + NODE_BYTES);

    while (used + NODE_BYTES <= room) {
        path[used] = fuzz_u8(input);
        path[used + 1] = fuzz_u8(input);
        uint16_t bytes = fuzz_u16(input);
        if (path[used] == END_DEVICE_PATH_TYPE || bytes > room - used)
            break;
        path[used + 2] = (uint8_t)bytes;
        path[used + 3] = (uint8_t)(bytes >> 8);
        if (bytes < NODE_BYTES) /* it ends here */
            return (EFI_DEVICE_PATH_PROTOCOL *)(void *)path;
        for (size_t i = NODE_BYTES; i < bytes; i++)
            path[used + i] = fuzz_u8(input);
        used += bytes;
    }
    memcpy(path + used, END_NODE, NODE_BYTES);
    return (EFI_DEVICE_PATH_PROTOCOL *)(void *)path;
}

/* The rest, as a text. The caller frees it. */
static char *text_of(struct fuzz_input *input)
{
    size_t bytes = input->left < MAX_TEXT ? input->left : MAX_TEXT;
    char *text = calloc(1, bytes + 1);

    for (size_t i = 0; i < bytes; i++)
        text[i] = (char)fuzz_u8(input);
    return text;
}

static void fuzz_paths(struct fuzz_input *input)
{
    EFI_DEVICE_PATH_PROTOCOL *paths[3] = {path_of(input), path_of(input), path_of(input)};
    UINT32 block_bytes = 512u << (fuzz_u8(input) & 7);
    UINT64 offset = fuzz_bytes(input, 8);
    char *name = text_of(input);

    EFI_DEVICE_PATH_PROTOCOL *copy = device_path_copy(paths[0]);
    FUZZ_CHECK(device_path_bytes(copy) == device_path_bytes(paths[0]));
    FUZZ_CHECK(device_path_is_end(device_path_after(copy, paths[0])));
    EFI_DEVICE_PATH_PROTOCOL *file = device_path_of_file(paths[0], name);
    FUZZ_CHECK(file != NULL && device_path_after(file, paths[0]) != NULL);
    const EFI_DEVICE_PATH_PROTOCOL *rest = device_path_after(paths[1], paths[0]);
    FUZZ_CHECK(rest == NULL || device_path_bytes(rest) + device_path_bytes(paths[0]) ==
                                   device_path_bytes(paths[1]));
    EFI_HANDLE handles[] = {paths[1], NULL, paths[2], file};
    fuzz_firmware_handles(handles, VST_ARRAY_LENGTH(handles));
    EFI_HANDLE found = device_path_partition(paths[0], offset, block_bytes);
    FUZZ_CHECK(found == NULL || found == paths[1] || found == paths[2]);
    pool_give(copy);
    pool_give(file);
    free(name);
    for (size_t i = 0; i < VST_ARRAY_LENGTH(paths); i++)
        free(paths[i]);
}

/* ---------------------------------------------------------------- variables */

/* Of any size, odd ones too, and without an end; read into any room. */
static void fuzz_variables(struct fuzz_input *input)
{
    size_t room = 1u + fuzz_u8(input);
    char *text = malloc(room);

    fuzz_firmware_set(L"LoaderEntryOneShot", input->at, input->left);
    fuzz_firmware_set(L"OsIndicationsSupported", input->at, input->left);
    if (variable_text(L"LoaderEntryOneShot", text, room)) {
        FUZZ_CHECK(strnlen(text, room) < room);
        variable_set(L"LoaderEntryDefault", text, true);
        char *again = malloc(room);
        FUZZ_CHECK(variable_text(L"LoaderEntryDefault", again, room) && strcmp(text, again) == 0);
        free(again);
    }
    if (variables_can_set_up())
        FUZZ_CHECK(input->left == sizeof(UINT64));
    free(text);
    text = text_of(input);
    CHAR16 *units = utf16_copy(text);
    FUZZ_CHECK(units[utf16_units(text) - 1] == 0);
    pool_give(units);
    variables_begin(text, NULL);
    free(text);
}

/* ---------------------------------------------------------------- options */

static void fuzz_arguments(struct fuzz_input *input)
{
    EFI_LOADED_IMAGE_PROTOCOL loaded = {.LoadOptionsSize = (UINT32)input->left};

    loaded.LoadOptions = malloc(input->left + 1);
    memcpy(loaded.LoadOptions, input->at, input->left);
    fuzz_firmware_offer(&guid_loaded_image, &loaded);
    struct arguments arguments = arguments_read();
    FUZZ_CHECK((arguments.kind == ARGUMENTS_COMMANDS) == (arguments.commands != NULL));
    free(arguments.commands);
    free(loaded.LoadOptions);
}

/* ---------------------------------------------------------------- trust */

/* TCG EFI Protocol Specification, family 2.0, 6.6.3: the size, and what the header is. */
static EFI_STATUS EFIAPI hash_log_extend(void *this, UINT64 flags, EFI_PHYSICAL_ADDRESS data,
                                         UINT64 bytes, const UINT8 *event)
{
    UINT32 event_bytes;
    UINT8 sum = 0;

    (void)this;
    memcpy(&event_bytes, event, sizeof(event_bytes));
    FUZZ_CHECK(flags == 0 && event_bytes > 18 && event_bytes <= 18 + 512);
    for (UINT64 i = 0; i < bytes; i++)
        sum ^= ((const UINT8 *)(uintptr_t)data)[i];
    for (UINT32 i = 0; i < event_bytes; i++)
        sum ^= event[i];
    return sum & 1 ? EFI_VOLUME_FULL : EFI_SUCCESS;
}

/* SecureBoot of any size, and a file that may be an image, for the command line before it. */
static void fuzz_trust(struct fuzz_input *input)
{
    static EFI_GUID guid_tcg2 = {
        0x607f766c, 0x7455, 0x42be, {0x93, 0x0b, 0xe4, 0xd7, 0x6d, 0xb2, 0x72, 0x0f}};
    void *tpm[] = {NULL, NULL, hash_log_extend};
    uint8_t on[4] = {fuzz_u8(input)};
    size_t line_bytes = fuzz_u8(input);
    char *line = calloc(1, line_bytes + 1);

    for (size_t i = 0; i < line_bytes; i++)
        line[i] = (char)fuzz_u8(input);
    fuzz_firmware_set(L"SecureBoot", on, 1u + (on[0] >> 6));
    fuzz_firmware_offer(&guid_tcg2, tpm);
    uint8_t *file = malloc(input->left + 1);
    memcpy(file, input->at, input->left);
    const char *why = loader_admit(file, input->left, line);
    FUZZ_CHECK(why == NULL || (trust_secure_boot() && on[0] == 1));
    trust_measure(TRUST_CONFIGURATION, file, input->left, line);
    trust_measure_command_line(line);
    free(file);
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static void (*const parts[])(struct fuzz_input *) = {fuzz_paths, fuzz_variables, fuzz_arguments,
                                                         fuzz_trust};
    struct fuzz_input input = {data, bytes};

    fuzz_firmware_begin();
    parts[fuzz_u8(&input) % VST_ARRAY_LENGTH(parts)](&input);
    fuzz_firmware_end();
    return 0;
}
