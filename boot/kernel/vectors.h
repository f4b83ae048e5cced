/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is called for which interrupt: a table of vectors for each CPU, and the shared lines of the
 * 8259. Knows no hardware.
 *
 * Handlers run on the interrupted CPU's interrupt stack with interrupts off, may use general
 * registers only (-mgeneral-regs-only) and neither printf nor malloc nor the log.
 */
#ifndef VSTOR_KERNEL_VECTORS_H
#define VSTOR_KERNEL_VECTORS_H

#include <vstor/types.h>

#define VECTORS_FIRST    32u
#define VECTORS_N        224u
#define VECTOR_PIC_FIRST 32u   /**< 16 of them */
#define VECTOR_FREE      48u   /**< the first to be given out */
#define VECTOR_WAKE      0xf0u /**< nothing but a wake-up; what is to be given out ends before */

typedef void interrupt_handler(void *ctx);

struct vector {
    interrupt_handler *handler; /**< NULL: free */
    void *ctx;
    uint64_t n_interrupts;
};

/** All zero is an empty table. One CPU, the boot CPU, changes it; one, its own, dispatches. */
struct vector_table {
    struct vector vectors[VECTORS_N];
    uint32_t dispatching;
    uint64_t n_strays; /**< interrupts that nobody wanted */
};

/** Gives out a vector, 0 if there is none left. */
unsigned vector_table_add(struct vector_table *table, interrupt_handler *handler, void *ctx);

/** Takes it back. Its handler may still run on the table's CPU: vector_table_is_dispatching. */
void vector_table_remove(struct vector_table *table, unsigned vector);

bool vector_table_is_dispatching(const struct vector_table *table);

/** Counts and calls the handler, if there is one. */
void vector_table_dispatch(struct vector_table *table, unsigned vector);

uint64_t vector_table_count(const struct vector_table *table, unsigned vector);

/** Silences its device (virtio: reads the ISR register) and tells whether it was that device that
 * interrupted. */
typedef bool interrupt_line_handler(void *ctx);

#define LINE_MAX_HANDLERS  16u
#define LINE_MAX_UNCLAIMED 1000u

/** A level-triggered line and those that share it. All zero is an unused line. */
struct interrupt_line {
    struct {
        interrupt_line_handler *handler;
        void *ctx;
    } handlers[LINE_MAX_HANDLERS];
    unsigned n_handlers;
    unsigned n_unclaimed; /**< in a row */
    uint64_t n_interrupts;
};

bool interrupt_line_add(struct interrupt_line *line, interrupt_line_handler *handler,
                        void *ctx) VST_MUST_USE;
void interrupt_line_remove(struct interrupt_line *line, interrupt_line_handler *handler, void *ctx);

/** Counts and asks every handler. False if the line has been unclaimed so often that it is to be
 * masked: some device holds it that nobody silences. */
bool interrupt_line_dispatch(struct interrupt_line *line) VST_MUST_USE;

#endif
