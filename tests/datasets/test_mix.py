import json
from pathlib import Path

import pytest
from data_builders import assert_same_samples, encoded

from clmot.datasets.mix import entries
from clmot.datasets.readers import format_named, read_dataset
from clmot.errors import UserError

PNG = encoded(50, 30, ".png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two sequences of 5 and 3 frames with a person in each, and photos with three classes."""
    for name, length in (("a", 5), ("b", 3)):
        folder = tmp_path / "mot" / name
        (folder / "img1").mkdir(parents=True)
        (folder / "gt").mkdir()
        rows = []
        for frame in range(1, length + 1):
            (folder / f"img1/{frame:06d}.png").write_bytes(PNG)
            rows.append(f"{frame},7,{frame},2,10,20,1,1,1")
        (folder / "gt/gt.txt").write_text("\n".join(rows))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/p.png").write_bytes(PNG)
    box = {"image_id": 1, "bbox": [1, 2, 10, 12]}
    (tmp_path / "photos/p.json").write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "p.png", "width": 50, "height": 30}],
                "categories": [{"id": i, "name": name} for i, name in enumerate(("man", "woman", "dog"))],
                "annotations": [
                    {**box, "id": 1, "category_id": 0},
                    {**box, "id": 2, "category_id": 1},
                    {**box, "id": 3, "category_id": 2},
                    {**box, "id": 4, "category_id": 2, "iscrowd": 1},
                ],
            }
        )
    )
    return tmp_path


def write(root: Path, text: str, name: str = "mix.yaml") -> Path:
    (root / name).write_text(text)
    return root / name


def frames(dataset) -> list[tuple[str, int]]:
    return [(sample.sequence, sample.frame) for sample in dataset.samples]


def test_a_mix_of_plain_paths_is_those_paths(root, monkeypatch):
    mix = write(root, "- path: mot\n- {path: photos, format: coco}\n")
    monkeypatch.chdir(root.parent)
    mixed, plain = read_dataset([mix]), read_dataset([root / "mot", root / "photos"])
    assert mixed.classes == plain.classes == ("person", "man", "woman", "dog")
    assert mixed.weights is None
    assert_same_samples(mixed.samples, plain.samples)
    assert len(read_dataset([mix], format="mix").samples) == 9


def test_classes_without_names_beside_named_ones(root, caplog):
    """YOLO folders without data.yaml have numbers for names."""
    (root / "yolo").mkdir()
    (root / "yolo/y.png").write_bytes(PNG)
    (root / "yolo/y.txt").write_text("0 0.5 0.5 0.2 0.2\n2 0.5 0.5 0.2 0.2\n")
    assert read_dataset([root / "yolo"]).classes == ("0", "2")
    assert not caplog.messages
    advice = f"{{path: {root}/yolo, classes: {{0: person}}}}"
    expected = [
        f"{root}/yolo: its classes have no names and count as others than person; if they are not, say so in a mix: "
        + advice
    ]
    assert read_dataset([root / "mot", root / "yolo"]).classes == ("person", "0", "2")
    assert caplog.messages == expected
    caplog.clear()
    assert read_dataset([write(root, "- path: mot\n- path: yolo\n")]).classes == ("person", "0", "2")
    assert caplog.messages == expected
    caplog.clear()
    assert read_dataset([write(root, f"- path: mot\n- {advice}\n")]).classes == ("person",)
    assert read_dataset([write(root, "- path: mot\n- {path: yolo, classes: {0: person, 2: dog}}\n")]).classes == (
        "person",
        "dog",
    )
    assert not caplog.messages
    assert read_dataset([write(root, "- {path: yolo, classes: [2]}\n")]).classes == ("2",)


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("all", [("a", 1), ("a", 2), ("a", 3), ("a", 4), ("a", 5), ("b", 1), ("b", 2), ("b", 3)]),
        ("first-half", [("a", 1), ("a", 2), ("b", 1)]),
        ("second-half", [("a", 3), ("a", 4), ("a", 5), ("b", 2), ("b", 3)]),
        ("{every: 2}", [("a", 1), ("a", 3), ("a", 5), ("b", 1), ("b", 3)]),
        ("list.txt", [("a", 4), ("b", 2)]),
    ],
)
def test_splits(root, split, expected):
    # one line as in another place's list, one relative, one doubled; CRLF, BOM, no newline at the end
    lines = "\ufeffelsewhere/../b/img1/000002.png\r\n\r\n./a/img1/000004.png\r\na/img1/000004.png"
    (root / "list.txt").write_bytes(lines.replace("elsewhere/../", "").encode())
    assert frames(read_dataset([write(root, f"- path: mot\n  split: {split}\n")])) == expected


