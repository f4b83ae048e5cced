/* SPDX-License-Identifier: BSD-2-Clause */
/* icnt: guest-instruction counter with guest-placed marks, for QEMU 7.2 TCG (plugin API v1).
 * args: out=FILE       text report, one line per window (default stderr)
 *       mode=tb|insn   tb: one inline add per executed translation block (fast, default)
 *                      insn: one inline add per executed instruction (exact even when a TB is left half-way)
 *       hist=DIR       per-window histogram DIR/w<ID>.<SEQ>.hist: "vaddr count ninsn flags"
 *       mmio=off|kernel|all  count memory operations which hit I/O regions, by region (slow)
 *       stores=on      count bytes stored, and those of them that string moves (movs) copy (slow)
 *       trig=HEXVA:FIRST:COUNT  inner window: opened at the FIRST-th execution of the instruction at
 *                      HEXVA after an outer window was opened, closed COUNT executions later; reported as ID+100
 *       open=ID        window ID is open from power-on; marks that begin it are passed over; it ends with QEMU at the latest
 * A mark is the 7-byte  nopl disp32(%rax) = 0f 1f 80 II 4d 4b 52 (16-bit code: with 67 in front)
 *   II = 0x01..0x5f begin window II ; II|0x80 end window II
 *   II = 0x00 begin spin, 0x80 end spin (instructions in between also go to the 'spin' column)
 * Window begin/end are also written with qemu_plugin_outs ("MARK b/e ID"; visible with -d plugin, in order with -trace output).
 * One vCPU (or -icount, i.e. round robin) only: inline counters are not atomic.
 * 'rep2' = iterations of rep-string instructions after the first; TCG counts each iteration as an instruction,
 *   so "architectural" instructions = total - rep2  (tb mode only). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <inttypes.h>
#include <sys/mman.h>
#include "plugin_api.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

#define NSLOT (1u << 21)
enum { C_REP2, C_PIO, C_HLT, C_MSR, C_IRET, C_SER, C_LOCK, NC };
static const char *cname[NC] = { "rep2", "pio", "hlt", "msr", "iret", "serializing", "lock" };
struct meta { uint64_t va; uint16_t n; uint8_t used; uint8_t c[NC]; };
static uint64_t *cnt;           /* executions, inline-incremented */
static struct meta *mt;
static uint32_t used;
static int insn_mode, mmio_mode, stores;
static uint64_t stored, copied; /* bytes */
static uint64_t spin_acc, spin_at; static int in_spin;
static uint64_t total;          /* only maintained exactly where marks need it: see tot() */
static FILE *out; static const char *histdir;
static uint64_t nidle;
static uint64_t trig_va, trig_first, trig_count, trig_n; static int trig_on;
static int open_id;

#define NREG 64
static struct { const char *name; uint64_t page; uint64_t r, w; } reg[NREG];
static int nreg; static uint64_t mm_r, mm_w;

struct win { int id; int open; uint64_t *base; uint64_t spin0, idle0, mr0, mw0, st0, cp0; uint64_t r0[NREG], w0[NREG]; };
static struct win W[2];         /* 0 outer, 1 inner */
static unsigned seq;

static uint32_t get(uint64_t va, unsigned n)
{
    uint64_t h = (va ^ ((uint64_t)n << 52)) * 0x9E3779B97F4A7C15ull; uint32_t i = h >> 43;
    while (mt[i].used && (mt[i].va != va || mt[i].n != n)) i = (i + 1) & (NSLOT - 1);
    if (!mt[i].used) {
        if (++used > NSLOT - NSLOT / 8) { fprintf(stderr, "icnt: table full\n"); exit(9); }
        mt[i].used = 1; mt[i].va = va; mt[i].n = n;
    }
    return i;
}

static void begin(struct win *w, int id)
{
    char b[64];
    w->id = id; w->open = 1; w->spin0 = spin_acc; w->idle0 = nidle; w->mr0 = mm_r; w->mw0 = mm_w;
    w->st0 = stored; w->cp0 = copied;
    for (int i = 0; i < NREG; i++) { w->r0[i] = reg[i].r; w->w0[i] = reg[i].w; }
    memcpy(w->base, cnt, NSLOT * 8ul);
    snprintf(b, sizeof b, "MARK b %d\n", id); qemu_plugin_outs(b);
}

