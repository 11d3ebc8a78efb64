"""The measures of outlines: those of segmentation. What is measured of survival is no measure of a label, and
stands in the record 'survival'."""

from radiotrace.segmentation import measures

TABLE = measures.TABLE
