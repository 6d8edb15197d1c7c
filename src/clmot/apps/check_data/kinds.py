"""Every check by name: how bad its finding is, what it says, and what to do.

The sentence of a finding is a number of things (``3 boxes``) and its sign; words in braces are values of the finding.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "information"]
"""Training stops or goes wrong; it may go wrong; good to know."""
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "information")


class Kind(NamedTuple):
    """What is the same of all findings of a check.

    Attributes:
        severity: how bad it is.
        unit: what is counted, with the plural where it is irregular: ``box/boxes``.
        sign: what is the matter with them.
        advice: what to do.
    """

    severity: Severity
    unit: str
    sign: str
    advice: str


# fmt: off
KINDS = {
    # of any file
    "unreadable": Kind("error", "", "training stops here: {error}",
        "correct what the message names; what could be read all the same is checked below"),
    "degenerate boxes": Kind("warning", "", "{count:,} left out by the reader: {reason}",
        "correct the annotation, or remove the rows (--fix does)"),
    # images
    "missing images": Kind("error", "missing image", "of {total:,}",
        "put the files there, or remove their annotations (--fix does)"),
    "corrupt images": Kind("error", "corrupt image", "of {total:,}",
        "fetch or export the files again, or remove them (--fix does)"),
    "images of more than 8 bits": Kind("information", "image", "of more than 8 bits, scaled to 8: {depths}",
        "look at a few with clmot data show; where they are too bright or too dark, export 8-bit images"),
    "frame numbers given twice": Kind("warning", "image", "with the frame number of another image of their sequence",
        "number the frames of a sequence from 1 without repeats (--fix does, in the order of the images)"),
    "images of another size": Kind("error", "image", "of another size than annotated",
        "annotate the size that the boxes were drawn at, or put the images there that they were drawn on (--fix "
        "scales the boxes where the shape is the same)"),
    "same image in two splits": Kind("error", "image", "also in another of the paths",
        "what is trained on must not be scored on: leave them out of one of the two (--fix: of the later one)"),
    "similar images in two splits": Kind("warning", "image", "resembling one in another of the paths",
        "the same scene, or a copy saved again: scores on one split then flatter training on the other"),
    "same image twice": Kind("warning", "image", "in the data a second time",
        "keep one: contrastive training takes the two for different objects (--fix does)"),
    "similar images": Kind("information", "image", "resembling one of another sequence",
        "photos of one scene, or a fixed camera: the same object may be taken for two; join them to a sequence"),
    # boxes
    "no boxes": Kind("error", "", "no image has a box to train on",
        "see what was left out and why; name the format with data.format=NAME if it was taken for another"),
    "frames without boxes": Kind("information", "frame", "of {total:,} without a box",
        "fine where nothing is to be seen; frames that nobody annotated teach that people are background"),
    "duplicate boxes": Kind("warning", "box/boxes", "equal to another of the same frame",
        "keep one of each: contrastive training takes the other for a different object (--fix does)"),
    "boxes outside the image": Kind("warning", "box/boxes", "of which no part is inside the image",
        "remove them (--fix does); many of them point to wrong coordinates"),
    "boxes across the image's border": Kind("information", "box/boxes", "({share:.1%}) reaching beyond the image",
        "right where boxes hold whole objects, as in MOTChallenge: nothing is clipped"),
    "more boxes than decoding keeps": Kind("warning", "frame", "with more than {limit} boxes, up to {most}",
        "training takes them all, but at most {limit} are found: set detect.max_detections higher"),
    # coordinates
    "normalised boxes": Kind("error", "box/boxes",
        "in {sequences} are no larger than two pixels: shares of the image (0 to 1) taken for pixels",
        "multiply by the image's width and height (--fix does)"),
    "corners for sizes": Kind("error", "box/boxes",
        "in {sequences} are wider than their left and higher than their top: right and bottom written for width and "
        "height",
        "write left, top, right - left, bottom - top (--fix does)"),
    "boxes of a larger image": Kind("error", "box/boxes",
        "in {sequences} lie outside of their image by a fifth: annotated at another resolution, or in another form of"
        " box",
        "scale the boxes as the images were scaled"),
    "centre for corner": Kind("warning", "box/boxes",
        "in {sequences} stay half a box away from the left and upper border and reach half beyond the others: centres"
        " written for left and top",
        "subtract half of width and height"),
    "corner for centre": Kind("warning", "box/boxes",
        "in {sequences} stay half a box away from the right and lower border and reach half beyond the others: left "
        "and top written for centres",
        "add half of width and height"),
    "boxes of a smaller image": Kind("warning", "box/boxes",
        "in {sequences} stay in the upper left two thirds of their images: annotated at another resolution?",
        "look at the pictures; scale the boxes as the images were scaled"),
    "coordinates from 0": Kind("warning", "box/boxes",
        "in {sequences} are cut off one pixel outside of the image: written from 0 in a format that counts pixels "
        "from 1",
        "add 1 to left and top in the file; the error is a pixel"),
    "coordinates from 1": Kind("warning", "box/boxes",
        "in {sequences} are cut off at the second pixel, or one pixel beyond the image: written from 1 in a format "
        "that counts from 0",
        "subtract 1 from left and top in the file; the error is a pixel"),
    # identities
    "id twice in a frame": Kind("error", "box/boxes", "whose id another box of the frame has",
        "give each object of a frame an id of its own (--fix splits them)"),
    "ids that jump": Kind("warning", "time", "an id is somewhere else, or of another size, in the next frame",
        "one id for two objects, or two ids swapped: look at the pictures (--fix splits them)"),
    "ids of several classes": Kind("warning", "id", "with boxes of more than one class",
        "one object has one class: correct the class, or give the objects ids of their own"),
    "ids seen once": Kind("warning", "", "{count:,} of {ids} occur in one frame only",
        "these number boxes, not objects: they teach and score nothing about tracking"),
    # rows of MOTChallenge
    "lines that are no rows": Kind("error", "line", "not readable as a row",
        "correct or remove them (--fix leaves them out)"),
    "numbers that are not finite": Kind("warning", "row", "with a number that is not finite (NaN)",
        "readers leave them out; export them again, or remove them (--fix does)"),
    "boxes without area": Kind("warning", "row", "whose box has no positive width and height",
        "readers leave them out; a box is left, top, width, height (--fix removes them)"),
    "duplicate rows": Kind("warning", "row", "equal to a row before", "keep one of each (--fix does)"),
    "rows without image": Kind("warning", "row", "of frames that have no image",
        "readers leave them out; add the images, or remove the rows (--fix does)"),
    "rows sorted by frame": Kind("information", "ground-truth file", "of {total} sorted by frame, not by id",
        "nothing to do: no result depends on the order of the rows"),
    # records of COCO
    "faulty records": Kind("error", "record", "not readable", "correct or remove them (--fix leaves them out)"),
    "records of missing images": Kind("warning", "record", "of images that are not there",
        "put the files there; a partial download is read as far as it goes (--fix leaves them out)"),
    "same image id twice": Kind("error", "record", "with the id of an image before them",
        "give each image an id of its own"),
    "same file twice": Kind("error", "record", "with the file of an image before them",
        "join their annotations (--fix does)"),
    "same annotation id twice": Kind("warning", "record", "with the id of an annotation before them",
        "number the annotations anew"),
    "annotations without image": Kind("warning", "record", "of images that are not listed",
        "list the images, or remove the annotations (--fix does)"),
}
# fmt: on
