/* The methods exec.*. */
#ifndef KELPIE_EXEC_H
#define KELPIE_EXEC_H

#include "rpc.h"

rpc_method exec_start;
rpc_method exec_attach;
rpc_method exec_detach;
rpc_method exec_signal;
rpc_method exec_resize;
rpc_method exec_list;
rpc_method exec_forget;

#endif