static void end(struct win *w)
{
    uint64_t us = 0, ke = 0, c[NC] = {0}, uniq = 0; FILE *h = NULL; char p[512];
    snprintf(p, sizeof p, "MARK e %d\n", w->id); qemu_plugin_outs(p);
    if (histdir) { snprintf(p, sizeof p, "%s/w%d.%u.hist", histdir, w->id, seq); h = fopen(p, "w"); }
    for (uint32_t i = 0; i < NSLOT; i++) {
        if (!mt[i].used) continue;
        uint64_t d = cnt[i] - w->base[i];
        if (!d) continue;
        uniq++;
        if (mt[i].va >> 63) ke += d * mt[i].n; else us += d * mt[i].n;
        for (int k = 0; k < NC; k++) c[k] += d * mt[i].c[k];
        if (h) fprintf(h, "%" PRIx64 " %" PRIu64 " %u %u\n", mt[i].va, d, mt[i].n, mt[i].c[C_REP2]);
    }
    if (h) fclose(h);
    fprintf(out, "win %d seq %u total %" PRIu64 " user %" PRIu64 " kernel %" PRIu64, w->id, seq, us + ke, us, ke);
    for (int k = 0; k < NC; k++) fprintf(out, " %s %" PRIu64, cname[k], c[k]);
    fprintf(out, " spin %" PRIu64 " idle %" PRIu64 " uniq %" PRIu64 " mmio_r %" PRIu64 " mmio_w %" PRIu64,
            spin_acc - w->spin0, nidle - w->idle0, uniq, mm_r - w->mr0, mm_w - w->mw0);
    if (stores) fprintf(out, " stored %" PRIu64 " copied %" PRIu64, stored - w->st0, copied - w->cp0);
    for (int i = 0; i < nreg; i++)
        if (reg[i].r - w->r0[i] + reg[i].w - w->w0[i])
            fprintf(out, " [%s@%" PRIx64 " r %" PRIu64 " w %" PRIu64 "]", reg[i].name, reg[i].page,
                    reg[i].r - w->r0[i], reg[i].w - w->w0[i]);
    fprintf(out, "\n"); fflush(out);
    seq++; w->open = 0;
}

static void trig(unsigned v, void *u)
{
    if (!trig_on || !W[0].open) return;
    trig_n++;
    if (trig_n == trig_first) begin(&W[1], W[0].id + 100);
    else if (trig_n == trig_first + trig_count) { end(&W[1]); trig_on = 0; }
}

static void mark(unsigned v, void *u)
{
    int id = (uintptr_t)u;
    if (id == 0) { in_spin = 1; spin_at = total; return; }
    if (id == 0x80) { if (in_spin) spin_acc += total - spin_at; in_spin = 0; return; }
    if (id & 0x80) { if (W[0].open && W[0].id == (id & 0x7f)) { if (W[1].open) end(&W[1]); end(&W[0]); } return; }
    if (id == open_id) return;
    trig_n = 0; trig_on = trig_va != 0;
    begin(&W[0], id);
}

static void mem(unsigned v, qemu_plugin_meminfo_t info, uint64_t va, void *u)
{
    struct qemu_plugin_hwaddr *h = qemu_plugin_get_hwaddr(info, va);
    if (!h || !qemu_plugin_hwaddr_is_io(h)) return;
    int st = qemu_plugin_mem_is_store(info), i;
    if (st) mm_w++; else mm_r++;
    const char *n = qemu_plugin_hwaddr_device_name(h);
    uint64_t pg = qemu_plugin_hwaddr_phys_addr(h) & ~0xfffull;
    for (i = 0; i < nreg; i++) if (reg[i].page == pg && !strcmp(reg[i].name, n)) break;
    if (i == nreg) { if (nreg == NREG) return; reg[i].name = strdup(n); reg[i].page = pg; nreg++; }
    if (st) reg[i].w++; else reg[i].r++;
}

static void store(unsigned v, qemu_plugin_meminfo_t info, uint64_t va, void *is_move)
{
    uint64_t n = 1ull << qemu_plugin_mem_size_shift(info);
    stored += n;
    if (is_move) copied += n;
}

static void idle(qemu_plugin_id_t id, unsigned v) { nidle++; }

static void classify(struct meta *m, const uint8_t *d, size_t sz, int first)
{
    size_t p = 0; int rep = 0, lock = 0;
    while (p < sz) {
        uint8_t b = d[p];
        if (b == 0xf2 || b == 0xf3) rep = b; else if (b == 0xf0) lock = 1;
        else if (b == 0x66 || b == 0x2e || b == 0x36 || b == 0x3e || b == 0x26 || b == 0x64 || b == 0x65 || b == 0x67) ;
        else if ((b & 0xf0) == 0x40 && p + 1 < sz) ;      /* REX (64-bit code) */
        else break;
        p++;
    }
    if (p >= sz) return;
    uint8_t o = d[p], o2 = p + 1 < sz ? d[p + 1] : 0, o3 = p + 2 < sz ? d[p + 2] : 0;
    if (rep && first && ((o >= 0xa4 && o <= 0xa7) || (o >= 0xaa && o <= 0xaf) || (o >= 0x6c && o <= 0x6f))) m->c[C_REP2]++;
    if ((o >= 0x6c && o <= 0x6f) || (o >= 0xe4 && o <= 0xe7) || (o >= 0xec && o <= 0xef)) m->c[C_PIO]++;
    if (o == 0xf4) m->c[C_HLT]++;
    if (o == 0xcf) m->c[C_IRET]++;
    if (lock || ((o == 0x86 || o == 0x87) && o2 < 0xc0)) m->c[C_LOCK]++;
    if (o == 0x0f) {
        if (o2 == 0x30 || o2 == 0x32) m->c[C_MSR]++;
        if (o2 == 0xa2 || (o2 == 0xae && o3 >= 0xe8)) m->c[C_SER]++;   /* cpuid, lfence/mfence/sfence */
    }
}

