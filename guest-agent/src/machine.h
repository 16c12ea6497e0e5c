/* What identifies the machine and must be repaired after a restore: clock, randomness, names, generation. */
#ifndef KELPIE_MACHINE_H
#define KELPIE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GENERATION_PATH "/run/kelpie/generation"
#define BOOT_ID_BYTES 16

struct machine {
    uint8_t boot_id[BOOT_ID_BYTES];
    uint32_t generation;
    const char *generation_path;
};

/* All return 0 or an errno. */

/* Draws the boot id and writes the first generation, 0. */
int machine_init(struct machine *machine, const char *generation_path);
int machine_set_clock(uint64_t unix_ns, int64_t *step_ms);
/* Credits the seed to the kernel's pool in full and makes its generator take it up at once. */
int machine_reseed(const uint8_t *seed, size_t length);
int machine_set_hostname(const char *hostname);
int machine_set_machine_id(const char *machine_id);
int machine_set_generation(struct machine *machine, uint32_t generation);

/* Writes bytes as 2 × length lower-case hexadecimal digits and a NUL. */
void machine_write_hex(char *target, const uint8_t *bytes, size_t length);

#endif
