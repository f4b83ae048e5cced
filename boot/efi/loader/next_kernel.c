/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/next_kernel.h"

#include <arch/handover.h>
#include <string.h>

#include "boot/efi/loader/device_path.h"
#include "boot/efi/loader/loader.h"
#include "boot/efi/loader/pool.h"
#include "boot/efi/loader/program.h"
#include "boot/efi/loader/say.h"
#include "boot/efi/loader/trust.h"
#include "boot/efi/loader/volumes.h"
#include "boot/loader/efi_map.h"

#define MAX_MEMORY    512u
#define MAX_MAP_BYTES 65536u
#define MAX_EXITS     8u
#define ROOT_1_BYTES  20u
#define ROOT_2_BYTES  36u
#define ROOT_REVISION 15u
#define LOWEST_TAKEN  0x100000u
#define PHYSICAL_END  (1ull << 52)

/* In pages of its own: what stands in the image, zero or not, is bytes of its file. */
static struct state {
    struct loader_next next;
    struct loader_machine machine;
    struct range_set ram, free;
    struct loader_memory memory[MAX_MEMORY];
    struct arch_handover_copy copies[LOADER_MAX_PARTS];
    struct loader_screen screen;
    struct loader_efi efi;
    struct loader_start start;
    struct loader_wanted wanted; /* only the command line, kept */
    struct kept_file {
        const void *at;
        uint64_t bytes;
        const char *name;
    } files[LOADER_MAX_FILES]; /* for the TPM */
    size_t n_files;
    EFI_DEVICE_PATH_PROTOCOL *path; /* of a program; from the pool */
    bool is_to_run;
    struct loader_answer unread;
    UINTN map_key;
    struct loader_efi_map map;
    uint64_t area;
    uint8_t map_bytes[MAX_MAP_BYTES] __attribute__((aligned(8)));
} * state;

/* ---------------------------------------------------------------- memory */

static bool get_map(void)
{
    UINTN bytes = MAX_MAP_BYTES, descriptor_bytes;
    UINT32 version;

    if (EFI_ERROR(firmware->GetMemoryMap(&bytes, (EFI_MEMORY_DESCRIPTOR *)state->map_bytes,
                                         &state->map_key, &descriptor_bytes, &version)))
        return false;
    state->map = (struct loader_efi_map){{state->map_bytes, bytes}, (uint32_t)descriptor_bytes};
    state->efi.map_bytes = (uint32_t)bytes;
    state->efi.descriptor_bytes = (uint32_t)descriptor_bytes;
    state->efi.descriptor_version = version;
    return true;
}

static bool find_free(const struct range_set *avoid)
{
    state->free.n_ranges = 0;
    if (!get_map() || !loader_efi_ranges(&state->map, false, &state->free) ||
        !range_set_remove(&state->free, 0, LOWEST_TAKEN))
        return false;
    for (size_t i = 0; i < avoid->n_ranges; i++)
        if (!range_set_remove(&state->free, round_down(avoid->ranges[i].first, EFI_PAGE_SIZE),
                              round_up(avoid->ranges[i].end, EFI_PAGE_SIZE)))
            return false;
    return true;
}

/* The firmware can be told of a place, but not of one to avoid. */
static uint64_t take(void *ctx, uint64_t bytes, uint64_t end, const struct range_set *avoid)
{
    uint64_t whole_bytes = round_up(bytes, EFI_PAGE_SIZE);

    (void)ctx;
    if (bytes == 0 || whole_bytes < bytes || !find_free(avoid))
        return 0;
    for (size_t i = state->free.n_ranges; i-- > 0;) {
        const struct range *range = &state->free.ranges[i];
        uint64_t last = round_down(range->end < end ? range->end : end, EFI_PAGE_SIZE);
        if (last <= range->first || last - range->first < whole_bytes)
            continue;
        EFI_PHYSICAL_ADDRESS first = last - whole_bytes;
        if (!EFI_ERROR(firmware->AllocatePages(AllocateAddress, EfiLoaderData,
                                               whole_bytes / EFI_PAGE_SIZE, &first)))
            return first;
    }
    return 0;
}

static void give_back(void *ctx, uint64_t first, uint64_t bytes)
{
    (void)ctx;
    (void)firmware->FreePages(first, round_up(bytes, EFI_PAGE_SIZE) / EFI_PAGE_SIZE);
}

static const struct range_set *free_now(void *ctx)
{
    (void)ctx;
    return find_free(&state->next.target) ? &state->free : NULL;
}

