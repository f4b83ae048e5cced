/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VSTOR_EFI_LOADER_NAME_H
#define VSTOR_EFI_LOADER_NAME_H

#define LOADER_PRODUCT "vstor"
/** As the system that is started hears of us. */
#define LOADER_NAME LOADER_PRODUCT " 0.1"

/** Begins the text of section .sdmagic, by which bootctl, and we ourselves, know loaders as files. */
#define LOADER_MAGIC "#### LoaderInfo: "

#endif
