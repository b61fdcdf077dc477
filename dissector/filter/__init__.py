"""Display filters: Wireshark's grammar over the field registry.

`compile_filter` makes a test of an expression, `compile_part` one of a part of it; `resolve` and `values_of` read
single fields by the names that filters use. The room knows the names and types of fields, not where their values come
from: that is a `Lookup`, such as `record_lookup` for any record.
"""

from dissector.filter.compile import Filter, compile_filter, compile_part
from dissector.filter.names import ALIASES, Lookup, Reference, resolve, values_of
from dissector.filter.record import record_lookup

__all__ = [
    "ALIASES",
    "Filter",
    "Lookup",
    "Reference",
    "compile_filter",
    "compile_part",
    "record_lookup",
    "resolve",
    "values_of",
]
