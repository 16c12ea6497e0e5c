/* The methods system.*. */
#ifndef KELPIE_SYSTEM_H
#define KELPIE_SYSTEM_H

#include "rpc.h"

rpc_method system_health;
rpc_method system_repair;
rpc_method system_set_clock;
rpc_method system_reseed;
rpc_method system_sync;
rpc_method system_power_off;

#endif
