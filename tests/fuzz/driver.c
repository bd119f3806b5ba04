/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a fuzz target where there is no libFuzzer: over its corpus, over mutations of it and over
 * pseudo-random inputs, the same in every run.
 *
 *	driver CORPUS ROUNDS
 */
#include <dirent.h>
#include <limits.h>
#include <unistd.h>

#include "fuzz.h"
#include "helpers.h"

#define MOST_SEEDS 256
#define MOST_BYTES 1024
#define SECONDS    20 /* for one input */

struct seed {
	uint8_t data[MOST_BYTES];
	size_t size;
};

static struct seed seeds[MOST_SEEDS];

static size_t seeds_read(const char *corpus)
{
	struct dirent **entries;
	int found = scandir(corpus, &entries, NULL, alphasort);
	size_t n = 0;

	for (int i = 0; i < found; i++) {
		char path[PATH_MAX];
		FILE *file;

		snprintf(path, sizeof path, "%s/%s", corpus, entries[i]->d_name);
		file = entries[i]->d_name[0] == '.' || n == MOST_SEEDS ? NULL : fopen(path, "rb");
		free(entries[i]);
		if (!file)
			continue;
		seeds[n].size = fread(seeds[n].data, 1, MOST_BYTES, file);
		n++;
		fclose(file);
	}
	if (found >= 0)
		free(entries);
	return n;
}

/* A copy of exactly its size: a sanitizer sees who reads past it. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	CHECK(copy != NULL);
	memcpy(copy, data, size);
	alarm(SECONDS);
	LLVMFuzzerTestOneInput(copy, size);
	alarm(0);
	free(copy);
}

/* Change a few bytes, to something small, large or any. */
static void mutate(struct seed *seed, uint32_t *state)
{
	static const uint8_t edges[] = {0, 1, 2, 0x7f, 0x80, 0xfe, 0xff};

	for (uint32_t n = random_next(state) % 6; n > 0 && seed->size > 0; n--) {
		uint32_t at = random_next(state) % (uint32_t)seed->size;

		if (random_next(state) % 2)
			seed->data[at] = (uint8_t)random_next(state);
		else
			seed->data[at] = edges[random_next(state) % sizeof edges];
	}
	if (random_next(state) % 4 == 0)
		seed->size = random_next(state) % (MOST_BYTES + 1);
}

static void random_seed(struct seed *seed, uint32_t *state)
{
	seed->size = random_next(state) % 300;
	for (size_t i = 0; i < seed->size; i++)
		seed->data[i] = (uint8_t)random_next(state);
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 2 ? scaled((unsigned)strtoul(argv[2], NULL, 10)) : 0;
	size_t n = argc > 1 ? seeds_read(argv[1]) : 0;
	uint32_t state = 1;
	static struct seed seed;

	for (size_t i = 0; i < n; i++)
		run(seeds[i].data, seeds[i].size);
	for (unsigned i = 0; i < rounds; i++) {
		if (n > 0 && i % 2) {
			seed = seeds[random_next(&state) % n];
			mutate(&seed, &state);
		} else {
			random_seed(&seed, &state);
		}
		run(seed.data, seed.size);
	}
	printf("%zu seeds, %u inputs made from them or at random\n", n, rounds);
	return n == 0;
}
