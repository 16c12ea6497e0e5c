/*
 * The first process, from the kernel's hand-over to the point where it serves:
 *
 *   /proc /sys /dev ─► console ─► modules ─► root file system ─► the other mounts ─► network ─► names ─► serve
 *                                              │
 *                                              └─ a device or file system is missing: one line, power off
 */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <unistd.h>

#include "boot.h"
#include "limits.h"
#include "log.h"
#include "machine.h"

/* Before everything else, but not a real-time process, which could lock out the rest. */
#define AGENT_NICE (-20)
#define OPEN_FILES_SOFT 1024
#define OPEN_FILES_HARD 524288
#define MACHINE_ID_BYTES 16

/* The kernel may have started us without a console: nothing that we open may become standard input or output. */
static void fill_stdio(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

static void set_limits(void)
{
    /* Soft as everywhere, since programs loop to it; hard high enough for databases. */
    struct rlimit files = {.rlim_cur = OPEN_FILES_SOFT, .rlim_max = OPEN_FILES_HARD};
    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        log_line("the limit of open files could not be set (errno %d)", errno);
}

/* Repairing the machine and ending what runs wild must not wait for what runs in it: after a restore all of that wakes up at
 * once. What we start has the usual priority again. */
static void set_priority(void)
{
    const struct sched_param none = {0};
    if (sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &none) < 0 || setpriority(PRIO_PROCESS, 0, AGENT_NICE) < 0)
        log_line("the priority could not be set (errno %d)", errno);
}

static void set_hostname(void)
{
    char hostname[HOSTNAME_BYTES_MAX + 1];
    if (!boot_option("kelpie.hostname", hostname, sizeof hostname))
        return;
    int error = machine_set_hostname(hostname);
    if (error != 0)
        log_line("the host name could not be set (errno %d)", error);
}

static bool has_machine_id(void)
{
    char text[64] = "";
    FILE *file = fopen("/etc/machine-id", "re");
    if (file == NULL)
        return false;
    bool has_line = fgets(text, sizeof text, file) != NULL;
    fclose(file);
    return has_line && strspn(text, "0123456789abcdef") == 2 * MACHINE_ID_BYTES;
}

/* At the first boot only: the id stays with the data disk. */
static void make_machine_id(void)
{
    uint8_t bytes[MACHINE_ID_BYTES];
    char text[2 * MACHINE_ID_BYTES + 1];
    if (has_machine_id())
        return;
    int error = getrandom(bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes ? 0 : errno;
    machine_write_hex(text, bytes, sizeof bytes);
    if (error == 0)
        error = machine_set_machine_id(text);
    if (error != 0)
        log_line("/etc/machine-id could not be made (errno %d)", error);
}

int init_boot(void)
{
    boot_mount_first();
    fill_stdio();
    log_open_console();
    boot_load_modules();
    int data_fd = boot_switch_root();
    boot_mount_rest();
    set_limits();
    set_priority();
    boot_network();
    set_hostname();
    make_machine_id();
    /* Ctrl-Alt-Del sends us SIGINT instead of resetting the machine. */
    reboot(RB_DISABLE_CAD);
    return data_fd;
}
