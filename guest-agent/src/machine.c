/* See machine.h. Here are the system calls; system.c has the methods. */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "limits.h"

#define NS_PER_S 1000000000ull

void machine_write_hex(char *target, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        sprintf(target + 2 * i, "%02x", bytes[i]);
}

/* In place: both a watch on the file and a descriptor held open see the new bytes. One write of a text that never gets
 * shorter, so that no reader sees half of it. */
static int write_in_place(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return errno;
    size_t length = strlen(text);
    ssize_t written = pwrite(fd, text, length, 0);
    int error = written == (ssize_t)length ? 0 : written < 0 ? errno : EIO;
    close(fd);
    return error;
}

int machine_init(struct machine *machine, const char *generation_path)
{
    machine->generation_path = generation_path;
    if (getrandom(machine->boot_id, sizeof machine->boot_id, 0) != (ssize_t)sizeof machine->boot_id)
        return errno;
    return machine_set_generation(machine, 0);
}

int machine_set_generation(struct machine *machine, uint32_t generation)
{
    char text[16];
    snprintf(text, sizeof text, "%u\n", generation);
    int error = write_in_place(machine->generation_path, text);
    if (error == 0)
        machine->generation = generation;
    return error;
}

int machine_set_clock(uint64_t unix_ns, int64_t *step_ms)
{
    struct timespec before;
    struct timespec after = {.tv_sec = (time_t)(unix_ns / NS_PER_S), .tv_nsec = (long)(unix_ns % NS_PER_S)};
    clock_gettime(CLOCK_REALTIME, &before);
    if (clock_settime(CLOCK_REALTIME, &after) < 0)
        return errno;
    *step_ms = ((int64_t)after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
    return 0;
}

int machine_reseed(const uint8_t *seed, size_t length)
{
    union {
        struct rand_pool_info info;
        uint8_t room[sizeof(struct rand_pool_info) + SEED_BYTES_MAX];
    } pool = {.info = {.entropy_count = (int)length * 8, .buf_size = (int)length}};
    memcpy(pool.room + sizeof pool.info, seed, length);
    int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    bool is_done = ioctl(fd, RNDADDENTROPY, &pool) == 0 && ioctl(fd, RNDRESEEDCRNG) == 0;
    int error = is_done ? 0 : errno;
    close(fd);
    explicit_bzero(&pool, sizeof pool);
    return error;
}

/* Replaces a small file as a whole. */
static int replace_file(const char *path, const char *temporary, const char *text, mode_t mode)
{
    unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return errno;
    size_t length = strlen(text);
    ssize_t written = write(fd, text, length);
    int error = written == (ssize_t)length ? 0 : written < 0 ? errno : EIO;
    close(fd);
    if (error == 0 && rename(temporary, path) < 0)
        error = errno;
    if (error != 0)
        unlink(temporary);
    return error;
}

int machine_set_hostname(const char *hostname)
{
    char text[HOSTNAME_BYTES_MAX + 2];
    if (sethostname(hostname, strlen(hostname)) < 0)
        return errno;
    snprintf(text, sizeof text, "%s\n", hostname);
    return replace_file("/etc/hostname", "/etc/.hostname.kelpie", text, 0644);
}

int machine_set_machine_id(const char *machine_id)
{
    char text[40];
    snprintf(text, sizeof text, "%s\n", machine_id);
    return replace_file("/etc/machine-id", "/etc/.machine-id.kelpie", text, 0444);
}
