/* SPDX-License-Identifier: BSD-2-Clause */
/* What the boot loader says of a disk that does not answer, by a clock that also goes back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "boot/efi/loader/utf16.c"
#include "boot/efi/loader/watch.c"

#define S(seconds) ((uint64_t)(seconds)*NS_PER_S)

static EFI_SYSTEM_TABLE table;
EFI_SYSTEM_TABLE *loader_system = &table;
static uint64_t time_ns;
static char said[200];

uint64_t clock_ns(void)
{
    return time_ns;
}

void *pool_take(UINTN bytes)
{
    (void)bytes;
    return NULL;
}

static EFI_STATUS EFIAPI output(SIMPLE_TEXT_OUTPUT_INTERFACE *this, CHAR16 *text)
{
    (void)this;
    assert_true(utf8_of(text, 100, said, sizeof(said)));
    return EFI_SUCCESS;
}

/* What is said at that time; "" if it is nothing. */
static const char *look(uint64_t at_ns)
{
    static SIMPLE_TEXT_OUTPUT_INTERFACE console = {.OutputString = output};

    table.ConOut = &console;
    said[0] = '\0';
    time_ns = at_ns;
    watch_look();
    return said;
}

static void silence_is_told_by_the_second(void **state)
{
    (void)state;
    assert_string_equal(look(S(9)), "");
    time_ns = S(10);
    watch_begin("vda");
    assert_string_equal(look(S(12)), "");
    assert_string_equal(look(S(13)), "\rvda: no answer for 3 s ");
    assert_string_equal(look(S(13) + 1), "");
    assert_string_equal(look(S(14)), "\rvda: no answer for 4 s ");
    time_ns = S(15);
    watch_progress();
    assert_string_equal(look(S(17)), "");
    assert_string_equal(look(S(20)), "\rvda: no answer for 5 s ");
    watch_end();
    assert_string_equal(said, "\r\n");
    assert_string_equal(look(S(30)), "");
}

static void a_counter_set_back_begins_anew(void **state)
{
    (void)state;
    time_ns = S(1000);
    watch_begin("vda");
    assert_string_equal(look(S(1004)), "\rvda: no answer for 4 s ");
    assert_string_equal(look(0), "");
    assert_string_equal(look(S(2)), "");
    assert_string_equal(look(S(3)), "\rvda: no answer for 3 s ");
    watch_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_is_told_by_the_second),
        cmocka_unit_test(a_counter_set_back_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
