"""ICC profiles written by hand, and what they mean by the formulas of their standards, without a colour library.

Sources: ICC.1:2022 (layout); IEC 61966-2-1 (sRGB); SMPTE EG 432-1 and Apple (Display P3); Adobe RGB (1998).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

import numpy as np

D65 = (0.3127, 0.3290)
D50_XYZ = np.array([0.9642, 1.0, 0.8249])
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
DISPLAY_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE_RGB = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
ADOBE_GAMMA = 563 / 256
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
Curve = Callable[[np.ndarray], np.ndarray]


def xyz_of(xy: tuple[float, float]) -> np.ndarray:
    return np.array([xy[0] / xy[1], 1.0, (1 - xy[0] - xy[1]) / xy[1]])


def to_xyz(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Return the matrix from linear RGB of these primaries, white D65, to XYZ."""
    columns = np.stack([xyz_of(xy) for xy in primaries], axis=1)
    return columns * np.linalg.solve(columns, xyz_of(D65))


def to_d50() -> np.ndarray:
    """Return the Bradford adaptation from D65 to D50."""
    scale = (BRADFORD @ D50_XYZ) / (BRADFORD @ xyz_of(D65))
    return np.linalg.inv(BRADFORD) @ np.diag(scale) @ BRADFORD


def srgb_linear(value: np.ndarray) -> np.ndarray:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def srgb_encoded(linear: np.ndarray) -> np.ndarray:
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def gamma(exponent: float) -> Curve:
    return lambda value: value**exponent


def in_srgb(values: np.ndarray, *, primaries: tuple[tuple[float, float], ...], curve: Curve) -> np.ndarray:
    """Return 8-bit values of another space, (..., 3), as 8-bit sRGB in floating point, cut at its border."""
    linear = curve(np.asarray(values, float) / 255) @ (np.linalg.inv(to_xyz(SRGB)) @ to_xyz(primaries)).T
    return 255 * srgb_encoded(linear)


def profile(
    tags: Mapping[bytes, bytes], *, space: bytes = b"RGB ", kind: bytes = b"mntr", pcs: bytes = b"XYZ "
) -> bytes:
    table, content, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", at + len(content), len(data))
        content += data + bytes(-len(data) % 4)
    size = at + len(content)
    header = struct.pack(">I4xI", size, 0x02400000) + kind + space + pcs + struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    header += b"acsp" + bytes(28) + fixed(*D50_XYZ) + bytes(48)
    assert len(header) == 128
    return header + struct.pack(">I", len(tags)) + table + content


def fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(65536 * value) for value in values))


def curve_tag(curve: Curve) -> bytes:
    values = np.round(65535 * curve(np.linspace(0, 1, 1024))).astype(">u2")
    return b"curv\0\0\0\0" + struct.pack(">I", 1024) + values.tobytes()


def name_tag(name: str) -> bytes:
    text = name.encode() + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(4 + 4 + 2 + 1 + 67)


def rgb_profile(
    primaries: tuple[tuple[float, float], ...],
    *,
    curve: Curve,
    name: str,
    kind: bytes = b"mntr",
    more: Mapping[bytes, bytes] | None = None,
) -> bytes:
    """Write a profile of three primaries and a curve, as cameras and displays have them."""
    matrix = to_d50() @ to_xyz(primaries)
    tags = {b"desc": name_tag(name), b"wtpt": b"XYZ \0\0\0\0" + fixed(*D50_XYZ)}
    for index, channel in enumerate(b"rgb"):
        tags[bytes([channel]) + b"XYZ"] = b"XYZ \0\0\0\0" + fixed(*matrix[:, index])
        tags[bytes([channel]) + b"TRC"] = curve_tag(curve)
    return profile(tags | dict(more or {}), kind=kind)


def gray_profile(curve: Curve, *, name: str = "gray") -> bytes:
    tags = {b"desc": name_tag(name), b"wtpt": b"XYZ \0\0\0\0" + fixed(*D50_XYZ), b"kTRC": curve_tag(curve)}
    return profile(tags, space=b"GRAY")


def ink_profile(lab_of: Callable[[float, float, float, float], tuple[float, float, float]]) -> bytes:
    """Write a profile of a printing press from the L*a*b* of every ink that is either there or not."""
    linear = bytes(range(256))
    nodes = b""
    for number in range(16):
        inks = [float(number >> bit & 1) for bit in (3, 2, 1, 0)]
        lightness, a, b = lab_of(*inks)
        nodes += bytes([round(255 * lightness / 100), round(a + 128), round(b + 128)])
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + linear * 4 + nodes + linear * 3
    tags = {b"desc": name_tag("press"), b"wtpt": b"XYZ \0\0\0\0" + fixed(*D50_XYZ), b"A2B0": table, b"A2B1": table}
    return profile(tags, space=b"CMYK", kind=b"prtr", pcs=b"Lab ")


def lab_in_srgb(lightness: float, a: float, b: float) -> np.ndarray:
    """Return a colour of CIE L*a*b* (white D50) as 8-bit sRGB in floating point. Source: CIE 15:2018, section 8.2.1."""
    y = (lightness + 16) / 116
    steps = np.array([y + a / 500, y, y - b / 200])
    ratios = np.where(steps > 6 / 29, steps**3, 3 * (6 / 29) ** 2 * (steps - 4 / 29))
    return 255 * srgb_encoded(np.linalg.inv(to_xyz(SRGB)) @ np.linalg.inv(to_d50()) @ (ratios * D50_XYZ))


P3_FILE = rgb_profile(DISPLAY_P3, curve=srgb_linear, name="Display P3")
ADOBE_FILE = rgb_profile(ADOBE_RGB, curve=gamma(ADOBE_GAMMA), name="Adobe RGB (1998)")
SRGB_FILE = rgb_profile(SRGB, curve=srgb_linear, name="sRGB")