/* Where firmware lets code run. */
static bool take_at(void *ctx, uint64_t first, uint64_t bytes)
{
    EFI_PHYSICAL_ADDRESS at = first;

    (void)ctx;
    return !EFI_ERROR(
        firmware->AllocatePages(AllocateAddress, EfiLoaderCode, bytes / EFI_PAGE_SIZE, &at));
}

/* Nobody signs such kernels in a way that the firmware could verify. */
static const char *admit(void *ctx, enum loader_kind kind, size_t number, const void *bytes)
{
    const struct loader_wanted_file *file = &state->next.wanted->files[number];

    (void)ctx;
    if (kind != LOADER_EFI && !ARCH_HAS_HANDOVER)
        return "it is a kernel for x86 processors; this one's are EFI programs";
    if (kind != LOADER_EFI && trust_secure_boot())
        return "Secure Boot is on, and nobody can verify a kernel that is no EFI program";
    state->files[state->n_files++] = (struct kept_file){bytes, file->bytes, file->name};
    return NULL;
}

void next_kernel_forget(void)
{
    if (state == NULL)
        return;
    loader_next_forget(&state->next);
    pool_give(state->path);
    (void)firmware->FreePages((uintptr_t)state, EFI_SIZE_TO_PAGES(sizeof(*state)));
    state = NULL;
}

static bool begin(void)
{
    EFI_PHYSICAL_ADDRESS pages;

    next_kernel_forget();
    if (EFI_ERROR(firmware->AllocatePages(AllocateAnyPages, EfiLoaderData,
                                          EFI_SIZE_TO_PAGES(sizeof(*state)), &pages)))
        return false;
    state = (struct state *)(uintptr_t)pages;
    memset(state, 0, sizeof(*state));
    state->machine = (struct loader_machine){.take = take,
                                             .give_back = give_back,
                                             .ram = &state->ram,
                                             .memory_end = PHYSICAL_END,
                                             .free_now = free_now,
                                             .take_at = take_at,
                                             .runs_programs = true,
                                             .admit = admit};
    return true;
}

/* ---------------------------------------------------------------- what it is told */

static const uint8_t *configuration_table(const EFI_GUID *guid)
{
    for (UINTN i = 0; i < loader_system->NumberOfTableEntries; i++)
        if (guid_equal(&loader_system->ConfigurationTable[i].VendorGuid, guid))
            return loader_system->ConfigurationTable[i].VendorTable;
    return NULL;
}

static void find_root_pointer(struct loader_start *start)
{
    static const EFI_GUID acpi_2 = ACPI_20_TABLE_GUID, acpi_1 = ACPI_TABLE_GUID;
    const uint8_t *root = configuration_table(&acpi_2);

    if (root == NULL)
        root = configuration_table(&acpi_1);
    if (root == NULL)
        return;
    start->root_pointer = (uintptr_t)root;
    start->root_copy = root;
    start->root_copy_bytes = root[ROOT_REVISION] >= 2 ? ROOT_2_BYTES : ROOT_1_BYTES;
}

static void find_smbios(struct loader_start *start)
{
    static const EFI_GUID smbios_3 = SMBIOS3_TABLE_GUID, smbios_2 = SMBIOS_TABLE_GUID;
    const uint8_t *entry = configuration_table(&smbios_3);

    if (entry == NULL)
        entry = configuration_table(&smbios_2);
    if (entry != NULL &&
        !loader_smbios_read(&(struct loader_bytes){entry, LOADER_SMBIOS_ENTRY_BYTES},
                            &start->smbios))
        start->smbios = (struct loader_smbios){0};
}

static bool find_screen(struct loader_screen *screen)
{
    EFI_GUID guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
    EFI_GRAPHICS_OUTPUT_PROTOCOL *output;

    if (loader_system->ConsoleOutHandle == NULL ||
        EFI_ERROR(
            firmware->HandleProtocol(loader_system->ConsoleOutHandle, &guid, (VOID **)&output)))
        if (EFI_ERROR(firmware->LocateProtocol(&guid, NULL, (VOID **)&output)))
            return false;
    const EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE *mode = output->Mode;
    if (mode == NULL || mode->Info == NULL)
        return false;
    const EFI_PIXEL_BITMASK *masks = &mode->Info->PixelInformation;
    const struct loader_efi_mode told = {.first = mode->FrameBufferBase,
                                         .bytes = mode->FrameBufferSize,
                                         .width = mode->Info->HorizontalResolution,
                                         .height = mode->Info->VerticalResolution,
                                         .line_pixels = mode->Info->PixelsPerScanLine,
                                         .format = mode->Info->PixelFormat,
                                         .red_mask = masks->RedMask,
                                         .green_mask = masks->GreenMask,
                                         .blue_mask = masks->BlueMask,
                                         .reserved_mask = masks->ReservedMask};
    return loader_screen_of_mode(&told, screen);
}

