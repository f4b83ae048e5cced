/* SPDX-License-Identifier: BSD-2-Clause */
#include "table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "printable.h"

#define CELL_BYTES   96
#define MOST_COLUMNS 16u

void table_begin(struct table *table, const struct table_column *columns, size_t n_columns)
{
    *table = (struct table){.columns = columns, .n_columns = n_columns};
}

static bool make_room(struct table *table)
{
    if (table->n_cells < table->max_cells)
        return true;
    size_t max = table->max_cells ? table->max_cells * 2 : 8 * table->n_columns;
    char **cells = realloc(table->cells, max * sizeof(*cells));
    if (cells == NULL)
        return false;
    table->cells = cells;
    table->max_cells = max;
    return true;
}

static void add(struct table *table, const char *text)
{
    if (make_room(table))
        table->cells[table->n_cells++] = strdup(text);
    else
        table->incomplete = true;
}

void table_utf8_cell(struct table *table, const char *text)
{
    add(table, text);
}

void table_cell(struct table *table, const char *format, ...)
{
    char text[CELL_BYTES];
    va_list values;

    va_start(values, format);
    vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    add(table, printable(text));
}

static const char *cell_text(const struct table *table, size_t index)
{
    return table->cells[index] != NULL ? table->cells[index] : "?";
}

static size_t column_width(const struct table *table, size_t column)
{
    size_t width = strlen(table->columns[column].heading);

    for (size_t i = column; i < table->n_cells; i += table->n_columns) {
        size_t length = strlen(cell_text(table, i));
        width = length > width ? length : width;
    }
    return width;
}

static void print_cell(const struct table *table, size_t column, size_t width, const char *text)
{
    bool last = column + 1 == table->n_columns;

    if (table->columns[column].right)
        printf("%*s", (int)width, text);
    else
        printf("%-*s", last ? 0 : (int)width, text);
    putchar(last ? '\n' : ' ');
}

void table_end(struct table *table)
{
    size_t n_rows = table->n_cells / table->n_columns, widths[MOST_COLUMNS] = {0};

    for (size_t column = 0; column < table->n_columns; column++) {
        widths[column % MOST_COLUMNS] = column_width(table, column);
        print_cell(table, column, widths[column % MOST_COLUMNS], table->columns[column].heading);
    }
    for (size_t i = 0; i < n_rows * table->n_columns; i++) {
        size_t column = i % table->n_columns;
        print_cell(table, column, widths[column % MOST_COLUMNS], cell_text(table, i));
    }
    if (table->incomplete)
        puts("(out of memory: some rows are missing)");
    for (size_t i = 0; i < table->n_cells; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct table){0};
}
