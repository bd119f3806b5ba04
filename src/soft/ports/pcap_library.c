/* SPDX-License-Identifier: BSD-2-Clause */
/* Loading libpcap. */
#include "pcap_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "../../base/error.h"

struct pcap_library libpcap;

/* Its first interface is called either way. */
static void *library_open(void)
{
	static const char *const names[] = {"libpcap.so.1", "libpcap.so.0.8", "libpcap.so"};
	void *library = NULL;

	for (size_t i = 0; i < sizeof names / sizeof names[0] && !library; i++)
		library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	return library;
}

static bool call_find(void *library, const char *name, void *call)
{
	void *found = dlsym(library, name);

	memcpy(call, &found, sizeof found);
	return found;
}

static bool calls_find(void *library)
{
#define PCAP_CALL(name) call_find(library, "pcap_" #name, &libpcap.name) &&
	return PCAP_CALLS(PCAP_CALL) true;
#undef PCAP_CALL
}

int pcap_library_load(const char *port)
{
	static bool loaded;
	void *library;

	if (loaded)
		return 0;
	library = library_open();
	if (!library)
		return error_set(-ENXIO,
		    "port \"%s\": libpcap is not installed here (Debian: apt install libpcap0.8)",
		    port);
	loaded = calls_find(library);
	if (loaded)
		return 0;
	dlclose(library);
	return error_set(-ENXIO, "port \"%s\": the libpcap here is too old", port);
}
