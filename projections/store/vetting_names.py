"""The lists of names behind :mod:`projections.store.vetting`, lower-case: a policy, changed together with its tests."""

from __future__ import annotations


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


ALLOWED_TABLE_FUNCTIONS = names(
    """
    format generate_series generaterandom generateseries null numbers numbers_mt values view zeros zeros_mt
    """
)
"""Table functions for read-only users: they make rows from nothing, or from the query itself."""

FOREIGN_TABLE_FUNCTIONS = names(
    """
    arrowflight arrowstream azureblobstorage azureblobstoragecluster bigquery cluster clusterallreplicas cosn
    deltalake deltalakeazure deltalakeazurecluster deltalakecluster deltalakelocal deltalakes3
    deltalakes3cluster disk eval executable file filecluster filesystem gcs hdfs hdfscluster hive hudi
    hudicluster iceberg icebergazure icebergazurecluster icebergcluster iceberghdfs iceberghdfscluster
    iceberglocal iceberglocalcluster icebergs3 icebergs3cluster input jdbc kafka mongodb mysql nats odbc oss
    paimon paimonazure paimonazurecluster paimoncluster paimonhdfs paimonhdfscluster paimonlocal paimons3
    paimons3cluster postgresql prometheusquery prometheusqueryrange python rabbitmq redis remote remotesecure s3
    s3cluster sqlite url urlcluster ytsaurus
    """
)
"""Table functions (and ``disk(..)`` settings) that leave the database; refused for everyone."""

ALLOWED_ENGINES = names(
    """
    aggregatingmergetree atomic buffer coalescingmergetree collapsingmergetree generaterandom join log
    materializedview memory merge mergetree null replacingmergetree set stripelog summingmergetree tinylog
    versionedcollapsingmergetree view
    """
)
"""Table and database engines that keep their data in the store."""

READER_SYSTEM_TABLES = names(
    """
    aggregate_function_combinators build_options columns constraints contributors data_skipping_indices
    data_type_families databases formats functions keywords licenses numbers numbers_mt one parts parts_columns
    projections settings table_functions tables time_zones zeros zeros_mt
    """
)
"""What read-only users may see of the database ``system``: what describes, not what others do."""

NOT_CALLS = names(
    """
    all and anti any apply array as asof between both by case cast columns cross cube desc describe distinct div
    else end escape except exists explain extract fill filter final first from full global groups having ilike
    in inner interpolate intersect interval is join last leading left like limit mod not nulls offset on or
    outer over partition paste prewhere qualify range replace right rlike rollup rows sample select semi sets
    step substring table tables then ties to top trailing trim union using values when where window with within
    """
)
"""Words of the grammar that may stand before a parenthesis without being a call."""

TYPES = names(
    """
    aggregatefunction array binary char character datetime datetime32 datetime64 dec decimal decimal128
    decimal256 decimal32 decimal64 dynamic enum enum16 enum8 fixedstring json lowcardinality map nested nullable
    numeric object qbit simpleaggregatefunction time64 tuple varbinary varchar variant
    """
)
"""Types with parameters."""

NEVER_FOR_READERS = names(
    """
    addresstoline addresstolinewithinlines addresstosymbol aiclassify aiembed aiextract aifilter aigenerate
    airedact aisimilarity aitranslate catboostevaluate demangle file filesystemavailable filesystemcapacity
    filesystemunreserved getclienthttpheader getmacro getserversetting logtrace sleep sleepeachrow
    """
)
"""Functions that must not even be named: they could be passed where a function is expected (``APPLY(file)``)."""

FOREIGN_FUNCTIONS = names("file catboostevaluate")
"""Scalar functions that leave the database; refused for everyone."""
