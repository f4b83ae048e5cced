/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole command lines on a disk in memory: what they print, what they change, how they end. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "boot/shell/command.h"
#include "boot/shell/line_edit.h"
#include "boot/shell/pattern.h"
#include "fake_shell_host.h"

#define DISK_BYTES (1u << 20)

static int set_up(void **state)
{
    struct fake_host *fake = malloc(sizeof(*fake));

    fake_host_make(fake);
    *state = fake;
    return 0;
}

static int tear_down(void **state)
{
    fake_host_free(*state);
    free(*state);
    return 0;
}

/* Runs a line whose last command succeeds without exit. */
static const char *succeed(struct fake_host *fake, const char *line)
{
    int status = fake_host_run(fake, line);

    if (status != SHELL_NO_EXIT)
        print_message("%s", fake->output);
    assert_int_equal(status, SHELL_NO_EXIT);
    return fake->output;
}

static const char *fail_with(struct fake_host *fake, const char *line)
{
    assert_int_equal(fake_host_run(fake, line), 1);
    return fake->output;
}

static void assert_holds(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("no \"%s\" in: %s", part, text);
}

/* ---------------------------------------------------------------- changes */

static void events_tell_what_has_happened(void **state)
{
    struct fake_host *fake = *state;

    vst_block_limits_changed(&fake->disk.device); /* as it is at first */
    assert_string_equal(succeed(fake, "events"), "no events\n");
    assert_string_equal(succeed(fake, "events json=1"), "");
    fake->now_ns = 12345000000;
    fake->disk.device.limits.n_sectors = 4096;
    fake->disk.device.write_cache = false;
    fake->disk.device.broken_why = "used id out of range";
    vst_block_limits_changed(&fake->disk.device);
    vst_block_note(&fake->disk.device, VST_BLOCK_EVENT_SERVICE, 0);
    assert_string_equal(succeed(fake, "events"),
                        "  TIME NAME EVENT   OLD        NEW                                  TIMES\n"
                        "12.345 vda  resize  1M         2M                                       1\n"
                        "12.345 vda  cache   writeback  writethrough                             1\n"
                        "12.345 vda  service in_service out_of_service: used id out of range     1\n");
    assert_string_equal(succeed(fake, "events"), "no events\n");
}

static void events_speak_json(void **state)
{
    struct fake_host *fake = *state;

    vst_block_limits_changed(&fake->disk.device); /* as it is at first */
    fake->step_ns = 0;
    fake->disk.device.limits.n_sectors = 4096;
    fake->disk.device.read_only = true;
    vst_block_limits_changed(&fake->disk.device);
    vst_block_note(&fake->disk.device, VST_BLOCK_EVENT_RECOVERED, 1);
    vst_block_note(&fake->disk.device, VST_BLOCK_EVENT_RECOVERED, 2);
    assert_string_equal(
        succeed(fake, "events json=1"),
        "{\"cmd\":\"events\",\"dev\":\"vda\",\"event\":\"resize\",\"old\":1048576,\"new\":2097152,"
        "\"times\":1,\"ns\":0}\n"
        "{\"cmd\":\"events\",\"dev\":\"vda\",\"event\":\"read_only\",\"old\":\"rw\",\"new\":\"ro\","
        "\"times\":1,\"ns\":0}\n"
        "{\"cmd\":\"events\",\"dev\":\"vda\",\"event\":\"recovered\",\"old\":0,\"new\":2,"
        "\"times\":2,\"ns\":0}\n");
    fake->step_ns = 1000;
}

static void events_wait(void **state)
{
    struct fake_host *fake = *state;

    vst_block_limits_changed(&fake->disk.device); /* as it is at first */
    fake->disk.refreshes_until_resize = 5;
    assert_string_equal(succeed(fake, "events"), "no events\n");
    assert_holds(succeed(fake, "events wait=60000"), "resize 1M  512k");
    uint64_t before = fake->now_ns;
    assert_string_equal(succeed(fake, "events wait=500"), "no events\n");
    assert_true(fake->now_ns - before >= 500000000);
    fake->input = "\x03";
    fake->silent_reads = 2;
    assert_string_equal(fail_with(fake, "events wait=500"), "events wait=500: interrupted\n");
    assert_holds(fail_with(fake, "events wait=x"), "wait=x is not a number");
}

static enum vst_status rescan(void *ctx, unsigned *n_added, unsigned *n_removed)
{
    struct fake_host *fake = ctx;

    *n_added = 2;
    *n_removed = 1;
    vst_block_note_plug(&fake->registry, &fake->disk.device, true);
    return VST_OK;
}

static enum vst_status fail_to_rescan(void *ctx, unsigned *n_added, unsigned *n_removed)
{
    (void)ctx;
    *n_added = *n_removed = 0;
    return VST_ERR_TOO_LARGE;
}

