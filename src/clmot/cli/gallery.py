"""`clmot gallery`: enrol identities, and re-identify them in other videos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from clmot.cli.app import TRACK, Device, Every, app
from clmot.errors import UserError, did_you_mean, plural
from clmot.visualize.table import show

if TYPE_CHECKING:
    from clmot.reid.gallery import Gallery

gallery_app = App(
    name="gallery", group=TRACK, help="Named identities: enrol them, and re-identify them in other videos."
)
app.command(gallery_app)


@gallery_app.command
def enrol(
    gallery: Path,
    source: str,
    /,
    *tracks: Annotated[str, Parameter(help="ID=NAME of tracks in --results, such as 3=Ada; spaces in names quoted.")],
    model: Path,
    results: Path | None = None,
    name: str | None = None,
    every: Every = 5,
    size: int = 16,
    keep: Literal["diverse", "recent"] = "diverse",
    device: Device = "auto",
) -> None:
    """Add identities to a gallery: checked tracks of a video, or a folder of crops.

    Examples:

        clmot gallery enrol team.st a.mp4 3=Ada --results a.txt --model runs/first
        clmot gallery enrol team.st crops/ada --name Ada --model runs/first

    Parameters
    ----------
    gallery
        File of the gallery; made if missing.
    source
        The video, image folder or sequence that was tracked; with --name, a folder of crops of one identity.
    model
        Run folder, checkpoint or model file; the same for everything that has to do with a gallery.
    results
        MOTChallenge text with the tracks.
    name
        Whom the crops show.
    size
        Of a new gallery: how many embeddings of each identity are kept.
    keep
        Of a new gallery: which of them, the most diverse or the most recent.
    """
    if (results is None) == (name is None) or bool(tracks) != (results is not None):
        raise UserError("gallery enrol: give --results and ID=NAME of tracks in it, or --name for a folder of crops")
    from clmot.apps.gallery.recognise import enrol_crops, enrol_tracks
    from clmot.inference.model import load_model
    from clmot.io.locks import alone
    from clmot.io.sources import open_one
    from clmot.reid.gallery import Gallery

    names = dict(_named_track(track) for track in tracks)
    with alone(gallery, wait=True):  # others may enrol too
        known = Gallery.load(gallery) if gallery.exists() else Gallery(size, keep)
        pictures = open_one(source)
        loaded = load_model(model, device=device)
        known.use_model(loaded.fingerprint)
        embed = loaded.embed
        if name is not None:
            counts = {name: enrol_crops(known, name, (image for _, image in pictures), embed)}
        else:
            assert results is not None
            counts = enrol_tracks(known, names, pictures, results, embed, every=every)
        known.save(gallery)
    for identity, count in counts.items():
        kept = plural(len(known.embeddings(identity)), "embedding")
        print(f"{identity}: {plural(count, 'image')}, {kept} kept")


@gallery_app.command
def recognise(
    gallery: Path,
    source: str,
    /,
    *,
    results: Path,
    model: Path,
    threshold: float = 0.3,
    margin: float = 0.0,
    min_share: float = 0.5,
    every: Every = 5,
    json: Path | None = None,
    video: Path | None = None,
    device: Device = "auto",
) -> None:
    """Say who the tracks of a video are.

    Examples:

        clmot gallery recognise team.st b.mp4 --results b.txt --model runs/first

    Parameters
    ----------
    gallery
        File of the gallery.
    source
        The video, image folder or sequence that was tracked.
    results
        MOTChallenge text with the tracks.
    model
        The model that the gallery was made with.
    threshold
        Who is this far (cosine distance) from everybody is not known; `clmot embed` shows what distances there are.
    margin
        Who is not this much nearer to one identity than to all others is not known.
    min_share
        Of a track's boxes, how many must say the same name.
    json
        Also write the names to this file.
    video
        Also write an MP4 with the names on the tracks.
    """
    from clmot.apps.gallery.recognise import draw_names, recognise_tracks
    from clmot.apps.gallery.report import names_content, names_table
    from clmot.inference.model import load_model
    from clmot.io.atomic import write_whole_json
    from clmot.io.sources import open_one
    from clmot.reid.gallery import Gallery

    known, pictures = Gallery.load(gallery), open_one(source)
    loaded = load_model(model, device=device)
    known.use_model(loaded.fingerprint)
    embed = loaded.embed
    named = recognise_tracks(
        known, pictures, results, embed, threshold=threshold, margin=margin, min_share=min_share, every=every
    )
    show(names_table(named))
    if json is not None:
        write_whole_json(json, names_content(named), "names")
    if video is not None:
        draw_names(pictures, results, {track: each.name for track, each in named.items() if each.name}, video)


@gallery_app.command(name="list")
def show_gallery(gallery: Path, /) -> None:
    """Show who is in a gallery, how many embeddings each has, and who looks most like them.

    Examples:

        clmot gallery list team.st

    Parameters
    ----------
    gallery
        File of the gallery.
    """
    from clmot.apps.gallery.report import identities_table
    from clmot.reid.gallery import Gallery

    show(identities_table(Gallery.load(gallery)))


@gallery_app.command(name="show")
def show_likeness(gallery: Path, /, *names: str) -> None:
    """Show how much identities look like each of the others, the most alike first.

    Examples:

        clmot gallery show team.st Ada

    Parameters
    ----------
    gallery
        File of the gallery.
    names
        Of identities; by default all.
    """
    from clmot.apps.gallery.report import likeness_table

    known = _with_names(gallery, names)
    for name in names or known.names:
        show(likeness_table(known, name))


@gallery_app.command
def remove(gallery: Path, /, *names: str) -> None:
    """Take identities out of a gallery.

    Examples:

        clmot gallery remove team.st Ada

    Parameters
    ----------
    gallery
        File of the gallery.
    names
        Of the identities.
    """
    known = _with_names(gallery, names)
    for name in names:
        known.forget(name)
    known.save(gallery)
    print(f"{gallery}: {plural(len(known), 'identity', 'identities')} left")


def _with_names(file: Path, names: Sequence[str]) -> Gallery:
    from clmot.reid.gallery import Gallery

    gallery = Gallery.load(file)
    for name in names:
        if name not in gallery:
            raise UserError(f"{file}: nobody there is called {name}{did_you_mean(name, gallery.names)}")
    return gallery


def _named_track(argument: str) -> tuple[int, str]:
    number, equals, name = argument.partition("=")
    if not (equals and number.isdecimal() and name.strip()):
        raise UserError(f"gallery enrol: '{argument}' is no ID=NAME, such as 3=Ada")
    return int(number), name.strip()
