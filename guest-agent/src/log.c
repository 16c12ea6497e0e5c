/* See log.h. A slow console (a serial port under emulation) must never hold up the agent: writes do not block. */
#include "log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define LOG_LINE_BYTES_MAX 512

/* Set once at boot. */
static int log_fd = STDERR_FILENO;

void log_open_console(void)
{
    int fd = open("/dev/console", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0)
        log_fd = fd;
}

void log_line(const char *format, ...)
{
    char line[LOG_LINE_BYTES_MAX] = "kelpie-agent: ";
    const size_t prefix = sizeof "kelpie-agent: " - 1;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line + prefix, sizeof line - prefix - 1, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    size_t total = prefix + (size_t)length;
    if (total > sizeof line - 2)
        total = sizeof line - 2;
    line[total++] = '\n';
    ssize_t written = write(log_fd, line, total);
    (void)written; /* a line that the console does not take is lost: see log.h */
}