static void disks_come_and_go(void **state)
{
    struct fake_host *fake = *state;

    assert_holds(fail_with(fake, "rescan"), "rescan: disks are not looked for again here");
    fake->host.rescan = rescan;
    assert_string_equal(succeed(fake, "rescan"), "2 added, 1 removed\n");
    fake->step_ns = 0;
    assert_string_equal(succeed(fake, "rescan json=1"),
                        "{\"cmd\":\"rescan\",\"added\":2,\"removed\":1}\n");
    assert_holds(succeed(fake, "events"), "vda  plugged 0   1M      1\n");
    vst_block_note_plug(&fake->registry, &fake->disk.device, false);
    assert_holds(succeed(fake, "events json=1"),
                 "\"event\":\"unplugged\",\"old\":1048576,\"new\":0,\"times\":1,");
    fake->host.rescan = fail_to_rescan;
    assert_holds(fail_with(fake, "rescan"), "rescan: too large");
}

/* The kernel looks after its disks when the console is asked for a byte. */
static unsigned n_holders_seen;

static int look_while_reading(void *ctx, uint64_t timeout_ns)
{
    struct fake_host *fake = ctx;

    (void)timeout_ns;
    n_holders_seen = fake->disk.device.n_holders;
    return -1;
}

static void a_command_holds_its_device(void **state)
{
    struct fake_host *fake = *state;
    int (*read)(void *, uint64_t) = fake->host.console_read;

    fake->host.console_read = look_while_reading;
    fake->step_ns = 200000000;
    n_holders_seen = 0;
    succeed(fake, "bench vda rw=randread number_ios=2000");
    assert_int_equal(n_holders_seen, 1);
    assert_int_equal(fake->disk.device.n_holders, 0);
    fail_with(fake, "read vda 100G");
    assert_int_equal(fake->disk.device.n_holders, 0);
    fake->host.console_read = read;
}

static void latency_is_measured_while_it_is_on(void **state)
{
    struct fake_host *fake = *state;

    assert_null(strstr(succeed(fake, "stats vda"), "REQUEST"));
    succeed(fake, "stats vda latency=on");
    succeed(fake, "read vda 0 512");
    assert_holds(succeed(fake, "stats vda"), "vda  0 read    1");
    assert_holds(succeed(fake, "stats json=1"), "\"lat_ns\":{\"read\":{\"n\":1,\"min\":");
    succeed(fake, "stats latency=off; read vda 0 512");
    assert_holds(succeed(fake, "stats"), "vda  0 read    1");
    succeed(fake, "stats latency=on"); /* from zero on, in the same place */
    assert_null(strstr(succeed(fake, "stats"), "REQUEST"));
    succeed(fake, "stats latency=off");
    assert_holds(fail_with(fake, "stats latency=1"), "latency= takes on or off");
}

static void cache_is_shown_and_switched(void **state)
{
    struct fake_host *fake = *state;

    vst_block_limits_changed(&fake->disk.device); /* as it is at first */
    assert_string_equal(succeed(fake, "cache vda"), "vda: writeback\n");
    assert_string_equal(fail_with(fake, "cache vda writethrough"),
                        "cache vda writethrough: the device's cache can't be switched\n");
    fake->disk.device.write_cache_settable = true;
    assert_string_equal(succeed(fake, "cache vda writethrough"),
                        "vda: writethrough, can be switched\n");
    assert_int_equal(fake->disk.queue.stats.commands[VST_BLOCK_FLUSH], 1);
    assert_holds(succeed(fake, "lsblk vda"), "writethrough, can be switched\n");
    assert_string_equal(
        succeed(fake, "cache vda writeback json=1"),
        "{\"cmd\":\"cache\",\"dev\":\"vda\",\"cache\":\"writeback\",\"cache_settable\":true}\n");
    assert_holds(fail_with(fake, "cache vda back"), "'back' is neither writeback nor writethrough");
    fake->disk.flush_status = VST_ERR_IO;
    assert_holds(fail_with(fake, "cache vda writethrough json=1"), "\"error\":\"io\"");
}

/* ---------------------------------------------------------------- lines and statuses */

static void exit_status_is_that_of_exit(void **state)
{
    struct fake_host *fake = *state;

    assert_int_equal(fake_host_run(fake, "exit"), 0);
    assert_int_equal(fake_host_run(fake, "echo a; exit 7; echo b"), 7);
    assert_string_equal(fake->output, "a\n");
    assert_int_equal(fake_host_run(fake, "exit 127"), 127);
    assert_int_equal(fake_host_run(fake, "exit 128"), 1);
    assert_int_equal(fake_host_run(fake, "exit x"), 1);
    assert_int_equal(fake_host_run(fake, ""), SHELL_NO_EXIT);
    assert_int_equal(fake_host_run(fake, " ; ;"), SHELL_NO_EXIT);
}

static void first_failure_ends_a_line(void **state)
{
    struct fake_host *fake = *state;

    assert_string_equal(fail_with(fake, "echo a; nonsense x; echo b; exit 3"),
                        "a\nnonsense x: no such command (try help)\n");
    assert_string_equal(fail_with(fake, "echo 'a; exit"), "a quote or backslash has no end\n");
}

