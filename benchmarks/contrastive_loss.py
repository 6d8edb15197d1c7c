"""Time and memory of the embedding losses, forward and backward, on two CPU cores.

    python benchmarks/contrastive_loss.py [--json FILE] [--repeats N] [--threads N]

A batch holds 8 frames (of 4 sequences) in two views each; the goal is set for 100 objects a frame, 1600 boxes in all,
with the default objective. Everything between the embeddings and their gradient counts: who is whose negative, cosines,
loss, backward. Next to it stands the formulation with a mask of positives x negatives, written out here and, where it
is installed, as pytorch-metric-learning has it.

Time is the smallest and the median of the repeats, and the smallest that all cores spent together: the one of the
three that other programs disturb least, if OMP_WAIT_POLICY=PASSIVE keeps threads from spinning. Memory is the largest
sum of live allocations beyond the embeddings themselves, as PyTorch's allocator reports it to the profiler: exact, and
the same on every run, unlike resident memory.
"""

import argparse
import importlib.util
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional as F

from clmot.config import LossConfig
from clmot.losses.contrast_masks import contrast_pairs, contrastive_set
from clmot.losses.criterion import embedding_loss
from clmot.models.heads import IdentityClassifier
from clmot.structures import Batch, OutputMaps, TrainingOutput

CONSOLE = Console(width=100)
GOAL_MILLISECONDS, GOAL_MEGABYTES = 40.0, 150.0
"""For 8 frames x 100 objects x 2 views."""
FRAMES, DIMENSION, IDENTITIES = 8, 192, 1000
OBJECTS = (7, 25, 50, 100, 200, 400)
"""Objects a frame, for time and memory against the number of boxes."""
REFERENCE_OBJECTS = (7, 25)
"""What the mask of positives x negatives can manage: it grows with the cube."""
OBJECTIVES = (
    "nt_xent",
    "triplet",
    "triplet_hard",
    "identity",
    "instance",
)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    boxes: int
    milliseconds: float
    median_milliseconds: float
    processor_milliseconds: float
    megabytes: float


