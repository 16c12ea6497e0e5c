/*
 * From the initramfs to the root file system:
 *
 *   /dev/vda (squashfs or erofs, read-only) ──► /.kelpie/image ──lower──┐
 *                                                                       ├─► overlay /.kelpie/root ──► /
 *   /dev/vdb (ext4)  ──► /.kelpie/data: upper/, work/ ────────upper─────┘
 *
 * The overlay holds mounts of its own on what lies below it. So the two mounts are detached at the end, and no command
 * can disturb the layers; a descriptor on the data disk remains, to freeze it at power-off.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include "boot.h"
#include "clock.h"
#include "limits.h"
#include "log.h"

#define IMAGE_PATH "/.kelpie/image"
#define DATA_PATH "/.kelpie/data"
#define ROOT_PATH "/.kelpie/root"
/* The kernel has this one in no header for programs. */
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)
#define FOLDER_DEPTH_MAX 16

static void wait_for_device(const char *device)
{
    const struct timespec pause = {.tv_nsec = BOOT_DEVICE_POLL_MS * 1000000};
    int64_t deadline = clock_monotonic_ms() + BOOT_DEVICE_WAIT_MS;
    while (access(device, F_OK) < 0) {
        if (clock_monotonic_ms() >= deadline)
            boot_panic("the device %s did not appear within %d ms", device, BOOT_DEVICE_WAIT_MS);
        nanosleep(&pause, NULL);
    }
}

static void mount_image(const char *device)
{
    static const char *const types[] = {"squashfs", "erofs"};
    wait_for_device(device);
    int error = 0;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (mount(device, IMAGE_PATH, types[i], MS_RDONLY, NULL) == 0)
            return;
        error = errno;
    }
    boot_panic("the root image %s could not be mounted (errno %d)", device, error);
}

/* Lets the file system have all of a disk that was enlarged. */
static void grow_data(const char *device, int data_fd)
{
    uint64_t device_bytes = 0;
    struct statfs status;
    int fd = open(device, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    bool is_known = ioctl(fd, BLKGETSIZE64, &device_bytes) == 0 && fstatfs(data_fd, &status) == 0;
    close(fd);
    if (!is_known)
        return;
    uint64_t blocks = device_bytes / (uint64_t)status.f_bsize;
    /* Does nothing when it has that size already. */
    if (ioctl(data_fd, EXT4_IOC_RESIZE_FS, &blocks) < 0)
        log_line("the data disk could not be grown (errno %d)", errno);
}

static int mount_data(const char *device)
{
    wait_for_device(device);
    if (mount(device, DATA_PATH, "ext4", MS_NOATIME, NULL) < 0)
        boot_panic("the data disk %s could not be mounted (errno %d)", device, errno);
    int data_fd = open(DATA_PATH, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (data_fd < 0)
        boot_panic("the data disk %s could not be opened (errno %d)", device, errno);
    grow_data(device, data_fd);
    return data_fd;
}

/* Without a data disk the writable layer is in memory. */
static int mount_layers(void)
{
    int data_fd = -1;
    char device[NAME_BYTES_MAX];
    if (boot_option("kelpie.data", device, sizeof device))
        data_fd = mount_data(device);
    else if (mount("tmpfs", DATA_PATH, "tmpfs", 0, "mode=0755") < 0)
        boot_panic("no memory for the writable layer (errno %d)", errno);
    mkdir(DATA_PATH "/upper", 0755);
    mkdir(DATA_PATH "/work", 0755);
    const char *layers = "lowerdir=" IMAGE_PATH ",upperdir=" DATA_PATH "/upper,workdir=" DATA_PATH "/work";
    if (mount("overlay", ROOT_PATH, "overlay", 0, layers) < 0)
        boot_panic("the overlay could not be mounted (errno %d)", errno);
    return data_fd;
}

static void move_to(const char *from, const char *to)
{
    mkdir(to, 0755);
    if (mount(from, to, NULL, MS_MOVE, NULL) < 0)
        boot_panic("%s could not be moved (errno %d)", from, errno);
}

/* Removes what a folder of the initramfs holds, to give its memory back, and nothing that is mounted into it. */
static void remove_content(int folder_fd, dev_t device, int depth)
{
    DIR *folder = fdopendir(folder_fd);
    if (folder == NULL) {
        close(folder_fd);
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        struct stat status;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (fstatat(dirfd(folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 || status.st_dev != device)
            continue;
        if (S_ISDIR(status.st_mode) && depth < FOLDER_DEPTH_MAX) {
            int fd = openat(dirfd(folder), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (fd >= 0)
                remove_content(fd, device, depth + 1);
        }
        unlinkat(dirfd(folder), entry->d_name, S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0);
    }
    closedir(folder);
}

static void enter_root(void)
{
    int initial_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat initial;
    if (initial_fd < 0 || fstat(initial_fd, &initial) < 0)
        boot_panic("the initial root could not be opened (errno %d)", errno);
    if (umount2(IMAGE_PATH, MNT_DETACH) < 0 || umount2(DATA_PATH, MNT_DETACH) < 0)
        boot_panic("the layers could not be detached (errno %d)", errno);
    if (chdir(ROOT_PATH) < 0)
        boot_panic("the new root could not be entered (errno %d)", errno);
    remove_content(initial_fd, initial.st_dev, 0);
    if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
        boot_panic("the root could not be switched (errno %d)", errno);
}

int boot_switch_root(void)
{
    char device[NAME_BYTES_MAX];
    if (!boot_option("kelpie.root", device, sizeof device))
        return -1; /* all that there is lies in the initramfs */
    mkdir("/.kelpie", 0700);
    mkdir(IMAGE_PATH, 0700);
    mkdir(DATA_PATH, 0700);
    mkdir(ROOT_PATH, 0700);
    mount_image(device);
    int data_fd = mount_layers();
    move_to("/proc", ROOT_PATH "/proc");
    move_to("/sys", ROOT_PATH "/sys");
    move_to("/dev", ROOT_PATH "/dev");
    enter_root();
    return data_fd;
}
