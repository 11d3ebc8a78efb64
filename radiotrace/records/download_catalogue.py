"""The record 'download_catalogue': public data sets that `download` brings, with their licences and hashes.

It is data: radiotrace/download/catalogue.json. A hash stands in it only where somebody published it; where
nobody did, its key is missing, and the command says so.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from radiotrace.records.typed import LEFT_OUT, Record, Rule
from radiotrace.records.values import CountFrom1, RelativePath, Text

Md5 = Annotated[str, Rule(pattern="^[0-9a-f]{32}$")]
HttpsUrl = Annotated[str, Rule(pattern=r"^https://[a-z0-9.-]+/\S*$")]
Host = Annotated[str, Rule(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")]
DataSetName = Annotated[str, Rule(pattern="^[a-z0-9]+(-[a-z0-9]+)*$")]
Names = Annotated[tuple[Text, ...], Rule(minItems=1)]


@dataclass(frozen=True)
class Lookalike(Record):
    """A file that circulates under the name of another.

    Attributes:
        note: what is wrong with it.
    """

    md5: Md5
    note: Text


@dataclass(frozen=True)
class PlainFile(Record):
    """A file behind an address.

    Attributes:
        path: its name on disk.
        md5: as it was published; missing where none was.
        bytes: its size, where it was published.
        archive: what it is unpacked as; missing where it is taken as it is.
        inside: the folder in the archive whose content is taken; missing where all is.
        list: SHA-256 of the files that are unpacked, a file of radiotrace/download/lists/; what it does not
            name is left out.
        lookalikes: files that are known to circulate under its name.
    """

    path: RelativePath
    url: HttpsUrl
    md5: Md5 | None = None
    bytes: CountFrom1 | None = None
    archive: Literal["tar", "zip"] | None = None
    inside: RelativePath | None = None
    list: RelativePath | None = None
    lookalikes: Annotated[tuple[Lookalike, ...], LEFT_OUT] = ()


@dataclass(frozen=True)
class RepositoryRecord(Record):
    """A record of a repository that runs InvenioRDM, as Zenodo and FDAT do; it says sizes, MD5 and licence.

    Attributes:
        api: address of the record's JSON.
        archives: names of its files that are unpacked, as ZIP.
        inside: the folder in each archive whose content is taken; missing where all is.
    """

    api: HttpsUrl
    archives: Annotated[tuple[Text, ...], LEFT_OUT] = ()
    inside: RelativePath | None = None


@dataclass(frozen=True)
class NbiaCollection(Record):
    """A collection of The Cancer Imaging Archive, by the REST interface of NBIA, a ZIP for each series.

    Attributes:
        api: address before the name of the service, ends with /.
        collection: its name there.
        modalities: those that are taken where nobody asks for others.
    """

    api: HttpsUrl
    collection: Text
    modalities: Names


@dataclass(frozen=True)
class BucketSeries(Record):
    """Series in open buckets of S3, a prefix for each.

    Attributes:
        list: a table of radiotrace/download/lists/: subject, modality, bucket, series, files, bytes, licence.
        modalities: those that are taken where nobody asks for others.
    """

    list: RelativePath
    modalities: Names


@dataclass(frozen=True)
class DataSet(Record):
    """A data set, and where it comes from: plain files, a record, a collection or buckets; or what to sign.

    Attributes:
        purpose: what it can be used for here.
        licence: as its owners name it; missing where the place that it comes from is asked.
        bytes: of its files, where that is published; of series those that are taken by default.
        bytes_max: of one file that is fetched; a larger one is refused.
        hosts: those that may be talked to, also where one leads to another.
        next: the command that takes the data.
        go_on_with: the folder or file below data/ that it takes; missing where it is data/ itself.
        options: of that command, such as the task of a study that is made of the data.
        cautions: what is known to be wrong with it.
        steps: what a person has to do, where the data are given under an agreement alone.
    """

    RULES: ClassVar = {
        "oneOf": [{"required": [key]} for key in ("files", "record", "nbia", "buckets", "steps")],
        "if": {"required": ["steps"]},
        "then": {"required": ["licence"]},
        "else": {"required": ["hosts", "bytes_max"]},
    }

    name: DataSetName
    title: Text
    purpose: Text
    citation: Text
    homepage: HttpsUrl
    next: Literal["new", "from-dicom", "inspect"]
    licence: Text | None = None
    licence_url: HttpsUrl | None = None
    bytes: CountFrom1 | None = None
    bytes_max: CountFrom1 | None = None
    hosts: Annotated[tuple[Host, ...], Rule(minItems=1), LEFT_OUT] = ()
    go_on_with: RelativePath | None = None
    options: Annotated[tuple[Text, ...], LEFT_OUT] = ()
    cautions: Annotated[tuple[Text, ...], LEFT_OUT] = ()
    files: Annotated[tuple[PlainFile, ...], Rule(minItems=1), LEFT_OUT] = ()
    record_: RepositoryRecord | None = None
    nbia: NbiaCollection | None = None
    buckets: BucketSeries | None = None
    steps: Annotated[tuple[Text, ...], Rule(minItems=1), LEFT_OUT] = ()


@dataclass(frozen=True)
class Catalogue(Record):
    """The data sets that `download` knows.

    Attributes:
        sources: where the facts are from.
    """

    sources: Names
    data_sets: Annotated[tuple[DataSet, ...], Rule(minItems=1)]
