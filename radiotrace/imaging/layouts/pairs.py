"""Pairs: which label map belongs to which image, by their names and those of their folders."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from radiotrace.imaging.formats import CHANNEL_NUMBER
from radiotrace.imaging.layouts import names


@dataclass
class Pair:
    """The files of a case.

    Attributes:
        images: by channel: its number, its suffix in BIDS, or "".
    """

    images: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    label_maps: list[str] = field(default_factory=list)
    subject_id: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass
class Pairs:
    """Cases by id.

    Attributes:
        folders: that images and label maps lie in.
        is_bids: whether subjects are told by names.
    """

    by_case: dict[str, Pair] = field(default_factory=lambda: defaultdict(Pair))
    folders: tuple[str, ...] = ()
    is_bids: bool = False

    @property
    def n_whole(self) -> int:
        """Cases with an image and a label map."""
        return sum(bool(pair.images and pair.label_maps) for pair in self.by_case.values())

    @property
    def example(self) -> str:
        return next(
            pair.label_maps[0] for _, pair in sorted(self.by_case.items()) if pair.images and pair.label_maps
        )


def by_folders(paths: Sequence[str]) -> Pairs:
    """Of a folder with images and one with label maps, at any depth, in which files have equal names."""
    images: dict[str, list[str]] = defaultdict(list)
    label_maps: dict[str, list[str]] = defaultdict(list)
    folders: list[set[str]] = [set(), set()]
    for path in filter(names.is_image_file, paths):
        for number, (kind, found) in enumerate(
            ((names.IMAGE_FOLDERS, images), (names.LABEL_FOLDERS, label_maps))
        ):
            if name := _beside(path, kind):
                found[name[0]].append(path)
                folders[number].add(f"{name[1]}/")
    has_channels = bool(images) and all(CHANNEL_NUMBER.search(name) for name in images)
    has_channels = has_channels and not set(label_maps) & set(images)
    made = Pairs(folders=(*sorted(folders[0]), *sorted(folders[1])))
    for name, files in images.items():
        number = CHANNEL_NUMBER.search(name) if has_channels else None
        case_id = name if number is None else name[: number.start()]
        made.by_case[case_id].images["" if number is None else number[1]] += files
    for name, files in label_maps.items():
        bare = name if name in made.by_case else names.without_label(name)
        made.by_case[bare if bare in made.by_case else name].label_maps += files
    of_subjects = {case_id: names.bids(f"{case_id}_x") for case_id in made.by_case}
    if of_subjects and all(of_subjects.values()):
        made.is_bids = True
        for case_id, name in of_subjects.items():
            made.by_case[case_id].subject_id = name.subject if name else ""
    return made


def _beside(path: str, folders: frozenset[str]) -> tuple[str, str] | None:
    """The name of a case, and the folder of its kind: a path without that folder and its ending."""
    parts = PurePosixPath(path).parent.parts
    at = [number for number, part in enumerate(parts) if part.lower() in folders]
    if not at:
        return None
    rest = (*parts[: at[-1]], *parts[at[-1] + 1 :], names.stem(path))
    return "_".join(rest), "/".join(parts[: at[-1] + 1])


def by_suffixes(paths: Sequence[str]) -> Pairs:
    """Of label maps that are told by the end of their names, or lie in BIDS' derivatives."""
    files = list(filter(names.is_image_file, paths))
    labels = [path for path in files if _is_label(path)]
    images = [path for path in files if not _is_label(path) and not _is_derived(path)]
    found = {path: names.bids(path) for path in files}
    if labels and all(found[path] for path in labels):
        return _by_bids(images, labels, found)
    made = Pairs()
    by_name: dict[str, list[str]] = defaultdict(list)
    for path in images:
        by_name[_place(path)].append(path)
    for path in labels:
        name = names.without_label(_place(path))
        pair = made.by_case["_".join(PurePosixPath(name).parts)]
        pair.label_maps.append(path)
        if name in by_name:
            pair.images[""] = list(by_name[name])
    return made


def _by_bids(images: Sequence[str], labels: Sequence[str], found: dict[str, names.BidsName | None]) -> Pairs:
    """Of files whose names are those of BIDS, by subject, session, run and the like."""
    made = Pairs(is_bids=True)
    for path in labels:
        name = found[path]
        if name is not None:
            pair = made.by_case[name.case_id]
            pair.label_maps.append(path)
            pair.subject_id = name.subject
            pair.attributes = {"session": name.entities["ses"]} if "ses" in name.entities else {}
    for path in images:
        name = found[path]
        if name is not None and name.case_id in made.by_case:
            made.by_case[name.case_id].images[name.suffix].append(path)
    for pair in made.by_case.values():
        _only_named(pair)
    return made


def _only_named(pair: Pair) -> None:
    """Of several images of a case, those whose name the label map repeats: sub-1_T1w_seg is of sub-1_T1w."""
    asked = {names.without_label(names.stem(path)) for path in pair.label_maps}
    exact = {
        suffix: files for suffix, files in pair.images.items() if {names.stem(path) for path in files} & asked
    }
    if exact:
        pair.images = exact


def _place(path: str) -> str:
    """A path without its ending."""
    return PurePosixPath(path).with_name(names.stem(path)).as_posix()


def _is_derived(path: str) -> bool:
    return names.DERIVATIVES in PurePosixPath(path).parent.parts


def _is_label(path: str) -> bool:
    """By the end of the name; in derivatives, BIDS' own words."""
    return names.LABEL_END.search(names.stem(path)) is not None
