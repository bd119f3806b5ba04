/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hints: what works as asked for but is seldom what was meant, as host rings that nothing comes to. A
 * hint is a sentence; a process is told each only once, however often it does the same.
 *
 * The library writes nowhere by itself: a program says who is to hear of it, before it opens ports.
 *
 *	loom_hint_set(loom_hint_print);
 *
 * A library that prints would be in the way of its programs' own output, and a program that has none to
 * look at need not be told. PKTLOOM_HINTS in the environment is the user's word, and wins: with 0 there are
 * no hints, with 1 programs that have not set anything print them, too. The command `pktloom` and the preload
 * library print.
 */
#ifndef PKTLOOM_HINT_H
#define PKTLOOM_HINT_H

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What is called with each hint: one line without a newline, which names the port, says what it will not do,
 * and what to do about that.
 *
 * Called by the thread whose loom_open() or loom_port_open_ring() gave reason for it, before that returns
 * and with nothing locked: it may call the library. Threads that open ports at the same time may be in it at
 * the same time. The text is the library's, and gone when the function returns.
 */
typedef void loom_hint(const char *hint);

/**
 * Have hints from now on, for the whole process; NULL, as in the beginning: none. What nobody heard is
 * said again when there is reason for it again.
 *
 * Threads: any, at any time. A thread that is about to call the previous function still does.
 */
void loom_hint_set(loom_hint *function);

/** A hint as a line on standard error: "pktloom: hint: …". For loom_hint_set(). */
void loom_hint_print(const char *hint);

#ifdef __cplusplus
}
#endif
#endif
