"""The data set as Croissant 1.0 with the fields for responsible AI (RAI 1.0): each raw file by SHA-256,
each case with its part."""

from typing import Any

from radiotrace.records import merkle, raw_files

CONFORMS_TO = ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"]
UNKNOWN = "Unknown: no source that was read says so."
# Fact of the card -> property of RAI 1.0. The timeframe is not here: it holds dates, so an unknown one cannot
# be put in words.
RAI = {
    "collection": "rai:dataCollection",
    "collection_type": "rai:dataCollectionType",
    "missing_data": "rai:dataCollectionMissingData",
    "raw_data": "rai:dataCollectionRawData",
    "imputation": "rai:dataImputationProtocol",
    "preprocessing": "rai:dataPreprocessingProtocol",
    "annotation_protocol": "rai:dataAnnotationProtocol",
    "annotation_platform": "rai:dataAnnotationPlatform",
    "annotation_analysis": "rai:dataAnnotationAnalysis",
    "annotations_per_item": "rai:annotationsPerItem",
    "annotator_demographics": "rai:annotatorDemographics",
    "machine_annotation_tools": "rai:machineAnnotationTools",
    "use_cases": "rai:dataUseCases",
    "biases": "rai:dataBiases",
    "limitations": "rai:dataLimitations",
    "social_impact": "rai:dataSocialImpact",
    "personal_sensitive_information": "rai:personalSensitiveInformation",
    "release_maintenance_plan": "rai:dataReleaseMaintenancePlan",
}
# The files of a case -> what they are.
KINDS = {"image": "images", "label_map": "label_maps"}
_CROISSANT_TERMS = (
    "citeAs",
    "column",
    "equivalentProperty",
    "extract",
    "field",
    "fileProperty",
    "fileObject",
    "fileSet",
    "format",
    "includes",
    "isLiveDataset",
    "jsonPath",
    "key",
    "md5",
    "parentField",
    "path",
    "recordSet",
    "references",
    "regex",
    "repeated",
    "replace",
    "samplingRate",
    "separator",
    "source",
    "subField",
    "transform",
)
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    **{term: f"cr:{term}" for term in _CROISSANT_TERMS},
}


def card_faults(card: dict) -> list[str]:
    """What the schema of the card cannot see: facts that cite a source which the card does not name."""
    return [
        f"facts.{name}: source {source!r} is not under sources"
        for name, fact in sorted(card["facts"].items())
        if fact
        for source in fact["sources"]
        if source not in card["sources"]
    ]


def unknown(card: dict) -> list[str]:
    """What nobody could say of the data set, sorted: facts, version and date that are null."""
    return sorted(
        [f"facts.{name}" for name, fact in card["facts"].items() if fact is None]
        + [name for name in ("version", "date_published") if card[name] is None]
    )


def croissant(dataset: dict, split: dict, card: dict, folder: str = "../data") -> dict:
    """The data set as a Croissant document, the same for the same records.

    A folder has no SHA-256, so every file is a FileObject. mlcroissant refuses a file with other bytes when
    it reads the record sets 'images_files' and 'label_maps_files'. The record set 'cases' stands in the
    document itself.

    Args:
        dataset, split: the records; a case that the split does not hold has part and fold null.
        card: the record 'dataset_card'.
        folder: of the raw files, as seen from the folder of the document.

    Raises:
        ValueError: the files do not give the root hash of the data set, or the split holds a case that the
            data set does not.
    """
    files = raw_files.hashes(dataset["cases"])
    if merkle.root(files) != dataset["dataset"]["root_sha256"]:
        raise ValueError("the files of the data set do not give its root hash")
    if strange := sorted(split["cases"].keys() - {case["case_id"] for case in dataset["cases"]}):
        raise ValueError(f"cases of the split that are not in the data set: {', '.join(strange)}")
    about = dataset["dataset"]
    citations = [f"[{source}] {text}" for source, text in sorted(card["sources"].items())]
    dated = {"version": card["version"], "datePublished": card["date_published"]}
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": about["name"] or card["name"],
        "description": _description(about, card),
        "url": card["url"],
        "license": card["licence_url"],
        "keywords": card["keywords"],
        "creator": [{"@type": "Organization", **_without_gaps(creator)} for creator in card["creators"]],
        "citeAs": "; ".join(citations),
        **_without_gaps(dated),
        **_rai(card),
        "distribution": _distribution(files, dataset["cases"], folder),
        "recordSet": [_cases(dataset["cases"], split), *map(_listing, _kinds(dataset["cases"]).values())],
    }


def _without_gaps(facts: dict) -> dict:
    return {key: value for key, value in facts.items() if value}