static void interactive_goes_on_after_failure(void **state)
{
    struct fake_host *fake = *state;

    assert_int_equal(fake_host_type(fake, "nonsense\necho still here\nexit 4\necho no\n"), 4);
    assert_string_equal(fake->output, "nonsense: no such command (try help)\nstill here\n");
    assert_int_equal(fake_host_type(fake, "nonsense"), 1);
    assert_int_equal(fake_host_type(fake, "nonsense\necho fine"), 0);
    assert_int_equal(fake_host_type(fake, ""), 0);
}

static void interactive_has_prompt_history_and_completion(void **state)
{
    struct fake_host *fake = *state;

    fake->host.interactive = true;
    assert_int_equal(fake_host_type(fake, "ec\tone\r\x1b[A\x7f\x7fwo\r\x04"), 0);
    assert_holds(fake->output, "vstor> ");
    assert_holds(fake->output, "\r\none\n");
    assert_holds(fake->output, "\nowo\n");
    /* ESC, a pause, [A: no key, but text. */
    assert_int_equal(fake_host_type(fake, "echo \x1b@[A\rexit 9\r"), 9);
    assert_holds(fake->output, "\n[A\n");
    assert_int_equal(fake_host_type(fake, "nonsense\r\x04"), 0);
}

/* A tape has no block device, but `inq` takes it; `read` does not. */
static void units_without_blocks_are_completed(void **state)
{
    static struct vst_scsi_unit tape = {.name = "st0"};
    static struct vst_scsi_units units = {.first = &tape, .n = 1};
    struct fake_host *fake = *state;

    fake->host.interactive = true;
    fake->host.units = &units;
    fake_host_type(fake, "inq s\tX --help\r\x04");
    assert_holds(fake->output, "inq st0 X");
    fake_host_type(fake, "read s\tX --help\r\x04");
    assert_null(strstr(fake->output, "st0"));
    fake_host_type(fake, "tmf v\tX --help\r\x04");
    assert_holds(fake->output, "tmf vda X");
}

static void overlong_line_is_refused(void **state)
{
    struct fake_host *fake = *state;
    char line[2 * LINE_EDIT_BYTES];

    memset(line, 'x', sizeof(line));
    strcpy(line + sizeof(line) - 12, "\necho next\n");
    assert_int_equal(fake_host_type(fake, line), 0);
    assert_string_equal(fake->output, "that line was too long\nnext\n");
}

static void reboot_needs_a_machine(void **state)
{
    struct fake_host *fake = *state;

    fail_with(fake, "reboot"); /* the fake one comes back */
    assert_int_equal(fake->n_reboots, 1);
    fake->host.reboot = NULL;
    assert_holds(fail_with(fake, "reboot"), "offers no way");
}

static void every_command_explains_itself(void **state)
{
    struct fake_host *fake = *state;
    char line[64], usage[64];

    for (size_t i = 0; i < n_shell_commands; i++) {
        const struct shell_command *command = shell_commands[i];
        assert_true(command->help[0] != '\0');
        assert_int_equal(command->help[strlen(command->help) - 1], '\n');
        snprintf(usage, sizeof(usage), "usage: %s", command->name);
        snprintf(line, sizeof(line), "help %s", command->name);
        assert_holds(succeed(fake, line), usage);
        assert_holds(fake->output, command->help);
        snprintf(line, sizeof(line), "%s --help", command->name);
        assert_holds(succeed(fake, line), usage);
        assert_holds(succeed(fake, "help"), command->summary);
    }
    assert_holds(fail_with(fake, "help nonsense"), "no such command");
    assert_holds(succeed(fake, "help sum json=1"), "{\"cmd\":\"help\",\"name\":\"sum\",");
}

static void help_fits_the_screen(void **state)
{
    struct fake_host *fake = *state;
    char line[64];

    for (size_t i = 0; i <= n_shell_commands; i++) {
        snprintf(line, sizeof(line), "help %s",
                 i < n_shell_commands ? shell_commands[i]->name : "");
        succeed(fake, line);
        for (char *row = strtok(fake->output, "\n"); row != NULL; row = strtok(NULL, "\n"))
            if (strlen(row) > 80)
                fail_msg("longer than 80 columns: %s", row);
    }
}

static void wrong_words_show_the_usage(void **state)
{
    struct fake_host *fake = *state;

    assert_string_equal(fail_with(fake, "read vda 1M"),
                        "read vda 1M: something is missing\nusage: read DEV OFF LEN\n");
    assert_string_equal(fail_with(fake, "flush vda 1 2"),
                        "flush vda 1 2: '1' is one word too many\nusage: flush DEV\n");
    assert_holds(fail_with(fake, "read vda 1q 4"), "'1q' is not an offset");
    assert_holds(fail_with(fake, "read vda 1 99999999T"), "'99999999T' is not a length");
    assert_holds(fail_with(fake, "fill vda 0 4k seed=x"), "seed=x is not a number");
    assert_holds(fail_with(fake, "verify vda 0 4k queue=1"), "queue=1, but vda has 1");
    assert_holds(fail_with(fake, "sum vda queue=x"), "queue=x is not a number");
    assert_holds(fail_with(fake, "flush vda queue=0"), "'queue=0' is one word too many");
    assert_holds(fail_with(fake, "sum vdq"), "sum vdq: no such device");
    assert_string_equal(
        fail_with(fake, "sum vdq json=1"),
        "{\"cmd\":\"sum\",\"dev\":\"vdq\",\"error\":\"not_found\",\"text\":\"no such device (lsblk "
        "lists them)\"}\n");
    assert_holds(fail_with(fake, "xyz json=1"), "{\"cmd\":\"xyz\",\"error\":\"not_found\",");
}

