/* Loading kernel modules from the initramfs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "boot.h"
#include "limits.h"
#include "log.h"

#define MODULES_LIST "/kelpie/modules.list"
#define MODULES_FOLDER "/kelpie/"
#define MODULES_MAX 256

static void load_module(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        log_line("module %s could not be opened (errno %d)", path, errno);
        return;
    }
    if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
        log_line("module %s could not be loaded (errno %d)", path, errno);
    close(fd);
}

void boot_load_modules(void)
{
    FILE *list = fopen(MODULES_LIST, "re");
    if (list == NULL)
        return; /* a kernel that has all built in needs none */
    char path[PATH_BYTES_MAX] = MODULES_FOLDER;
    char *name = path + strlen(MODULES_FOLDER);
    size_t capacity = sizeof path - strlen(MODULES_FOLDER);
    for (int i = 0; i < MODULES_MAX && fgets(name, (int)capacity, list) != NULL; i++) {
        name[strcspn(name, "\r\n")] = '\0';
        if (name[0] != '\0')
            load_module(path);
    }
    fclose(list);
}
