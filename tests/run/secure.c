/* SPDX-License-Identifier: BSD-2-Clause */
/* Tells whether the kernel has started it in secure mode, in which nothing is preloaded. */
#include <stdio.h>
#include <sys/auxv.h>

int main(void)
{
	puts(getauxval(AT_SECURE) ? "secure" : "plain");
	return 0;
}
