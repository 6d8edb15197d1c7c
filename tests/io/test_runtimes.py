"""Networks in files of other runtimes: where they compute."""

import logging
import subprocess
import sys

import numpy as np
import pytest

from clmot.config import DetectorConfig
from clmot.detectors.registry import open_detector
from clmot.errors import UserError
from clmot.inference.model import load_model
from clmot.io.runtimes import open_network


@pytest.fixture
def file(tmp_path):
    """Images [1, 3, 32, any] to themselves."""
    runtime, helper = pytest.importorskip("onnxruntime"), pytest.importorskip("onnx").helper
    if "CUDAExecutionProvider" in runtime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    value = [helper.make_tensor_value_info(name, 1, [1, 3, 32, "width"]) for name in ("images", "out")]
    graph = helper.make_graph([helper.make_node("Identity", ["images"], ["out"])], "same", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"format": "mine"})
    (tmp_path / "same.onnx").write_bytes(model.SerializeToString())
    return tmp_path / "same.onnx"


def test_a_file_tells_its_ports_and_metadata_and_runs(file):
    network = open_network(file)
    assert [*network.inputs, *network.outputs] == [("images", (1, 3, 32, -1)), ("out", (1, 3, 32, -1))]
    assert network.metadata == {"format": "mine"}
    given = np.arange(1 * 3 * 32 * 4, dtype=np.float32).reshape(1, 3, 32, 4)
    (found,) = network.run({"images": given})
    np.testing.assert_array_equal(found, given)


def test_cuda_without_cuda_is_refused_for_a_model_and_told_of_a_detector(file, caplog):
    assert open_network(file, "auto").cpu_only("auto") == ""
    with pytest.raises(UserError, match=r"same\.onnx: device 'cuda': its runtime here has no CUDA .*; use cpu or auto"):
        load_model(file, device="cuda")
    described = DetectorConfig(name=f"onnx:{file}", options={"output": "rows"})
    with caplog.at_level(logging.WARNING):
        open_detector(described, device="cpu")
        assert "CUDA" not in caplog.text
        open_detector(described, device="cuda:0")
    assert "same.onnx: computes on the CPU: its runtime here has no CUDA" in caplog.text


def test_a_signal_is_still_handled_where_a_network_was_given_up_in_another_thread(tmp_path):
    openvino = pytest.importorskip("openvino")
    given = openvino.opset13.parameter([1, 3], np.float32)
    file = tmp_path / "relu.xml"
    openvino.save_model(openvino.Model([openvino.opset13.relu(given)], [given]), file)
    code = f"""
import gc, signal, threading
import numpy as np
from pathlib import Path
from clmot.io.runtimes import open_network

networks = [open_network(Path({str(file)!r}), "cpu")]
networks[0].run({{networks[0].inputs[0].name: np.zeros((1, 3), np.float32)}})
thread = threading.Thread(target=networks.clear)
thread.start()
thread.join()
gc.collect()
signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
signal.raise_signal(signal.SIGUSR1)
"""
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr
