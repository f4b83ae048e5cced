/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Giving addresses to BARs and bridge windows that firmware left without.
 *
 * Bottom-up, each bridge's windows are measured by what awaits a place behind them; top-down, all
 * is placed, what wants the largest alignment first. In that order things of a power of two leave
 * no gaps between each other, so a window measured so is large enough. (PCI-to-PCI
 * bridge 1.2, 3.2.5.6 to 3.2.5.10)
 *
 * There is no memory to keep a plan in, so it stands in the array of functions itself: a window
 * that awaits its place stands at its own alignment (first is the alignment, last - first + 1 the
 * length), and `traits` says that it does.
 */
#include <vstor/log.h>
#include "pci_internal.h"

#define NOBODY         (-1) /* in place of a bridge: the root buses */
#define IO_GRANULE     0x1000u
#define MEMORY_GRANULE 0x100000u
#define LAST_BELOW_4G  0xffffffffu
#define LARGEST        ((uint64_t)1 << 62) /* sums of two still fit 64 bits */
#define WINDOW_SLOT                                                                                \
    VST_PCI_N_BARS /* number of the window among the places a function may ask for */
#define N_SLOTS (VST_PCI_N_BARS + 1u)

/* Bits of traits[] */
#define IMPLEMENTED(space) (1u << (space))
#define AWAITS(space)      (8u << (space))
#define PREFETCHABLE_WIDE  0x40u

struct plan {
    const struct vst_pci_host *host;
    struct vst_pci_function *functions;
    size_t n;
    bool complete;
    uint8_t traits[PCI_N_BUSES]; /* of the bridge with this secondary bus */
};

/* What awaits a place. */
struct demand {
    uint64_t bytes; /* 0: nothing */
    uint64_t align; /* a power of two */
    uint64_t last;  /* highest address it may reach */
};

static bool is_numbered_bridge(const struct vst_pci_function *function)
{
    return pci_is_bridge(function) && function->secondary_bus != 0;
}

static uint64_t granule(enum vst_pci_space space)
{
    return space == VST_PCI_SPACE_IO ? IO_GRANULE : MEMORY_GRANULE;
}

/* The next multiple of `align`, or the largest value where there is none. */
static uint64_t align_up(uint64_t value, uint64_t align)
{
    uint64_t sum = vst_add_saturated_u64(value, align - 1);

    return sum == UINT64_MAX ? sum : sum & ~(align - 1);
}

static bool has_trait(const struct plan *plan, const struct vst_pci_function *bridge,
                      unsigned trait)
{
    return (plan->traits[bridge->secondary_bus] & trait) != 0;
}

/*
 * Which range of its bus a BAR belongs in. Behind a bridge only the prefetchable window reaches
 * above 4 GiB, and only what is prefetchable may use it; on a root bus nothing stands in the way.
 */
static enum vst_pci_space space_of_bar(const struct plan *plan,
                                       const struct vst_pci_function *function,
                                       const struct vst_pci_bar *bar)
{
    if (bar->kind == VST_PCI_BAR_IO)
        return VST_PCI_SPACE_IO;
    if (bar->kind != VST_PCI_BAR_MEMORY64)
        return VST_PCI_SPACE_MEMORY;
    if (function->parent == NOBODY)
        return VST_PCI_SPACE_PREFETCHABLE;
    return bar->prefetchable && has_trait(plan, &plan->functions[function->parent],
                                          IMPLEMENTED(VST_PCI_SPACE_PREFETCHABLE))
               ? VST_PCI_SPACE_PREFETCHABLE
               : VST_PCI_SPACE_MEMORY;
}

static bool bar_awaits(const struct vst_pci_function *function, unsigned slot)
{
    return function->bars[slot].kind != VST_PCI_BAR_NONE && !function->bars[slot].assigned &&
           !pci_is_host_bridge(function);
}

/* What the slot of a function (a BAR, or the window) demands of a space of the bus it is on. */
static struct demand demand_of_slot(const struct plan *plan, struct vst_pci_function *function,
                                    unsigned slot, enum vst_pci_space space)
{
    struct demand demand = {.bytes = 0, .align = 1, .last = UINT64_MAX};

    if (slot < WINDOW_SLOT) {
        const struct vst_pci_bar *bar = &function->bars[slot];
        if (!bar_awaits(function, slot) || space_of_bar(plan, function, bar) != space)
            return demand;
        demand.bytes = demand.align = bar->bytes;
        if (bar->kind != VST_PCI_BAR_MEMORY64)
            demand.last = LAST_BELOW_4G;
    } else if (is_numbered_bridge(function) && has_trait(plan, function, AWAITS(space))) {
        const struct vst_pci_window *window = vst_pci_bridge_window(function, space);
        demand.align = window->first;
        demand.bytes = window->last - window->first + 1;
        if (space != VST_PCI_SPACE_PREFETCHABLE || !has_trait(plan, function, PREFETCHABLE_WIDE))
            demand.last = LAST_BELOW_4G;
    }
    return demand;
}

