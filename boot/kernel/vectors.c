/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/kernel/vectors.h"

unsigned vector_table_add(struct vector_table *table, interrupt_handler *handler, void *ctx)
{
    for (unsigned vector = VECTOR_FREE; vector < VECTOR_WAKE; vector++) {
        struct vector *v = &table->vectors[vector - VECTORS_FIRST];
        if (v->handler != NULL)
            continue;
        v->ctx = ctx;
        __atomic_store_n(&v->n_interrupts, 0, __ATOMIC_RELAXED);
        /* Last: from here on the other CPU may call it. */
        __atomic_store_n(&v->handler, handler, __ATOMIC_RELEASE);
        return vector;
    }
    return 0;
}

void vector_table_remove(struct vector_table *table, unsigned vector)
{
    if (vector >= VECTOR_FREE && vector < VECTOR_WAKE)
        __atomic_store_n(&table->vectors[vector - VECTORS_FIRST].handler, NULL, __ATOMIC_SEQ_CST);
}

bool vector_table_is_dispatching(const struct vector_table *table)
{
    return __atomic_load_n(&table->dispatching, __ATOMIC_SEQ_CST);
}

/*
 * Either remove's store comes before our load of the handler and we do not call it, or our store to
 * `dispatching` comes before the look at it that follows the remove: one total order of all four.
 */
void vector_table_dispatch(struct vector_table *table, unsigned vector)
{
    struct vector *v = &table->vectors[vector - VECTORS_FIRST];

    __atomic_store_n(&table->dispatching, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&v->n_interrupts, v->n_interrupts + 1, __ATOMIC_RELAXED);
    interrupt_handler *handler = __atomic_load_n(&v->handler, __ATOMIC_SEQ_CST);
    if (handler != NULL)
        handler(v->ctx);
    else if (vector != VECTOR_WAKE)
        table->n_strays++;
    __atomic_store_n(&table->dispatching, 0, __ATOMIC_RELEASE);
}

uint64_t vector_table_count(const struct vector_table *table, unsigned vector)
{
    if (vector < VECTORS_FIRST || vector >= VECTORS_FIRST + VECTORS_N)
        return 0;
    return __atomic_load_n(&table->vectors[vector - VECTORS_FIRST].n_interrupts, __ATOMIC_RELAXED);
}

bool interrupt_line_add(struct interrupt_line *line, interrupt_line_handler *handler, void *ctx)
{
    if (line->n_handlers == LINE_MAX_HANDLERS)
        return false;
    line->handlers[line->n_handlers].handler = handler;
    line->handlers[line->n_handlers++].ctx = ctx;
    line->n_unclaimed = 0;
    return true;
}

void interrupt_line_remove(struct interrupt_line *line, interrupt_line_handler *handler, void *ctx)
{
    for (unsigned i = 0; i < line->n_handlers; i++) {
        if (line->handlers[i].handler != handler || line->handlers[i].ctx != ctx)
            continue;
        line->handlers[i] = line->handlers[--line->n_handlers];
        return;
    }
}

/* All are asked: with a level-triggered line one missed now comes again, but a second interrupt
 * costs more than a second question. */
bool interrupt_line_dispatch(struct interrupt_line *line)
{
    bool claimed = false;

    line->n_interrupts++;
    for (unsigned i = 0; i < line->n_handlers; i++)
        claimed |= line->handlers[i].handler(line->handlers[i].ctx);
    line->n_unclaimed = claimed ? 0 : line->n_unclaimed + 1;
    return line->n_unclaimed < LINE_MAX_UNCLAIMED;
}
