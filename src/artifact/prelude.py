import ctypes as _ctypes
from pathlib import Path as _Path

import numpy as _np

try:
    _library = _ctypes.CDLL(str(_Path(__file__).resolve().parent / LIBRARY))
except OSError as _cause:
    raise ImportError(f"cannot load {LIBRARY}, which `ftc build --emit lib,python` puts beside this module") from _cause


class KernelError(RuntimeError):
    """A kernel returned an error code."""


def _input(value, name, dtype, shape):
    array = _np.asarray(value)
    if array.shape != shape:
        raise ValueError(f"`{name}` has shape {array.shape}, not {shape}")
    if not _np.can_cast(array.dtype, dtype, "same_kind"):
        raise TypeError(f"`{name}` has elements of type {array.dtype}, not {dtype}")
    return _np.require(array, dtype=dtype, requirements=["C", "A"])


def _output(array, name, dtype, shape, others):
    if array is None:
        return _np.empty(shape, dtype)
    if not isinstance(array, _np.ndarray) or array.dtype != dtype or array.shape != shape:
        raise TypeError(f"`{name}` must be an array of {dtype} and of shape {shape}")
    if not (array.flags.c_contiguous and array.flags.aligned and array.flags.writeable):
        raise ValueError(f"`{name}` must be contiguous, aligned and writeable")
    if any(_np.may_share_memory(array, other) for other in others):
        raise ValueError(f"`{name}` overlaps another argument")
    return array


def _block(array, name, size):
    is_bytes = isinstance(array, _np.ndarray) and array.dtype == _np.uint8 and array.shape == (size,)
    if not (is_bytes and array.flags.c_contiguous and array.ctypes.data % 64 == 0):
        raise TypeError(f"`{name}` must be what the function that packs returned")
    return array


def _new_block(array, name, size, others):
    if array is None:
        room = _np.empty(size + 63, _np.uint8)
        start = -room.ctypes.data % 64
        return room[start : start + size]
    return _output(_block(array, name, size), name, _np.dtype("uint8"), (size,), others)


def _call(entry, arrays):
    pointers = (_ctypes.c_void_p * len(arrays))(*[array.ctypes.data for array in arrays])
    status = entry(pointers)
    if status == 2:
        raise MemoryError("there is no memory for the kernel's workspace")
    if status != 0:
        raise KernelError(f"the kernel returned {status}")