/* All alignments demanded on the buses below `above`, or-ed: each is a single bit. */
static uint64_t alignments(const struct plan *plan, int32_t above, enum vst_pci_space space)
{
    uint64_t all = 0;

    for (size_t i = 0; i < plan->n; i++) {
        if (plan->functions[i].parent != above)
            continue;
        for (unsigned slot = 0; slot < N_SLOTS; slot++) {
            struct demand demand = demand_of_slot(plan, &plan->functions[i], slot, space);
            if (demand.bytes != 0)
                all |= demand.align;
        }
    }
    return all;
}

static uint64_t highest_bit(uint64_t bits)
{
    return (uint64_t)1 << (63 - __builtin_clzll(bits));
}

/* Adds what asks for this alignment behind a bridge to the bridge's own demand. */
static void add_demands(const struct plan *plan, int32_t above, enum vst_pci_space space,
                        uint64_t align, struct demand *sum)
{
    for (size_t i = 0; i < plan->n; i++) {
        if (plan->functions[i].parent != above)
            continue;
        for (unsigned slot = 0; slot < N_SLOTS; slot++) {
            struct demand one = demand_of_slot(plan, &plan->functions[i], slot, space);
            if (one.bytes == 0 || one.align != align)
                continue;
            sum->bytes = vst_add_saturated_u64(align_up(sum->bytes, align), one.bytes);
            if (one.last < sum->last)
                sum->last = one.last;
        }
    }
}

static struct demand demand_behind(const struct plan *plan, int32_t above, enum vst_pci_space space)
{
    uint64_t left = alignments(plan, above, space);
    struct demand sum = {.bytes = 0, .align = granule(space), .last = UINT64_MAX};

    if (left > sum.align)
        sum.align = highest_bit(left);
    for (; left != 0; left &= ~highest_bit(left))
        add_demands(plan, above, space, highest_bit(left), &sum);
    sum.bytes = align_up(sum.bytes, granule(space));
    if (sum.bytes > LARGEST)
        sum.bytes = LARGEST;
    if (sum.align > LARGEST)
        sum.align = LARGEST;
    return sum;
}

static bool overlaps(uint64_t a_first, uint64_t a_last, uint64_t b_first, uint64_t b_last)
{
    return a_first <= b_last && b_first <= a_last;
}

/*
 * True if something placed lies in first..last of the ports or of memory; stores its end. Looks at
 * all BARs, and at the windows on the buses below `above`: windows further down lie inside those,
 * windows further up around them.
 */
static bool find_used(const struct plan *plan, int32_t above, bool ports, uint64_t first,
                      uint64_t last, uint64_t *used_last)
{
    for (size_t i = 0; i < plan->n; i++) {
        struct vst_pci_function *function = &plan->functions[i];
        for (unsigned slot = 0; slot < VST_PCI_N_BARS; slot++) {
            const struct vst_pci_bar *bar = &function->bars[slot];
            *used_last = bar->address + bar->bytes - 1;
            if (bar->assigned && (bar->kind == VST_PCI_BAR_IO) == ports &&
                overlaps(first, last, bar->address, *used_last))
                return true;
        }
        if (function->parent != above || !is_numbered_bridge(function))
            continue;
        for (unsigned s = 0; s < VST_PCI_N_SPACES; s++) {
            const struct vst_pci_window *window = vst_pci_bridge_window(function, s);
            *used_last = window->last;
            if ((s == VST_PCI_SPACE_IO) == ports && pci_window_is_open(window) &&
                !has_trait(plan, function, AWAITS(s)) &&
                overlaps(first, last, window->first, window->last))
                return true;
        }
    }
    return false;
}

/* Closes what is not set (or all of it), and learns what the bridge can do. */
static void prepare_bridge(struct plan *plan, struct vst_pci_function *bridge)
{
    uint8_t *traits = &plan->traits[bridge->secondary_bus];

    for (unsigned s = 0; s < VST_PCI_N_SPACES; s++) {
        bool open = pci_window_is_open(vst_pci_bridge_window(bridge, s));
        struct vst_pci_window_ability ability =
            open ? vst_pci_bridge_window_ability(plan->host->platform, bridge, s)
                 : vst_pci_bridge_window_close(plan->host->platform, bridge, s);
        if (ability.implemented)
            *traits |= (uint8_t)IMPLEMENTED(s);
        if (ability.wide && s == VST_PCI_SPACE_PREFETCHABLE)
            *traits |= PREFETCHABLE_WIDE;
    }
}

/*
 * Measures one window of a bridge. A window that firmware set stays if it has the room, or if
 * something in it has an address already; then what awaits is placed into its gaps as far as it
 * goes. Else it is closed and placed anew.
 */