static void echo_and_sleep_do_so(void **state)
{
    struct fake_host *fake = *state;

    assert_string_equal(succeed(fake, "echo 'a  b' c; echo"), "a  b c\n\n");
    assert_string_equal(succeed(fake, "echo a json=1"), "{\"cmd\":\"echo\",\"words\":[\"a\"]}\n");
    uint64_t before = fake->now_ns;
    assert_string_equal(succeed(fake, "sleep 5"), "");
    assert_in_range(fake->now_ns - before, 5000000, 5100000);
    fake->input = "x\x03";
    assert_string_equal(fail_with(fake, "sleep 1000000000"), "sleep 1000000000: interrupted\n");
}

/* ---------------------------------------------------------------- lsblk */

static void lsblk_shows_a_table(void **state)
{
    struct fake_host *fake = *state;

    assert_string_equal(succeed(fake, "lsblk"),
                        "NAME SIZE LOG PHY RO CACHE RING  Q SERIAL      PATH\n"
                        "vda    1M 512 512 rw back  split 1 first-light pci-0000:00:04.0\n");
    assert_holds(succeed(fake, "lsblk vda"), "  features         FLUSH EVENT_IDX\n");
    assert_holds(succeed(fake, "lsblk pci-0000:00:04.0"), "vda: 1M (1048576 bytes), read-write");
    assert_holds(succeed(fake, "lsblk serial=first-light"), "vda: 1M");
    assert_holds(succeed(fake, "read vda 0 512; lsblk -v"), "3 reads (3k), 0 writes (0)");
    vst_block_unregister(&fake->registry, &fake->disk.device);
    assert_string_equal(succeed(fake, "lsblk"), "no block devices\n");
    assert_string_equal(succeed(fake, "lsblk json=1"), "");
}

