/* The few lines that the agent says on the console. */
#ifndef KELPIE_LOG_H
#define KELPIE_LOG_H

/* Lines go to standard error until a console is opened. */
void log_open_console(void);

/* One line, "kelpie-agent: " in front. Dropped rather than waited for when the console does not take it at once. */
__attribute__((format(printf, 1, 2))) void log_line(const char *format, ...);

#endif
