/* See file-target.h. */
#include "file-target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define FOLDER_MODE 0755
#define FILE_MODE_DEFAULT 0644

int file_source_open(const char *path, int *fd, struct stat *status)
{
    /* O_NONBLOCK: opening a named pipe must not wait for a writer. */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (*fd < 0)
        return errno;
    int error = fstat(*fd, status) < 0 ? errno : S_ISDIR(status->st_mode) ? EISDIR : S_ISREG(status->st_mode) ? 0 : EINVAL;
    if (error != 0)
        close(*fd);
    return error;
}

/* Makes the folders of a path that lead to its last name. */
static int make_parents(const char *path)
{
    char folder[PATH_BYTES_MAX + 1];
    strcpy(folder, path);
    for (char *slash = strchr(folder + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, FOLDER_MODE) < 0 && errno != EEXIST)
            return errno;
        *slash = '/';
    }
    return 0;
}

/* The folder's descriptor and the last name of a path. */
static int open_folder(struct file_target *target, const char *path)
{
    char folder[PATH_BYTES_MAX + 1];
    strcpy(folder, path);
    char *slash = strrchr(folder, '/');
    const char *name = slash + 1;
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return EISDIR;
    if (strlen(name) > NAME_BYTES_MAX)
        return ENAMETOOLONG;
    strcpy(target->name, name);
    slash[slash == folder] = '\0'; /* of "/name" the folder is "/" */
    target->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return target->folder_fd < 0 ? errno : 0;
}

static int choose_attributes(struct file_target *target, const struct file_attributes *attributes)
{
    struct stat replaced = {.st_mode = FILE_MODE_DEFAULT};
    struct stat status;
    if (fstatat(target->folder_fd, target->name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
        if (S_ISDIR(status.st_mode))
            return EISDIR;
        if (S_ISREG(status.st_mode))
            replaced = status;
    } else if (errno != ENOENT) {
        return errno;
    }
    target->mode = attributes->mode < 0 ? replaced.st_mode & 07777 : (mode_t)attributes->mode;
    target->uid = attributes->uid < 0 ? replaced.st_uid : (uid_t)attributes->uid;
    target->gid = attributes->gid < 0 ? replaced.st_gid : (gid_t)attributes->gid;
    return 0;
}

static int open_temporary(struct file_target *target)
{
    uint64_t random;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        return errno;
    snprintf(target->temporary, sizeof target->temporary, ".kelpie-%016llx", (unsigned long long)random);
    target->fd = openat(target->folder_fd, target->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return target->fd < 0 ? errno : 0;
}

int file_target_open(struct file_target *target, const char *path, const struct file_attributes *attributes,
                     bool makes_parents)
{
    *target = (struct file_target){.fd = -1, .folder_fd = -1};
    int error = makes_parents ? make_parents(path) : 0;
    if (error == 0)
        error = open_folder(target, path);
    if (error == 0)
        error = choose_attributes(target, attributes);
    if (error == 0)
        error = open_temporary(target);
    if (error != 0)
        file_target_close(target, true);
    return error;
}

int file_target_write(const struct file_target *target, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t put = write(target->fd, bytes, length);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return errno;
        bytes += put;
        length -= (size_t)put;
    }
    return 0;
}

int file_target_commit(const struct file_target *target)
{
    /* The owner first: changing it clears the set-user-id bit. An ordinary user may keep his own. */
    struct stat status;
    if (fstat(target->fd, &status) < 0)
        return errno;
    bool has_owner = status.st_uid == target->uid && status.st_gid == target->gid;
    if (!has_owner && fchown(target->fd, target->uid, target->gid) < 0)
        return errno;
    if (fchmod(target->fd, target->mode) < 0 || fsync(target->fd) < 0)
        return errno;
    if (renameat(target->folder_fd, target->temporary, target->folder_fd, target->name) < 0)
        return errno;
    return fsync(target->folder_fd) < 0 ? errno : 0;
}

void file_target_close(struct file_target *target, bool is_committed)
{
    if (target->fd >= 0) {
        close(target->fd);
        if (!is_committed)
            unlinkat(target->folder_fd, target->temporary, 0);
    }
    if (target->folder_fd >= 0)
        close(target->folder_fd);
    target->fd = -1;
    target->folder_fd = -1;
}
