"""The structs of runtime/launch.h, as ctypes sees them (layer 1)."""

from __future__ import annotations

import ctypes


class Site(ctypes.Structure):
    """struct Site of runtime/launch.h."""

    _fields_ = [
        ("thread", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("pc", ctypes.c_uint64),
    ]


class Report(ctypes.Structure):
    """struct Report of runtime/launch.h."""

    _fields_ = [
        ("kind", ctypes.c_char * 32),
        ("detail", ctypes.c_char * 256),
        ("here", Site),
        ("other", Site),
        ("has_other", ctypes.c_int),
    ]


class Region(ctypes.Structure):
    """struct Region of runtime/launch.h."""

    _fields_ = [
        ("start", ctypes.c_void_p),
        ("bytes", ctypes.c_uint64),
        ("argument", ctypes.c_int),
        ("granule", ctypes.c_int),
    ]


class Launch(ctypes.Structure):
    """struct Launch of runtime/launch.h."""

    _fields_ = [
        ("entry", ctypes.c_void_p),
        ("arguments", ctypes.POINTER(ctypes.c_void_p)),
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("dynamic_shared", ctypes.c_uint),
        ("check", ctypes.c_int),
        ("profile", ctypes.c_int),
        ("order", ctypes.c_uint),
        ("seconds", ctypes.c_double),
        ("region_count", ctypes.c_int),
        ("regions", ctypes.POINTER(Region)),
    ]


class Counted(ctypes.Structure):
    """struct Counted of runtime/launch.h."""

    _fields_ = [
        ("pc", ctypes.c_uint64),
        ("what", ctypes.c_int),
        ("array", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("requests", ctypes.c_uint64),
        ("bytes", ctypes.c_uint64),
        ("sectors", ctypes.c_uint64),
        ("turns", ctypes.c_uint64),
        ("least_turns", ctypes.c_uint64),
    ]
