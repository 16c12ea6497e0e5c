/*
 *   MACHINE:  no device ──every 50 ms──► look ──┬─ /dev/vport… named dev.kelpie.agent.0: STREAM, for ever
 *                                               └─ /dev/vsock: LISTENER
 *   sockets:  LISTENER ──accept──► STREAM ──closed by host, or another host accepted──► LISTENER
 *
 * A virtio-serial port without a host reads as "end" and polls as "hung up", for as long as that lasts, and nothing but
 * an edge tells of the next host. After a restore in another VMM even that may be missing: the first bytes are then the
 * edge, and the HELLO in them makes good what was missed.
 */
#include "port.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h> /* needs sys/socket.h before it */

#include "agent.h"
#include "clock.h"
#include "log.h"

#define PORTS_FOLDER "/sys/class/virtio-ports"
#define LISTEN_BACKLOG 4
#define IO_PER_STEP_MAX 8

void port_init(struct port *port, enum port_kind kind)
{
    *port = (struct port){.kind = kind, .retry_at_ms = NEVER_MS};
    watch_init(&port->listener);
    watch_init(&port->stream);
}

static bool listen_on(struct agent *agent, const struct sockaddr *address, socklen_t length)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    if (bind(fd, address, length) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return false;
    }
    return watch_open(&agent->port.listener, agent->epoll_fd, fd);
}

static bool listen_on_vsock(struct agent *agent)
{
    struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_port = VSOCK_PORT, .svm_cid = VMADDR_CID_ANY};
    return access("/dev/vsock", F_OK) == 0 && listen_on(agent, (struct sockaddr *)&address, sizeof address);
}

static bool listen_on_unix(struct agent *agent)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(agent->port.unix_path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    strcpy(address.sun_path, agent->port.unix_path);
    return listen_on(agent, (struct sockaddr *)&address, sizeof address);
}

static bool has_port_name(const char *device)
{
    char path[PATH_BYTES_MAX];
    char name[sizeof VIRTIO_PORT_NAME + 1] = "";
    snprintf(path, sizeof path, PORTS_FOLDER "/%s/name", device);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool is_it = fgets(name, sizeof name, file) != NULL;
    fclose(file);
    name[strcspn(name, "\n")] = '\0';
    return is_it && strcmp(name, VIRTIO_PORT_NAME) == 0;
}

static bool open_virtio(struct agent *agent)
{
    DIR *folder = opendir(PORTS_FOLDER);
    if (folder == NULL)
        return false;
    int fd = -1;
    struct dirent *entry;
    while (fd < 0 && (entry = readdir(folder)) != NULL) {
        char path[PATH_BYTES_MAX];
        if (entry->d_name[0] == '.' || !has_port_name(entry->d_name))
            continue;
        snprintf(path, sizeof path, "/dev/%s", entry->d_name);
        fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    }
    closedir(folder);
    if (fd < 0 || !watch_open(&agent->port.stream, agent->epoll_fd, fd))
        return false;
    agent->port.is_virtio = true;
    log_line("ready (%s)", AGENT_NAME);
    return true;
}

static void look_for_device(struct agent *agent)
{
    struct port *port = &agent->port;
    port->retry_at_ms = clock_monotonic_ms() + PORT_RETRY_MS;
    if (open_virtio(agent)) {
        watch_close(&port->listener);
        port->retry_at_ms = NEVER_MS;
        return;
    }
    if (port->listener.fd < 0 && listen_on_vsock(agent))
        log_line("ready (%s)", AGENT_NAME);
}

bool port_open(struct agent *agent, int fd)
{
    switch (agent->port.kind) {
    case PORT_UNIX:
        return listen_on_unix(agent);
    case PORT_FD:
        return fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
               watch_open(&agent->port.stream, agent->epoll_fd, fd);
    case PORT_MACHINE:
        look_for_device(agent);
        return true;
    }
    return false;
}

static bool accept_host(struct agent *agent)
{
    struct port *port = &agent->port;
    if (port->listener.fd < 0 || !port->listener.is_readable)
        return false;
    int fd = accept4(port->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        port->listener.is_readable = errno != EAGAIN;
        return false;
    }
    /* The newest host is the right one: the one before may have died without the guest being told. */
    watch_close(&port->stream);
    connection_close(agent);
    /* There is a host on vsock: no reason to look for another way any more. */
    port->retry_at_ms = NEVER_MS;
    return watch_open(&port->stream, agent->epoll_fd, fd);
}

static void lose_host(struct agent *agent)
{
    connection_close(agent);
    if (agent->port.is_virtio)
        agent->port.stream.is_readable = false; /* until the next edge */
    else
        watch_close(&agent->port.stream);
    if (agent->port.kind == PORT_FD)
        power_off_begin(agent);
}

static bool pump_input(struct agent *agent)
{
    struct watch *stream = &agent->port.stream;
    if (stream->fd < 0 || !stream->is_readable || connection_has_work(agent))
        return false;
    size_t space;
    uint8_t *target = frame_decoder_space(&agent->connection.in, &space);
    if (space == 0)
        return false;
    ssize_t got = watch_read(stream, target, space);
    if (got > 0) {
        frame_decoder_filled(&agent->connection.in, (size_t)got);
        return true;
    }
    if (got == 0 || errno != EAGAIN)
        lose_host(agent);
    return false;
}

static bool pump_output(struct agent *agent)
{
    struct port *port = &agent->port;
    struct out_queue *out = &agent->connection.out;
    bool has_moved = false;
    for (int i = 0; i < IO_PER_STEP_MAX && port->stream.fd >= 0 && port->stream.is_writable; i++) {
        size_t length;
        const uint8_t *bytes = out_queue_peek(out, &length);
        if (length == 0)
            break;
        ssize_t put = watch_write(&port->stream, bytes, length);
        if (put > 0) {
            out_queue_consume(out, (size_t)put);
            has_moved = true;
        } else if (put < 0 && errno != EAGAIN) {
            lose_host(agent);
        }
    }
    return has_moved;
}

bool port_pump(struct agent *agent)
{
    bool has_moved = accept_host(agent);
    has_moved |= pump_output(agent);
    has_moved |= pump_input(agent);
    return has_moved;
}

void port_run_timer(struct agent *agent)
{
    if (clock_monotonic_ms() < agent->port.retry_at_ms)
        return;
    if (agent->port.stream.fd < 0)
        look_for_device(agent);
    else
        agent->port.retry_at_ms = NEVER_MS;
}
