/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE 1
#include "tests/qtest/machine.h"

#include <arch/mmio.h>
#include <arch/port_io.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "tests/qtest/guest_memory.h"
#include "tests/qtest/qtest.h"

#define MAX_MMIO     64u
#define MMIO_SPACE   ((size_t)4 << 30)
#define ECAM_ADDRESS 0xb0000000u
#define N_BUSES      16u

void machine_fail(const char *file, int line, const char *format, ...)
{
    va_list values;

    fprintf(stderr, "%s:%d: ", file, line);
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
    exit(1);
}

/* ------------------------------------------------------------------ registers */

static struct {
    char *space;
    size_t used;
    unsigned n;
    struct {
        size_t at, bytes;
        uint64_t physical;
    } map[MAX_MMIO];
} mmio;

static void *map_registers(void *ctx, uint64_t physical, uint64_t bytes)
{
    (void)ctx;
    CHECK(mmio.n < MAX_MMIO && bytes > 0 && bytes < MMIO_SPACE - mmio.used - 8192);
    /* An odd beginning stays odd, and a page between two mappings belongs to none. */
    size_t at = mmio.used + (size_t)(physical & 4095u);
    mmio.map[mmio.n].at = at;
    mmio.map[mmio.n].bytes = bytes;
    mmio.map[mmio.n++].physical = physical;
    mmio.used = ((at + bytes + 4095u) & ~(size_t)4095u) + 4096u;
    return mmio.space + at;
}

static uint64_t physical_of(const void *reg, uint8_t width_bytes)
{
    size_t at = (size_t)((const char *)reg - mmio.space);

    for (unsigned i = 0; i < mmio.n; i++) {
        size_t offset = at - mmio.map[i].at;
        if (offset < mmio.map[i].bytes && offset + width_bytes <= mmio.map[i].bytes)
            return mmio.map[i].physical + offset;
    }
    FAIL("access of %u bytes at %p, where no registers were mapped", width_bytes, reg);
}

uint32_t host_mmio_read(const void *reg, uint8_t width_bytes)
{
    return qtest_memory_read(physical_of(reg, width_bytes), width_bytes);
}

void host_mmio_write(void *reg, uint8_t width_bytes, uint32_t value)
{
    qtest_memory_write(physical_of(reg, width_bytes), width_bytes, value);
}

uint32_t host_port_read(uint16_t port, uint8_t width_bytes)
{
    return qtest_port_read(port, width_bytes);
}

void host_port_write(uint16_t port, uint8_t width_bytes, uint32_t value)
{
    qtest_port_write(port, width_bytes, value);
}

/* ------------------------------------------------------------------ configuration space */

static struct vst_pci_ecam ecam;

static uint32_t config_read(void *ctx, struct vst_pci_address address, uint16_t offset,
                            uint8_t width_bytes)
{
    (void)ctx;
    return ecam.base != NULL ? vst_pci_ecam_read(&ecam, address, offset, width_bytes)
                             : vst_pci_port_read(address, offset, width_bytes);
}

static void config_write(void *ctx, struct vst_pci_address address, uint16_t offset,
                         uint8_t width_bytes, uint32_t value)
{
    (void)ctx;
    if (ecam.base != NULL)
        vst_pci_ecam_write(&ecam, address, offset, width_bytes, value);
    else
        vst_pci_port_write(address, offset, width_bytes, value);
}

/** What firmware does on q35: PCIEXBAR of the host bridge, 256 MiB, enabled. */
static void open_ecam(void)
{
    struct vst_pci_address host_bridge = {0};

    vst_pci_port_write(host_bridge, 0x64, 4, 0);
    vst_pci_port_write(host_bridge, 0x60, 4, ECAM_ADDRESS | 1u);
    CHECK_EQUAL(vst_pci_port_read(host_bridge, 0x60, 4), ECAM_ADDRESS | 1u);
    ecam = (struct vst_pci_ecam){
        .base = map_registers(NULL, ECAM_ADDRESS, (uint64_t)N_BUSES << 20),
        .last_bus = N_BUSES - 1,
    };
}

