"""Embeddings that nobody trained here."""

import numpy as np
import pytest

from clmot.datasets.readers import read_dataset
from clmot.errors import UserError
from clmot.evaluation.baselines import onnx_embedding
from clmot.evaluation.embedding import embed_sequences, embedding_scores


def test_a_re_identification_network(real_data):
    """OSNet on every fifth frame: far better than chance, unit vectors, and crops alone count."""
    embed = onnx_embedding(real_data / "weights" / "osnet_x0_25_msmt17.onnx")
    samples = read_dataset([real_data / "mot" / "TUD-Stadtmitte"], identities=True).samples
    scores = embedding_scores(embed_sequences(samples, embed, {samples[0].sequence: 25.0}, every=10))
    assert 0.7 < scores["rank-1"] < 0.95
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (120, 200, 3), np.uint8)
    boxes = np.array([[20, 10, 60, 90], [500, 10, 540, 90]], np.float32)
    found = embed(image, boxes)
    assert found.shape == (2, 512)
    assert np.linalg.norm(found, axis=1) == pytest.approx([1, 0])
    image[:, 60:] = 0
    assert np.array_equal(embed(image, boxes), found)


def test_no_network(tmp_path):
    file = tmp_path / "net.onnx"
    file.write_bytes(b"no network")
    with pytest.raises(UserError, match=r"net\.onnx: OpenCV cannot read this network"):
        onnx_embedding(file)
