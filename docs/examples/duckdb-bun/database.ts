import { DuckDBInstance } from '@duckdb/node-api';

const ROWS_MAX = 1000; // of one answer

// A data base in the worker's memory. What a request asks for touches nothing
// outside of it: no files, no network, no extensions.
const instance = await DuckDBInstance.create(':memory:', {
  memory_limit: '256MB',
  threads: '1',
  enable_external_access: 'false',
});
const connection = await instance.connect();

// None of these customers exists, and each worker has the same ones.
await connection.run(`
  CREATE TABLE customers AS
    SELECT i::INTEGER AS id, list_value('Adler', 'Birnbaum', 'Castellan', 'Drake', 'Everhart')[i % 5 + 1] || ' ' || i AS name,
           list_value('Austin', 'Boston', 'Denver')[i % 3 + 1] AS city
    FROM range(1, 51) AS t(i);
  CREATE TABLE orders AS
    SELECT i::INTEGER AS id, (i * 7 % 50 + 1)::INTEGER AS customer, DATE '2026-01-01' + (i % 365)::INTEGER AS day, (i * 37 % 1000 + 1)::INTEGER AS cents
    FROM range(1, 5001) AS t(i);
  SET lock_configuration = true;
`);

// execute gives the rows of the last statement, as values that JSON can hold.
export async function execute(sql: string) {
  const reader = await connection.runAndReadUntil(sql, ROWS_MAX);
  const rows = reader.getRowObjectsJson().slice(0, ROWS_MAX);
  return { columns: reader.columnNames(), rows, complete: reader.done && reader.currentRowCount <= ROWS_MAX };
}
