/* The methods file.*. */
#ifndef KELPIE_FILE_H
#define KELPIE_FILE_H

#include "rpc.h"

rpc_method file_read;
rpc_method file_write;
rpc_method file_commit;
rpc_method file_abort;
rpc_method file_stat;

#endif
