# SPDX-License-Identifier: BSD-2-Clause
"""Keys of our own for Secure Boot: OVMF's variables with them enrolled, and programs signed by them (sbsigntool)."""
import datetime
import struct
import uuid

import efi
import images

GLOBAL = uuid.UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")
DATABASE = uuid.UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f")
ENABLE = uuid.UUID("f0a30bc7-af08-4556-99c4-001009c93a44")
X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")
US = uuid.UUID("1b7d5a3e-76a2-4c1e-9d64-0d3f5c9b2e11")
KEPT, BOOT, RUNTIME, BY_TIME = 1, 2, 4, 0x20
FIRMWARE_HEADER_BYTES_AT, STORE_HEADER_BYTES = 0x30, 28


def keys(folder):
    """A key and its certificate; the path of both without suffix."""
    path = folder / "test-key"
    images.run_tool("openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "3650", "-subj",
                    "/CN=vstor tests/", "-keyout", f"{path}.key", "-out", f"{path}.pem")
    images.run_tool("openssl", "x509", "-in", f"{path}.pem", "-outform", "DER", "-out", f"{path}.der")
    return path


def sign(key, program, to):
    images.run_tool("sbsign", "--key", f"{key}.key", "--cert", f"{key}.pem", "--output", to, program)
    return to


def variable(name, vendor, attributes, data):
    """As it lies in the store of authenticated variables (EDK II, AuthenticatedVariableFormat.h)."""
    now = datetime.date(2024, 1, 1)
    text = (name + "\0").encode("utf-16-le")
    head = struct.pack("<HBBIQHBBBBBBIhBBIII", 0x55AA, 0x3F, 0, attributes, 0, now.year, now.month, now.day, 0, 0, 0, 0, 0, 0,
                       0, 0, 0, len(text), len(data))
    found = head + vendor.bytes_le + text + data
    return found + b"\xff" * (-len(found) % 4)


def variables(key, to):
    """OVMF's variables: the one key is the platform's, and signs all that is loaded."""
    certificate = images.pathlib.Path(f"{key}.der").read_bytes()
    signatures = X509.bytes_le + struct.pack("<III", 28 + 16 + len(certificate), 0, 16 + len(certificate)) + US.bytes_le + \
        certificate
    attributes = KEPT | BOOT | RUNTIME | BY_TIME
    records = b"".join([variable("PK", GLOBAL, attributes, signatures), variable("KEK", GLOBAL, attributes, signatures),
                        variable("db", DATABASE, attributes, signatures), variable("SecureBootEnable", ENABLE, KEPT | BOOT,
                                                                                   b"\1")])
    content = bytearray(efi.VARIABLES.read_bytes())
    at = struct.unpack_from("<H", content, FIRMWARE_HEADER_BYTES_AT)[0] + STORE_HEADER_BYTES
    assert content[at:at + len(records)] == b"\xff" * len(records), "OVMF's variables are not empty"
    content[at:at + len(records)] = records
    to.write_bytes(content)
    return to


def boot_arguments(esp, variables_file):
    """QEMU's: as efi.boot_arguments, with these variables."""
    return efi.boot_arguments(esp, efi.flash_arguments(variables_file))
