/*
 * See child.h.
 *
 * What runs in the child has no libc: errno, locks and allocations there belong to the agent, which runs on. It calls
 * the kernel by itself, writes to nothing but its room, and finds there all that the agent has laid out for it.
 */
#include "child.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "limits.h"

/* One per session, one for the rehearsal. */
#define ROOMS_MAX (SESSIONS_MAX + 1u)
#define STACK_BYTES (16u * 1024)
/* The strings of a request, a user's home (twice) and shell, and what the names of variables take. */
#define TEXT_BYTES (FRAME_PAYLOAD_BYTES_MAX + 2 * PATH_BYTES_MAX + NAME_BYTES_MAX + 1024u)
/* PATH, HOME, USER, LOGNAME, SHELL, LANG, TERM */
#define ENV_OWN_MAX 7u
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define CHILD_UMASK 022
#define SHELL_PROGRAM "/bin/sh"

struct room {
    _Alignas(16) uint8_t stack[STACK_BYTES];
    pid_t pid; /* 0: the room is free */
    int fds[3];
    int error_writer;
    bool has_tty;
    bool is_user_changed;
    uid_t uid;
    gid_t gid;
    size_t groups_count;
    gid_t groups[USER_GROUPS_MAX];
    const char *folder;
    const char *other_folder; /* when there is no such one, or NULL */
    const char *path;         /* where to look for the program, or NULL */
    char *words[1 + ARGV_MAX + 1]; /* a shell, for a program that is a script and does not say of what; then argv */
    char *env[ENV_OWN_MAX + ENV_MAX + 1];
    size_t env_count;
    char program[PATH_BYTES_MAX + 1];
    size_t text_length;
    char text[TEXT_BYTES];
};

static struct room rooms[ROOMS_MAX];

/* What follows, down to child_main, runs in the child. */

#define IN_CHILD __attribute__((no_sanitize("address", "undefined"))) static

/* The kernel's own answer: what went wrong is −errno. */
IN_CHILD long call(long number, long a, long b, long c, long d)
{
#if defined(__x86_64__)
    long result;
    register long fourth __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long which __asm__("x8") = number;
    register long first __asm__("x0") = a;
    register long second __asm__("x1") = b;
    register long third __asm__("x2") = c;
    register long fourth __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(first) : "r"(which), "r"(second), "r"(third), "r"(fourth) : "memory");
    return first;
#else
#error "the kernel of this architecture is called in another way"
#endif
}

IN_CHILD void reset_signals(void)
{
    /* The kernel's struct sigaction: handler, flags, restorer, mask. */
    uint64_t standard[4] = {0, 0, 0, 0};
    uint64_t none = 0;
    for (long number = 1; number < NSIG; number++) /* fails for those that cannot be changed, which are right already */
        call(SYS_rt_sigaction, number, (long)standard, 0, sizeof none);
    call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, sizeof none);
}

IN_CHILD long take_stdio(const struct room *room)
{
    long result = 0;
    for (long i = 0; i < 3 && result >= 0; i++)
        result = call(SYS_dup3, room->fds[i], i, 0, 0);
    return result;
}

IN_CHILD long become_user(const struct room *room)
{
    if (!room->is_user_changed)
        return 0;
    long result = call(SYS_setgroups, (long)room->groups_count, (long)room->groups, 0, 0);
    if (result >= 0)
        result = call(SYS_setgid, room->gid, 0, 0, 0);
    if (result >= 0)
        result = call(SYS_setuid, room->uid, 0, 0, 0);
    return result;
}

IN_CHILD long change_folder(const struct room *room)
{
    long result = call(SYS_chdir, (long)room->folder, 0, 0, 0);
    if (result < 0 && room->other_folder != NULL)
        result = call(SYS_chdir, (long)room->other_folder, 0, 0, 0);
    return result;
}

/* Returns only when it could not be. */
IN_CHILD long execute_file(struct room *room, char *file)
{
    long result = call(SYS_execve, (long)file, (long)&room->words[1], (long)room->env, 0);
    if (result != -ENOEXEC)
        return result;
    char *name = room->words[1];
    room->words[1] = file;
    result = call(SYS_execve, (long)SHELL_PROGRAM, (long)room->words, (long)room->env, 0);
    room->words[1] = name;
    return result;
}

/* Writes FOLDER/NAME; the folder ends at a colon or with the text. An empty one is where we are. False: it is too long. */
IN_CHILD bool join(char *program, const char *folder, const char *name)
{
    size_t length = 0;
    for (; folder[length] != ':' && folder[length] != '\0'; length++) {
        if (length == PATH_BYTES_MAX)
            return false;
        program[length] = folder[length];
    }
    if (length > 0 && length < PATH_BYTES_MAX)
        program[length++] = '/';
    for (size_t i = 0;; i++, length++) {
        if (length > PATH_BYTES_MAX)
            return false;
        program[length] = name[i];
        if (name[i] == '\0')
            return true;
    }
}

/* In the folders of PATH, as execvp does: one that is forbidden is told of when no other has the program. */
IN_CHILD long execute(struct room *room)
{
    if (room->path == NULL)
        return execute_file(room, room->words[1]);
    const char *name = room->words[1];
    long result = -ENOENT;
    bool is_forbidden = false;
    for (const char *folder = room->path; folder != NULL;) {
        if (join(room->program, folder, name)) {
            result = execute_file(room, room->program);
            is_forbidden = is_forbidden || result == -EACCES;
            bool is_elsewhere = result == -ENOENT || result == -ENOTDIR || result == -EACCES || result == -ESTALE ||
                                result == -ENODEV || result == -ETIMEDOUT;
            if (!is_elsewhere)
                return result;
        }
        while (*folder != ':' && *folder != '\0')
            folder++;
        folder = *folder == ':' ? folder + 1 : NULL;
    }
    return is_forbidden ? -EACCES : result;
}

