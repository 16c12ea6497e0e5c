/* The steps of booting; init.c says in which order. */
#ifndef KELPIE_BOOT_H
#define KELPIE_BOOT_H

#include <stdbool.h>
#include <stddef.h>

/* Says on the console why boot cannot go on, and turns the machine off. */
_Noreturn __attribute__((format(printf, 1, 2))) void boot_panic(const char *format, ...);

/* A value of the kernel command line's word `name=value`; false when it is not there. */
bool boot_option(const char *name, char *value, size_t capacity);

/* Loads the modules that /kelpie/modules.list names. One that fails is logged and skipped. */
void boot_load_modules(void);

/* /proc, /sys and /dev, on the initial root. */
void boot_mount_first(void);
/* Puts the root image with a writable layer over it in place of the initial root, if there is one. Returns a descriptor
 * on the data disk's file system, or −1. */
int boot_switch_root(void);
/* What belongs on top: /dev/pts, /dev/shm, /run, /tmp, cgroups. */
void boot_mount_rest(void);

/* Loopback, and the virtual network card if the command line gives it an address. */
void boot_network(void);

#endif
