/* What the first process of the machine does before it serves. */
#ifndef KELPIE_INIT_H
#define KELPIE_INIT_H

/* Boots: mounts, modules, root file system, network, names. Returns a descriptor on the data disk's file system, or −1
 * when there is none. When boot cannot go on, it says so on the console and turns the machine off. */
int init_boot(void);

#endif