/** What firmware does on pc: PIIX3, the function at 00:01.0, leads INTA to INTD to IRQ 10 and 11. */
static void route_intx(void)
{
    struct vst_pci_address isa_bridge = {.device = 1};

    if (vst_pci_port_read(isa_bridge, 0, 4) == 0x70008086u)
        vst_pci_port_write(isa_bridge, 0x60, 4, 0x0b0b0a0au);
}

/* ------------------------------------------------------------------ memory */

static struct machine the_machine;
static enum machine_dma dma_kind;

static void *give_memory(void *ctx, size_t bytes, size_t align_bytes, enum vst_memory_kind kind,
                         uint64_t *bus_addr)
{
    struct machine *machine = ctx;
    void *memory;

    CHECK(bytes > 0 && vst_is_power_of_two(align_bytes) && align_bytes <= 4096);
    CHECK((kind == VST_MEMORY_SHARED) == (bus_addr != NULL));
    if (kind == VST_MEMORY_SHARED) {
        memory = guest_memory_alloc(bytes, bus_addr);
        CHECK(memory != NULL);
    } else {
        CHECK(posix_memalign(&memory, align_bytes < 16 ? 16 : align_bytes, bytes) == 0);
        memset(memory, 0, bytes);
    }
    machine->n_allocated++;
    return memory;
}

static void take_memory(void *ctx, void *memory, size_t bytes, enum vst_memory_kind kind)
{
    struct machine *machine = ctx;

    CHECK(machine->n_allocated > 0);
    machine->n_allocated--;
    if (kind == VST_MEMORY_SHARED)
        guest_memory_free(memory, bytes);
    else
        free(memory);
}

/** One mapping, found by the page of its bounce memory. */
static struct {
    void *buffer;
    size_t bytes;
    enum vst_dma_direction direction;
} bounces[GUEST_MEMORY_BYTES / 4096];

static enum vst_status map_buffer(void *ctx, void *buffer, size_t bytes,
                                  enum vst_dma_direction direction, uint64_t *bus_addr)
{
    struct machine *machine = ctx;
    void *bounce = guest_memory_alloc(bytes, bus_addr); /* zeroed: nothing old is shown */

    if (bounce == NULL)
        return VST_ERR_NO_MEMORY;
    if (direction == VST_DMA_TO_DEVICE)
        memcpy(bounce, buffer, bytes);
    bounces[*bus_addr / 4096].buffer = buffer;
    bounces[*bus_addr / 4096].bytes = bytes;
    bounces[*bus_addr / 4096].direction = direction;
    machine->n_mapped++;
    machine->n_maps++;
    return VST_OK;
}

static void unmap_buffer(void *ctx, void *buffer, size_t bytes, enum vst_dma_direction direction,
                         uint64_t bus_addr)
{
    struct machine *machine = ctx;
    void *bounce = guest_memory_pointer(bus_addr);

    CHECK(bounces[bus_addr / 4096].buffer == buffer && bounces[bus_addr / 4096].bytes == bytes &&
          bounces[bus_addr / 4096].direction == direction);
    bounces[bus_addr / 4096].buffer = NULL; /* a second unmap is found */
    if (direction == VST_DMA_FROM_DEVICE)
        memcpy(buffer, bounce, bytes);
    guest_memory_free(bounce, bytes);
    CHECK(machine->n_mapped > 0);
    machine->n_mapped--;
}

void machine_forget_mappings(struct machine *machine)
{
    for (uint64_t page = 0; page < VST_ARRAY_LENGTH(bounces); page++)
        if (bounces[page].buffer != NULL)
            unmap_buffer(machine, bounces[page].buffer, bounces[page].bytes,
                         bounces[page].direction, page * 4096);
}

void *machine_pointer(uint64_t bus_addr)
{
    return guest_memory_pointer(bus_addr);
}

