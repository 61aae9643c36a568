"""XMP: the properties that programs write into pictures and beside them, as XML."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.etree import _Element  # pyright: ignore[reportPrivateUsage]


def xmp_elements(data: bytes) -> "list[_Element]":
    """The elements of XMP in document order, as far as it can be read; none if it is no XML."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError:  # nothing in it can be recovered
        return []
    # The tag of a comment is a function.
    return [] if root is None else [each for each in root.iter() if isinstance(each.tag, str)]  # pyright: ignore[reportUnnecessaryComparison, reportUnnecessaryIsInstance]
