# SPDX-License-Identifier: BSD-2-Clause
"""Copies of a dynamically linked program with one thing about them changed.

usage: patch.py PROGRAM CHANGE COPY
"""
import os
import struct
import sys

ET_REL = 1
PT_DYNAMIC, PT_INTERP = 2, 3


def headers(data):
    """Offset and type of every program header, and the offset of its file offset and size."""
    wide = data[4] == 2
    order = '<' if data[5] == 1 else '>'
    at, = struct.unpack_from(order + ('Q' if wide else 'I'), data, 32 if wide else 28)
    size, count = struct.unpack_from(order + 'HH', data, 54 if wide else 42)
    for i in range(count):
        header = at + i * size
        kind, = struct.unpack_from(order + 'I', data, header)
        offset, = struct.unpack_from(order + ('Q' if wide else 'I'), data, header + (8 if wide else 4))
        yield header, kind, offset, order


def forget(data, wanted):
    for header, kind, _, order in headers(data):
        if kind == wanted:
            struct.pack_into(order + 'I', data, header, 0)


def loader(data, name):
    for _, kind, offset, _ in headers(data):
        if kind == PT_INTERP:
            end = data.index(0, offset)
            data[offset:end] = name.rjust(end - offset, b'/')


def change(data, what):
    if what == 'static':
        forget(data, PT_INTERP)
        forget(data, PT_DYNAMIC)
    elif what == 'static-pie':
        forget(data, PT_INTERP)
    elif what == 'object':
        struct.pack_into('H', data, 16, ET_REL)
    elif what == 'machine':
        data[18] ^= 0xff
    elif what == 'class':
        data[4] = 3 - data[4]
    elif what == 'order':
        data[5] = 3 - data[5]
    elif what == 'loader':
        loader(data, b'/no/such/loader')
    elif what == 'other-loader':
        loader(data, b'/bin/sh')
    elif what == 'short':
        del data[70:]
    else:
        sys.exit('no such change: ' + what)


def main():
    program, what, copy = sys.argv[1:]
    with open(program, 'rb') as file:
        data = bytearray(file.read())
    change(data, what)
    with open(copy, 'wb') as file:
        file.write(data)
    os.chmod(copy, 0o755)


main()
