/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration space of some functions, every byte of it the fuzzer's: scan, assign, enable,
 * capabilities. All ends, stays inside the array, and what comes out makes sense. */
#include <string.h>

#include "tests/fuzz/fuzz_platform.h"

#define N_FUNCTIONS  5u
#define MAX_FOUND    8u
#define LAST_BUS     6u
#define MAX_ACCESSES 400000u
#define HEADER_BYTES 0x40u
#define CONFIG_BYTES 256u
#define N_STRUCTURES VST_VIRTIO_PCI_MAX_STRUCTURES

struct model_function {
    struct vst_pci_address address;
    uint8_t bytes[CONFIG_BYTES], writable[CONFIG_BYTES];
};

static struct {
    struct fuzz_platform fp;
    struct model_function functions[N_FUNCTIONS];
    unsigned n_functions, n_accesses;
    bool lies;
} model;

static struct model_function *function_at(struct vst_pci_address address)
{
    FUZZ_CHECK(++model.n_accesses < MAX_ACCESSES);
    FUZZ_CHECK(address.device < 32 && address.function < 8);
    for (unsigned i = 0; i < model.n_functions; i++)
        if (memcmp(&model.functions[i].address, &address, sizeof(address)) == 0)
            return &model.functions[i];
    return NULL;
}

static uint32_t config_read(void *ctx, struct vst_pci_address address, uint16_t offset,
                            uint8_t width_bytes)
{
    struct model_function *f = function_at(address);
    uint32_t value = 0;

    (void)ctx;
    FUZZ_CHECK(offset % width_bytes == 0 && offset < 4096);
    if (f == NULL || offset >= CONFIG_BYTES)
        return UINT32_MAX >> (32 - 8 * width_bytes);
    memcpy(&value, f->bytes + offset, width_bytes);
    if (model.lies && model.fp.input->left > 0 && fuzz_u8(model.fp.input) >= 0xe0)
        value = (uint32_t)fuzz_bytes(model.fp.input, width_bytes);
    return value;
}

static void config_write(void *ctx, struct vst_pci_address address, uint16_t offset,
                         uint8_t width_bytes, uint32_t value)
{
    struct model_function *f = function_at(address);

    (void)ctx;
    FUZZ_CHECK(offset % width_bytes == 0 && offset < 4096);
    for (unsigned i = 0; f != NULL && i < width_bytes && offset + i < CONFIG_BYTES; i++) {
        uint8_t mask = f->writable[offset + i], *byte = &f->bytes[offset + i];
        *byte = (uint8_t)((*byte & ~mask) | ((value >> 8 * i) & mask));
    }
}

/** BAR masks by size, so that most BARs are such; everything else in the header can be written. */
static void make_writable(struct model_function *f, struct fuzz_input *input)
{
    memset(f->writable, 0, sizeof(f->writable));
    memset(f->writable + 4, 0xff, 2);
    memset(f->writable + 0x18, 0xff, HEADER_BYTES - 0x18);
    f->writable[0x34] = 0;
    unsigned n_bars = (f->bytes[0x0e] & 0x7f) == 0 ? 6 : 2;
    for (unsigned i = 0; i < n_bars; i++) {
        uint8_t size = fuzz_u8(input);
        uint32_t mask = size < 0xf0 ? ~((1u << (size & 31)) - 1) & ~3u : fuzz_u32(input);
        memcpy(f->writable + 0x10 + 4 * i, &mask, 4);
    }
}

static void make_function(struct model_function *f, struct fuzz_input *input)
{
    uint8_t place = fuzz_u8(input), kind = fuzz_u8(input);

    memset(f, 0, sizeof(*f));
    f->address = (struct vst_pci_address){0, place & 3, place >> 2 & 7, place >> 5 & 7};
    for (unsigned i = 0; i < HEADER_BYTES; i++)
        f->bytes[i] = fuzz_u8(input);
    unsigned first = kind & 0xfc, n = fuzz_u8(input);
    for (unsigned i = 0; i < n; i++)
        f->bytes[HEADER_BYTES + (first + i) % (CONFIG_BYTES - HEADER_BYTES)] = fuzz_u8(input);
    make_writable(f, input);
}

static bool comes_before(const struct vst_pci_function *a, const struct vst_pci_function *b)
{
    unsigned at_a = a->address.bus << 8 | a->address.device << 3 | a->address.function;
    unsigned at_b = b->address.bus << 8 | b->address.device << 3 | b->address.function;

    return at_a < at_b;
}