void *machine_buffer(struct machine *machine, size_t bytes)
{
    uint64_t bus_addr;
    void *buffer =
        machine->platform.dma_map != NULL ? malloc(bytes) : guest_memory_alloc(bytes, &bus_addr);

    CHECK(buffer != NULL);
    return buffer;
}

void machine_buffer_free(struct machine *machine, void *buffer, size_t bytes)
{
    if (machine->platform.dma_map != NULL)
        free(buffer);
    else
        guest_memory_free(buffer, bytes);
}

/* ------------------------------------------------------------------ the rest of the platform */

static uint64_t time_now(void *ctx)
{
    struct timespec now;

    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void relax(void *ctx)
{
    (void)ctx;
    sched_yield(); /* QEMU may need the processor that we sit on */
}

static void log_line(void *ctx, enum vst_log_level level, const char *text)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    struct machine *machine = ctx;

    snprintf(machine->last_log, sizeof(machine->last_log), "%s", text);
    printf("log %s: %s\n", names[level], text);
}

static void fill_platform(struct machine *machine)
{
    bool copies = dma_kind == MACHINE_DMA_COPY;

    machine->platform = (struct vst_platform){
        .ctx = machine,
        .pci_config_read = config_read,
        .pci_config_write = config_write,
        .mmio_map = map_registers,
        .alloc = give_memory,
        .free = take_memory,
        .dma_map = copies ? map_buffer : NULL,
        .dma_unmap = copies ? unmap_buffer : NULL,
        .time_ns = time_now,
        .relax = relax,
        .log = log_line,
    };
    machine->host = (struct vst_pci_host){
        .platform = &machine->platform,
        .last_bus = N_BUSES - 1,
        .io = {0xc000, 0xffff},
        .memory_below_4g = {0xc0000000u, 0xfebfffffu},
        .memory_above_4g = {(uint64_t)0x8 << 32, ((uint64_t)0xc << 32) - 1},
    };
}

/* ------------------------------------------------------------------ start and stop */

static unsigned count_bars(const struct machine *machine, bool assigned)
{
    unsigned n = 0;

    for (size_t i = 0; i < machine->n_functions; i++)
        for (unsigned b = 0; b < VST_PCI_N_BARS; b++)
            n += machine->functions[i].bars[b].kind != VST_PCI_BAR_NONE &&
                 machine->functions[i].bars[b].assigned == assigned;
    return n;
}

/** No firmware ran: what the scan finds has no address, and afterwards everything has one. */
static void place_functions(struct machine *machine)
{
    enum vst_status status = vst_pci_scan(&machine->host, machine->functions, MACHINE_MAX_FUNCTIONS,
                                          &machine->n_functions);

    CHECK_EQUAL(status, VST_OK);
    CHECK_EQUAL(count_bars(machine, true), 0);
    unsigned n_wanting = count_bars(machine, false);
    CHECK(n_wanting > 0);
    status = vst_pci_assign(&machine->host, machine->functions, machine->n_functions, false);
    CHECK_EQUAL(status, VST_OK);
    CHECK_EQUAL(count_bars(machine, true), n_wanting);
    printf("functions=%zu\nbars=%u\n", machine->n_functions, n_wanting);
}