def test_the_halves_of_a_sequence_stay_one_sequence(root):
    """Their frames may show the same people, so none may be a negative of the other's."""
    mix = write(root, "- {path: mot, split: first-half, weight: 3}\n- {path: mot/a, split: second-half}\n")
    dataset = read_dataset([mix])
    assert frames(dataset) == [("a", 1), ("a", 2), ("a", 3), ("a", 4), ("a", 5), ("b", 1)]
    assert dataset.weights.tolist() == [3, 3, 1, 1, 1, 3]


def test_sequences_of_one_name_in_two_places_are_two(root):
    (root / "other").mkdir()
    (root / "mot/a").rename(root / "other/b")
    mix = write(root, "- path: mot\n- path: other\n")
    assert {name for name, _ in frames(read_dataset([mix]))} == {f"{root}/mot/b", f"{root}/other/b"}


def test_classes_are_kept_renamed_and_joined(root):
    dataset = read_dataset([write(root, "- path: photos\n  classes: {man: person, woman: person}\n- path: mot\n")])
    assert dataset.classes == ("person",)
    photo = next(sample for sample in dataset.samples if sample.image.name == "p.png")
    # the dog is gone, the crowd of dogs is still to be ignored
    assert photo.ignore.tolist() == [False, False, True]
    assert photo.classes.tolist() == [0, 0, 0]
    assert len(photo.boxes) == len(photo.identities) == len(photo.scores) == 3
    assert dataset.skipped == {"class not in the mix": 1}
    assert read_dataset([write(root, "- path: photos\n  classes: [woman, man]\n")]).classes == ("woman", "man")


def test_weights_of_mixes_in_mixes_multiply(root):
    write(root, "- {path: mot/b, weight: 0.5}\n- {path: photos, classes: [dog]}\n", "inner.yml")
    outer = write(root, "- {path: inner.yml, weight: 4}\n- {path: mot/a}\n")
    dataset = read_dataset([outer])
    weight = {name: w for (name, _), w in zip(frames(dataset), dataset.weights, strict=True)}
    assert sorted(weight.values()) == [1, 2, 4]
    assert (weight["a"], weight["b"]) == (1, 2)
    # relative to what is not in a mix; all alike are no weights
    assert set(read_dataset([write(root, "- {path: mot/b, weight: 4}\n"), root / "mot/a"]).weights) == {1, 4}
    assert read_dataset([write(root, "- {path: mot/b, weight: 4}\n")]).weights is None


def test_identities_are_the_callers_to_ask_for(root):
    mix = write(root, "- {path: mot/a, identities: true}\n- {path: mot/b, identities: false}\n")
    assert all((sample.identities == -1).all() for sample in read_dataset([mix]).samples)
    asked = read_dataset([mix], identities=True).samples
    assert {(sample.sequence, *sample.identities.tolist()) for sample in asked} == {("a", 7), ("b", -1)}
    # an inner mix cannot bring back what the outer one drops
    write(root, "- {path: mot/a, identities: true}\n", "inner.yaml")
    outer = write(root, "- {path: inner.yaml, identities: false}\n", "outer.yaml")
    assert all((sample.identities == -1).all() for sample in read_dataset([outer], identities=True).samples)


