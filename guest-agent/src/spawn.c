/* See spawn.h. */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define TTY_MODE 0620

/* The child's ends of what it gets as descriptors 0, 1 and 2. */
struct child_ends {
    int stdin_fd;
    int stdout_fd;
    int stderr_fd;
};

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void close_ends(const struct child_ends *ends)
{
    close_if_open(ends->stdin_fd);
    if (ends->stdout_fd != ends->stdin_fd)
        close_if_open(ends->stdout_fd);
    if (ends->stderr_fd != ends->stdout_fd)
        close_if_open(ends->stderr_fd);
}

static void close_spawned(const struct spawned *spawned)
{
    close_if_open(spawned->stdin_fd);
    close_if_open(spawned->stdout_fd);
    close_if_open(spawned->stderr_fd);
    close_if_open(spawned->error_fd);
}

static bool set_non_blocking(int fd)
{
    return fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
}

static bool open_stdout_pipe(int *reader, int *writer)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return false;
    *reader = fds[0];
    *writer = fds[1];
    return set_non_blocking(fds[0]);
}

static bool open_stdin(const struct spawn_request *request, struct spawned *spawned, struct child_ends *ends)
{
    if (!request->has_stdin) {
        ends->stdin_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return ends->stdin_fd >= 0;
    }
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return false;
    ends->stdin_fd = fds[0];
    spawned->stdin_fd = fds[1];
    return set_non_blocking(fds[1]);
}

static bool open_terminal(const struct spawn_request *request, struct spawned *spawned, struct child_ends *ends)
{
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (master < 0)
        return false;
    spawned->stdout_fd = master;
    int unlocked = 0;
    if (ioctl(master, TIOCSPTLCK, &unlocked) < 0)
        return false;
    /* Asked of the master, so that no path below /dev/pts is trusted. */
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return false;
    ends->stdout_fd = slave;
    ends->stderr_fd = slave;
    struct winsize size = {.ws_row = request->rows, .ws_col = request->columns};
    if (ioctl(master, TIOCSWINSZ, &size) < 0)
        return false;
    if (fchown(slave, request->user->uid, (gid_t)-1) < 0 || fchmod(slave, TTY_MODE) < 0)
        return false;
    /* The terminal is standard input in any case: has_stdin only says whether the host can type. */
    ends->stdin_fd = slave;
    if (!request->has_stdin)
        return true;
    /* A duplicate, so that stdin and stdout are watched, and closed, each by itself. */
    spawned->stdin_fd = fcntl(master, F_DUPFD_CLOEXEC, 0);
    return spawned->stdin_fd >= 0;
}

static bool open_all(const struct spawn_request *request, struct spawned *spawned, struct child_ends *ends,
                     int *error_writer)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return false;
    spawned->error_fd = fds[0];
    *error_writer = fds[1];
    if (!set_non_blocking(fds[0]))
        return false;
    if (request->has_tty)
        return open_terminal(request, spawned, ends);
    return open_stdin(request, spawned, ends) && open_stdout_pipe(&spawned->stdout_fd, &ends->stdout_fd) &&
           open_stdout_pipe(&spawned->stderr_fd, &ends->stderr_fd);
}

/* What follows runs in the child. */

static void reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL); /* fails for those that cannot be changed, which are right already */
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool set_environment(const struct spawn_request *request)
{
    const struct user *user = request->user;
    bool is_set = clearenv() == 0 && setenv("PATH", DEFAULT_PATH, 1) == 0 && setenv("HOME", user->home, 1) == 0 &&
                  setenv("USER", user->name, 1) == 0 && setenv("LOGNAME", user->name, 1) == 0 &&
                  setenv("SHELL", user->shell, 1) == 0 && setenv("LANG", "C.UTF-8", 1) == 0;
    if (is_set && request->has_tty)
        is_set = setenv("TERM", "xterm-256color", 1) == 0;
    if (request->env == NULL)
        return is_set;
    const struct json_value *name = json_first_child(request->env);
    for (unsigned i = 0; is_set && i < request->env->children; i++) {
        const struct json_value *value = name + 1;
        is_set = setenv(json_string(request->json, name), json_string(request->json, value), 1) == 0;
        name = json_after(request->json, value);
    }
    return is_set;
}

static bool become_user(const struct user *user)
{
    /* In tests the agent is an ordinary user, who may only stay who he is. */
    if (geteuid() != 0 && user->uid == geteuid())
        return true;
    return setgroups(user->groups_count, user->groups) == 0 && setgid(user->gid) == 0 && setuid(user->uid) == 0;
}

static bool change_directory(const struct spawn_request *request)
{
    if (request->cwd != NULL)
        return chdir(request->cwd) == 0;
    return chdir(request->user->home) == 0 || chdir("/") == 0;
}

static bool take_stdio(const struct child_ends *ends)
{
    return dup2(ends->stdin_fd, STDIN_FILENO) >= 0 && dup2(ends->stdout_fd, STDOUT_FILENO) >= 0 &&
           dup2(ends->stderr_fd, STDERR_FILENO) >= 0;
}

static void execute(const struct spawn_request *request)
{
    char *argv[ARGV_MAX + 1];
    const struct json_value *argument = json_first_child(request->argv);
    unsigned count = 0;
    for (; count < request->argv->children && count < ARGV_MAX; count++) {
        argv[count] = request->json->text + argument->start;
        argument = json_after(request->json, argument);
    }
    argv[count] = NULL;
    execvp(argv[0], argv);
}

static void become_command(const struct spawn_request *request, const struct child_ends *ends)
{
    reset_signals();
    umask(022);
    if (setsid() < 0)
        return;
    if (request->has_tty && ioctl(ends->stdout_fd, TIOCSCTTY, 0) < 0)
        return;
    if (!take_stdio(ends) || !become_user(request->user) || !change_directory(request) || !set_environment(request))
        return;
    execute(request);
}

int spawn(const struct spawn_request *request, struct spawned *spawned)
{
    *spawned = (struct spawned){.pid = 0, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .error_fd = -1};
    struct child_ends ends = {-1, -1, -1};
    int error_writer = -1;
    int error = 0;
    if (!open_all(request, spawned, &ends, &error_writer) || (spawned->pid = fork()) < 0)
        error = errno;
    if (error == 0 && spawned->pid == 0) {
        become_command(request, &ends);
        int reason = errno;
        ssize_t written = write(error_writer, &reason, sizeof reason);
        _exit(written == sizeof reason ? 127 : 126);
    }
    close_ends(&ends);
    close_if_open(error_writer);
    if (error != 0)
        close_spawned(spawned);
    return error;
}
