/* See spawn.h. */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "child.h"

#define TTY_MODE 0620

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

int spawn(const struct spawn_request *request, struct spawned *spawned)
{
    *spawned = (struct spawned){.pid = 0, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .error_fd = -1};
    struct child_ends ends = {-1, -1, -1};
    int error_writer = -1;
    int error = 0;
    if (!open_all(request, spawned, &ends, &error_writer) ||
        (spawned->pid = child_start(request, &ends, error_writer)) < 0)
        error = errno;
    close_ends(&ends);
    close_if_open(error_writer);
    if (error != 0)
        close_spawned(spawned);
    return error;
}