IN_CHILD long become_command(struct room *room)
{
    reset_signals();
    call(SYS_umask, CHILD_UMASK, 0, 0, 0);
    long result = call(SYS_setsid, 0, 0, 0, 0);
    if (result >= 0 && room->has_tty)
        result = call(SYS_ioctl, room->fds[1], TIOCSCTTY, 0, 0);
    if (result >= 0)
        result = take_stdio(room);
    if (result >= 0)
        result = become_user(room);
    if (result >= 0)
        result = change_folder(room);
    return result >= 0 ? execute(room) : result;
}

IN_CHILD int child_main(void *argument)
{
    struct room *room = argument;
    int reason = (int)-become_command(room);
    long written = call(SYS_write, room->error_writer, (long)&reason, sizeof reason, 0);
    int status = written == sizeof reason ? 127 : 126;
    call(SYS_exit_group, status, 0, 0, 0);
    return status;
}

/* What follows runs in the agent. */

/* What it returns is in the room, and ended by NUL. */
__attribute__((format(printf, 2, 3))) static char *keep(struct room *room, const char *format, ...)
{
    char *kept = room->text + room->text_length;
    size_t free_bytes = sizeof room->text - room->text_length;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(kept, free_bytes, format, arguments);
    va_end(arguments);
    assert(length >= 0 && (size_t)length < free_bytes); /* a request, and what we add, fit by their bounds */
    room->text_length += (size_t)length + 1;
    return kept;
}

/* Where it is; where the next one comes when it is not there. */
static size_t place_of_variable(const struct room *room, const char *name)
{
    size_t length = strlen(name);
    size_t i = 0;
    while (i < room->env_count && (strncmp(room->env[i], name, length) != 0 || room->env[i][length] != '='))
        i++;
    return i;
}

/* A variable that is there already is replaced. */
static void set_variable(struct room *room, const char *name, const char *value)
{
    size_t i = place_of_variable(room, name);
    assert(i < ENV_OWN_MAX + ENV_MAX);
    room->env[i] = keep(room, "%s=%s", name, value);
    if (i == room->env_count)
        room->env_count++;
}

static void lay_out_environment(struct room *room, const struct spawn_request *request)
{
    const struct user *user = request->user;
    room->env_count = 0;
    set_variable(room, "PATH", DEFAULT_PATH);
    set_variable(room, "HOME", user->home);
    set_variable(room, "USER", user->name);
    set_variable(room, "LOGNAME", user->name);
    set_variable(room, "SHELL", user->shell);
    set_variable(room, "LANG", "C.UTF-8");
    if (request->has_tty)
        set_variable(room, "TERM", "xterm-256color");
    const struct json_value *name = request->env == NULL ? NULL : json_first_child(request->env);
    for (unsigned i = 0; name != NULL && i < request->env->children; i++) {
        const struct json_value *value = name + 1;
        set_variable(room, json_string(request->json, name), json_string(request->json, value));
        name = json_after(request->json, value);
    }
    room->env[room->env_count] = NULL;
}

static void lay_out_command(struct room *room, const struct spawn_request *request)
{
    const struct json_value *argument = json_first_child(request->argv);
    unsigned count = 0;
    for (; count < request->argv->children && count < ARGV_MAX; count++) {
        room->words[1 + count] = keep(room, "%s", json_string(request->json, argument));
        argument = json_after(request->json, argument);
    }
    room->words[1 + count] = NULL;
    room->words[0] = keep(room, SHELL_PROGRAM);
    const char *path = room->env[place_of_variable(room, "PATH")] + strlen("PATH="); /* there is always one */
    room->path = strchr(room->words[1], '/') == NULL ? path : NULL;
    room->folder = keep(room, "%s", request->cwd == NULL ? request->user->home : request->cwd);
    room->other_folder = request->cwd == NULL ? "/" : NULL;
}

static void lay_out_user(struct room *room, const struct user *user)
{
    /* In tests the agent is an ordinary user, who may only stay who he is. */
    room->is_user_changed = geteuid() == 0 || user->uid != geteuid();
    room->uid = user->uid;
    room->gid = user->gid;
    room->groups_count = user->groups_count;
    memcpy(room->groups, user->groups, sizeof room->groups);
}

static struct room *free_room(void)
{
    for (size_t i = 0; i < ROOMS_MAX; i++)
        if (rooms[i].pid == 0)
            return &rooms[i];
    return NULL;
}

pid_t child_start(const struct spawn_request *request, const struct child_ends *ends, int error_writer)
{
    struct room *room = free_room();
    if (room == NULL) {
        errno = EAGAIN;
        return -1;
    }
    room->text_length = 0;
    room->fds[0] = ends->stdin_fd;
    room->fds[1] = ends->stdout_fd;
    room->fds[2] = ends->stderr_fd;
    room->error_writer = error_writer;
    room->has_tty = request->has_tty;
    lay_out_environment(room, request);
    lay_out_command(room, request);
    lay_out_user(room, request->user);
    pid_t pid = clone(child_main, room->stack + sizeof room->stack, CLONE_VM | SIGCHLD, room);
    if (pid > 0)
        room->pid = pid;
    return pid;
}

void spawn_settled(pid_t pid)
{
    for (size_t i = 0; i < ROOMS_MAX; i++)
        if (rooms[i].pid == pid)
            rooms[i].pid = 0;
}
