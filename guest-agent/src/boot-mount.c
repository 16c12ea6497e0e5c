/* The file systems that every Linux userland expects. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot.h"
#include "limits.h"
#include "log.h"
#include "power.h"

void boot_panic(const char *format, ...)
{
    char reason[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    log_line("panic: boot cannot go on: %s", reason);
    power_cut(-1);
}

bool boot_option(const char *name, char *value, size_t capacity)
{
    char line[COMMAND_LINE_BYTES_MAX];
    FILE *file = fopen("/proc/cmdline", "re");
    if (file == NULL)
        return false;
    bool is_read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    if (!is_read)
        return false;
    size_t length = strlen(name);
    char *rest = line;
    char *word;
    while ((word = strsep(&rest, " \n")) != NULL) {
        if (strncmp(word, name, length) != 0 || word[length] != '=')
            continue;
        int written = snprintf(value, capacity, "%s", word + length + 1);
        return written > 0 && (size_t)written < capacity;
    }
    return false;
}

struct mount_point {
    const char *type;
    const char *path;
    unsigned long flags;
    const char *options;
};

static void mount_point(const struct mount_point *point)
{
    mkdir(point->path, 0755);
    if (mount(point->type, point->path, point->type, point->flags, point->options) < 0 && errno != EBUSY)
        log_line("%s could not be mounted (errno %d)", point->path, errno);
}

void boot_mount_first(void)
{
    static const struct mount_point points[] = {
        {"proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
        {"sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
        {"devtmpfs", "/dev", MS_NOSUID, "mode=0755"},
    };
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++)
        mount_point(&points[i]);
}

/* Which devtmpfs does not make by itself; bash's process substitution needs the first. */
static void link_dev(const char *target, const char *path)
{
    if (symlink(target, path) < 0 && errno != EEXIST)
        log_line("%s could not be made (errno %d)", path, errno);
}

void boot_mount_rest(void)
{
    static const struct mount_point points[] = {
        {"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666"},
        {"tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777"},
        {"tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755"},
        {"tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777"},
        {"cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
    };
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++)
        mount_point(&points[i]);
    link_dev("/proc/self/fd", "/dev/fd");
    link_dev("/proc/self/fd/0", "/dev/stdin");
    link_dev("/proc/self/fd/1", "/dev/stdout");
    link_dev("/proc/self/fd/2", "/dev/stderr");
    mkdir("/run/kelpie", 0755);
}
