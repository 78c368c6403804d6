"""A read-only user tries to leave the database, on the real engine. What must not be seen is a secret in a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from projections.store.vetting import reviewed_functions
from projections.store.vetting_names import names

Send = Callable[..., httpx.Response]


SECRET = "the-secret-of-the-house"

READING_ATTACKS = [
    "SELECT file('{f}')",
    "select FILE ('{f}')",
    "SELECT `file`('{f}')",
    "SELECT \"file\"('{f}')",
    "SELECT “file”('{f}')",
    "SELECT file/* */('{f}')",
    "SELECT file -- x\n('{f}')",
    "SELECT file # x\n('{f}')",
    "SELECT file // x\n('{f}')",
    "SELECT /* /* */ 1, */ file('{f}')",
    "SELECT 1 /* a /* b */ */, file('{f}')",
    "SELECT 'it\\'s', file('{f}')",
    "SELECT 'it''s', file('{f}')",
    "SELECT $a$'$a$, file('{f}')",
    "SELECT upper(file('{f}'))",
    "SELECT arrayMap(x -> file(x), ['{f}'])",
    "SELECT arrayMap(file, ['{f}'])",
    "SELECT * APPLY(file) FROM (SELECT '{f}' AS a)",
    "SELECT * APPLY file FROM (SELECT '{f}' AS a)",
    "SELECT COLUMNS('a') APPLY(`file`) FROM (SELECT '{f}' AS a)",
    "WITH file('{f}') AS x SELECT x",
    "WITH x AS (SELECT file('{f}')) SELECT * FROM x",
    "SELECT (SELECT file('{f}'))",
    "SELECT * FROM (SELECT file('{f}'))",
    "SELECT * FROM view(SELECT file('{f}'))",
    "SELECT * FROM view(SELECT * FROM view(SELECT * FROM file('{f}', 'LineAsString')))",
    "SELECT * FROM values('a String', (file('{f}')))",
    "SELECT * FROM file('{f}')",
    "SELECT * FROM file('{f}', LineAsString)",
    "SELECT * FROM file('{f}', 'LineAsString', 'line String')",
    "SELECT * FROM `file`('{f}', 'LineAsString')",
    "SELECT * FROM numbers(1) JOIN file('{f}', 'LineAsString') AS f ON 1",
    "SELECT * FROM numbers(1), file('{f}', 'LineAsString')",
    "SELECT 1 IN (SELECT line = '" + SECRET + "' FROM file('{f}', 'LineAsString'))",
    "SELECT 1 UNION ALL SELECT * FROM file('{f}', 'LineAsString')",
    "SELECT * FROM '{f}'",
    "SELECT * FROM `{f}`",
    'SELECT * FROM "{f}"',
    "SELECT * FROM default.`{f}`",
    "SELECT * FROM (SELECT 1) AS x, '{f}'",
    "DESCRIBE file('{f}')",
    "DESC TABLE file('{f}')",
    "DESCRIBE (SELECT file('{f}'))",
    "EXPLAIN SELECT file('{f}')",
    "EXPLAIN SYNTAX SELECT file('{f}')",
    "EXPLAIN PLAN actions = 1 SELECT file('{f}')",
    "EXPLAIN QUERY TREE SELECT * FROM file('{f}')",
    "SHOW TABLES LIKE file('{f}')",
    "SELECT * FROM url('file://{f}', 'LineAsString')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    "SELECT * FROM s3('http://127.0.0.1:1/a', 'CSV')",
    "SELECT * FROM remote('127.0.0.1:1', system.one)",
    "SELECT * FROM cluster('default', system.one)",
    "SELECT * FROM sqlite('{f}', 't')",
    "SELECT * FROM executable('cat {f}', 'LineAsString', 'l String')",
    "SELECT * FROM python('x')",
    "SELECT * FROM Python(x)",
    "SELECT * FROM input('a String')",
    "SELECT * FROM merge('system', '.*')",
    "SELECT * FROM loop('system', 'processes')",
    "SELECT * FROM filesystem('/')",
    "SELECT * FROM hdfs('hdfs://127.0.0.1:1/a')",
    "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM icebergLocal('{f}')",
    "SELECT * FROM deltaLakeLocal('{f}')",
    "SELECT * FROM eval('SELECT 1')",
    "SELECT * FROM viewIfPermitted(SELECT file('{f}') ELSE null('a String'))",
    "SELECT aiGenerate('x')",
    "SELECT catboostEvaluate('{f}', 1)",
    "SELECT fileIf('{f}', 1)",
    "SELECT 1 INTO OUTFILE '{f}.out'",
    "SELECT 1 INTO/**/OUTFILE '{f}.out' FORMAT CSV",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT file('{f}') SETTINGS readonly = 0",
    "SELECT * FROM (SELECT 1 SETTINGS max_execution_time = 0)",
    "SELECT 1; SELECT file('{f}')",
    "SELECT 1;;SELECT file('{f}')",
    "SELECT 1; -- x\n SELECT file('{f}')",
    "SELECT * FROM system.processes",
    "SELECT * FROM `system`.`processes`",
    'SELECT * FROM "system" . "processes"',
    "SELECT * FROM system/**/./**/users",
    "SELECT * FROM system.server_settings",
    "SHOW PROCESSLIST",
    "SHOW GRANTS",
    "SHOW SETTINGS LIKE '%'",
    "SELECT getServerSetting('path')",
    "SELECT sleep(1)",
    "SELECT sleepEachRow(1) FROM numbers(3)",
    "SELECT filesystemCapacity()",
    "FROM file('{f}', 'LineAsString') SELECT *",
    "(SELECT file('{f}'))",
    "SELECT\u00a0file('{f}')",
    "SELECT file\u3000('{f}')",
    "SELECT dictGet('x', 'a', 1) FROM dictionary('x')",
]

WRITING_ATTACKS = [
    "CREATE TABLE attack (a UInt8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE attack (a UInt8)",
    "INSERT INTO attack VALUES (1)",
    "INSERT INTO FUNCTION file('{f}.out', 'CSV', 'a UInt8') VALUES (1)",
    "DROP DATABASE default",
    "SET readonly = 0",
    "USE system",
    "SYSTEM FLUSH LOGS",
    "KILL QUERY WHERE 1",
    "WITH 1 AS x INSERT INTO attack SELECT x",
    "EXPLAIN CREATE TABLE attack (a UInt8) ENGINE = Memory",
    "OPTIMIZE TABLE attack",
    "TRUNCATE TABLE attack",
    "ALTER TABLE attack DELETE WHERE 1",
    "ATTACH TABLE attack FROM '/tmp' (a UInt8) ENGINE = MergeTree ORDER BY a",
    "BACKUP DATABASE default TO File('{f}.zip')",
    "CREATE FUNCTION attack AS (a) -> file(a)",
    "CREATE DICTIONARY attack (a UInt8) PRIMARY KEY a SOURCE(FILE(path '{f}' format 'CSV')) LAYOUT(FLAT())",
]


@pytest.fixture(scope="module")
def secret_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("outside") / "secret"
    path.write_text(SECRET + "\n")
    return path


@pytest.mark.parametrize("attack", READING_ATTACKS + WRITING_ATTACKS)
def test_reader_is_refused_and_learns_nothing(read: Send, secret_file: Path, attack: str) -> None:
    answer = read(attack.replace("{f}", str(secret_file)).encode())
    assert answer.status_code >= 400, answer.text
    assert answer.headers["X-ClickHouse-Exception-Code"] in ("62", "164", "497"), answer.text
    assert SECRET not in answer.text
    assert [path.name for path in secret_file.parent.iterdir()] == ["secret"]


FOREIGN_FOR_ALL = [attack for attack in READING_ATTACKS if "file" in attack.lower() and "{f}" in attack]


@pytest.mark.parametrize("attack", FOREIGN_FOR_ALL)
def test_even_the_writer_reads_no_file(post: Send, secret_file: Path, attack: str) -> None:
    answer = post(attack.replace("{f}", str(secret_file)).encode())
    assert SECRET not in answer.text
    assert [path.name for path in secret_file.parent.iterdir()] == ["secret"]


@pytest.mark.parametrize(
    "attack",
    [
        "CREATE TABLE attack (a String) ENGINE = File(CSV, '{f}')",
        "CREATE TABLE attack (a String) ENGINE=URL('http://127.0.0.1:1/', CSV)",
        "CREATE DATABASE attack ENGINE = Filesystem('/')",
        "CREATE TABLE attack (a UInt8) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(path = '/')",
        "CREATE FUNCTION attack AS (a) -> file(a)",
        "CREATE VIEW attack AS SELECT * FROM file('{f}', 'LineAsString')",
        "INSERT INTO FUNCTION file('{f}.out', 'CSV', 'a UInt8') VALUES (1)",
        "INSERT INTO attack FROM INFILE '{f}' FORMAT CSV",
        "INSERT INTO attack VALUES (file('{f}'))",
        "INSERT INTO attack SELECT file('{f}')",
        "SELECT 1 INTO OUTFILE '{f}.out'",
        "CREATE DICTIONARY attack (a UInt8) PRIMARY KEY a SOURCE(FILE(path '{f}' format 'CSV')) LAYOUT(FLAT())",
        "BACKUP DATABASE default TO File('{f}.zip')",
        "DROP DATABASE default",
        "DETACH DATABASE default",
        "SYSTEM SHUTDOWN",
    ],
)
def test_definitions_that_leave_the_database_are_refused_for_everyone(
    post: Send, secret_file: Path, attack: str
) -> None:
    answer = post(attack.replace("{f}", str(secret_file)).encode())
    assert answer.headers.get("X-ClickHouse-Exception-Code") == "497", answer.text


def test_a_file_is_no_table(read: Send, secret_file: Path) -> None:
    assert read(f"EXISTS TABLE `{secret_file}`").text == "0\n"


def test_parameters_do_not_smuggle_names(read: Send) -> None:
    answer = read("SELECT * FROM {d:Identifier}.{t:Identifier}", param_d="system", param_t="processes")
    assert answer.headers["X-ClickHouse-Exception-Code"] == "497"


def test_string_parameters_are_only_values(read: Send, secret_file: Path) -> None:
    answer = read("SELECT {s:String}", param_s=f"file('{secret_file}')")
    assert answer.status_code == 200
    assert SECRET not in answer.text


@pytest.mark.parametrize("name", ["readonly_", "format_schema", "additional_table_filters", "allow_ddl", "user_files"])
def test_reader_may_not_choose_settings_that_open_doors(read: Send, name: str) -> None:
    assert read("SELECT 1", **{name: "1"}).headers["X-ClickHouse-Exception-Code"] == "164"


def test_readonly_parameter_does_not_lift_the_limit(read: Send) -> None:
    answer = read("CREATE TABLE attack (a UInt8) ENGINE = Memory", readonly="0")
    assert answer.headers["X-ClickHouse-Exception-Code"] == "164"


def test_profile_settings_are_fixed_for_the_reader(read: Send) -> None:
    assert read("SELECT 1", max_execution_time="0").headers["X-ClickHouse-Exception-Code"] == "452"
    assert read("SELECT value FROM system.settings WHERE name = 'max_execution_time'").text == "30\n"


def test_reader_may_not_work_inside_system(read: Send) -> None:
    assert read("SELECT * FROM processes", database="system").headers["X-ClickHouse-Exception-Code"] == "497"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "select count() from system.tables",
        "WITH x AS (SELECT number AS n FROM numbers(10)) SELECT sum(n), quantile(0.9)(n), uniqExact(n) FROM x",
        "SELECT toStartOfHour(now()) AS `小时`, avgIf(number, 1) FROM numbers(10) GROUP BY ALL ORDER BY 1 WITH FILL",
        "SELECT sumMerge(s) FROM (SELECT sumState(number) AS s FROM numbers(3))",
        "SELECT arrayMap(x -> x * 2, [1]), map('a', 1)['a'], tuple(1, 'a').2, CAST('1' AS UInt8), '1'::Decimal(9, 2)",
        "SELECT row_number() OVER (PARTITION BY number % 2 ORDER BY number) FROM numbers(4)",
        "SELECT {a:UInt8} + 1 -- a comment; with a semicolon",
        "SELECT '中文 /* no comment */', \"a\" FROM (SELECT 1 AS a)",
        "SELECT 1 UNION ALL SELECT 2 FORMAT JSONEachRow",
        "SELECT 1 WHERE 1 IN (SELECT 1) AND 2 NOT IN (3, 4);",
        "EXPLAIN SELECT 1",
        "SHOW TABLES",
        "SHOW DATABASES",
        "SHOW CREATE TABLE information_schema.tables",
        "DESCRIBE TABLE system.one",
        "DESCRIBE (SELECT 1 AS a)",
        "EXISTS TABLE nothing",
        "(SELECT 1)",
        "SELECT a.number FROM numbers(3) AS a LEFT ANY JOIN numbers(3) AS b ON a.number = b.number",
        "SELECT number FROM numbers(10) ORDER BY number LIMIT 2 BY number % 2 LIMIT 3",
        "SELECT * EXCEPT (b) REPLACE (a + 1 AS a) FROM (SELECT 1 AS a, 2 AS b)",
        "SELECT if(number > 1, 'x', 'y') AS k, count() FROM numbers(4) GROUP BY k WITH TOTALS HAVING count() > 0",
        "SELECT dateDiff('minute', toDateTime64('2026-01-01 00:00:00', 3, 'UTC'), now64(3)) > 0",
        "SELECT INTERVAL 1 DAY + toDate('2026-01-01'), extract(day FROM toDate('2026-01-02')), substring('abc', 1, 2)",
    ],
)
def test_reader_may_read(read: Send, sql: str) -> None:
    answer = read(sql.encode(), param_a="1")
    assert answer.status_code == 200, answer.text


def test_reader_may_call_the_stores_parameterised_views(post: Send, read: Send) -> None:
    assert post("CREATE OR REPLACE VIEW doubled AS SELECT {n:UInt32} * 2 AS twice").status_code == 200
    assert read("SELECT twice FROM doubled(n = 21)").text == "42\n"


REFUSED = names(
    """
    addresstoline addresstolinewithinlines addresstosymbol aggthrow aiclassify aiembed aiextract aifilter
    aigenerate airedact aisimilarity aitranslate buildid currentprofiles currentrequesturl currentroles
    defaultprofiles defaultroles demangle displayname enabledprofiles enabledroles evalmlmethod file
    filesystemavailable filesystemcapacity filesystemunreserved fuzzquery generateserialid getclienthttpheader
    getmacro getoskernelversion getserverport getserversetting hasthreadfuzzer initial_query_id initialqueryid
    ismergetreepartcoveredby logtrace mergetreepartinfo obfuscatequery obfuscatequerywithseed serveruuid
    showcertificate sleep sleepeachrow tcpport tid zookeepersessionuptime
    """
)


def test_every_function_of_the_engine_is_reviewed_or_refused(post: Send) -> None:
    """An engine with new functions fails here; readers are refused them until someone has looked."""
    known = set(post("SELECT lower(name) FROM system.functions").text.split())
    unreviewed = {name for name in known - reviewed_functions() if not name.startswith("__")}
    assert unreviewed == REFUSED
