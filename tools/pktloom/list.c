/* SPDX-License-Identifier: BSD-2-Clause */
/* pktloom list: the port kinds that were compiled in, from the list that also makes them. */
#include "command.h"

static const char *const kinds[] = {
#define PORT_KIND(kind) #kind,
#include "soft/ports/ports.def"
#undef PORT_KIND
};

static const struct text {
	const char *kind, *example, *help;
} texts[] = {
    {"null", "null:", "swallows what is sent, never receives"},
    {"loop", "loop:a", "what is sent comes back"},
    {"pipe", "pipe{demo}", "two ends, in one process or two, without copies; also x{1 and x}1"},
    {"packet", "packet:eth0", "an interface through AF_PACKET; also netmap:eth0 and eth0"},
};

static struct text text_of(const char *kind)
{
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (strcmp(texts[i].kind, kind) == 0)
			return texts[i];
	return (struct text){kind, "", ""};
}

int command_list(int argc, char **argv)
{
	const struct arg args[] = {{0}};

	args_parse(argc, argv, "Lists the port kinds of this build, with an example each.", args);
	printf("%-8s %-12s %s\n", "KIND", "NAME", "WHAT IT IS");
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		struct text text = text_of(kinds[i]);

		printf("%-8s %-12s %s\n", text.kind, text.example, text.help);
	}
	return 0;
}