static void check_bars(const struct vst_pci_function *f)
{
    for (unsigned i = 0; i < VST_PCI_N_BARS; i++) {
        const struct vst_pci_bar *bar = &f->bars[i];
        FUZZ_CHECK(bar->kind <= VST_PCI_BAR_MEMORY64);
        FUZZ_CHECK((bar->kind == VST_PCI_BAR_NONE) == (bar->bytes == 0));
        FUZZ_CHECK(bar->bytes == 0 || vst_is_power_of_two(bar->bytes));
        if (bar->kind != VST_PCI_BAR_NONE && bar->assigned)
            FUZZ_CHECK(bar->address % bar->bytes == 0 &&
                       bar->address <= UINT64_MAX - (bar->bytes - 1));
        if (bar->kind == VST_PCI_BAR_MEMORY64)
            FUZZ_CHECK(i + 1 < VST_PCI_N_BARS && f->bars[i + 1].kind == VST_PCI_BAR_NONE);
    }
}

static void check_function(const struct vst_pci_function *functions, size_t n, size_t i)
{
    const struct vst_pci_function *f = &functions[i];

    FUZZ_CHECK(i == 0 || comes_before(&functions[i - 1], f));
    FUZZ_CHECK(f->parent >= -1 && f->parent < (int32_t)n && f->parent != (int32_t)i);
    FUZZ_CHECK(f->n_capabilities <= VST_PCI_MAX_CAPABILITIES && f->interrupt_pin <= 4);
    for (unsigned c = 0; c < f->n_capabilities; c++)
        FUZZ_CHECK(f->capabilities[c].offset >= HEADER_BYTES && f->capabilities[c].offset % 4 == 0);
    check_bars(f);
}

static void check_structures(const struct vst_pci_function *f)
{
    struct vst_virtio_pci_structure *list = malloc(N_STRUCTURES * sizeof(*list));
    size_t n = vst_virtio_pci_structures(&model.fp.platform, f, list, N_STRUCTURES);

    FUZZ_CHECK(n <= N_STRUCTURES);
    for (size_t i = 0; i < n; i++) {
        const struct vst_virtio_pci_structure *s = &list[i];
        FUZZ_CHECK(s->usable == (s->problem == NULL));
        if (s->usable && s->type != 5)
            FUZZ_CHECK(s->bar < VST_PCI_N_BARS && f->bars[s->bar].assigned &&
                       (uint64_t)s->offset_bytes + s->length_bytes <= f->bars[s->bar].bytes);
    }
    free(list);
}

static void check_msix(const struct vst_pci_function *f)
{
    struct vst_pci_msix_structures s;

    if (vst_pci_msix_parse(&model.fp.platform, f, &s) != VST_OK)
        return;
    FUZZ_CHECK(s.n_entries >= 1 && s.n_entries <= 2048 && s.table_bar < VST_PCI_N_BARS);
    FUZZ_CHECK(f->bars[s.table_bar].kind >= VST_PCI_BAR_MEMORY32 && f->bars[s.table_bar].assigned);
    FUZZ_CHECK((uint64_t)s.table_offset_bytes + 16ull * s.n_entries <= f->bars[s.table_bar].bytes);
}

static void set_up(struct fuzz_input *input, struct vst_pci_host *host)
{
    static const struct vst_pci_window empty = {1, 0};
    uint8_t how = fuzz_u8(input);

    fuzz_platform_init(&model.fp, input, false);
    model.fp.platform.pci_config_read = config_read;
    model.fp.platform.pci_config_write = config_write;
    model.n_accesses = 0;
    model.n_functions = how % (N_FUNCTIONS + 1);
    model.lies = how & 0x80;
    *host = (struct vst_pci_host){
        .platform = &model.fp.platform,
        .last_bus = LAST_BUS,
        .io = how & 0x20 ? empty : (struct vst_pci_window){0x1000, 0xffff},
        .memory_below_4g = {0xc0000000u, how & 0x40 ? 0xc00fffffu : 0xfebfffffu},
        .memory_above_4g =
            how & 0x20 ? empty : (struct vst_pci_window){1ull << 32, (1ull << 40) - 1},
    };
    for (unsigned i = 0; i < model.n_functions; i++)
        make_function(&model.functions[i], input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_input input = {data, bytes};
    struct vst_pci_host host;
    size_t n = 0;

    set_up(&input, &host);
    struct vst_pci_function *functions = calloc(MAX_FOUND, sizeof(*functions));
    enum vst_status status = vst_pci_scan(&host, functions, MAX_FOUND, &n);
    FUZZ_CHECK((status == VST_OK || status == VST_ERR_TOO_LARGE) && n <= MAX_FOUND);
    for (size_t i = 0; i < n; i++)
        check_function(functions, n, i);
    bool all = fuzz_u8(&input) & 1;
    (void)!vst_pci_assign(&host, functions, n, all);
    for (size_t i = 0; i < n; i++) {
        check_function(functions, n, i);
        check_structures(&functions[i]);
        check_msix(&functions[i]);
        vst_pci_enable(&model.fp.platform, functions, &functions[i]);
    }
    free(functions);
    return 0;
}