static void measure_window(struct plan *plan, size_t index, enum vst_pci_space space)
{
    struct vst_pci_function *bridge = &plan->functions[index];
    struct vst_pci_window *window = vst_pci_bridge_window(bridge, space);
    struct demand demand = demand_behind(plan, (int32_t)index, space);
    uint8_t *traits = &plan->traits[bridge->secondary_bus];
    uint64_t used_last;

    if (demand.bytes == 0 || !has_trait(plan, bridge, IMPLEMENTED(space)))
        return;
    if (pci_window_is_open(window)) {
        uint64_t end = vst_add_saturated_u64(align_up(window->first, demand.align), demand.bytes);
        if (end - 1 <= window->last || find_used(plan, (int32_t)index, space == VST_PCI_SPACE_IO,
                                                 window->first, window->last, &used_last))
            return;
        (void)vst_pci_bridge_window_close(plan->host->platform, bridge, space);
    }
    if (space == VST_PCI_SPACE_PREFETCHABLE && demand.last <= LAST_BELOW_4G)
        *traits &= (uint8_t)~PREFETCHABLE_WIDE;
    *traits |= (uint8_t)AWAITS(space);
    window->first = demand.align;
    window->last = demand.align + demand.bytes - 1;
}

/* The range to place into: the host's, or what the bridge above passes on. */
static struct vst_pci_window room_below(const struct plan *plan, int32_t above,
                                        enum vst_pci_space space)
{
    if (above != NOBODY)
        return *vst_pci_bridge_window(&plan->functions[above], space);
    switch (space) {
    case VST_PCI_SPACE_IO:
        return plan->host->io;
    case VST_PCI_SPACE_MEMORY:
        return plan->host->memory_below_4g;
    default:
        return plan->host->memory_above_4g;
    }
}

/* The lowest free place from `from` on inside a range, 0 if there is none. Each turn passes one
 * thing in the way. */
static uint64_t find_place(const struct plan *plan, int32_t above, bool ports,
                           struct vst_pci_window room, uint64_t from, struct demand demand)
{
    uint64_t last = room.last < demand.last ? room.last : demand.last;
    uint64_t first = align_up(room.first > from ? room.first : from, demand.align);
    uint64_t used_last = 0;

    if (first == 0) /* address 0 means "none" to BARs and windows */
        first = demand.align;
    while (first <= last && demand.bytes - 1 <= last - first) {
        if (!find_used(plan, above, ports, first, first + demand.bytes - 1, &used_last))
            return first;
        first = align_up(vst_add_saturated_u64(used_last, 1), demand.align);
    }
    return 0;
}

/* Where a search for things of one alignment goes on: below that, all room was seen to be taken. */
struct progress {
    uint64_t next[2];
};

/*
 * Finds a place on the buses below `above`. 64-bit memory goes above 4 GiB (through the
 * prefetchable window) if there is room, else below.
 */
static uint64_t find_place_below(const struct plan *plan, int32_t above, enum vst_pci_space space,
                                 struct demand demand, struct progress *progress)
{
    unsigned n_rooms = space == VST_PCI_SPACE_PREFETCHABLE ? 2 : 1;
    const enum vst_pci_space rooms[2] = {space, VST_PCI_SPACE_MEMORY};

    for (unsigned i = 0; i < n_rooms; i++) {
        uint64_t place = find_place(plan, above, space == VST_PCI_SPACE_IO,
                                    room_below(plan, above, rooms[i]), progress->next[i], demand);
        if (place != 0) {
            progress->next[i] = place + demand.bytes;
            return place;
        }
    }
    return 0;
}

static void place_bar(struct plan *plan, struct vst_pci_function *function, unsigned slot,
                      enum vst_pci_space space, struct demand demand, struct progress *progress)
{
    const struct vst_platform *platform = plan->host->platform;
    uint64_t place = find_place_below(plan, function->parent, space, demand, progress);

    if (place != 0 && vst_pci_bar_program(platform, function, slot, place))
        return;
    plan->complete = false;
    vst_log(platform, VST_LOG_WARNING, "pci: %04x:%02x:%02x.%u: %s for BAR %u of %lu bytes",
            function->address.segment, function->address.bus, function->address.device,
            function->address.function, place == 0 ? "no room" : "address not accepted", slot,
            (unsigned long)demand.bytes);
}

/*
 * Places a window; where the whole does not fit, then half of it and so on, so that one greedy BAR
 * does not take the others behind the bridge with it.
 */
static void place_window(struct plan *plan, struct vst_pci_function *bridge,
                         enum vst_pci_space space, struct demand demand, struct progress *progress)
{
    struct vst_pci_window *window = vst_pci_bridge_window(bridge, space);
    uint64_t smallest = granule(space), place = 0;

