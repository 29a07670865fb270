import type { RowResult } from './row.ts';
import { ROWS } from './rows.ts';

/* Measures one row in this process: `node measure.ts ROW DIRECTORY`. Its last line is the result as JSON. */

const [name, directory = ''] = process.argv.slice(2);
const row = ROWS.find((candidate) => candidate.name === name);
if (row === undefined) throw new Error(`There is no row '${name}'.`);
const { must, aim } = row;
const { value, unit, reference, ratio, p50Ms, p99Ms, ok, details } = await row.measure(directory);
const result: RowResult = { name: row.name, value, unit, reference, ratio, p50Ms, p99Ms, must, aim, ok, details };
console.log(JSON.stringify(result));