struct machine *machine_start(enum machine_dma dma, enum machine_access access,
                              char *const *arguments)
{
    struct machine *machine = &the_machine;

    dma_kind = dma;
    mmio.space =
        mmap(NULL, MMIO_SPACE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(mmio.space != MAP_FAILED);
    qtest_start(guest_memory_create(dma == MACHINE_DMA_LINEAR), GUEST_MEMORY_BYTES, arguments);
    fill_platform(machine);
    if (access == MACHINE_CONFIG_ECAM)
        open_ecam();
    route_intx();
    place_functions(machine);
    return machine;
}

void machine_stop(struct machine *machine)
{
    CHECK_EQUAL(machine->n_mapped, 0);
    CHECK_EQUAL(machine->n_allocated, 0);
    qtest_stop();
    guest_memory_check_free_pages();
}

const struct vst_pci_function *machine_find(struct machine *machine,
                                            bool (*matches)(const struct vst_pci_function *))
{
    for (size_t i = 0; i < machine->n_functions; i++)
        if (matches(&machine->functions[i]))
            return &machine->functions[i];
    FAIL("no such function among %zu", machine->n_functions);
}

void *machine_structure(struct machine *machine, const struct vst_pci_function *function,
                        uint8_t type)
{
    struct vst_virtio_pci_structure list[VST_VIRTIO_PCI_MAX_STRUCTURES];
    size_t n = vst_virtio_pci_structures(&machine->platform, function, list,
                                         VST_VIRTIO_PCI_MAX_STRUCTURES);

    for (size_t i = 0; i < n; i++)
        if (list[i].type == type && list[i].usable)
            return map_registers(machine,
                                 function->bars[list[i].bar].address + list[i].offset_bytes,
                                 list[i].length_bytes);
    return NULL;
}

/* ------------------------------------------------------------------ interrupts */

#define MSIX_ID          0x11u
#define MSIX_ENABLE      0x8000u
#define MSIX_MASK_ALL    0x4000u
#define MSIX_ENTRY_BYTES 16u

static uint8_t *map_msix(const struct machine_msix *msix, const struct vst_pci_function *function,
                         uint16_t field, uint64_t bytes)
{
    uint32_t place = config_read(NULL, msix->address, (uint16_t)(msix->capability + field), 4);

    CHECK((place & 7u) < VST_PCI_N_BARS && function->bars[place & 7u].assigned);
    return map_registers(NULL, function->bars[place & 7u].address + (place & ~7u), bytes);
}

bool machine_msix_open(struct machine_msix *msix, struct machine *machine,
                       const struct vst_pci_function *function)
{
    *msix = (struct machine_msix){.machine = machine, .address = function->address};
    for (unsigned i = 0; i < function->n_capabilities; i++)
        if (function->capabilities[i].id == MSIX_ID)
            msix->capability = function->capabilities[i].offset;
    if (msix->capability == 0)
        return false;
    uint32_t control = config_read(NULL, msix->address, (uint16_t)(msix->capability + 2), 2);
    msix->n_vectors = (uint16_t)((control & 0x7ffu) + 1);
    msix->table = map_msix(msix, function, 4, msix->n_vectors * MSIX_ENTRY_BYTES);
    msix->pending = map_msix(msix, function, 8, (msix->n_vectors + 63u) / 64u * 8u);
    return true;
}

void machine_msix_control(const struct machine_msix *msix, bool enable, bool mask_all)
{
    uint32_t control = (enable ? MSIX_ENABLE : 0) | (mask_all ? MSIX_MASK_ALL : 0);

    config_write(NULL, msix->address, (uint16_t)(msix->capability + 2), 2, control);
}

static uint8_t *entry(const struct machine_msix *msix, uint16_t vector)
{
    CHECK(vector < msix->n_vectors);
    return msix->table + vector * MSIX_ENTRY_BYTES;
}

void machine_msix_program(const struct machine_msix *msix, uint16_t vector, uint64_t bus_addr,
                          uint32_t data)
{
    host_mmio_write(entry(msix, vector), 4, (uint32_t)bus_addr);
    host_mmio_write(entry(msix, vector) + 4, 4, (uint32_t)(bus_addr >> 32));
    host_mmio_write(entry(msix, vector) + 8, 4, data);
}

void machine_msix_mask(const struct machine_msix *msix, uint16_t vector, bool masked)
{
    host_mmio_write(entry(msix, vector) + 12, 4, masked);
}

bool machine_msix_pending(const struct machine_msix *msix, uint16_t vector)
{
    return (host_mmio_read(msix->pending + vector / 32u * 4u, 4) >> (vector & 31u) & 1u) != 0;
}

void machine_intx_intercept(void)
{
    qtest_intercept("ioapic");
}

unsigned machine_intx_level(void)
{
    return qtest_irq_level();
}

unsigned machine_intx_n_raised(void)
{
    return qtest_irq_raises();
}
