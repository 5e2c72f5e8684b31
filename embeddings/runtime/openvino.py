"""Compiles a graph with OpenVINO and runs it; what was compiled once is kept and loads in half the time."""

from __future__ import annotations

import hashlib
import struct
import sys
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path
from queue import LifoQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CHECKSUM = struct.Struct("<I")
STRETCH = 128
"""How many values of an activation, or weights of a row (:mod:`embeddings.runtime.int8`), share a scale in 8 bits.

64 is a little nearer to float32 and a tenth slower. A stretch of activations must not be longer than one of weights,
or OpenVINO is no faster than in float32 (seen with 384).
"""


class CompiledModel:
    """A graph compiled for this CPU, and a request for each batch that may run at a time."""

    def __init__(
        self,
        folder: Path | None,
        graph: Callable[[], Any],
        *,
        streams: int = 1,
        threads: int | None = None,
    ) -> None:
        """Load what was compiled for this CPU before, or compile it and keep it.

        Args:
            folder: Where compiled graphs are kept, one file for each kind of CPU; ``None`` keeps nothing.
            graph: Gives the OpenVINO model, or the path of one; only called where it has to be compiled.
            streams: Batches that run at a time.
            threads: CPU threads; by default as many as there are cores.
        """
        self.streams = streams
        openvino = import_openvino()
        core = openvino.Core()
        config: dict[str, Any] = {
            # bfloat16 is half as fast again on some processors, and half as slow on others that have it too.
            "INFERENCE_PRECISION_HINT": "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": STRETCH,
            "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
            "NUM_STREAMS": streams,
            # Pinned threads of two processes would share cores while others idle.
            "ENABLE_CPU_PINNING": False,
        }
        if threads is not None:
            config["INFERENCE_NUM_THREADS"] = threads
        blob = folder / _blob_name(openvino, core) if folder else None
        compiled = None
        if blob:
            compiled, self._memory = _import_blob(openvino, core, blob, config)
        if compiled is None:
            compiled = core.compile_model(graph(), "CPU", config)
            if blob:
                _write_blob(compiled, blob)
        self._outputs = range(len(compiled.outputs))
        self._requests: LifoQueue[Any] = LifoQueue()
        for _ in range(streams):
            self._requests.put(compiled.create_infer_request())

    def infer(self, inputs: dict[str, NDArray[Any]] | list[NDArray[Any]]) -> list[NDArray[np.float32]]:
        """Run one batch, waiting for a free request.

        Args:
            inputs: By name, or in the graph's order.

        Returns:
            The outputs in the graph's order.
        """
        request = self._requests.get()
        try:
            request.infer(inputs, share_inputs=True)
            return [np.array(request.get_output_tensor(n).data, dtype=np.float32) for n in self._outputs]
        finally:
            self._requests.put(request)


def import_openvino() -> Any:
    """Import OpenVINO without its model converter.

    ``import openvino`` imports the converter where it can, and that reports the import to its makers, over
    the network, unless the user has opted out; it is also two thirds of the import's time. ``None`` in
    ``sys.modules`` makes it look absent, which OpenVINO allows for.
    """
    converter = "openvino.tools.ovc"
    hide = "openvino" not in sys.modules and converter not in sys.modules
    if hide:
        sys.modules[converter] = None  # type: ignore[assignment]
    try:
        import openvino
    finally:
        if hide:
            del sys.modules[converter]
    return openvino


def _blob_name(openvino: Any, core: Any) -> str:
    """Name of the compiled graph's file, different for each kind of CPU and version of OpenVINO."""
    capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    machine = [core.get_property("CPU", "FULL_DEVICE_NAME"), *capabilities, openvino.get_version(), STRETCH]
    return f"{hashlib.sha256(repr(machine).encode()).hexdigest()[:16]}.blob"


def _import_blob(openvino: Any, core: Any, blob: Path, config: dict[str, Any]) -> tuple[Any, Any]:
    """Import a compiled model, which lives in the memory returned with it.

    Both are ``None`` where there is none, or it does not pass its checksum.
    """
    try:
        # Copy-on-write: nothing writes to it, but OpenVINO shares no memory that it could not write to.
        data = np.memmap(blob, dtype=np.uint8, mode="c")
    except (OSError, ValueError):  # absent or empty
        return None, None
    body, checksum = data[: -_CHECKSUM.size], data[-_CHECKSUM.size :].tobytes()
    if checksum != _CHECKSUM.pack(zlib.crc32(body.data)):
        return None, None
    try:
        return core.import_model(openvino.Tensor(body, shared_memory=True), "CPU", config), data
    except RuntimeError:  # made by a build that OpenVINO does not think compatible
        return None, None


def _write_blob(compiled: Any, blob: Path) -> None:
    """Keep a compiled model for the next load, where the folder can be written."""
    data = compiled.export_model().getvalue()
    aside = blob.with_name(f".{blob.name}.{uuid.uuid4().hex}.tmp")
    try:
        blob.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            file.write(data)
            file.write(_CHECKSUM.pack(zlib.crc32(data)))
        aside.replace(blob)
    except OSError:
        aside.unlink(missing_ok=True)