    while ((place = find_place_below(plan, bridge->parent, space, demand, progress)) == 0 &&
           demand.bytes > smallest) {
        demand.bytes = align_up(demand.bytes / 2, smallest);
        if (demand.align > demand.bytes)
            demand.align = highest_bit(demand.bytes);
    }
    plan->traits[bridge->secondary_bus] &= (uint8_t)~AWAITS(space);
    *window = PCI_WINDOW_EMPTY;
    if (place != 0)
        (void)vst_pci_bridge_window_open(
            plan->host->platform, bridge, space,
            (struct vst_pci_window){.first = place, .last = place + demand.bytes - 1});
}

/* Places all of one space and alignment on the buses below `above`. */
static void place_aligned(struct plan *plan, int32_t above, enum vst_pci_space space,
                          uint64_t align)
{
    struct progress progress = {{0, 0}};

    for (size_t i = 0; i < plan->n; i++) {
        struct vst_pci_function *function = &plan->functions[i];
        if (function->parent != above)
            continue;
        for (unsigned slot = 0; slot < N_SLOTS; slot++) {
            struct demand demand = demand_of_slot(plan, function, slot, space);
            if (demand.bytes == 0 || demand.align != align)
                continue;
            if (slot < WINDOW_SLOT)
                place_bar(plan, function, slot, space, demand, &progress);
            else
                place_window(plan, function, space, demand, &progress);
        }
    }
}

static void place_below(struct plan *plan, int32_t above)
{
    for (unsigned s = 0; s < VST_PCI_N_SPACES; s++) {
        uint64_t left = alignments(plan, above, s);
        for (; left != 0; left &= ~highest_bit(left))
            place_aligned(plan, above, s, highest_bit(left));
    }
}

static bool anything_awaits(const struct plan *plan)
{
    for (size_t i = 0; i < plan->n; i++)
        for (unsigned slot = 0; slot < VST_PCI_N_BARS; slot++)
            if (bar_awaits(&plan->functions[i], slot))
                return true;
    return false;
}

/* Forgets what firmware did to one function; its decoding stays off until restore_decoding. */
static void clear_function(const struct plan *plan, struct vst_pci_function *function)
{
    const struct vst_platform *platform = plan->host->platform;

    if (pci_is_host_bridge(function))
        return;
    function->command = vst_pci_decoding_off(platform, function->address);
    for (unsigned slot = 0; slot < VST_PCI_N_BARS; slot++)
        if (function->bars[slot].kind != VST_PCI_BAR_NONE)
            (void)vst_pci_bar_program(platform, function, slot, 0);
    if (function->header_type == PCI_HEADER_DEVICE)
        pci_write32(platform, function->address, PCI_ROM_ADDRESS, 0);
    if (pci_is_bridge(function)) {
        pci_write32(platform, function->address, PCI_ROM_ADDRESS_BRIDGE, 0);
        for (unsigned s = 0; s < VST_PCI_N_SPACES; s++)
            (void)vst_pci_bridge_window_close(platform, function, s);
    }
}

/* Leaves off what would now claim address 0. */
static void restore_decoding(const struct plan *plan, const struct vst_pci_function *function)
{
    uint16_t off = PCI_COMMAND_DECODING & (uint16_t)~vst_pci_decodable(function);

    if (!pci_is_host_bridge(function) && (function->command & PCI_COMMAND_DECODING) != 0)
        pci_write16(plan->host->platform, function->address, PCI_COMMAND,
                    (uint16_t)(function->command & ~off));
}

enum vst_status vst_pci_assign(const struct vst_pci_host *host, struct vst_pci_function *functions,
                               size_t n_functions, bool all)
{
    struct plan plan = {.host = host, .functions = functions, .n = n_functions, .complete = true};

    for (size_t i = 0; all && i < n_functions; i++)
        clear_function(&plan, &functions[i]);
    if (!all && !anything_awaits(&plan))
        return VST_OK;
    for (size_t i = 0; i < n_functions; i++)
        if (is_numbered_bridge(&functions[i]))
            prepare_bridge(&plan, &functions[i]);
    /* A bridge stands before what is behind it, so backwards is bottom-up. */
    for (size_t i = n_functions; i-- > 0;)
        for (unsigned s = 0; is_numbered_bridge(&functions[i]) && s < VST_PCI_N_SPACES; s++)
            measure_window(&plan, i, s);
    place_below(&plan, NOBODY);
    for (size_t i = 0; i < n_functions; i++)
        if (is_numbered_bridge(&functions[i]))
            place_below(&plan, (int32_t)i);
    for (size_t i = 0; all && i < n_functions; i++)
        restore_decoding(&plan, &functions[i]);
    return plan.complete ? VST_OK : VST_ERR_NO_MEMORY;
}
