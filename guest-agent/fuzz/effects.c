/* Takes the place of spawn.c, child.c, file-target.c, job.c and machine.c: nothing leaves the process. */
#include "effects.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* No process has such a number, so that a signal reaches nobody. */
#define PID_FIRST 0x20000000

static int commands_started;

/* A pair whose far end stays open in no one: what is written there comes back on the next read or is lost. */
static int open_end(void)
{
    int fds[2];
    if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0)
        return -1;
    close(fds[1]);
    return fds[0];
}

int spawn(const struct spawn_request *request, struct spawned *spawned)
{
    int far[2];
    *spawned = (struct spawned){.stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .error_fd = -1};
    if (request->argv->children > 3)
        return ENOMEM;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, far) < 0)
        return errno;
    spawned->pid = PID_FIRST + ++commands_started;
    spawned->stdout_fd = far[0];
    spawned->stdin_fd = request->has_stdin ? far[1] : (close(far[1]), -1);
    spawned->stderr_fd = request->has_tty ? -1 : open_end();
    spawned->error_fd = open_end();
    return 0;
}

void spawn_settled(pid_t pid)
{
    (void)pid;
}

static struct session *first_running(struct agent *agent)
{
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        if (agent->sessions.slots[i].state == SESSION_RUNNING)
            return &agent->sessions.slots[i];
    return NULL;
}

void effects_write_output(struct agent *agent, const uint8_t *bytes, size_t length)
{
    struct session *session = first_running(agent);
    if (session != NULL && session->input.watch.fd >= 0 &&
        send(session->input.watch.fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        session->outputs[0].watch.is_readable = true;
}

void effects_end_command(struct agent *agent, uint8_t status)
{
    struct session *session = first_running(agent);
    if (session != NULL)
        sessions_reap(agent, session->pid, status << 8);
    rehearsal_reap(agent, agent->rehearsal.child.pid);
}

int file_source_open(const char *path, int *fd, struct stat *status)
{
    *fd = memfd_create("source", MFD_CLOEXEC);
    if (*fd < 0 || ftruncate(*fd, path[1] * 1000) < 0 || fstat(*fd, status) < 0)
        return ENOENT;
    return 0;
}

int file_target_open(struct file_target *target, const char *path, const struct file_attributes *attributes,
                     bool makes_parents)
{
    (void)attributes;
    if (makes_parents || path[1] == '\0')
        return EISDIR;
    *target = (struct file_target){.fd = memfd_create("target", MFD_CLOEXEC), .folder_fd = -1};
    return target->fd < 0 ? errno : 0;
}

int file_target_write(const struct file_target *target, const uint8_t *bytes, size_t length)
{
    if (length > 0 && bytes[0] == 'F')
        return ENOSPC;
    return write(target->fd, bytes, length) < 0 ? errno : 0;
}

int file_target_commit(const struct file_target *target)
{
    return target->fd < 0 ? EBADF : 0;
}

void file_target_close(struct file_target *target, bool is_committed)
{
    (void)is_committed;
    if (target->fd >= 0)
        close(target->fd);
    target->fd = -1;
}

int job_start(struct agent *agent, job_work *work, const void *argument, job_done *done, uint64_t token)
{
    (void)work;
    (void)argument;
    for (size_t i = 0; i < JOBS_MAX; i++)
        if (agent->jobs[i].pid == 0) {
            agent->jobs[i] = (struct job){.pid = PID_FIRST, .done = done, .token = token};
            return 0;
        }
    return EAGAIN;
}

void effects_end_jobs(struct agent *agent, int error)
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job job = agent->jobs[i];
        agent->jobs[i].pid = 0;
        if (job.pid != 0)
            job.done(agent, job.token, error);
    }
}

bool jobs_reap(struct agent *agent, pid_t pid, int status)
{
    (void)agent;
    (void)pid;
    (void)status;
    return false;
}

int machine_init(struct machine *machine, const char *generation_path)
{
    machine->generation_path = generation_path;
    return 0;
}

int machine_set_clock(uint64_t unix_ns, int64_t *step_ms)
{
    *step_ms = (int64_t)(unix_ns / 1000000);
    return unix_ns % 2 ? EPERM : 0;
}

int machine_reseed(const uint8_t *seed, size_t length)
{
    return seed[length - 1] == 0 ? EPERM : 0;
}

int machine_set_hostname(const char *hostname)
{
    return hostname[0] == 'x' ? EPERM : 0;
}

int machine_set_machine_id(const char *machine_id)
{
    return machine_id[0] == '0' ? EPERM : 0;
}

int machine_set_generation(struct machine *machine, uint32_t generation)
{
    machine->generation = generation;
    return 0;
}

void machine_write_hex(char *target, const uint8_t *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        target[2 * i] = digits[bytes[i] >> 4];
        target[2 * i + 1] = digits[bytes[i] & 15];
    }
    target[2 * length] = '\0';
}
