"""Listing: the cases of a folder in one of the layouts of which.py, and the files of each."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from radiotrace.imaging import content, decoding, formats, links, tables
from radiotrace.imaging.layouts import medmnist, names, pairs, reading, voc, which
from radiotrace.imaging.layouts.medmnist import Published
from radiotrace.imaging.layouts.voc import VocBox
from radiotrace.imaging.layouts.which import Layout

CASES_OF_ARRAYS_MAX = 100_000
PART_OF = {"train": "train", "val": "validation", "test": "test"}  # name in files of arrays -> part
PARTS_OF_ARRAYS = tuple(PART_OF)
LABEL_MAP = "a label map"


@dataclass(frozen=True)
class Asked:
    """What a person says of the data, because the files do not.

    Attributes:
        name, licence: of the data set.
        labels: (name, the value in the files), without the background.
        modality: a name for each channel.
        pixel_mm: along x and y, of pictures.
        is_grey: whether pictures of colour are brought to grey.
        is_cleaned: whether no file is copied as it is, so that no header's text comes along.
        has_classes: whether the task tells classes, so that a case needs no label map.
    """

    name: str
    licence: str | None = None
    labels: tuple[tuple[str, int], ...] = ()
    modality: tuple[str, ...] = ()
    pixel_mm: tuple[float, float] | None = None
    is_grey: bool = False
    is_cleaned: bool = False
    has_classes: bool = False


@dataclass(frozen=True)
class Source:
    """The files of a case, as they lie in the folder.

    Attributes:
        images: one for each channel, or one that has them all.
        label_map: "" where the case has a class in its place.
        subject_id: "" where nobody says.
        classes: numbers of the labels that it has, where it has no label map.
        part: that the data give it; "" where they give none.
        boxes: of a picture with boxes; None where there are none to be had.
        stated_pixels: along x and y, as the file of its boxes says.
    """

    case_id: str
    images: tuple[str, ...]
    label_map: str
    subject_id: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    classes: tuple[int, ...] | None = None
    part: str = ""
    boxes: tuple[VocBox, ...] | None = None
    stated_pixels: tuple[int, int] | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """Each file: those of the image, then the label map where there is one."""
        return (*self.images, *((self.label_map,) if self.label_map else ()))


@dataclass
class Listing:
    """The cases of a folder.

    Attributes:
        sources: sorted by case_id.
        channels: names that the layout itself has; () where it has none.
        declared: dataset.json, where there is one.
        notes: what to know that stops nothing.
        left_out: how many files belong to no case.
        is_exclusive: whether a case has one class, where cases have classes.
        published: what was published of the data set.
        class_names: number -> name, where the files themselves name classes.
    """

    sources: list[Source] = field(default_factory=list)
    channels: tuple[str, ...] = ()
    declared: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: int = 0
    is_exclusive: bool = True
    published: Published | None = None
    class_names: dict[int, str] = field(default_factory=dict)


def of(root: Path, paths: Sequence[str], layout: Layout, asked: Asked) -> Listing:
    """The cases of a folder of one of which.CONVERTED, with everything that is wrong with names and paths."""
    made = Listing()
    if layout.kind == which.TABLE:
        _of_table(root, made)
    elif layout.kind == which.FOUR_D:
        _of_msd(root, made)
    elif layout.kind == which.ARRAYS:
        _of_arrays(root, paths, asked, made)
    elif layout.kind == which.BOXES:
        _of_boxes(root, paths, asked, made)
    else:
        is_by_folder = layout.kind == which.FOLDERS
        found = pairs.by_folders(paths) if is_by_folder else pairs.by_suffixes(paths)
        _of_pairs(found, is_by_folder, asked, made)
    made.faults += _faults_of_ids([source.case_id for source in made.sources])
    if layout.kind == which.ARRAYS:
        made.left_out = len(paths) - 1
    else:
        used = {path for source in made.sources for path in source.files}
        used |= {which.SUBJECTS, *((which.DATASET,) if layout.kind == which.FOUR_D else ())}
        made.left_out = len(set(paths) - used)
        if layout.kind not in (which.TABLE, which.BOXES):
            _take_subjects(root, made)
        _check_files(root, made)
    if not made.sources and not made.faults:
        made.faults.append("0 cases")
    return made


def _of_table(root: Path, made: Listing) -> None:
    table = _read_table(root, made)
    if table is None:
        return
    columns = list(next(iter(table.attributes_of.values()), {}))
    of_images = [column for column in columns if which.is_image_column(column)]
    if "image" in of_images and len(of_images) > 1:
        made.faults.append(
            f"{which.SUBJECTS}: columns {', '.join(of_images)}; expected either image, or image_NAME for "
            "each of several channels"
        )
    if len(of_images) > 1:
        made.channels = tuple(column.removeprefix("image_") for column in of_images)
    for case_id, row in sorted(table.attributes_of.items()):
        empty = [column for column in (*of_images, "label_map") if not row[column]]
        made.faults += [f"{case_id}: no {column} in {which.SUBJECTS}" for column in empty]
        if empty:
            continue
        attributes = {key: value for key, value in row.items() if key not in (*of_images, "label_map")}
        images = tuple(_plain(row[column]) for column in of_images)
        subject = table.subject_of[case_id]
        made.sources.append(Source(case_id, images, _plain(row["label_map"]), subject, attributes))


def _read_table(root: Path, made: Listing) -> tables.Table | None:
    """cases.csv; None where it cannot be used, which is added."""
    path = root / which.SUBJECTS
    if path.stat().st_size > which.TABLE_BYTES_MAX:
        made.faults.append(
            f"{which.SUBJECTS}: {path.stat().st_size} bytes; at most {which.TABLE_BYTES_MAX} are read"
        )
        return None
    return tables.read(path.read_bytes(), which.SUBJECTS, made.faults)


def _take_subjects(root: Path, made: Listing) -> None:
    """Gives the cases the subjects and attributes of a cases.csv that names no files."""
    path = root / which.SUBJECTS
    if path.is_symlink() or not path.is_file():
        return
    table = _read_table(root, made)
    if table is None:
        return
    ids = {source.case_id for source in made.sources}
    made.faults += [
        f"{case_id}: not in {which.SUBJECTS}, so that its subject is unknown"
        for case_id in sorted(ids - table.subject_of.keys())
    ]
    made.faults += [
        f"{case_id}: in {which.SUBJECTS}, but no case of the folder has this name"
        for case_id in sorted(table.subject_of.keys() - ids)
    ]
    made.notes.append(f"subjects are those of {which.SUBJECTS}")
    made.sources = [
        replace(
            source,
            subject_id=table.subject_of[source.case_id],
            attributes=source.attributes | table.attributes_of[source.case_id],
        )
        for source in made.sources
        if source.case_id in table.subject_of
    ]


def _plain(path: str) -> str:
    """A path without "./"."""
    return PurePosixPath(path).as_posix()


def _of_msd(root: Path, made: Listing) -> None:
    made.declared = which.declared_by(root) or {}
    entries = made.declared.get("training")
    for number, entry in enumerate(entries if isinstance(entries, list) else []):
        image, label_map = (entry.get("image"), entry.get("label")) if isinstance(entry, dict) else ("", None)
        if not isinstance(image, str) or not isinstance(label_map, str):
            made.faults.append(
                f"{which.DATASET}: training[{number}]: found {entry!r}, expected an image and a label"
            )
            continue
        image, label_map = _plain(image), _plain(label_map)
        case_id = decoding.case_name(PurePosixPath(image).name)
        made.sources.append(Source(case_id, (image,), label_map))
    made.sources.sort(key=lambda source: source.case_id)
    modality = made.declared.get("modality")
    if isinstance(modality, dict):
        made.channels = tuple(str(modality[key]) for key in sorted(modality, key=lambda key: (len(key), key)))
    elif modality:
        made.channels = tuple(map(str, modality if isinstance(modality, list) else [modality]))


def _of_pairs(found: pairs.Pairs, is_by_folder: bool, asked: Asked, made: Listing) -> None:
    whole = {case_id: pair for case_id, pair in found.by_case.items() if pair.images and pair.label_maps}
    chosen = _chosen_channels(whole, asked, made)
    for case_id, pair in sorted(found.by_case.items()):
        for images in pair.images.values():
            if len(images) > 1:
                made.faults.append(
                    f"{case_id}: {' and '.join(sorted(images))} have one name; expected one image. Name "
                    f"files in a table, {which.SUBJECTS}"
                )
        if len(pair.label_maps) > 1:
            made.faults.append(
                f"{case_id}: {len(pair.label_maps)} label maps, {' and '.join(sorted(pair.label_maps)[:3])}; "
                f"expected one. Take the others away, or name files in a table, {which.SUBJECTS}"
            )
        if not pair.images:
            made.faults.append(
                f"{pair.label_maps[0]}: no image has its name. Add it, take the label map away, or name "
                f"files in a table, {which.SUBJECTS}"
            )
        elif not pair.label_maps and is_by_folder:
            first = next(iter(pair.images.values()))[0]
            made.faults.append(f"{first}: no label map has its name. Add it, or take the image away")
        elif case_id in whole:
            missing = [channel for channel in chosen if channel not in pair.images]
            if missing:
                made.faults.append(
                    f"{case_id}: no image of channel {', '.join(missing)}, which other cases have; found "
                    f"{', '.join(sorted(pair.images))}. --modality chooses those that all have"
                )
                continue
            images = tuple(pair.images[channel][0] for channel in chosen)
            made.sources.append(Source(case_id, images, pair.label_maps[0], pair.subject_id, pair.attributes))
    if found.is_bids:
        made.notes.append("names (sub-…) say which images are of one person, as BIDS has them")


def _chosen_channels(whole: dict[str, pairs.Pair], asked: Asked, made: Listing) -> tuple[str, ...]:
    """The keys of images that every case must have: those that --modality names where it does, else all."""
    there = sorted({channel for pair in whole.values() for channel in pair.images})
    if asked.modality and set(asked.modality) <= set(there):
        made.channels = asked.modality
        return asked.modality
    if len(there) > 1 and not all(name.isdigit() for name in there):
        made.channels = tuple(there)
    return tuple(there)


def _of_arrays(root: Path, paths: Sequence[str], asked: Asked, made: Listing) -> None:
    """Of a file of arrays, as MedMNIST has them: train_images, val_images, …, and label maps or classes
    beside them."""
    files = [path for path in paths if path.lower().endswith(which.ENDING)]
    if len(files) > 1:
        made.faults.append(f"{len(files)} files of arrays, {', '.join(files[:3])}; expected one")
        return
    [file] = files
    try:
        shapes = reading.shapes_of_arrays(root / file)
    except content.VolumeError as error:
        made.faults.append(f"{file}: {error}")
        return
    parts = [part for part in PARTS_OF_ARRAYS if f"{part}_images" in shapes]
    if asked.has_classes:
        _of_classes(root, file, parts, shapes, made)
        return
    without = []
    for part in parts:
        images = f"{part}_images"
        label_maps = next(
            (
                name
                for name in (f"{part}_masks", f"{part}_labels")
                if _is_map(shapes.get(name), shapes[images])
            ),
            None,
        )
        if label_maps is None:
            without.append(part)
            continue
        n_cases = shapes[images][0]
        if n_cases > CASES_OF_ARRAYS_MAX:
            made.faults.append(f"{file}: {n_cases} {images}; at most {CASES_OF_ARRAYS_MAX} are read")
            continue
        for number in range(n_cases):
            made.sources.append(
                Source(
                    f"{part}_{number:05d}",
                    (f"{file}:{images}:{number}",),
                    f"{file}:{label_maps}:{number}",
                    attributes={"given_part": part},
                )
            )
    if without:
        made.faults.append(_no_label_maps(file, without, shapes))
    if not parts:
        made.faults.append(
            f"{file}: found the arrays {', '.join(sorted(shapes)) or 'none'}; expected train_images and "
            "train_masks, and the like of val and test, as MedMNIST names them"
        )
    made.sources.sort(key=lambda source: source.case_id)


def _of_classes(
    root: Path, file: str, parts: Sequence[str], shapes: dict[str, tuple[int, ...]], made: Listing
) -> None:
    """Of a file of arrays with a class for each image."""
    made.published = medmnist.of_file(file)
    for part in parts:
        images, labels = f"{part}_images", f"{part}_labels"
        n_cases = shapes[images][0]
        if n_cases > CASES_OF_ARRAYS_MAX:
            made.faults.append(f"{file}: {n_cases} {images}; at most {CASES_OF_ARRAYS_MAX} are read")
            continue
        if labels not in shapes or shapes[labels][:1] != (n_cases,) or len(shapes[labels]) > 2:
            found = "x".join(map(str, shapes[labels])) if labels in shapes else "nothing"
            made.faults.append(
                f"{file}: {labels}: found {found}, expected a class for each of {n_cases} images"
            )
            continue
        try:
            rows = reading.classes_of_arrays(root / file, labels)
        except content.VolumeError as error:
            made.faults.append(f"{file}: {error}")
            continue
        made.is_exclusive = made.is_exclusive and len(rows[0]) == 1
        for number, row in enumerate(rows):
            classes = row if len(row) == 1 else tuple(place + 1 for place, one in enumerate(row) if one)
            made.sources.append(
                Source(
                    f"{part}_{number:05d}",
                    (f"{file}:{images}:{number}",),
                    label_map="",
                    classes=classes,
                    part=PART_OF[part],
                )
            )
    made.sources.sort(key=lambda source: source.case_id)


def _of_boxes(root: Path, paths: Sequence[str], asked: Asked, made: Listing) -> None:
    """Of pictures with boxes, as Pascal VOC has them."""
    above = voc.folder_of(paths) or ""
    if not asked.has_classes:
        made.faults.append("pictures have boxes and no label maps: --task detection learns from boxes")
        return
    if asked.labels:
        made.faults.append("--label: the files name their labels; correct them there")
    pictures: dict[str, list[str]] = defaultdict(list)
    annotations = []
    for path in paths:
        pure = PurePosixPath(path)
        if pure.parent == PurePosixPath(above, voc.PICTURES) and names.is_picture(path):
            pictures[pure.stem].append(path)
        if pure.parent == PurePosixPath(above, voc.ANNOTATIONS) and path.lower().endswith(voc.ENDING):
            annotations.append(path)
    part_of = voc.parts(root, above, paths, made.faults)
    read: dict[str, voc.Annotation] = {}
    for path in annotations:
        stem = PurePosixPath(path).stem
        if len(pictures[stem]) != 1:
            made.faults.append(f"{path}: {len(pictures[stem])} pictures have its name, expected one")
            continue
        try:
            data = content.read(root / path).data
        except content.VolumeError as error:
            made.faults.append(f"{path}: {error}")
            continue
        annotation = voc.read(data, path, made.faults)
        if annotation is not None:
            read[stem] = annotation
    stems = {PurePosixPath(path).stem for path in annotations}
    made.faults += [
        f"{rows[0]}: no file in {voc.ANNOTATIONS} has its name; one without an object says that it shows none"
        for stem, rows in sorted(pictures.items())
        if rows and stem not in stems
    ]
    made.faults += [
        f"{stem[:160]}: stands in a list of {voc.LISTS}, and there is no such picture"
        for stem in sorted(part_of.keys() - stems)
    ]
    if 0 < len(part_of.keys() & stems) < len(stems):
        without = len(stems - part_of.keys())
        made.notes.append(f"{without} pictures stand in no list of {voc.LISTS}: no part is taken from there")
        part_of = {}
    labels = sorted({box.name for annotation in read.values() for box in annotation.boxes})
    made.is_exclusive = False
    made.class_names = {0: "none"} | dict(enumerate(labels, 1))
    for stem, annotation in sorted(read.items()):
        made.sources.append(
            Source(
                stem,
                (pictures[stem][0],),
                label_map="",
                classes=tuple(sorted({labels.index(box.name) + 1 for box in annotation.boxes})),
                part=part_of.get(stem, ""),
                boxes=annotation.boxes,
                stated_pixels=annotation.size,
            )
        )
    made.notes.append("boxes.csv has the boxes as they stand, faulty ones too: the stage 'boxes' names those")


def _is_map(shape: tuple[int, ...] | None, of_images: tuple[int, ...]) -> bool:
    """Whether an array has a value for each pixel of the images."""
    if shape is None or len(shape) < 3:
        return False
    return shape == of_images or (len(of_images) == len(shape) + 1 and shape == of_images[:-1])


def _no_label_maps(file: str, parts: list[str], shapes: dict[str, tuple[int, ...]]) -> str:
    """What is said of parts that have classes, or nothing, where label maps would be."""
    classes = [f"{part}_labels" for part in parts if f"{part}_labels" in shapes]
    needed = f"segmentation needs a label map for each image, {parts[0]}_masks, of the images' size"
    if not classes:
        return f"{file}: {', '.join(f'{part}_images' for part in parts)} have no label maps; {needed}"
    return (
        f"{file}: {', '.join(classes)} {_have(classes)} a class for each image, {shapes[classes[0]][0]} in "
        f"{classes[0]}. To tell classes is another task, --task classification; {needed}"
    )


def _have(several: Sequence[str]) -> str:
    return "has" if len(several) == 1 else "have"


def _faults_of_ids(ids: list[str]) -> list[str]:
    """What is wrong with names of cases, after which files are named."""
    faults = []
    spellings: dict[str, list[str]] = defaultdict(list)
    for case_id in ids:
        spellings[case_id.casefold()].append(case_id)
        if not formats.CASE_ID.fullmatch(case_id) or len(case_id) > formats.CASE_ID_LENGTH_MAX:
            faults.append(
                f"{case_id[:160]!r}: expected a name of letters, digits, '.', '_' and '-', at most "
                f"{formats.CASE_ID_LENGTH_MAX}. Rename the files, or give case_id in a table, "
                f"{which.SUBJECTS}"
            )
    for several in spellings.values():
        if len(several) > 1:
            differ = "one name" if len(set(several)) == 1 else "names that differ in capitals only"
            faults.append(f"{' and '.join(several)}: {len(several)} cases with {differ}")
    return faults


def _check_files(root: Path, made: Listing) -> None:
    """Adds what is wrong with paths, and leaves out the cases that have such a one."""
    sound = []
    roles: dict[str, str] = {}
    for source in made.sources:
        label_fault = _fault_of_path(root, source.label_map) if source.label_map else None
        faults = [label_fault] if label_fault else []
        for path in dict.fromkeys(source.images):
            if fault := _fault_of_path(root, path):
                faults.append(fault)
            role = roles.setdefault(path, f"the image of {source.case_id}")
            if role != f"the image of {source.case_id}":
                faults.append(f"{path} is {role}, too; a file has one role")
        if len(set(source.images)) < len(source.images):
            faults.append(f"{source.images[0]} stands for several channels; a file has one role")
        role = roles.setdefault(source.label_map, LABEL_MAP)  # which several images may share
        if source.label_map and role != LABEL_MAP:
            faults.append(f"{source.label_map} is {role}, too; a file has one role")
        made.faults += [f"{source.case_id}: {fault}" for fault in faults]
        if not faults:
            sound.append(source)
    made.sources = sound


def _fault_of_path(root: Path, path: str) -> str | None:
    if not path.isprintable() or "\\" in path or ":" in path:
        return f"{path!r} holds ':', a backslash, or characters that are not seen"
    if PurePosixPath(path).is_absolute():
        return f"{path} is an absolute path; expected one that begins in the folder"
    if ".." in PurePosixPath(path).parts:
        return f"{path} leaves the folder; expected a path without '..'"
    steps = [root / part for part in (path, *map(str, PurePosixPath(path).parents)) if part != "."]
    if any(step.is_symlink() for step in steps) or links.leaves(root, path):
        return f"{path} is a link, or lies behind one; copy what it leads to"
    if not (root / path).exists():
        return f"{path} is missing"
    if not (root / path).is_file():
        return f"{path} is no file"
    if not names.is_image_file(path):
        ending = PurePosixPath(path).suffix.lower()
        kind, way_out = formats.UNREAD.get(
            ending, (f"ends in {ending or 'nothing'}, which is not read", "Convert it to .nii.gz")
        )
        return f"{path}: {kind}. {way_out}"
    return None
