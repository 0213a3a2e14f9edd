"""ONNX Runtime through its C API, for the checks beside this file.

Loads the library that $ORT_LIB names with ctypes. The API is a table of
functions whose places never change; API says which are used.
"""

import ctypes
import os
from ctypes import byref, c_char_p, c_int, c_int64, c_size_t, c_void_p
from typing import Any, Optional

import numpy as np

API_VERSION = 10
API = {"GetErrorMessage": 2, "CreateEnv": 3, "CreateSession": 7, "Run": 9,
       "CreateSessionOptions": 10, "SetOptimizedModelFilePath": 11,
       "SetGraphOptimizationLevel": 23,
       "SetIntraOpNumThreads": 24, "SessionGetInputCount": 30,
       "SessionGetOutputCount": 31, "SessionGetInputTypeInfo": 33,
       "SessionGetInputName": 36, "SessionGetOutputName": 37,
       "CreateTensorWithDataAsOrtValue": 49, "GetTensorMutableData": 51,
       "CastTypeInfoToTensorInfo": 55, "GetTensorElementType": 60,
       "GetDimensionsCount": 61, "GetDimensions": 62,
       "GetTensorTypeAndShape": 65, "CreateCpuMemoryInfo": 69,
       "GetAllocatorWithDefaultOptions": 78, "ReleaseSession": 95,
       "ReleaseValue": 96, "ReleaseTensorTypeAndShapeInfo": 99}
GIVES_STATUS = {name for name in API if not name.startswith("Release")}

LOG_FATAL_ONLY, OPTIMIZE_ALL, ARENA, MEMORY_DEFAULT = 4, 99, 1, 0
NUMPY_TYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32,
               7: np.int64, 9: np.bool_, 10: np.float16, 11: np.float64}
TYPE_NUMBERS = {np.dtype(t): n for n, t in NUMPY_TYPES.items()}


class OrtError(Exception):
    """ONNX Runtime's own message."""


class _Base(ctypes.Structure):
    _fields_ = [("get_api", ctypes.CFUNCTYPE(c_void_p, ctypes.c_uint32)),
                ("get_version", ctypes.CFUNCTYPE(c_char_p))]


class Ort:
    """The library, with one environment."""

    def __init__(self, path: str) -> None:
        library = ctypes.CDLL(path)
        library.OrtGetApiBase.restype = ctypes.POINTER(_Base)
        base = library.OrtGetApiBase().contents
        self._table = ctypes.cast(base.get_api(API_VERSION),
                                  ctypes.POINTER(c_void_p))
        self.version = base.get_version().decode()
        self.env = self.made("CreateEnv", LOG_FATAL_ONLY, b"tests")
        self.memory = self.made("CreateCpuMemoryInfo", ARENA, MEMORY_DEFAULT)
        self.allocator = self.made("GetAllocatorWithDefaultOptions")

    def call(self, name: str, *args: Any) -> None:
        function = ctypes.CFUNCTYPE(c_void_p)(self._table[API[name]])
        function.argtypes = None
        status = function(*args)
        if name in GIVES_STATUS and status:
            message = ctypes.CFUNCTYPE(c_char_p, c_void_p)(
                self._table[API["GetErrorMessage"]])
            raise OrtError(message(status).decode())

    def made(self, name: str, *args: Any) -> c_void_p:
        """Calls what gives an object through its last argument."""
        result = c_void_p()
        self.call(name, *args, byref(result))
        return result

    def number(self, name: str, *args: Any) -> int:
        result = c_size_t()
        self.call(name, *args, byref(result))
        return result.value


def open_library() -> Optional[Ort]:
    """None where $ORT_LIB names nothing."""
    path = os.environ.get("ORT_LIB")
    return Ort(path) if path and os.path.exists(path) else None


class Session:
    """A loaded model; raises OrtError when ONNX Runtime refuses it.

    dump: a file that the optimised graph is written to."""

    def __init__(self, ort: Ort, path: str, threads: int = 1,
                 dump: Optional[str] = None) -> None:
        self.ort = ort
        options = ort.made("CreateSessionOptions")
        if dump:
            ort.call("SetOptimizedModelFilePath", options, os.fsencode(dump))
        ort.call("SetGraphOptimizationLevel", options, c_int(OPTIMIZE_ALL))
        ort.call("SetIntraOpNumThreads", options, c_int(threads))
        self.handle = ort.made("CreateSession", ort.env, os.fsencode(path),
                               options)
        self.inputs = self._names("Input")
        self.outputs = self._names("Output")

    def close(self) -> None:
        self.ort.call("ReleaseSession", self.handle)

    def _names(self, side: str) -> list[bytes]:
        count = self.ort.number(f"SessionGet{side}Count", self.handle)
        return [ctypes.cast(self.ort.made(
            f"SessionGet{side}Name", self.handle, c_size_t(i),
            self.ort.allocator), c_char_p).value for i in range(count)]

    def _described(self, info: c_void_p) -> tuple[type, list[int]]:
        """(numpy type, dims) of what a TensorTypeAndShapeInfo says."""
        number = c_int()
        self.ort.call("GetTensorElementType", info, byref(number))
        rank = self.ort.number("GetDimensionsCount", info)
        dims = (c_int64 * rank)()
        self.ort.call("GetDimensions", info, dims, c_size_t(rank))
        return NUMPY_TYPES[number.value], list(dims)

    def input_types(self) -> list[tuple[type, list[int]]]:
        """Of every input; -1 where a dimension is free."""
        result = []
        for i in range(len(self.inputs)):
            info = self.ort.made("SessionGetInputTypeInfo", self.handle,
                                 c_size_t(i))
            result.append(self._described(self.ort.made(
                "CastTypeInfoToTensorInfo", info)))
        return result

    def _value(self, array: np.ndarray) -> c_void_p:
        dims = (c_int64 * array.ndim)(*array.shape)
        return self.ort.made(
            "CreateTensorWithDataAsOrtValue", self.ort.memory,
            c_void_p(array.ctypes.data), c_size_t(array.nbytes), dims,
            c_size_t(array.ndim), c_int(TYPE_NUMBERS[array.dtype]))

    def _array(self, value: c_void_p) -> np.ndarray:
        info = self.ort.made("GetTensorTypeAndShape", value)
        dtype, dims = self._described(info)
        self.ort.call("ReleaseTensorTypeAndShapeInfo", info)
        data = self.ort.made("GetTensorMutableData", value)
        size = int(np.prod(dims, dtype=np.int64)) * np.dtype(dtype).itemsize
        raw = ctypes.string_at(data, size) if size else b""
        return np.frombuffer(raw, dtype).reshape(dims)

    def run(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """One array for each input, of its type; gives all outputs."""
        arrays = [np.ascontiguousarray(array).reshape(array.shape)
                  for array in arrays]
        given = [self._value(array) for array in arrays]
        taken = (c_void_p * len(self.outputs))()
        self.ort.call(
            "Run", self.handle, None,
            (c_char_p * len(given))(*self.inputs),
            (c_void_p * len(given))(*given), c_size_t(len(given)),
            (c_char_p * len(taken))(*self.outputs), c_size_t(len(taken)),
            taken)
        results = [self._array(c_void_p(value)) for value in taken]
        for value in given + [c_void_p(value) for value in taken]:
            self.ort.call("ReleaseValue", value)
        return results
