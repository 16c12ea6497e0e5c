/* Users of the guest, read from /etc/passwd and /etc/group without the name service, which a static binary lacks. */
#ifndef KELPIE_USER_H
#define KELPIE_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "limits.h"

struct user {
    uid_t uid;
    gid_t gid;
    char name[USER_BYTES_MAX + 1];
    char home[PATH_BYTES_MAX + 1];
    char shell[NAME_BYTES_MAX + 1];
    size_t groups_count;
    gid_t groups[USER_GROUPS_MAX];
};

/* By name, or by number: a number without an entry is a user without a home. False when there is no such user. */
bool user_find(const char *name_or_number, struct user *user);

#endif