def make_batch(objects: int, known: float) -> Batch:
    """Two views of the objects of each frame; a share of their identities known."""
    boxes = 2 * FRAMES * objects
    frame = torch.arange(FRAMES).repeat_interleave(2 * objects)
    place = torch.arange(objects).repeat(2 * FRAMES)
    identity = (frame // 2 * objects + place) % IDENTITIES
    unknown = torch.rand(boxes, generator=torch.Generator().manual_seed(0)) >= known
    return Batch(
        images=torch.zeros(2 * FRAMES, 3, 32, 32, dtype=torch.uint8),
        boxes=torch.zeros(boxes, 4),
        classes=torch.zeros(boxes, dtype=torch.int64),
        ignore=torch.zeros(boxes, dtype=torch.bool),
        image_index=torch.arange(2 * FRAMES).repeat_interleave(objects),
        object_index=place,
        frame_index=frame,
        sequence_index=frame // 2,
        identities=identity.masked_fill(unknown, -1),
    )


def make_embeddings(boxes: int) -> Tensor:
    embeddings = torch.randn(boxes, DIMENSION, generator=torch.Generator().manual_seed(1))
    return F.normalize(embeddings, dim=1).requires_grad_()


def ours(objects: int, objective: str, known: float = 0.0) -> Callable[[], Tensor]:
    """A step that gives the loss of a batch, after its gradient was worked out."""
    batch, config = make_batch(objects, known), LossConfig(objective=objective)  # type: ignore[arg-type]
    embeddings = make_embeddings(len(batch.boxes))
    nothing = torch.zeros(0)
    maps = OutputMaps(nothing, nothing, nothing, ())
    classifier = IdentityClassifier(DIMENSION, IDENTITIES) if objective.startswith(("identity", "instance")) else None
    learned = [embeddings, *(classifier.parameters() if classifier else ())]

    def step() -> Tensor:
        logits = None if classifier is None else classifier(embeddings)
        total, count = embedding_loss(TrainingOutput(maps, embeddings, logits), batch, config, None)
        loss = total / count
        torch.autograd.grad(loss, learned)
        return loss.detach()

    return step


def indexed_pairs(objects: int) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings and the masks of positives and negatives."""
    batch = make_batch(objects, known=0.0)
    embeddings = make_embeddings(len(batch.boxes))
    labels = contrastive_set(embeddings, batch).labels
    return embeddings, *contrast_pairs(labels, labels)


def masked_reference(objects: int) -> Callable[[], Tensor]:
    """NT-Xent with a row for every positive and a column for every negative *pair*, most of them masked out."""
    embeddings, positive, negative = indexed_pairs(objects)
    temperature = LossConfig().temperature

    def step() -> Tensor:
        logits = embeddings @ embeddings.T / temperature
        anchors = positive.nonzero()[:, 0]
        belongs = anchors[:, None] == negative.nonzero()[:, 0]
        others = logits[negative].expand(len(anchors), -1).masked_fill(~belongs, -torch.inf)
        near = logits[positive][:, None]
        loss = (torch.cat([near, others], dim=1).logsumexp(dim=1) - near[:, 0]).mean()
        torch.autograd.grad(loss, embeddings)
        return loss.detach()

    return step


def metric_learning(objects: int) -> Callable[[], Tensor]:
    """The same loss by pytorch-metric-learning."""
    from pytorch_metric_learning.losses import NTXentLoss

    embeddings, positive, negative = indexed_pairs(objects)
    loss_function = NTXentLoss(temperature=LossConfig().temperature)

    def step() -> Tensor:
        pairs = (*positive.nonzero(as_tuple=True), *negative.nonzero(as_tuple=True))
        loss: Tensor = loss_function(embeddings, indices_tuple=pairs)
        torch.autograd.grad(loss, embeddings)
        return loss.detach()

    return step


def peak_megabytes(step: Callable[[], Tensor]) -> float:
    """Largest sum of what the allocator handed out and did not yet get back, in MB."""
    with torch.profiler.profile(profile_memory=True, activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        step()
    # the raw events: the public ones have allocations already netted over whole operations
    events = profile.profiler.kineto_results.events()
    changes = sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]")
    held = peak = 0
    for _, change in changes:
        held += change
        peak = max(peak, held)
    return peak / 1e6


def measure(name: str, objects: int, step: Callable[[], Tensor], repeats: int) -> Row:
    step()
    wall, processor = [], []
    for _ in range(repeats):
        began, spent = time.perf_counter(), time.process_time()
        step()
        wall.append(1e3 * (time.perf_counter() - began))
        processor.append(1e3 * (time.process_time() - spent))
    boxes = 2 * FRAMES * objects
    return Row(name, boxes, min(wall), statistics.median(wall), min(processor), peak_megabytes(step))


def check_equal(first: Callable[[], Tensor], second: Callable[[], Tensor]) -> None:
    """A comparison of speed is worth something only between equal results."""
    torch.testing.assert_close(first(), second(), rtol=1e-4, atol=1e-5)


def print_table(title: str, rows: list[Row], base: Row | None = None) -> None:
    """Times and memory, next to the goal, or to our own row of the same size (how many times ours)."""
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("", no_wrap=True)
    of = "of goal" if base is None else "x ours"
    for heading in ("boxes", "min ms", of, "median ms", "cores ms", "MB", of):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        time_base, memory_base = GOAL_MILLISECONDS, GOAL_MEGABYTES
        if base is not None:
            time_base, memory_base = base.milliseconds, base.megabytes
        digits = 2 if base is None else 1
        table.add_row(
            row.name,
            str(row.boxes),
            f"{row.milliseconds:.1f}",
            f"{row.milliseconds / time_base:.{digits}f}",
            f"{row.median_milliseconds:.1f}",
            f"{row.processor_milliseconds:.1f}",
            f"{row.megabytes:.1f}",
            f"{row.megabytes / memory_base:.{digits}f}",
        )
    CONSOLE.print(table, "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    os.environ.setdefault("KINETO_LOG_LEVEL", "9")  # or the profiler reports its every start
    torch.manual_seed(0)

    default = LossConfig().objective
    sizes = [measure(default, objects, ours(objects, default), options.repeats) for objects in OBJECTS]
    print_table(f"Against the number of boxes (goal: {GOAL_MILLISECONDS:.0f} ms, {GOAL_MEGABYTES:.0f} MB)", sizes)

    arms = {name: ours(100, name, known=float(name.startswith(("identity", "instance")))) for name in OBJECTIVES}
    arms[f"{default}, half known"] = ours(100, default, known=0.5)
    objectives = [measure(name, 100, step, options.repeats) for name, step in arms.items()]
    print_table("Every objective", objectives)

    makers = {"positives x negatives": masked_reference}
    if importlib.util.find_spec("pytorch_metric_learning"):
        makers["pytorch-metric-learning"] = metric_learning
    else:
        CONSOLE.print("pytorch-metric-learning is not installed (pip install pytorch-metric-learning): left out\n")
    references = []
    for objects in REFERENCE_OBJECTS:
        step = ours(objects, "nt_xent")
        rows = [measure("ours", objects, step, options.repeats)]
        for name, make in makers.items():
            check_equal(step, make(objects))
            rows.append(measure(name, objects, make(objects), min(options.repeats, 3)))
        print_table("NT-Xent by others", rows, rows[0])
        references += rows

    if options.json is not None:
        figures = {
            "goal": {"milliseconds": GOAL_MILLISECONDS, "megabytes": GOAL_MEGABYTES},
            "threads": options.threads,
            "sizes": [asdict(row) for row in sizes],
            "objectives": [asdict(row) for row in objectives],
            "references": [asdict(row) for row in references],
        }
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
