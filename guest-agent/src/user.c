/* See user.h. */
#include "user.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES_MAX 8192
#define LINES_MAX 10000
#define PASSWD_FIELDS 7
#define GROUP_FIELDS 4

/* Cuts a line at its colons. False unless it has exactly so many fields. */
static bool split(char *line, char **fields, size_t count)
{
    line[strcspn(line, "\n")] = '\0';
    for (size_t i = 0; i < count; i++) {
        fields[i] = strsep(&line, ":");
        if (fields[i] == NULL)
            return false;
    }
    return line == NULL;
}

static bool parse_id(const char *text, id_t *id)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    /* The highest number means "no change" to the system calls that take it. */
    if (errno != 0 || text[0] < '0' || text[0] > '9' || *end != '\0' || number >= UINT32_MAX)
        return false;
    *id = (id_t)number;
    return true;
}

static bool copy(char *target, size_t capacity, const char *source)
{
    size_t length = strlen(source);
    if (length >= capacity)
        return false;
    memcpy(target, source, length + 1);
    return true;
}

static bool read_entry(char **fields, struct user *user)
{
    return parse_id(fields[2], &user->uid) && parse_id(fields[3], &user->gid) &&
           copy(user->name, sizeof user->name, fields[0]) &&
           copy(user->home, sizeof user->home, fields[5][0] == '/' ? fields[5] : "/") &&
           copy(user->shell, sizeof user->shell, fields[6][0] == '/' ? fields[6] : "/bin/sh");
}

static bool find_entry(const char *name, bool is_number, id_t number, struct user *user)
{
    FILE *file = fopen("/etc/passwd", "re");
    if (file == NULL)
        return false;
    char line[LINE_BYTES_MAX];
    bool is_found = false;
    for (int i = 0; i < LINES_MAX && !is_found && fgets(line, sizeof line, file) != NULL; i++) {
        char *fields[PASSWD_FIELDS];
        if (!split(line, fields, PASSWD_FIELDS))
            continue;
        id_t uid;
        bool is_it = is_number ? parse_id(fields[2], &uid) && uid == number : strcmp(fields[0], name) == 0;
        is_found = is_it && read_entry(fields, user);
    }
    fclose(file);
    return is_found;
}

static bool has_member(char *members, const char *name)
{
    char *member;
    while ((member = strsep(&members, ",")) != NULL)
        if (strcmp(member, name) == 0)
            return true;
    return false;
}

static void find_groups(struct user *user)
{
    user->groups_count = 0;
    FILE *file = fopen("/etc/group", "re");
    if (file == NULL)
        return;
    char line[LINE_BYTES_MAX];
    for (int i = 0; i < LINES_MAX && user->groups_count < USER_GROUPS_MAX && fgets(line, sizeof line, file); i++) {
        char *fields[GROUP_FIELDS];
        id_t gid;
        if (split(line, fields, GROUP_FIELDS) && parse_id(fields[2], &gid) && has_member(fields[3], user->name))
            user->groups[user->groups_count++] = gid;
    }
    fclose(file);
}

bool user_find(const char *name_or_number, struct user *user)
{
    id_t number = 0;
    bool is_number = parse_id(name_or_number, &number);
    if (find_entry(name_or_number, is_number, number, user)) {
        find_groups(user);
        return true;
    }
    /* An image without /etc/passwd (an initramfs) has a root all the same. */
    bool is_root = strcmp(name_or_number, "root") == 0 || (is_number && number == 0);
    if (!is_number && !is_root)
        return false;
    *user = (struct user){.uid = number, .gid = number, .shell = "/bin/sh"};
    copy(user->name, sizeof user->name, is_root ? "root" : name_or_number);
    copy(user->home, sizeof user->home, is_root ? "/root" : "/");
    return true;
}