def test_each_part_has_its_least_score(root):
    """Its own, else that of the mix it is in, else the caller's."""
    for name in "ab":
        (root / f"mot/{name}/det").mkdir()
        rows = "".join(f"1,-1,{10 * i},2,10,20,{score}\n" for i, score in enumerate((0.9, 0.6, 0.3)))
        (root / f"mot/{name}/det/det.txt").write_text(rows)
    write(root, "- {path: mot/a/det/det.txt}\n- {path: mot/b/det/det.txt, min_score: 0.8}\n", "inner.yaml")
    outer = write(root, "- {path: inner.yaml, min_score: 0.5}\n")

    def count(path, **asked):
        return {sample.sequence: int((~sample.ignore).sum()) for sample in read_dataset([path], **asked).samples}

    assert count(root / "inner.yaml") == {"a": 2, "b": 1}
    assert count(root / "inner.yaml", min_score=0.2) == {"a": 3, "b": 1}
    assert count(outer, min_score=0.2) == {"a": 2, "b": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "- path: mot\n- path: mot/a\n  wieght: 2",
            r"mix\.yaml: entry 2: unknown key 'wieght' \(did you mean 'weight'",
        ),
        ("- path: mot\n- mot/a", r"entry 2: expected keys such as 'path: \.\.\.', got 'mot/a'"),
        ("- {weight: 1}", "entry 1: 'path' is None, expected a file or folder"),
        ("- {path: none}", r"entry 1: .*none: no such file or folder"),
        ("- {path: mot, format: coca}", r"entry 1: unknown format 'coca' \(did you mean 'coco'"),
        ("- {path: mot, split: first_half}", r"entry 1: 'split' is 'first_half' \(did you mean 'first-half'"),
        ("- {path: mot, split: {every: 0}}", "entry 1: 'every' is 0, expected a whole number >= 1"),
        ("- {path: mot, split: {each: 5}}", "entry 1: 'split' is .*, expected all, first-half, second-half"),
        ("- {path: mot, weight: 0}", "entry 1: 'weight' is 0, expected a number > 0"),
        ("- {path: mot, weight: .nan}", "entry 1: 'weight' is nan"),
        ("- {path: mot, weight: true}", "entry 1: 'weight' is True, expected a number"),
        ("- {path: mot, identities: 1}", "entry 1: 'identities' is 1, expected true or false"),
        ("- {path: mot, min_score: high}", "entry 1: 'min_score' is 'high', expected a number"),
        ("- {path: mot, min_score: .nan}", "entry 1: 'min_score' is nan, expected a number"),
        ("- {path: mot, min_score: true}", "entry 1: 'min_score' is True, expected a number"),
        ("- {path: mot, classes: person}", "entry 1: 'classes' is 'person', expected a list of names"),
        ("- {path: mot, classes: [[person]]}", r"entry 1: 'classes' is \[\['person'\]\], expected a list of names"),
        ("- {path: mot, classes: {person: true}}", "entry 1: 'classes' is .*True}, expected a list of names"),
        ("- {path: mot, classes: []}", r"entry 1: 'classes' is \[\], expected a list of names"),
        ("- {path: mot, classes: [persn]}", r"entry 1: no class 'persn' \(did you mean 'person'\?\) there"),
        ("- {path: photos, split: first-half}", "entry 1: no image is left of .*photos"),
        ("- path: mot\n- path: mot/a", "000001.png comes from .* already; give each image once"),
        ("- path: mot\n- path: [1", r"mix\.yaml:2: not valid YAML"),
        ("[]", r"mix\.yaml: a mix without an entry"),
        ("- path: mot\n- path: mix.yaml", r"entry 2: .*mix\.yaml is this mix or one that it is in"),
        ("- path: mot\n- path: ./around.yaml", r"around\.yaml: entry 1: .*mix\.yaml is this mix or one that it is in"),
        ("path: mot", r"mix\.yaml: neither a mix \(a YAML list whose entries start with '- path"),
        ("", r"mix\.yaml: neither a mix"),
    ],
)
def test_mistakes_are_named_by_file_and_entry(root, text, message):
    write(root, "- path: mix.yaml", "around.yaml")
    with pytest.raises(UserError, match=message) as caught:
        read_dataset([write(root, text)])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a/img1/000009.png", r"list\.txt:2: 'a/img1/000009\.png' is no image of .*mot"),
        ("img1/000001.png", r"list\.txt:2: 'img1/000001\.png' names several images; write more of the path"),
    ],
)
def test_mistakes_in_a_list_of_images_are_named_by_line(root, line, message):
    (root / "list.txt").write_text(f"a/img1/000001.png\n{line}\n")
    with pytest.raises(UserError, match=message):
        read_dataset([write(root, "- {path: mot, split: list.txt}")])
    (root / "list.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"entry 1: .*list\.txt: not a text file"):
        read_dataset([write(root, "- {path: mot, split: list.txt}")])


def test_what_is_named_as_a_mix_must_be_one(root):
    with pytest.raises(UserError, match="a mix is a list"):
        read_dataset([write(root, "path: mot")], format="mix")
    with pytest.raises(UserError, match="cannot read the mix"):
        entries(root / "none.yaml")


def test_the_documented_example_can_be_read(root):
    """The keys that `clmot data list` shows."""
    (root / "MOT17").mkdir()
    (root / "mot").rename(root / "MOT17/train")
    tree = format_named("mix").tree
    text = "\n".join(line for line in tree.splitlines() if line.startswith(("- ", "  ")))
    text = text.replace("all, first-half, second-half, {every: 5}, or a text file of images", "all")
    text = text.replace("[names to keep], or {old name: new name}", "[person]")
    assert len(read_dataset([write(root, text)]).samples) == 8
