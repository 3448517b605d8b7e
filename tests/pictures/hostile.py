"""Pictures that are meant to harm whoever decodes them, made where a program is to be tried on them.

    hostile.py make FOLDER             writes them
    hostile.py measure PROGRAM FOLDER  has PROGRAM decode each, and prints how that ended: a line of JSON each
"""

import json
import os
import random
import resource
import struct
import subprocess
import sys
import time
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def zeros(count):
    """So many zero bytes, deflated."""
    packer, out = zlib.compressobj(9), []
    for _ in range(count >> 20):
        out.append(packer.compress(bytes(1 << 20)))
    out.append(packer.compress(bytes(count & ((1 << 20) - 1))))
    return b"".join(out) + packer.flush()


def png(width, height, rows, between=b"", colour=0):
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", head) + between + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def gif(frames):
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(3) + b"\xff" * 3
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\x00"
    return head + frame * frames + b"\x3b"


def jpeg(width, height, progressive=False, scans=0):
    """A JPEG of one grey component whose scans are all but empty."""
    frame = b"\xff\xc2" if progressive else b"\xff\xc0"
    head = b"\xff\xd8\xff\xdb" + struct.pack(">HB", 67, 0) + b"\x01" * 64
    head += frame + struct.pack(">HBHHBBBB", 11, 8, height, width, 1, 1, 0x11, 0)
    head += b"\xff\xc4" + struct.pack(">HB", 20, 0) + b"\x01" + bytes(15) + b"\x00"
    head += b"\xff\xc4" + struct.pack(">HB", 20, 0x10) + b"\x01" + bytes(15) + b"\x00"
    scan = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 0, 0 if progressive else 63, 0)
    return head + scan * max(scans, 1) + bytes(64) + b"\xff\xd9"


def webp(width, height):
    frame = b"\x9d\x01\x2a" + struct.pack("<HH", width, height)
    data = b"\x30\x01\x00" + frame + bytes(64)
    body = b"WEBPVP8 " + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def make(folder):
    noise = random.Random(7)
    small = png(64, 64, zlib.compress(bytes(65 * 64)))
    half_a_gibibyte = zeros(1 << 29)
    pictures = {
        "60000x60000.png": png(60_000, 60_000, zeros(1 << 20)),
        "29999x29999.png": png(29_999, 29_999, zeros(1 << 20)),
        "ends-early.png": png(8_000, 8_000, zeros(1 << 20)),
        "ztxt-bomb.png": png(64, 64, zlib.compress(bytes(65 * 64)), chunk(b"zTXt", b"a\0\0" + half_a_gibibyte)),
        "iccp-bomb.png": png(64, 64, zlib.compress(bytes(65 * 64)), chunk(b"iCCP", b"a\0\0" + half_a_gibibyte)),
        "idat-bomb.png": png(64, 64, half_a_gibibyte),
        "100000-frames.gif": gif(100_000),
        "65535x65535.gif": b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0x80, 0, 0) + bytes(6) + b"\x2c"
        + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0) + b"\x02\x02\x4c\x01\x00\x3b",
        "65500x65500.jpg": jpeg(65_500, 65_500),
        "progressive.jpg": jpeg(16_000, 3_900, progressive=True, scans=20_000),
        "16383x16383.webp": webp(16_383, 16_383),
        "2000000000.bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 0, 0, 0, 54, 40, 2_000_000_000, 2_000_000_000, 1, 24, 0, 0, 0, 0, 0, 0),
        "cut.png": small[:-30],
        "only-a-head.jpg": b"\xff\xd8\xff\xe0",
        "noise.jpg": b"\xff\xd8\xff\xe0" + noise.randbytes(200_000),
        "noise.png": SIGNATURE + noise.randbytes(200_000),
        "noise.gif": b"GIF89a" + noise.randbytes(200_000),
        "noise.webp": b"RIFF\x00\x00\x01\x00WEBP" + noise.randbytes(200_000),
        "noise.bmp": b"BM" + noise.randbytes(200_000),
    }
    for name, content in pictures.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)


def measure(program, folder):
    for name in sorted(os.listdir(folder)):
        before, since = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        with open(os.path.join(folder, name), "rb") as picture:
            ended = subprocess.run([program, "decode-picture"], stdin=picture, capture_output=True, env={})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seen = {
            "name": name,
            "code": ended.returncode,
            "seconds": time.monotonic() - since,
            "processor": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            # The most of all so far.
            "memory_kib": after.ru_maxrss,
            "out": len(ended.stdout),
            "reason": ended.stdout.decode() if ended.returncode == 3 else "",
        }
        print(json.dumps(seen), flush=True)


if sys.argv[1] == "make":
    make(sys.argv[2])
else:
    measure(*sys.argv[2:4])