static bool put_memory_map(void)
{
    size_t n;

    if (!get_map() || !loader_efi_memory(&state->map, state->memory, MAX_MEMORY, &n))
        return false;
    state->start.n_memory = n;
    return true;
}

static const char *keep(char **to, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = memcpy(*to, text, bytes);

    *to += bytes;
    return copy;
}

/* The caller's texts are his own again when all is loaded, and are written once more at the end. */
static bool keep_texts(void)
{
    struct loader_next *next = &state->next;
    size_t bytes = strlen(next->wanted->command_line) + 1;

    for (size_t i = 0; i < next->n_modules; i++)
        bytes += strlen(next->modules[i].text) + 1;
    for (size_t i = 0; i < state->n_files; i++)
        bytes += strlen(state->files[i].name) + 1;
    char *to = (char *)(uintptr_t)loader_next_take(next, bytes, PHYSICAL_END);
    if (to == NULL)
        return false;
    state->wanted.command_line = keep(&to, next->wanted->command_line);
    for (size_t i = 0; i < next->n_modules; i++)
        next->modules[i].text = keep(&to, next->modules[i].text);
    for (size_t i = 0; i < state->n_files; i++)
        state->files[i].name = keep(&to, state->files[i].name);
    next->wanted = &state->wanted;
    return true;
}

/* The room is for the longest maps there may be; the firmware's changes until it ends. */
static enum vst_status prepare_start(void)
{
    struct loader_start *start = &state->start;
    struct loader_start longest;
    struct loader_efi longest_efi = {.map_bytes = MAX_MAP_BYTES};

    *start =
        (struct loader_start){.loader_name = "vstor", .memory = state->memory, .efi = &state->efi};
    state->efi.system_table = (uintptr_t)loader_system;
    state->efi.image = (uintptr_t)loader_image;
    state->efi.map = state->map_bytes;
    state->efi.services_left = state->next.services_left;
    find_root_pointer(start);
    find_smbios(start);
    if (find_screen(&state->screen))
        start->screen = &state->screen;
    longest = *start;
    longest.n_memory = MAX_MEMORY;
    longest.efi = &longest_efi;
    enum vst_status status = loader_next_reserve(&state->next, &longest);
    if (status != VST_OK)
        return status;
    state->area = loader_next_take(&state->next, ARCH_HANDOVER_BYTES, LOADER_4G);
    if (state->area == 0 || !keep_texts())
        return loader_next_refuse(&state->next, VST_ERR_NO_MEMORY, "not enough memory");
    if (!put_memory_map())
        return loader_next_refuse(&state->next, VST_ERR_NO_MEMORY, "memory is in too many pieces");
    return loader_next_write(&state->next, start);
}

/* Where a program comes from, which it may ask, and the firmware does. */
static enum vst_status prepare_program(const char *device_name)
{
    struct volume *volume = volumes_first();
    EFI_DEVICE_PATH_PROTOCOL *device = NULL;
    EFI_HANDLE handle = NULL;

    while (volume != NULL && (device_name == NULL || strcmp(volume->name, device_name) != 0))
        volume = volume->next;
    if (volume != NULL)
        handle = volume_handle(volume);
    if (handle != NULL)
        device = device_path_of(handle);
    state->path = device_path_of_file(device, state->files[0].name);
    if (state->path == NULL || !keep_texts())
        return loader_next_refuse(&state->next, VST_ERR_NO_MEMORY, "not enough memory");
    return VST_OK;
}

enum vst_status next_kernel_load(const struct loader_wanted *wanted, struct loader_answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    if (!begin()) {
        strcpy(answer->text, "not enough memory");
        return VST_ERR_NO_MEMORY;
    }
    enum vst_status status = VST_ERR_NO_MEMORY;
    if (!get_map() || !loader_efi_ranges(&state->map, true, &state->ram))
        strcpy(answer->text, "memory is in too many pieces");
    else
        status = loader_next_load(&state->next, &state->machine, wanted, answer);
    if (status == VST_OK)
        status = state->next.image.kind == LOADER_EFI ? prepare_program(wanted->device)
                                                      : prepare_start();
    if (status != VST_OK)
        next_kernel_forget();
    return status;
}