def _description(about: dict, card: dict) -> str:
    names = unknown(card)
    sentences = [
        about["description"] or card["name"] + ".",
        f"Unknown ({len(names)}): {', '.join(names) or 'nothing'}.",
        f"Root over all files: SHA-256 {about['root_sha256']}.",
    ]
    return " ".join(sentences)


def _rai(card: dict) -> dict:
    facts: dict[str, Any] = {term: _with_sources(card["facts"][name]) for name, term in RAI.items()}
    if kind := card["facts"]["collection_type"]:
        facts["rai:dataCollectionType"] = kind["text"]  # a word of the vocabulary, so nothing beside it
    if timeframe := card["facts"]["collection_timeframe"]:
        facts["rai:dataCollectionTimeframe"] = [timeframe["start"], timeframe["end"]]
    return facts


def _with_sources(fact: dict | None) -> str:
    return UNKNOWN if fact is None else f"{fact['text']} [{', '.join(fact['sources'])}]"


def _distribution(files: dict[str, str], cases: list[dict], folder: str) -> list[dict]:
    """A FileObject for each file, then a FileSet for the images and one for the label maps."""
    objects = [
        {
            "@type": "cr:FileObject",
            "@id": path,
            "name": path,
            "contentUrl": f"{folder}/{path}",
            "encodingFormat": _media_type(path),
            "sha256": digest,
        }
        for path, digest in sorted(files.items())
    ]
    sets = []
    for kind, name in _kinds(cases).items():
        paths = sorted({row["path"] for case in cases for row in _of_kind(case, kind).values()})
        sets.append(
            {
                "@type": "cr:FileSet",
                "@id": name,
                "name": name,
                "containedIn": [{"@id": path} for path in paths],
                "encodingFormat": sorted({_media_type(path) for path in paths}),
                "includes": "*",
            }
        )
    return objects + sets


def _kinds(cases: list[dict]) -> dict[str, str]:
    """The kinds of files that there are."""
    return {kind: name for kind, name in KINDS.items() if any(_of_kind(case, kind) for case in cases)}


def _of_kind(case: dict, kind: str) -> dict[str, dict]:
    """The files of a case, by the name of their field: "image", and "image_0001" and on for further channels;
    or "label_map"."""
    if kind == raw_files.LABEL_MAP:
        return {kind: case[kind]} if kind in case else {}
    numbered = enumerate(raw_files.images(case))
    return {f"{kind}_{number:04d}" if number else kind: source for number, source in numbered}


def _media_type(path: str) -> str:
    """No media type is registered for NIfTI, NRRD and MetaImage."""
    if path.endswith(".csv"):
        return "text/csv"
    return "application/gzip" if path.endswith(".gz") else "application/octet-stream"


def _field(record_set: str, name: str, data_type: str, **more) -> dict:
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{name}",
        "name": f"{record_set}/{name}",
        "dataType": data_type,
        **more,
    }


def _cases(cases: list[dict], split: dict) -> dict:
    """The record set of the cases, with its records."""
    fields = [name for kind in KINDS for name in _of_kind(cases[0], kind)]
    texts = ["case_id", "subject_id", "part"]
    for name in fields:
        texts += [name, f"{name}_sha256"]
    rows = []
    for case in sorted(cases, key=lambda case: case["case_id"]):
        place = split["cases"].get(case["case_id"], {"part": None, "fold": None})
        files = {name: source for kind in KINDS for name, source in _of_kind(case, kind).items()}
        row = {
            "case_id": case["case_id"],
            "subject_id": case["subject_id"],
            "part": place["part"],
            "fold": place["fold"],
            **{name: source["path"] for name, source in files.items()},
            **{f"{name}_sha256": source["sha256"] for name, source in files.items()},
        }
        rows.append({f"cases/{key}": value for key, value in row.items()})
    return {
        "@type": "cr:RecordSet",
        "@id": "cases",
        "name": "cases",
        "description": "One record a case: subject, part of the split, files.",
        "key": {"@id": "cases/case_id"},
        "field": [
            *(_field("cases", name, "sc:Text") for name in texts),
            _field("cases", "fold", "sc:Integer"),
        ],
        "data": rows,
    }


def _listing(file_set: str) -> dict:
    """The record set of the files of one kind: names and paths. mlcroissant checks their bytes first."""
    fields = [
        _field(
            f"{file_set}_files",
            name,
            "sc:Text",
            source={"fileSet": {"@id": file_set}, "extract": {"fileProperty": name}},
        )
        for name in ("filename", "fullpath")
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": f"{file_set}_files",
        "name": f"{file_set}_files",
        "description": f"The files of {file_set}.",
        "field": fields,
    }