static int is_string_move(const uint8_t *d, size_t sz)
{
    for (size_t p = 0; p < sz; p++) {
        uint8_t b = d[p];
        if (b == 0xa4 || b == 0xa5) return 1;
        if (b != 0xf2 && b != 0xf3 && b != 0x66 && b != 0x67 && (b & 0xf0) != 0x40) return 0;
    }
    return 0;
}

static void trans(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    size_t n = qemu_plugin_tb_n_insns(tb);
    uint32_t k = 0;
    if (!insn_mode) { k = get(qemu_plugin_tb_vaddr(tb), n); memset(mt[k].c, 0, NC); }
    for (size_t i = 0; i < n; i++) {
        struct qemu_plugin_insn *in = qemu_plugin_tb_get_insn(tb, i);
        const uint8_t *d = qemu_plugin_insn_data(in);
        size_t sz = qemu_plugin_insn_size(in);
        uint64_t va = qemu_plugin_insn_vaddr(in);
        if (sz == 8 && d[0] == 0x67) { d++; sz--; }               /* 16-bit code: addr32 prefix */
        if (sz == 7 && d[0] == 0x0f && d[1] == 0x1f && d[2] == 0x80 && d[4] == 0x4d && d[5] == 0x4b && d[6] == 0x52)
            qemu_plugin_register_vcpu_insn_exec_cb(in, mark, QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)d[3]);
        if (trig_va && va == trig_va)
            qemu_plugin_register_vcpu_insn_exec_cb(in, trig, QEMU_PLUGIN_CB_NO_REGS, NULL);
        if (insn_mode) {
            k = get(va, 1); memset(mt[k].c, 0, NC); classify(&mt[k], d, sz, 1);
            qemu_plugin_register_vcpu_insn_exec_inline(in, QEMU_PLUGIN_INLINE_ADD_U64, &cnt[k], 1);
            qemu_plugin_register_vcpu_insn_exec_inline(in, QEMU_PLUGIN_INLINE_ADD_U64, &total, 1);
        } else classify(&mt[k], d, sz, i == 0);
        if (stores)
            qemu_plugin_register_vcpu_mem_cb(in, store, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_W,
                                             (void *)(uintptr_t)is_string_move(d, sz));
        if (mmio_mode == 2 || (mmio_mode == 1 && va >> 63))
            qemu_plugin_register_vcpu_mem_cb(in, mem, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, NULL);
    }
    if (!insn_mode) {
        qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &cnt[k], 1);
        qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &total, n);
    }
}

static void fin(qemu_plugin_id_t id, void *u) {
    if (open_id && W[0].open && W[0].id == open_id) end(&W[0]);
    fprintf(out, "end total %" PRIu64 " slots %u\n", total, used); fflush(out);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    out = stderr;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "out=", 4)) { out = fopen(argv[i] + 4, "w"); if (!out) return -1; }
        else if (!strncmp(argv[i], "hist=", 5)) histdir = strdup(argv[i] + 5);
        else if (!strcmp(argv[i], "mode=insn")) insn_mode = 1;
        else if (!strcmp(argv[i], "mode=tb")) insn_mode = 0;
        else if (!strcmp(argv[i], "mmio=kernel")) mmio_mode = 1;
        else if (!strcmp(argv[i], "mmio=all")) mmio_mode = 2;
        else if (!strcmp(argv[i], "mmio=off")) mmio_mode = 0;
        else if (!strcmp(argv[i], "stores=on")) stores = 1;
        else if (!strncmp(argv[i], "open=", 5)) open_id = atoi(argv[i] + 5);
        else if (!strncmp(argv[i], "trig=", 5)) sscanf(argv[i] + 5, "%" SCNx64 ":%" SCNu64 ":%" SCNu64, &trig_va, &trig_first, &trig_count);
        else { fprintf(stderr, "icnt: bad arg %s\n", argv[i]); return -1; }
    }
#define MAP(sz) mmap(0, sz, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    cnt = MAP(NSLOT * 8ul); mt = MAP(NSLOT * sizeof *mt); W[0].base = MAP(NSLOT * 8ul); W[1].base = MAP(NSLOT * 8ul);
    if (open_id) begin(&W[0], open_id);
    qemu_plugin_register_vcpu_tb_trans_cb(id, trans);
    qemu_plugin_register_vcpu_idle_cb(id, idle);
    qemu_plugin_register_atexit_cb(id, fin, NULL);
    return 0;
}
