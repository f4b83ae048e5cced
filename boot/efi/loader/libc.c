/* SPDX-License-Identifier: BSD-2-Clause */
/* What boot/loader asks of a C library beyond boot/efi/memory.c. */
#include <stdint.h>
#include <string.h>

size_t strlen(const char *text)
{
    size_t n = 0;

    while (text[n] != '\0')
        n++;
    return n;
}

int strcmp(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return (unsigned char)*a - (unsigned char)*b;
}

void *memchr(const void *memory, int byte, size_t bytes)
{
    const unsigned char *at = memory;

    for (size_t i = 0; i < bytes; i++)
        if (at[i] == (unsigned char)byte)
            return (void *)(uintptr_t)(at + i);
    return NULL;
}

char *strcpy(char *to, const char *from)
{
    char *at = to;

    while ((*at++ = *from++) != '\0')
        ;
    return to;
}
