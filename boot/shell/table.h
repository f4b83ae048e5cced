/* SPDX-License-Identifier: BSD-2-Clause */
/* Aligned columns for people. Cells are collected first, so that each column is as wide as its
 * widest cell. */
#ifndef VSTOR_SHELL_TABLE_H
#define VSTOR_SHELL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <vstor/types.h>

struct table_column {
    const char *heading;
    bool right; /* numbers stand at the right edge */
};

struct table {
    const struct table_column *columns;
    size_t n_columns;
    char **cells; /* row by row; NULL where memory ran out */
    size_t n_cells, max_cells;
    bool incomplete;
};

void table_begin(struct table *table, const struct table_column *columns, size_t n_columns);
/** Adds the next cell, from left to right and from top to bottom. Bytes that are not printable
 * ASCII become '?'. */
void table_cell(struct table *table, const char *format, ...) VST_PRINTF(2, 3);
/** The same for text that is known to be printable UTF-8; for the last column, widths are in bytes. */
void table_utf8_cell(struct table *table, const char *text);
/** Prints headings and rows, and frees everything. */
void table_end(struct table *table);

#endif
