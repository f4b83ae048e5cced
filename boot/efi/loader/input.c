/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/input.h"

#include "boot/efi/clock.h"
#include "boot/efi/loader/loader.h"

#define NS_PER_TICK    100u /* of the firmware's timers */
#define CONTROL_STATE  (EFI_RIGHT_CONTROL_PRESSED | EFI_LEFT_CONTROL_PRESSED)
#define LETTER_BITS    0x1fu
#define FIRST_TEXT     0x20u
#define END_OF_TEXT    0x7fu
#define MOST_FORGOTTEN 1000u

/* What is read as bytes, and has not been yet. */
static struct {
    char bytes[LOADER_KEY_BYTES];
    size_t first, n;
} pending;

/* ---------------------------------------------------------------- the firmware's keys */

/* UEFI 2.9, table 12-1 */
static enum loader_key_name name_of_scan_code(UINT16 code)
{
    static const uint8_t names[] = {
        [SCAN_UP] = LOADER_KEY_UP,           [SCAN_DOWN] = LOADER_KEY_DOWN,
        [SCAN_RIGHT] = LOADER_KEY_RIGHT,     [SCAN_LEFT] = LOADER_KEY_LEFT,
        [SCAN_HOME] = LOADER_KEY_HOME,       [SCAN_END] = LOADER_KEY_END,
        [SCAN_INSERT] = LOADER_KEY_INSERT,   [SCAN_DELETE] = LOADER_KEY_DELETE,
        [SCAN_PAGE_UP] = LOADER_KEY_PAGE_UP, [SCAN_PAGE_DOWN] = LOADER_KEY_PAGE_DOWN,
        [SCAN_ESC] = LOADER_KEY_ESCAPE,
    };

    return code < sizeof(names) ? names[code] : LOADER_KEY_NONE;
}

/* Serial lines send Ctrl-C as the character 3, keyboards as 'c' with a shift state. */
static void translate(const EFI_KEY_DATA *data, struct loader_key *key)
{
    UINT32 state = data->KeyState.KeyShiftState;
    CHAR16 unit = data->Key.UnicodeChar;

    key->control = (state & EFI_SHIFT_STATE_VALID) && (state & CONTROL_STATE);
    key->name = name_of_scan_code(data->Key.ScanCode);
    if (key->name != LOADER_KEY_NONE || unit == 0 || unit > END_OF_TEXT)
        return;
    key->name = LOADER_KEY_CHARACTER;
    key->character = (char)(key->control && unit > FIRST_TEXT ? unit & LETTER_BITS : unit);
}

static EFI_SIMPLE_TEXT_INPUT_EX_PROTOCOL *extended_input(void)
{
    static EFI_GUID guid = EFI_SIMPLE_TEXT_INPUT_EX_PROTOCOL_GUID;
    EFI_SIMPLE_TEXT_INPUT_EX_PROTOCOL *input;

    if (EFI_ERROR(firmware->HandleProtocol(loader_system->ConsoleInHandle, &guid, (VOID **)&input)))
        return NULL;
    return input;
}

/* Firmware of before 2.1 knows no shift states. */
static EFI_STATUS read_key(EFI_KEY_DATA *data)
{
    EFI_SIMPLE_TEXT_INPUT_EX_PROTOCOL *input = extended_input();

    *data = (EFI_KEY_DATA){.Key = {0, 0}};
    if (input != NULL)
        return input->ReadKeyStrokeEx(input, data);
    return loader_system->ConIn == NULL
               ? EFI_UNSUPPORTED
               : loader_system->ConIn->ReadKeyStroke(loader_system->ConIn, &data->Key);
}

static bool take_key(struct loader_key *key)
{
    EFI_KEY_DATA data;

    *key = (struct loader_key){LOADER_KEY_NONE, 0, false};
    while (key->name == LOADER_KEY_NONE) {
        if (EFI_ERROR(read_key(&data)))
            return false;
        translate(&data, key);
    }
    return true;
}

/* ---------------------------------------------------------------- waiting */

static EFI_EVENT key_event(void)
{
    EFI_SIMPLE_TEXT_INPUT_EX_PROTOCOL *input = extended_input();

    if (input != NULL)
        return input->WaitForKeyEx;
    return loader_system->ConIn == NULL ? NULL : loader_system->ConIn->WaitForKey;
}

/* Until a key is there, maybe, or the time is over. False: there is nothing to wait by. */
static bool wait_for_key(uint64_t timeout_ns)
{
    EFI_EVENT events[2] = {key_event(), NULL};
    UINTN n = timeout_ns == INPUT_FOREVER ? 1 : 2, which;

    if (events[0] == NULL)
        return false;
    if (n == 2 && EFI_ERROR(firmware->CreateEvent(EVT_TIMER, 0, NULL, NULL, &events[1])))
        return false;
    if (n == 2)
        (void)firmware->SetTimer(events[1], TimerRelative, timeout_ns / NS_PER_TICK + 1);
    EFI_STATUS status = firmware->WaitForEvent(n, events, &which);
    if (n == 2)
        (void)firmware->CloseEvent(events[1]);
    return !EFI_ERROR(status);
}

bool input_key(struct loader_key *key, uint64_t timeout_ns)
{
    uint64_t start_ns = clock_ns(), elapsed_ns = 0;

    while (!take_key(key)) {
        if (timeout_ns != INPUT_FOREVER)
            elapsed_ns = clock_ns() - start_ns; /* a counter set back ends the wait */
        if (elapsed_ns >= timeout_ns)
            return false;
        if (!wait_for_key(timeout_ns == INPUT_FOREVER ? timeout_ns : timeout_ns - elapsed_ns))
            return false;
    }
    return true;
}

/* ---------------------------------------------------------------- bytes */

int input_byte(uint64_t timeout_ns)
{
    struct loader_key key;

    if (pending.n == 0 && input_key(&key, timeout_ns)) {
        pending.first = 0;
        pending.n = loader_key_bytes(&key, pending.bytes);
    }
    if (pending.n == 0)
        return -1;
    pending.n--;
    return (unsigned char)pending.bytes[pending.first++];
}

void input_forget(void)
{
    struct loader_key key;

    pending.n = 0;
    for (unsigned i = 0; i < MOST_FORGOTTEN && take_key(&key); i++)
        ;
}
