/* SPDX-License-Identifier: BSD-2-Clause */
/* Every inline of the public headers once more as an exported function, for other languages. */
#define LOOM_INLINE extern inline
#include <pktloom/batch.h>