static void lsblk_json_has_the_agreed_keys(void **state)
{
    struct fake_host *fake = *state;

    const char *text = succeed(fake, "lsblk json=1");
    const char *begin = "{\"cmd\":\"lsblk\",\"dev\":\"vda\",\"type\":\"disk\",\"bytes\":1048576,"
                        "\"logical_block\":512,\"physical_block\":512,\"ro\":false,";
    assert_memory_equal(text, begin, strlen(begin));
    assert_holds(
        text, "\"cache\":\"writeback\",\"serial\":\"first-light\","
              "\"driver\":\"virtio-blk\",\"transport\":\"virtio-pci\",\"pci\":\"0000:00:04.0\",");
    assert_holds(text, "\"queues\":1,\"ring\":\"split\",\"features\":[\"FLUSH\",\"EVENT_IDX\"]");
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void hostile_serials_are_disarmed(void **state)
{
    struct fake_host *fake = *state;

    strcpy(fake->disk.device.serial, "\x1b[2J\"\\\x80\n");
    fake->disk.device.features = NULL;
    assert_holds(succeed(fake, "lsblk json=1"), "\"serial\":\"\\u001b[2J\\\"\\\\\\u0080\\u000a\",");
    assert_holds(fake->output, "\"features\":[]");
    assert_holds(succeed(fake, "lsblk"), " ?[2J\"\\?? ");
    assert_null(strchr(succeed(fake, "lsblk -v"), 0x1b));
}

/* ---------------------------------------------------------------- lspci */

static void lspci_shows_functions(void **state)
{
    static const struct vst_pci_function functions[] = {
        {
            .address = {0, 0, 1, 0},
            .vendor_id = 0x1b36,
            .device_id = 0x000c,
            .base_class = 6,
            .sub_class = 4,
            .header_type = 1,
            .secondary_bus = 1,
            .subordinate_bus = 2,
            .bridge_io = {1, 0},
            .bridge_memory = {0xfe800000, 0xfe9fffff},
            .bridge_prefetchable = {1, 0},
            .parent = -1,
        },
        {
            .address = {0, 1, 0, 0},
            .vendor_id = 0x8086,
            .device_id = 0x1042, /* virtio only if the vendor is */
            .base_class = 1,
            .revision = 1,
            .interrupt_pin = 1,
            .interrupt_line = 11,
            .bars =
                {
                    [1] = {VST_PCI_BAR_MEMORY32, false, false, 0, 4096},
                    [4] = {VST_PCI_BAR_MEMORY64, true, true, 0x8000004000, 16384},
                },
            .n_capabilities = 1,
            .capabilities = {{0x11, 0x98}},
            .capabilities_malformed = true,
        },
    };
    struct fake_host *fake = *state;

    assert_string_equal(succeed(fake, "lspci"), "no PCI functions\n");
    fake->host.functions = functions;
    fake->host.n_functions = 2;
    succeed(fake, "lspci");
    assert_memory_equal(fake->output, "0000:00:01.0 ", 13);
    assert_holds(fake->output, "\n0000:01:00.0 ");
    assert_holds(fake->output, ": 8086:1042 (rev 01)\n");
    succeed(fake, "lspci -v");
    assert_holds(fake->output, "  buses: 01 to 02 behind it\n"
                               "  window: memory 0xfe800000-0xfe9fffff\n");
    assert_holds(fake->output, "  interrupt: pin A, line 11\n"
                               "  BAR 1: memory32 not assigned, 4k\n"
                               "  BAR 4: memory64 at 0x8000004000, 16k, prefetchable\n"
                               "  capability [98]: 11 MSI-X\n"
                               "  capability list is malformed");
    succeed(fake, "lspci json=1");
    assert_holds(fake->output, "{\"cmd\":\"lspci\",\"dev\":\"0000:00:01.0\",\"class\":");
    assert_holds(fake->output, "\"bridge\":{\"secondary_bus\":1,\"subordinate_bus\":2,"
                               "\"memory\":{\"first\":4269801472,\"last\":4271898623}}");
    assert_holds(fake->output, "\"bars\":[{\"bar\":1,\"kind\":\"memory32\",\"assigned\":false,"
                               "\"bytes\":4096,\"prefetchable\":false},{\"bar\":4,");
}

/* ---------------------------------------------------------------- read, write, flush */

static void read_dumps_any_range(void **state)
{
    struct fake_host *fake = *state;

    memcpy(fake->disk.data + 510, "\x55\xaahello", 7);
    assert_string_equal(
        succeed(fake, "read vda 0x1fe 7"),
        "000001fe  55 aa 68 65 6c 6c 6f                              |U.hello|\n00000205\n");
    assert_string_equal(succeed(fake, "read vda 510 3 json=1"),
                        "{\"cmd\":\"read\",\"dev\":\"vda\",\"offset\":510,\"bytes\":3,\"hex\":"
                        "\"55aa68\"}\n");
    assert_string_equal(succeed(fake, "read vda 1M 0"), "");
    /* Lines fold across the pieces in which a long range is read. */
    assert_holds(succeed(fake, "read vda 1k 8k"), "|................|\n*\n00002400\n");
    succeed(fake, "read vda 0 10k json=1");
    assert_holds(fake->output, "\"offset\":4096,\"bytes\":4096,");
    assert_holds(fake->output, "\"offset\":8192,\"bytes\":2048,");
}

static void ranges_beyond_the_end_are_refused(void **state)
{
    struct fake_host *fake = *state;

    assert_string_equal(fail_with(fake, "read vda 1M 4k"),
                        "read vda 1M 4k: beyond the end of the device at byte 1048576\n");
    assert_string_equal(fail_with(fake, "read vda 0xfffff 2"),
                        "read vda 0xfffff 2: beyond the end of the device at byte 1048576\n");
    assert_string_equal(fail_with(fake, "sum vda 2M"),
                        "sum vda 2M: beyond the end of the device at byte 2097152\n");
    assert_string_equal(
        fail_with(fake, "read vda 0xffffffffffffffff 0xffffffffffffffff json=1"),
        "{\"cmd\":\"read\",\"dev\":\"vda\",\"error\":\"range\",\"offset\":18446744073709551615,"
        "\"text\":\"beyond the end of the device\"}\n");
    /* The sum of both would wrap to a place inside. */
    assert_holds(fail_with(fake, "read vda 4k 0xfffffffffffff100"), "at byte 1048576");
    assert_holds(fail_with(fake, "write vda 1M 00"), "at byte 1048576");
    assert_holds(fail_with(fake, "write vda 0xfffff 0000"), "at byte 1048576");
    assert_holds(fail_with(fake, "fill vda 1023k 2k seed=1"), "at byte 1048576");
    assert_holds(fail_with(fake, "verify vda 1023k 2k seed=1"), "at byte 1048576");
    assert_int_equal(fake->disk.end_written_sector, 0);
    assert_int_equal(fake->disk.queue.stats.commands[VST_BLOCK_READ], 0);
}

static void write_changes_these_bytes_only(void **state)
{
    struct fake_host *fake = *state;
    uint8_t expected[2048];

    memset(fake->disk.data, 0xee, sizeof(expected));
    memset(expected, 0xee, sizeof(expected));
    memcpy(expected + 509, "\x00\x12\xab\xCD\xef", 5);
    assert_string_equal(succeed(fake, "write vda 509 0012 aBCd ef"), "");
    assert_memory_equal(fake->disk.data, expected, sizeof(expected));
    assert_holds(succeed(fake, "write vda 0 11 json=1"), "\"offset\":0,\"bytes\":1}");
    assert_holds(fail_with(fake, "write vda 0 123"), "'123' is not pairs of hex digits");
    assert_holds(fail_with(fake, "write vda 0 12 zz"), "'zz' is not pairs");
    assert_int_equal(fake->disk.data[0], 0x11);
}

static void read_only_devices_are_left_alone(void **state)
{
    struct fake_host *fake = *state;

    fake->disk.device.read_only = true;
    assert_string_equal(fail_with(fake, "write vda 512 00"),
                        "write vda 512 00: read-only device at byte 512\n");
    assert_holds(fail_with(fake, "fill vda 0 64k seed=1"), "read-only device at byte 0\n");
    assert_holds(fail_with(fake, "fill vda 1 1 seed=1 json=1"), "\"error\":\"read_only\",");
    assert_holds(succeed(fake, "lsblk"), " ro ");
}

static void flush_says_what_the_device_says(void **state)
{
    struct fake_host *fake = *state;

    assert_string_equal(succeed(fake, "flush vda"), "");
    assert_string_equal(succeed(fake, "flush vda json=1"), "{\"cmd\":\"flush\",\"dev\":\"vda\"}\n");
    assert_int_equal(fake->disk.queue.stats.commands[VST_BLOCK_FLUSH], 2);
    fake->disk.flush_status = VST_ERR_IO;
    assert_string_equal(fail_with(fake, "flush vda"),
                        "flush vda: I/O error reported by the device\n");
    assert_holds(fail_with(fake, "fill vda 0 4k seed=1"), "written, but the flush failed");
}

/* ---------------------------------------------------------------- sum, fill, verify */

static void sums_are_those_of_sha256sum(void **state)
{
    struct fake_host *fake = *state;

    fake->disk.newest_first = true;
    assert_string_equal(succeed(fake, "sum vda"),
                        "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58  vda\n");
    pattern_fill(7, 0, fake->disk.data, DISK_BYTES);
    assert_string_equal(succeed(fake, "sum vda"),
                        "331cf0c478b8adc857703567aaf17fd424cb49066a0e64311c065f96d69bff15  vda\n");
    assert_string_equal(succeed(fake, "sum vda 1 1000"),
                        "233a51d1a4cf0f4ff0f423180d43bff1bf64f9f3d90e8e23e8415eeeb20c2cf3  vda\n");
    assert_string_equal(
        succeed(fake, "sum vda 511 700001 json=1"),
        "{\"cmd\":\"sum\",\"dev\":\"vda\",\"offset\":511,\"bytes\":700001,\"sha256\":"
        "\"87ba08767000d8ec8f3b90075e6d63a33c80d9f8cc366ada8513be6be1f1f73b\"}\n");
    assert_string_equal(succeed(fake, "sum vda 5 0"),
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  vda\n");
}

static void long_work_keeps_the_queue_busy(void **state)
{
    struct fake_host *fake = *state;

    succeed(fake, "sum vda");
    assert_int_equal(fake->disk.max_in_flight, 4); /* all of 1 MiB in requests of 256 KiB */
    fake->disk.max_in_flight = 0;
    succeed(fake, "fill vda 0 1M seed=3");
    assert_int_equal(fake->disk.max_in_flight, 4);
}

static void slots_are_used_again_in_order(void **state)
{
    struct fake_host *fake = *state;
    struct shell_disk *large = calloc(1, sizeof(*large));
    const size_t bytes = 9u << 20; /* more than the requests in flight can hold */
    uint8_t *expected = malloc(bytes);

    shell_disk_make(large, &fake->platform, bytes / VST_SECTOR_BYTES, 512);
    vst_block_register(&fake->registry, &large->device, "vd");
    pattern_fill(7, 0, expected, bytes);
    for (unsigned round = 0; round < 4; round++) {
        large->newest_first = round & 1;
        large->per_poll = round & 2 ? 3 : 1;
        memset(large->data, 0, bytes);
        succeed(fake, "fill vdb 0 9M seed=7; verify vdb 0 9M seed=7");
        assert_memory_equal(large->data, expected, bytes);
    }
    assert_int_equal(large->max_in_flight, 8);
    free(expected);
    shell_disk_free(large);
    free(large);
}

static void small_queues_and_splitting_do_not_matter(void **state)
{
    struct fake_host *fake = *state;

    pattern_fill(7, 0, fake->disk.data, DISK_BYTES);
    for (uint16_t depth = 1; depth < 4; depth++) {
        fake->disk.device.limits.depth = depth;
        fake->disk.device.limits.max_sectors = depth % 2 ? 2048 : 24;
        fake->disk.late_polls = depth;
        fake->disk.newest_first = depth == 3;
        assert_string_equal(
            succeed(fake, "sum vda"),
            "331cf0c478b8adc857703567aaf17fd424cb49066a0e64311c065f96d69bff15  vda\n");
        succeed(fake, "fill vda 513 300000 seed=9; verify vda 513 300000 seed=9");
        succeed(fake, "fill vda 513 300000 seed=7; verify vda 0 1M seed=7");
    }
}

static void fill_writes_the_pattern_and_nothing_else(void **state)
{
    static const struct {
        uint64_t offset, bytes;
    } ranges[] = {{0, DISK_BYTES},
                  {513, 300000},
                  {512, 512},
                  {1, 510},
                  {1, 511},
                  {1, 512},
                  {511, 2},
                  {4095, 524289},
                  {700, 1},
                  {1024, 1024},
                  {DISK_BYTES - 1, 1},
                  {77, 0}};
    struct fake_host *fake = *state;
    uint8_t *expected = malloc(DISK_BYTES);
    char line[64];

    for (size_t i = 0; i < VST_ARRAY_LENGTH(ranges); i++) {
        memset(fake->disk.data, 0xdd, DISK_BYTES);
        memset(expected, 0xdd, DISK_BYTES);
        pattern_fill(7, ranges[i].offset, expected + ranges[i].offset, (size_t)ranges[i].bytes);
        snprintf(line, sizeof(line), "fill vda %u %u seed=7", (unsigned)ranges[i].offset,
                 (unsigned)ranges[i].bytes);
        assert_string_equal(succeed(fake, line), "");
        assert_memory_equal(fake->disk.data, expected, DISK_BYTES);
        snprintf(line, sizeof(line), "verify vda %u %u seed=7", (unsigned)ranges[i].offset,
                 (unsigned)ranges[i].bytes);
        assert_string_equal(succeed(fake, line), "");
    }
    assert_int_equal(fake->disk.queue.stats.commands[VST_BLOCK_FLUSH], VST_ARRAY_LENGTH(ranges));
    free(expected);
}

static void verify_finds_each_wrong_byte(void **state)
{
    static const unsigned places[] = {1000, 1001, 1023, 1024, 262143, 262144, 524287, 699999};
    struct fake_host *fake = *state;
    char expected[64];

    pattern_fill(7, 0, fake->disk.data, DISK_BYTES);
    fake->disk.data[999] ^= 1;
    fake->disk.data[700000] ^= 1;
    succeed(fake, "verify vda 1000 699000 seed=7");
    for (size_t i = 0; i < VST_ARRAY_LENGTH(places); i++) {
        uint8_t right = fake->disk.data[places[i]];
        fake->disk.data[places[i]] ^= 0x40;
        fake->disk.newest_first = i % 2;
        snprintf(expected, sizeof(expected), ": wrong at byte %u: expected %02x, found %02x\n",
                 places[i], right, right ^ 0x40);
        assert_holds(fail_with(fake, "verify vda 1000 699000 seed=7"), expected);
        assert_int_equal(fake->disk.n_pending, 0);
        fake->disk.data[places[i]] = right;
    }
}

static void verify_says_what_it_found_instead(void **state)
{
    struct fake_host *fake = *state;

    succeed(fake, "fill vda 0 1M seed=7");
    memcpy(fake->disk.data + 4096, fake->disk.data + 8192, 512);
    assert_string_equal(fail_with(fake, "verify vda 0 1M seed=7"),
                        "verify vda 0 1M seed=7: wrong at byte 4097: expected 10, found 20; it "
                        "holds the pattern of offset 8192\n");
    assert_string_equal(
        fail_with(fake, "verify vda 0 1M seed=7 json=1"),
        "{\"cmd\":\"verify\",\"dev\":\"vda\",\"error\":\"mismatch\",\"offset\":4097,"
        "\"expected\":16,\"found\":32,\"seed\":7,\"text\":\"it holds the pattern of "
        "offset 8192\"}\n");
    assert_holds(fail_with(fake, "verify vda 512 1k seed=8"),
                 "it holds the pattern of offset 512 with seed=7");
}

static void bad_sectors_are_named(void **state)
{
    struct fake_host *fake = *state;

    fake->disk.bad_sector = 1500;
    fake->disk.device.limits.max_sectors = 8; /* parts of 4 KiB: the error's place is that of one */
    assert_string_equal(fail_with(fake, "sum vda"),
                        "sum vda: I/O error reported by the device at byte 765952\n");
    assert_holds(fail_with(fake, "verify vda 700k 100k seed=1 json=1"), "\"error\":");
    assert_string_equal(fail_with(fake, "fill vda 0 1M seed=1"),
                        "fill vda 0 1M seed=1: I/O error reported by the device at byte 765952\n");
    assert_string_equal(fail_with(fake, "read vda 768000 4"),
                        "read vda 768000 4: I/O error reported by the device at byte 768000\n");
    assert_string_equal(fail_with(fake, "write vda 768001 00"),
                        "write vda 768001 00: I/O error reported by the device at byte 768000\n");
    assert_int_equal(fake->disk.n_pending, 0);
    succeed(fake, "sum vda 0 512000; sum vda 800000");
}

static void first_of_several_errors_counts(void **state)
{
    struct fake_host *fake = *state;

    /* The disk breaks while three requests are under way: these end well, the fourth is refused. */
    fake->disk.break_after = 3;
    assert_string_equal(fail_with(fake, "sum vda"),
                        "sum vda: device out of service (used id out of range) at byte 786432\n");
    assert_int_equal(fake->disk.n_pending, 0);
    assert_holds(succeed(fake, "lsblk"), "(broken)");
    assert_holds(succeed(fake, "lsblk -v"), "out of service   used id out of range");
    assert_holds(fail_with(fake, "read vda 0 1 json=1"), "\"error\":\"broken\",\"offset\":0,");
}

static void large_blocks_work_too(void **state)
{
    struct fake_host *fake = *state;
    struct shell_disk *big = calloc(1, sizeof(*big));

    shell_disk_make(big, &fake->platform, 2048, 65536);
    vst_block_register(&fake->registry, &big->device, "vd");
    memset(big->data, 0xdd, DISK_BYTES);
    succeed(fake, "fill vdb 100 200000 seed=7; verify vdb 100 200000 seed=7; write vdb 65535 0102");
    assert_int_equal(big->data[99], 0xdd);
    assert_int_equal(big->data[200100], 0xdd);
    assert_int_equal(big->data[65535], 1);
    assert_int_equal(big->data[65536], 2);
    assert_holds(succeed(fake, "read vdb 65534 3"), " 01 02 ");
    shell_disk_free(big);
    free(big);
}

static void control_c_stops_long_work(void **state)
{
    struct fake_host *fake = *state;

    fake->step_ns = 10000000;
    fake->disk.late_polls = 200;
    fake->input = "echo\x03";
    assert_string_equal(fail_with(fake, "sum vda"), "sum vda: interrupted\n");
    assert_int_equal(fake->disk.n_pending, 0);
    fake->input = "\x03";
    assert_string_equal(fail_with(fake, "fill vda 0 1M seed=1 json=1"),
                        "{\"cmd\":\"fill\",\"dev\":\"vda\",\"error\":\"interrupted\",\"text\":"
                        "\"interrupted\"}\n");
    fake->input = "\x03";
    assert_string_equal(fail_with(fake, "read vda 0 8k json=0") + strlen(fake->output) - 12,
                        "interrupted\n");
}

static void typing_ahead_is_not_lost(void **state)
{
    struct fake_host *fake = *state;

    fake->step_ns = 10000000;
    fake->disk.late_polls = 200;
    fake->input = "echo typed ahead\nexit 6\n";
    succeed(fake, "sum vda");
    assert_string_equal(fake->input, "");
    assert_int_equal(fake_host_type(fake, ""), 6);
    assert_string_equal(fake->output, "typed ahead\n");
}

static void progress_is_for_people_only(void **state)
{
    struct fake_host *fake = *state;

    fake->step_ns = 10000000;
    fake->disk.late_polls = 200;
    assert_null(strchr(succeed(fake, "sum vda"), '\r'));
    fake->host.interactive = true;
    assert_null(strchr(succeed(fake, "sum vda json=1"), '\r'));
    assert_holds(succeed(fake, "sum vda"), "%  ");
    assert_holds(fake->output, " MiB/s  ");
    assert_holds(fake->output, "\r\x1b[K30e14955"); /* gone before the result */
    fake->step_ns = 1000;
    assert_null(strchr(succeed(fake, "sum vda"), '\r'));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(exit_status_is_that_of_exit),
        TEST(first_failure_ends_a_line),
        TEST(interactive_goes_on_after_failure),
        TEST(interactive_has_prompt_history_and_completion),
        TEST(units_without_blocks_are_completed),
        TEST(overlong_line_is_refused),
        TEST(reboot_needs_a_machine),
        TEST(every_command_explains_itself),
        TEST(help_fits_the_screen),
        TEST(wrong_words_show_the_usage),
        TEST(echo_and_sleep_do_so),
        TEST(lsblk_shows_a_table),
        TEST(lsblk_json_has_the_agreed_keys),
        TEST(hostile_serials_are_disarmed),
        TEST(lspci_shows_functions),
        TEST(read_dumps_any_range),
        TEST(ranges_beyond_the_end_are_refused),
        TEST(write_changes_these_bytes_only),
        TEST(read_only_devices_are_left_alone),
        TEST(flush_says_what_the_device_says),
        TEST(events_tell_what_has_happened),
        TEST(events_speak_json),
        TEST(events_wait),
        TEST(disks_come_and_go),
        TEST(a_command_holds_its_device),
        TEST(latency_is_measured_while_it_is_on),
        TEST(cache_is_shown_and_switched),
        TEST(sums_are_those_of_sha256sum),
        TEST(long_work_keeps_the_queue_busy),
        TEST(slots_are_used_again_in_order),
        TEST(small_queues_and_splitting_do_not_matter),
        TEST(fill_writes_the_pattern_and_nothing_else),
        TEST(verify_finds_each_wrong_byte),
        TEST(verify_says_what_it_found_instead),
        TEST(bad_sectors_are_named),
        TEST(first_of_several_errors_counts),
        TEST(large_blocks_work_too),
        TEST(control_c_stops_long_work),
        TEST(typing_ahead_is_not_lost),
        TEST(progress_is_for_people_only),
    };
    return cmocka_run_group_tests_name("shell_commands", tests, NULL, NULL);
}
