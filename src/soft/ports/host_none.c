/* SPDX-License-Identifier: BSD-2-Clause */
/* host.h in a build without libbpf or TAP devices: interfaces have no host rings. */
#include "host.h"

#include <errno.h>
#include <stddef.h>

#include "../../base/error.h"

int host_rings_choose(struct port_request *request)
{
	if (!request->host && !request->host_tx_rings && !request->host_rx_rings)
		return 0;
	return error_set(-EOPNOTSUPP,
	    "port \"%s\": this build has no host rings (it was made without libbpf, or on a "
	    "system without TAP devices); leave out '^', '*' and host-rings",
	    request->name);
}

int host_create(struct port *port, int interface, bool copies, struct host **out)
{
	(void)port;
	(void)interface;
	(void)copies;
	*out = NULL;
	return 0;
}

void host_destroy(struct host *host)
{
	(void)host;
}

int host_begin(struct host *host, struct ring *r)
{
	(void)host;
	(void)r;
	return 0;
}

void host_end(struct host *host, struct ring *r)
{
	(void)host;
	(void)r;
}

const char *host_describe(const struct host *host)
{
	(void)host;
	return "";
}

int host_txsync(struct ring *r)
{
	(void)r;
	return -EOPNOTSUPP;
}

int host_rxsync(struct ring *r)
{
	(void)r;
	return -EOPNOTSUPP;
}

int host_arm(struct ring *r, struct pollfd *out)
{
	(void)r;
	(void)out;
	return -EOPNOTSUPP;
}
