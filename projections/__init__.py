"""What we remember: ClickHouse tables, migrations, writer, rollups, queries and the embedded store."""