/* ---------------------------------------------------------------- starting it */

static void prepare_handover(struct arch_handover *handover)
{
    const struct loader_next *next = &state->next;

    *handover = (struct arch_handover){
        .copies = state->copies,
        .n_copies = next->image.n_parts,
        .entry = (uint32_t)next->image.entry,
        .is_64_bit = next->image.entry_is_64_bit,
    };
    for (uint32_t i = 0; i < next->image.n_parts; i++) {
        struct loader_copy copy = loader_next_copy(next, i);
        state->copies[i] =
            (struct arch_handover_copy){copy.to, copy.from, copy.bytes, copy.zero_bytes};
    }
}

/* Half of the firmware may have ended already, so nothing is certain but its way to start again. */
static void give_up(void)
{
    say("boot: the firmware does not end its boot services; the machine starts again\n");
    loader_system->RuntimeServices->ResetSystem(EfiResetCold, EFI_DEVICE_ERROR, 0, NULL);
}

/*
 * What ends may change the map once more and then the key is void; nothing but these two calls is
 * allowed from the first one on. All that the kernel is told has been written before it may be too
 * late to say that it can't. (UEFI 2.9, 7.4, ExitBootServices)
 */
static bool end_boot_services(void)
{
    for (unsigned i = 0; i < MAX_EXITS; i++) {
        if (!put_memory_map() || loader_next_write(&state->next, &state->start) != VST_OK) {
            if (i == 0)
                return false;
            break;
        }
        if (!EFI_ERROR(firmware->ExitBootServices(loader_image, state->map_key)))
            return true;
    }
    give_up();
    return false;
}

static void measure(void)
{
    state->files[0].at = state->next.file.at; /* which may have made way */
    for (size_t i = 0; i < state->n_files; i++) {
        const struct kept_file *file = &state->files[i];
        trust_measure(i == 0 ? TRUST_KERNEL : TRUST_INITRD, file->at, file->bytes, file->name);
    }
    trust_measure_command_line(state->wanted.command_line);
}

static bool read_initrd(void *ctx, UINTN number, void *to)
{
    const struct kept_file *file = &state->files[1 + number];

    (void)ctx;
    memcpy(to, file->at, file->bytes);
    return true;
}

bool next_kernel_has_program(void)
{
    return state != NULL && state->is_to_run;
}

/* The firmware goes on, and so does its driver of the disks, which is ours, until the kernel ends it. */
_Noreturn static void enter_beside_firmware(void)
{
    const struct loader_next *next = &state->next;

    for (uint32_t i = 0; i < next->image.n_parts; i++) {
        struct loader_copy copy = loader_next_copy(next, i);
        uint8_t *to =
            memcpy((void *)(uintptr_t)copy.to, (const void *)(uintptr_t)copy.from, copy.bytes);
        memset(to + copy.bytes, 0, copy.zero_bytes);
    }
    measure();
    arch_handover_firmware(next->image.efi_entry, next->registers.eax, next->registers.ebx);
}

void next_kernel_run_program(void)
{
    if (ARCH_HAS_HANDOVER && state->next.image.kind != LOADER_EFI)
        enter_beside_firmware();
    struct program program = {.name = state->files[0].name,
                              .image = state->files[0].at,
                              .image_bytes = state->files[0].bytes,
                              .path = state->path,
                              .command_line = state->wanted.command_line,
                              .n_initrds = state->n_files - 1,
                              .read_initrd = read_initrd};
    for (UINTN i = 0; i < program.n_initrds; i++) {
        program.initrd_bytes[i] = state->files[1 + i].bytes;
        program.initrd_names[i] = state->files[1 + i].name;
    }
    (void)program_run(&program);
    next_kernel_forget();
}

bool next_kernel_start(void)
{
    struct arch_handover handover;

    if (state->next.image.kind == LOADER_EFI || state->next.services_left)
        return state->is_to_run = true;
    if (!ARCH_HAS_HANDOVER) /* and so nothing else was admitted */
        return false;
    state->next.answer = &state->unread;
    prepare_handover(&handover);
    measure();
    if (!end_boot_services()) {
        say("boot: the memory map has grown too large\n");
        return false;
    }
    handover.eax = state->next.registers.eax;
    handover.ebx = state->next.registers.ebx;
    handover.esi = state->next.registers.esi;
    arch_handover(state->area, &handover);
}
