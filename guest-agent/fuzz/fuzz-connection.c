/*
 * libFuzzer target: the whole agent behind its port, with its effects on the machine replaced (fuzz/effects.c).
 *
 * The input is a script: each step is one byte of kind, two of length, and so many bytes. Most steps are put into a frame
 * with a right CRC, as else nothing would ever get behind the decoder.
 */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../src/agent.h"
#include "effects.h"

#define STEPS_MAX 64
#define DRAINED_MAX 1024

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct agent agent;

enum step_kind { STEP_HELLO, STEP_REQUEST, STEP_DATA, STEP_END, STEP_CREDIT, STEP_RAW, STEP_REAP, STEP_OUTPUT, STEP_KINDS };

static void turn(int host)
{
    static uint8_t sink[65536];
    for (int i = 0; i < DRAINED_MAX && agent_step(&agent); i++)
        while (recv(host, sink, sizeof sink, MSG_DONTWAIT) > 0)
            agent.port.stream.is_writable = true;
    agent.port.stream.is_readable = true;
    agent.port.stream.is_writable = true;
}

static void send_bytes(int host, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t put = send(host, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put > 0) {
            bytes += put;
            length -= (size_t)put;
        }
        turn(host);
        if (put < 0 && agent.port.stream.fd < 0)
            return;
    }
}

static void send_frame(int host, enum frame_type type, const uint8_t *payload, size_t length)
{
    static uint8_t bytes[FRAME_PAYLOAD_BYTES_MAX + FRAME_OVERHEAD_BYTES];
    memcpy(bytes + FRAME_HEADER_BYTES, payload, length);
    send_bytes(host, bytes, frame_encode(bytes, type, length));
}

static void send_hello(int host)
{
    uint8_t payload[32] = "KELPIE-HELLO\0\0\0\1nonce";
    send_frame(host, FRAME_HELLO, payload, sizeof payload);
}

static void carry_out(int host, enum step_kind kind, const uint8_t *bytes, size_t length)
{
    switch (kind) {
    case STEP_HELLO:
        send_hello(host);
        break;
    case STEP_REQUEST:
        send_frame(host, FRAME_REQUEST, bytes, length);
        break;
    case STEP_DATA:
        send_frame(host, FRAME_DATA, bytes, length);
        break;
    case STEP_END:
        send_frame(host, FRAME_END, bytes, length);
        break;
    case STEP_CREDIT:
        send_frame(host, FRAME_CREDIT, bytes, length);
        break;
    case STEP_RAW:
        send_bytes(host, bytes, length);
        break;
    case STEP_REAP:
        effects_end_command(&agent, length > 0 ? bytes[0] : 0);
        effects_end_jobs(&agent, length > 0 ? bytes[0] : 0);
        break;
    case STEP_OUTPUT:
        effects_write_output(&agent, bytes, length);
        break;
    case STEP_KINDS:
        break;
    }
    turn(host);
}

static void start_once(void)
{
    sigset_t none;
    if (agent.epoll_fd != 0)
        return;
    if (!agent_init(&agent, false))
        abort();
    /* The fuzzer wants its signals. */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fds[2];
    start_once();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        abort();
    port_init(&agent.port, PORT_UNIX);
    if (!watch_open(&agent.port.stream, agent.epoll_fd, fds[1]))
        abort();
    send_hello(fds[0]);
    for (int i = 0; i < STEPS_MAX && size >= 3; i++) {
        size_t length = data[1] | (size_t)data[2] << 8;
        if (length > size - 3)
            length = size - 3;
        if (length > FRAME_PAYLOAD_BYTES_MAX)
            length = FRAME_PAYLOAD_BYTES_MAX;
        carry_out(fds[0], data[0] % STEP_KINDS, data + 3, length);
        data += 3 + length;
        size -= 3 + length;
    }
    close(fds[0]);
    turn(fds[0]);
    watch_close(&agent.port.stream);
    connection_close(&agent);
    effects_end_jobs(&agent, 0);
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        session_forget(&agent.sessions.slots[i]);
    agent.power.state = POWER_ON;
    agent.sessions.last_number = 0;
    return 0;
}
