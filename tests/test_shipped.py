import subprocess
import sys

import numpy as np
import pytest

from clmot.errors import UserError
from clmot.inference.model import load_model
from clmot.models.saved_model import load_saved_model
from clmot.shipped import DEFAULT, shipped_graph, shipped_model


def test_the_shipped_model_is_small_private_and_in_half_precision():
    file = shipped_model(DEFAULT)
    assert file.stat().st_size < 10e6
    saved = load_saved_model(file)
    assert saved.config.model.classes == ("person",)
    assert "/" not in saved.config.model.pretrained  # nobody's paths
    assert {str(value.dtype) for value in saved.weights.values()} <= {"torch.float16", "torch.int64"}


def test_it_loads_by_name_and_gives_unit_embeddings():
    model = load_model(DEFAULT, device="cpu")
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    boxes = np.array([[20.0, 30, 70, 180], [150, 40, 210, 220]], np.float32)
    embedding = model.embed(image, boxes)
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-3)
    assert model.detect(image).xyxy.shape[1] == 4


def test_other_names_are_paths():
    with pytest.raises(UserError, match="clmot-pedestrians: no such run or model file"):
        load_model("clmot-pedestrians")


def test_naming_it_needs_no_torch():
    code = (
        "import sys; from clmot.shipped import shipped_model; assert shipped_model('clmot-pedestrian').is_file(); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_finds_people(real_data):
    from clmot.datasets.readers import read_dataset
    from clmot.evaluation.embedding import embed_sequences, embedding_scores

    sequence = real_data / "mot" / "TUD-Stadtmitte"
    samples = read_dataset([sequence], identities=True).samples
    model = load_model(DEFAULT, device="cpu")
    scores = embedding_scores(embed_sequences(samples, model.embed, {sequence.name: 25}, 5))
    assert scores["rank-1"] > 0.75  # an untrained network: 0.74 at most


def test_its_graph_is_made_of_the_same_weights():
    """Else: clmot export clmot-pedestrian --to onnx --out src/clmot/shipped/clmot-pedestrian.onnx."""
    pytest.importorskip("onnxruntime")
    graph, network = load_model(shipped_graph(DEFAULT)), load_model(DEFAULT, device="cpu")
    assert graph.fingerprint == network.fingerprint
    assert graph.config.tracker == network.config.tracker
    assert graph.config.model == network.config.model
