"""Engines: the fastest exact way to push prepared faces through a network on the device at hand.

On a GPU that is PyTorch in full float32 (TF32 off); on the CPU it is OpenVINO in float32, several times faster than
eager PyTorch and equal to it to about 1e-6. Reduced precision is there for those who ask: its rounding noise is of the
size of the drift that PreFIQs measures at small pruning ratios (notebook 19 measures its effect).
"""

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Lock

import numpy as np
import openvino as ov
import torch
from openvino import opset13 as ops
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from torch import nn

from prefiqs.errors import InputError
from prefiqs.faces.template import FACE_SIZE
from prefiqs.models.face_model import FaceModel
from prefiqs.models.graph import GraphModel

# Prepared faces, float32 b×3×112×112 with the engine's fixed b, to one or more float32 b×… arrays.
Engine = Callable[[torch.Tensor], tuple[np.ndarray, ...]]

# Of each precision: what OpenVINO calls it, and the type that PyTorch computes in on a GPU.
PRECISIONS = {
    "fp32": ("f32", torch.float32),
    "tf32": (None, torch.float32),
    "bf16": ("bf16", torch.bfloat16),
    "fp16": ("f16", torch.float16),
}
_TORCH = Lock()


def model_engines(models: Sequence[FaceModel], batch_size: int, precision: str = "fp32") -> list[Engine]:
    """The engines of networks, each on the device of its network; each gives raw embeddings, (b×d,).

    Networks of one build share their graph and differ in its constants, which saves tracing every pruned variant. A CPU
    without instructions for a precision computes in fp32. Raises `InputError` for one that is not in `PRECISIONS`, and
    for tf32 on a CPU.
    """
    graphs: dict[tuple, ov.Model] = {}
    with ThreadPoolExecutor(2) as threads:  # compile networks while the next ones are traced
        coming = [
            threads.submit(compile_graph, _graph(model, graphs), batch_size, precision) if model.device.type == "cpu"
            else threads.submit(torch_engine, model, precision)
            for model in models
        ]  # fmt: skip
    return [engine.result() for engine in coming]


def _graph(model: FaceModel, graphs: dict[tuple, ov.Model]) -> ov.Model:
    """The graph of a network, for one use. `graphs` keeps one of each build; others are copies with new weights."""
    if isinstance(model, GraphModel):
        return model.graph.clone()
    # The printed form tells strides, epsilons and the like apart, which are constants of the graph too.
    state = model.state_dict()
    fixed = [w.numpy().tobytes() for name, w in state.items()
             if not w.is_floating_point() and not name.endswith("num_batches_tracked")]  # fmt: skip
    build = (type(model), repr(model), *((name, w.shape) for name, w in state.items()), *fixed)
    example = torch.zeros(2, 3, FACE_SIZE, FACE_SIZE)
    if build not in graphs:
        graphs[build] = openvino_graph(model, example)
        return graphs[build].clone()
    graph = graphs[build].clone()
    state = {f"self.{name}": value for name, value in model.state_dict().items() if value.is_floating_point()}
    for node in graph.get_ops():
        name = node.get_friendly_name()
        if node.get_type_name() == "Constant" and name in state:
            value = state.pop(name).numpy().reshape(node.get_output_shape(0))
            constant = ops.constant(np.ascontiguousarray(value))
            for user in node.output(0).get_target_inputs():
                user.replace_source_output(constant.output(0))
    # A value without a constant of its name would silently stay the other network's.
    return openvino_graph(model, example) if state else graph


def compile_graph(graph: ov.Model, batch_size: int, precision: str = "fp32") -> Engine:
    """Compile an OpenVINO graph for a fixed batch, so that an image meets the same kernels whatever comes with it."""
    hint, _ = _checked(precision)
    if hint is None:
        raise InputError(f"The precision {precision} needs a GPU; on a CPU choose one of fp32, bf16, fp16.")
    graph.reshape([int(batch_size), 3, FACE_SIZE, FACE_SIZE])
    options: dict[str, object] = {"INFERENCE_PRECISION_HINT": hint}
    if torch.get_num_threads() < (os.cpu_count() or 1):  # whoever limits PyTorch means this engine too
        options["INFERENCE_NUM_THREADS"] = torch.get_num_threads()
    compiled = ov.Core().compile_model(graph, "CPU", options)
    idle: deque[ov.InferRequest] = deque()  # a request serves one thread at a time

    def run(prepared: torch.Tensor) -> tuple[np.ndarray, ...]:
        try:
            request = idle.pop()
        except IndexError:
            request = compiled.create_infer_request()
        result = request.infer(prepared.numpy(), share_inputs=True, share_outputs=True)
        outputs = tuple(result[i].copy() for i in range(len(compiled.outputs)))
        idle.append(request)
        return outputs

    return run


def torch_engine(function: Callable, precision: str = "fp32") -> Engine:
    """Run a function of prepared faces with PyTorch, without gradients, and without TF32 unless it is asked for.

    One call at a time in the whole process: PyTorch's settings are those of the process, and functions may put other
    weights or hooks into their network while they run.
    """
    _, dtype = _checked(precision)

    def run(prepared: torch.Tensor) -> tuple[np.ndarray, ...]:
        with torch.no_grad(), _TORCH, ExitStack() as stack:
            for products in (torch.backends.cuda.matmul, torch.backends.cudnn.conv):  # type: ignore[attr-defined]
                stack.callback(setattr, products, "fp32_precision", products.fp32_precision)
                products.fp32_precision = "tf32" if precision == "tf32" else "ieee"
            stack.enter_context(torch.autocast(prepared.device.type, dtype, enabled=dtype != torch.float32))
            result = function(prepared)
        outputs = result if isinstance(result, tuple) else (result,)
        return tuple(output.float().cpu().numpy() for output in outputs)

    return run


def _checked(precision: str) -> tuple[str | None, torch.dtype]:
    if precision not in PRECISIONS:
        raise InputError(f"Unknown precision {precision!r}; choose one of {', '.join(PRECISIONS)}.")
    return PRECISIONS[precision]


def openvino_graph(module: nn.Module, example: torch.Tensor) -> ov.Model:
    """Turn a PyTorch module into an OpenVINO graph by tracing it with an example input.

    This calls the frontend itself: `openvino.convert_model` would do the same, but reports its use over the network.
    It uses `torch.jit.trace`, although PyTorch has deprecated it: exporting with `torch.export` takes 20 times as long,
    and the graph is slower and has lost the names of the weights.
    Raises `openvino.frontend.OpConversionFailure` for an operation that OpenVINO lacks.
    """
    frontend = FrontEndManager().load_by_framework("pytorch")
    with torch.no_grad(), _TORCH:
        traced = torch.jit.trace(module, example, check_trace=False)
    # The graph gets weights of its own: shared ones would dangle once the traced module is gone.
    decoder = TorchScriptPythonDecoder(traced, example_input=example, shared_memory=False)
    return frontend.convert(frontend.load(decoder))
