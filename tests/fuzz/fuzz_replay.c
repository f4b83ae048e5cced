/* SPDX-License-Identifier: BSD-2-Clause */
/* Usage: PROGRAM FOLDER... Runs one target on every file of these folders, without libFuzzer: to see what they cover. */
#include <dirent.h>

#include "tests/fuzz/fuzz_input.h"

static void run_file(const char *folder, const char *name)
{
    static uint8_t data[1u << 20];
    char path[1024];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return;
    size_t n = fread(data, 1, sizeof(data), file);
    fclose(file);
    LLVMFuzzerTestOneInput(data, n);
}

int main(int n, char **folders)
{
    for (int i = 1; i < n; i++) {
        DIR *folder = opendir(folders[i]);
        if (folder == NULL)
            continue;
        for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
            if (entry->d_name[0] != '.')
                run_file(folders[i], entry->d_name);
        closedir(folder);
    }
    return 0;
}
