/* The system calls of file transfers. All return 0 or an errno. */
#ifndef KELPIE_FILE_TARGET_H
#define KELPIE_FILE_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "limits.h"

/* A file being written: bytes go to a temporary file beside it until it is committed. */
struct file_target {
    int fd;        /* the temporary file */
    int folder_fd; /* where both lie */
    mode_t mode;
    uid_t uid;
    gid_t gid;
    char temporary[48];
    char name[NAME_BYTES_MAX + 1];
};

/* What is asked for; −1 keeps what the replaced file has, or else 0644, 0 and 0. */
struct file_attributes {
    int64_t mode;
    int64_t uid;
    int64_t gid;
};

/* A regular file, from its beginning. */
int file_source_open(const char *path, int *fd, struct stat *status);

int file_target_open(struct file_target *target, const char *path, const struct file_attributes *attributes,
                     bool makes_parents);
int file_target_write(const struct file_target *target, const uint8_t *bytes, size_t length);
/* Syncs, renames over the target, syncs the folder. May take long: call it in a job. */
int file_target_commit(const struct file_target *target);
/* Closes, and removes the temporary file unless it was committed. */
void file_target_close(struct file_target *target, bool is_committed);

#endif
